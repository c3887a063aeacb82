#include "server/memory_limit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace latent {
namespace {

TEST(MemoryLimitTest, ReadsALimit) { EXPECT_EQ(ParseMemoryMax("1073741824\n"), 1u << 30); }

TEST(MemoryLimitTest, ReadsNoLimit) {
  EXPECT_EQ(ParseMemoryMax("max\n"), std::nullopt);
  EXPECT_EQ(ParseMemoryMax(""), std::nullopt);
  EXPECT_EQ(ParseMemoryMax("-1\n"), std::nullopt);
}

TEST(MemoryLimitTest, TakesTheCgroupsIfItIsLess) {
  const auto root =
      std::filesystem::temp_directory_path() / ("latent-cgroup-" + std::to_string(::getpid()));
  std::filesystem::create_directories(root);
  std::ofstream(root / "memory.max") << "4096\n";
  EXPECT_EQ(MeasureMemoryBytes(root), 4096u);
  std::filesystem::remove_all(root);
}

TEST(MemoryLimitTest, LeavesAQuarter) {
  EXPECT_LE(DefaultMemoryBudgetMib() << 20, MeasureMemoryBytes() / 4 * 3 + 3);
  EXPECT_GE(DefaultMemoryBudgetMib(), 1u);
}

}  // namespace
}  // namespace latent

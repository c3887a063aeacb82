#include "server/cpu_budget.h"

#include <gtest/gtest.h>

namespace latent {
namespace {

TEST(CpuBudgetTest, ReadsAQuota) { EXPECT_EQ(ParseCpuMax("150000 100000\n"), 1.5); }

TEST(CpuBudgetTest, ReadsNoLimit) {
  EXPECT_EQ(ParseCpuMax("max 100000\n"), std::nullopt);
  EXPECT_EQ(ParseCpuMax(""), std::nullopt);
  EXPECT_EQ(ParseCpuMax("-1\n 100000\n"), std::nullopt);
}

TEST(CpuBudgetTest, HasAtLeastOneCore) { EXPECT_GE(MeasureCpuBudget().cores, 1); }

TEST(CpuBudgetTest, LoopsTakeHalfOfTheCores) {
  EXPECT_EQ(DefaultLoops({.cores = 1}), 1);
  EXPECT_EQ(DefaultLoops({.cores = 8}), 4);
}

TEST(CpuBudgetTest, TrainingLeavesACoreUnderAQuota) {
  EXPECT_EQ(DefaultTrainThreads({.cores = 4}), 4);
  EXPECT_EQ(DefaultTrainThreads({.cores = 4, .has_quota = true}), 3);
  EXPECT_EQ(DefaultTrainThreads({.cores = 1, .has_quota = true}), 1);
}

}  // namespace
}  // namespace latent

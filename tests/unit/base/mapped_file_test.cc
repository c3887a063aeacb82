#include "core/base/mapped_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "core/base/durable_file.h"

namespace latent {
namespace {

class MappedFileTest : public testing::Test {
 protected:
  MappedFileTest()
      : dir_(std::filesystem::temp_directory_path() /
             ("latent-mapped-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(dir_);
  }
  ~MappedFileTest() override { std::filesystem::remove_all(dir_); }

  std::string File(const std::string& bytes) {
    std::string path = dir_ / "file";
    EXPECT_TRUE(WriteNewFile(path, bytes).ok());
    return path;
  }

  const std::filesystem::path dir_;
};

TEST_F(MappedFileTest, ShowsTheBytes) {
  const auto file = MappedFile::Open(File("abc"), 3);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->bytes(), "abc");
}

TEST_F(MappedFileTest, ShowsAnEmptyFile) {
  const auto file = MappedFile::Open(File(""), 3);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->bytes(), "");
}

TEST_F(MappedFileTest, OutlivesTheName) {
  const std::string path = File("abc");
  auto file = MappedFile::Open(path, 3);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(RemoveTree(path).ok());
  const MappedFile moved = *std::move(file);
  EXPECT_EQ(moved.bytes(), "abc");
}

TEST_F(MappedFileTest, RefusesMoreThanAllowed) {
  EXPECT_EQ(MappedFile::Open(File("abcd"), 3).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(MappedFileTest, RefusesWhatIsNoFile) {
  EXPECT_EQ(MappedFile::Open(dir_, 3).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(MappedFile::Open(dir_ / "none", 3).status().code(), absl::StatusCode::kNotFound);
  std::filesystem::create_symlink(File("abc"), dir_ / "link");
  EXPECT_EQ(MappedFile::Open(dir_ / "link", 3).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace latent

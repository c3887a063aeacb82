#include "core/base/durable_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/base/sha256.h"

namespace latent {
namespace {

class DurableFileTest : public testing::Test {
 protected:
  DurableFileTest() {
    std::string pattern = testing::TempDir() + "latent-file-XXXXXX";
    dir_ = mkdtemp(pattern.data());
  }
  ~DurableFileTest() override { RemoveTree(dir_).IgnoreError(); }
  std::string At(const std::string& name) const { return dir_ + "/" + name; }
  std::string dir_;
};

TEST_F(DurableFileTest, WritesAndReads) {
  ASSERT_TRUE(WriteNewFile(At("a"), "bytes").ok());
  EXPECT_EQ(ReadWholeFile(At("a"), 5).value(), "bytes");
  EXPECT_EQ(ReadFileRange(At("a"), 1, 3).value(), "yte");
  EXPECT_EQ(ReadFileRange(At("a"), 9, 3).value(), "");
  EXPECT_EQ(HashFile(At("a")).value(), Sha256Hex("bytes"));
  EXPECT_EQ(FileSize(At("a")).value(), 5u);
}

TEST_F(DurableFileTest, NeverOverwritesWithWriteNewFile) {
  ASSERT_TRUE(WriteNewFile(At("a"), "1").ok());
  EXPECT_EQ(WriteNewFile(At("a"), "2").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadWholeFile(At("a"), 5).value(), "1");
}

TEST_F(DurableFileTest, ReplacesInOneStep) {
  ASSERT_TRUE(ReplaceFile(At("a"), "1").ok());
  ASSERT_TRUE(ReplaceFile(At("a"), "2").ok());
  EXPECT_EQ(ReadWholeFile(At("a"), 5).value(), "2");
  EXPECT_THAT(ListDirectory(dir_).value(), testing::ElementsAre("a"));
}

TEST_F(DurableFileTest, DoesNotFollowLinks) {
  ASSERT_TRUE(WriteNewFile(At("a"), "1").ok());
  ASSERT_EQ(symlink("a", At("link").c_str()), 0);
  EXPECT_EQ(ReadWholeFile(At("link"), 5).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(WriteNewFile(At("link"), "2").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_FALSE(DurableFile::OpenForWriting(At("link")).ok());
}

TEST_F(DurableFileTest, RemovesALinkAndNotItsTarget) {
  ASSERT_TRUE(MakeDirectories(At("kept")).ok());
  ASSERT_TRUE(WriteNewFile(At("kept/file"), "1").ok());
  ASSERT_TRUE(MakeDirectories(At("tree/sub")).ok());
  ASSERT_EQ(symlink("../kept", At("tree/link").c_str()), 0);
  ASSERT_TRUE(RemoveTree(At("tree")).ok());
  EXPECT_FALSE(PathExists(At("tree")));
  EXPECT_TRUE(PathExists(At("kept/file")));
}

TEST_F(DurableFileTest, RefusesToReadMoreThanAsked) {
  ASSERT_TRUE(WriteNewFile(At("a"), "12345").ok());
  EXPECT_EQ(ReadWholeFile(At("a"), 4).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadWholeFile(dir_, 4).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadWholeFile(At("b"), 4).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DurableFileTest, MovesButNeverReplaces) {
  ASSERT_TRUE(MakeDirectories(At("from")).ok());
  ASSERT_TRUE(MoveInto(At("from"), At("to")).ok());
  ASSERT_TRUE(MakeDirectories(At("from")).ok());
  EXPECT_EQ(MoveInto(At("from"), At("to")).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(DurableFileTest, MakesMissingAncestors) {
  EXPECT_TRUE(MakeDirectories(At("a/b/c")).ok());
  EXPECT_TRUE(MakeDirectories(At("a/b/c")).ok());
  ASSERT_TRUE(WriteNewFile(At("file"), "").ok());
  EXPECT_EQ(MakeDirectories(At("file")).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DurableFileTest, SaysSoWhereNoDirectoryCanBeMade) {
  EXPECT_EQ(MakeDirectories("/proc/latent_test").code(), absl::StatusCode::kNotFound);
}

TEST_F(DurableFileTest, WritesAtOffsets) {
  auto file = DurableFile::OpenForWriting(At("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->WriteAt(0, "12345").ok());
  ASSERT_TRUE(file->Truncate(3).ok());
  ASSERT_TRUE(file->WriteAt(3, "xy").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(ReadWholeFile(At("a"), 9).value(), "123xy");
}

TEST_F(DurableFileTest, CountsBytesOfATree) {
  ASSERT_TRUE(MakeDirectories(At("a/b")).ok());
  ASSERT_TRUE(WriteNewFile(At("a/b/c"), "123").ok());
  ASSERT_TRUE(WriteNewFile(At("a/d"), "45").ok());
  EXPECT_EQ(TreeBytes(At("a")), 5u);
  EXPECT_TRUE(SyncTree(At("a")).ok());
}

TEST_F(DurableFileTest, ErrorsNameNoFolder) {
  const absl::Status status = ReadWholeFile(At("missing"), 1).status();
  EXPECT_THAT(std::string(status.message()), testing::Not(testing::HasSubstr(dir_)));
}

}  // namespace
}  // namespace latent

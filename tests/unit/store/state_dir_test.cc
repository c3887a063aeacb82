#include "core/store/state_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include "core/base/status.h"
#include "tests/unit/store/store_fixture.h"

namespace latent {
namespace {

TEST(StateDirTest, MakesAPrivateDirectory) {
  const TemporaryDir dir;
  const auto state = StateDir::Open(dir.path() + "/a/state");
  ASSERT_TRUE(state.ok()) << state.status();
  struct stat info {};
  ASSERT_EQ(stat((*state)->root().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST(StateDirTest, RefusesASecondOwner) {
  const TemporaryDir dir;
  const auto first = StateDir::Open(dir.path());
  ASSERT_TRUE(first.ok());
  const absl::Status status = StateDir::Open(dir.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("another process"));
}

TEST(StateDirTest, MayBeOwnedAgain) {
  const TemporaryDir dir;
  ASSERT_TRUE(StateDir::Open(dir.path()).ok());
  EXPECT_TRUE(StateDir::Open(dir.path()).ok());
}

TEST(StateDirTest, RefusesWhatOthersMayWrite) {
  const TemporaryDir dir;
  ASSERT_EQ(chmod(dir.path().c_str(), 0777), 0);
  EXPECT_EQ(StateDir::Open(dir.path()).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(StateDirTest, KeepsAReserveOfFreeSpace) {
  const TemporaryDir dir;
  const auto state = StateDir::Open(dir.path());
  ASSERT_TRUE(state.ok());
  EXPECT_TRUE((*state)->CheckFreeSpace(1).ok());
  const absl::Status status = (*state)->CheckFreeSpace((*state)->MeasureUsage().free);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(status).reason, "DISK_FULL");
}

TEST(StateDirTest, QuarantineTakesWhatIsThere) {
  const TemporaryDir dir;
  const auto state = StateDir::Open(dir.path());
  ASSERT_TRUE(state.ok());
  const std::string path = (*state)->root() + "/thing";
  EXPECT_EQ((*state)->Quarantine(path, "thing").value(), "");
  ASSERT_TRUE(WriteNewFile(path, "x").ok());
  const auto target = (*state)->Quarantine(path, "thing");
  ASSERT_TRUE(target.ok());
  EXPECT_FALSE(PathExists(path));
  EXPECT_TRUE(PathExists(*target));
}

}  // namespace
}  // namespace latent

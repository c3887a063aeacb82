#include "core/base/ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace latent {
namespace {

TEST(IdsTest, AcceptsTheRule) {
  for (const char* id : {"a", "0", "a-b_c", "model-1"}) EXPECT_TRUE(IsValidId(id)) << id;
  EXPECT_TRUE(IsValidId(std::string(63, 'a')));
}

TEST(IdsTest, RefusesEverythingElse) {
  for (const char* id : {"", "-a", "_a", "A", "a.b", "a/b", "..", "a b", "\xc3\xa4", "a\n"}) {
    EXPECT_FALSE(IsValidId(id)) << id;
  }
  EXPECT_FALSE(IsValidId(std::string(64, 'a')));
}

TEST(IdsTest, SaysWhatCame) {
  const absl::Status status = CheckId("model", "A\n");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("got \"A\\x0a\""));
  EXPECT_TRUE(CheckId("model", "a").ok());
}

TEST(IdsTest, RandomIdsAreValidAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    for (const std::string& id : {RandomUuid(), RandomId("job")}) {
      EXPECT_TRUE(IsValidId(id)) << id;
      EXPECT_TRUE(seen.insert(id).second);
    }
  }
}

}  // namespace
}  // namespace latent

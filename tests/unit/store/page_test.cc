#include "core/store/page.h"

#include <gtest/gtest.h>

namespace latent {
namespace {

TEST(PageTest, TokensComeBack) {
  const std::string token = MakePageToken("models", "name");
  EXPECT_EQ(ReadPageToken("models", token).value(), "name");
}

TEST(PageTest, TokensOfAnotherListAreRefused) {
  const std::string token = MakePageToken("models", "name");
  EXPECT_EQ(ReadPageToken("jobs", token).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PageTest, DamagedTokensAreRefused) {
  const std::string token = MakePageToken("models", "name");
  for (std::size_t cut = 1; cut < token.size(); ++cut) {
    EXPECT_FALSE(ReadPageToken("models", token.substr(0, cut)).ok()) << cut;
  }
  EXPECT_FALSE(ReadPageToken("models", "\xff").ok());
}

TEST(PageTest, SizesHaveADefaultAndBounds) {
  EXPECT_EQ(CheckedPageSize({0, ""}).value(), 100);
  EXPECT_EQ(CheckedPageSize({1000, ""}).value(), 1000);
  EXPECT_EQ(CheckedPageSize({1001, ""}).value(), 1000);
  EXPECT_EQ(CheckedPageSize({-1, ""}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PageTest, PagesEndByBytesButNeverEmpty) {
  PageBudget budget;
  EXPECT_TRUE(budget.Takes(3 * PageBudget::kMaxBytes));
  EXPECT_FALSE(budget.Takes(1));
  PageBudget other;
  EXPECT_TRUE(other.Takes(PageBudget::kMaxBytes - 1));
  EXPECT_TRUE(other.Takes(1));
  EXPECT_FALSE(other.Takes(1));
}

}  // namespace
}  // namespace latent

#include "core/train/plan_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/base/status.h"

namespace latent {
namespace {

using testing::HasSubstr;

TEST(PlanJsonTest, LaterFormatIsRefusedNamingBothVersions) {
  const auto plan = ParsePlan(R"({"format_version": 7, "new_part": {"a": 1}})");
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(plan.status()).reason, "PLAN_FORMAT");
  EXPECT_THAT(std::string(plan.status().message()), HasSubstr("format version 7"));
  EXPECT_THAT(std::string(plan.status().message()), HasSubstr("up to 1"));
}

TEST(PlanJsonTest, UnknownFieldIsRefused) {
  const auto plan = ParsePlan(R"({"format_version": 1, "new_part": {"a": 1}})");
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(plan.status().message()), HasSubstr("new_part"));
}

TEST(PlanJsonTest, WhatIsNoPlanIsDataLoss) {
  for (const char* text : {"", "{", "[]", "{}", "null", R"({"format_version": "x"})", "\xff\xfe"}) {
    EXPECT_EQ(ParsePlan(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(PlanJsonTest, NumbersSurviveToTheBit) {
  v1::TrainingPlan plan;
  plan.set_format_version(kPlanFormatVersion);
  plan.set_total_updates(~0ull);
  plan.mutable_data()->set_train_min(-1.0 / 3);
  plan.mutable_architecture()->mutable_objective()->mutable_elbo()->set_beta(0);
  const auto read = ParsePlan(PlanToJson(plan));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->SerializeAsString(), plan.SerializeAsString());
  EXPECT_TRUE(read->architecture().objective().elbo().has_beta());
}

}  // namespace
}  // namespace latent

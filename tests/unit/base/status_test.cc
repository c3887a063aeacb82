#include "core/base/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latent {
namespace {

TEST(StatusTest, DetailsSurviveTheStatus) {
  ErrorDetails details;
  details.reason = "TOO_MANY_ROWS";
  details.metadata["limit_rows"] = "4096";
  details.retry_after = std::chrono::milliseconds(250);
  const absl::Status status =
      MakeError(absl::StatusCode::kResourceExhausted, "4097 rows, at most 4096", details);
  const ErrorDetails read = DetailsOf(status);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(read.reason, "TOO_MANY_ROWS");
  EXPECT_EQ(read.metadata.at("limit_rows"), "4096");
  EXPECT_EQ(read.retry_after, std::chrono::milliseconds(250));
}

TEST(StatusTest, FieldErrorsNameEveryBadField) {
  FieldErrors errors;
  EXPECT_TRUE(errors.ToStatus().ok());
  errors.Add("spec.model", "expected an id, got \"A B\"");
  errors.Add("spec.training.threads", "expected 1 to 64, got 0");
  const absl::Status status = errors.ToStatus();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(DetailsOf(status).fields.size(), 2u);
  EXPECT_EQ(DetailsOf(status).fields[1].path, "spec.training.threads");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("got \"A B\""));
}

TEST(StatusTest, AnnotateKeepsCodeAndDetails) {
  const absl::Status status =
      Annotate(InvalidField("rows", "expected 64 columns, got 3"), "Encode");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::StartsWith("Encode: rows"));
  EXPECT_EQ(DetailsOf(status).fields.size(), 1u);
}

TEST(StatusTest, ErrorsWithoutDetailsHaveNone) {
  EXPECT_EQ(DetailsOf(absl::NotFoundError("x")).reason, "");
  EXPECT_EQ(DetailsOf(absl::OkStatus()).fields.size(), 0u);
}

}  // namespace
}  // namespace latent

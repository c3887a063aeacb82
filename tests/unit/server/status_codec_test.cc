#include "server/status_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/base/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace latent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

google::rpc::Status RpcStatusOf(const grpc::Status& status) {
  google::rpc::Status rpc;
  EXPECT_TRUE(rpc.ParseFromString(status.error_details()));
  return rpc;
}

TEST(StatusCodecTest, CarriesReasonInDomainLatent) {
  const auto rpc = RpcStatusOf(
      ToGrpcStatus(MakeError(absl::StatusCode::kFailedPrecondition, "NO_LATENT", "no latent"), ""));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(rpc.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "NO_LATENT");
  EXPECT_EQ(info.domain(), "latent");
}

TEST(StatusCodecTest, NamesTheCodeWhereThereIsNoReason) {
  const auto rpc = RpcStatusOf(ToGrpcStatus(absl::DeadlineExceededError("late"), ""));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(rpc.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "DEADLINE_EXCEEDED");
}

TEST(StatusCodecTest, ListsEveryBadField) {
  FieldErrors errors;
  errors.Add("a", "expected 1");
  errors.Add("b", "expected 2");
  const auto status = ToGrpcStatus(errors.ToStatus(), "");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::BadRequest bad;
  ASSERT_TRUE(RpcStatusOf(status).details(1).UnpackTo(&bad));
  ASSERT_EQ(bad.field_violations_size(), 2);
  EXPECT_EQ(bad.field_violations(1).field(), "b");
  EXPECT_EQ(bad.field_violations(1).description(), "expected 2");
}

TEST(StatusCodecTest, TellsWhenToTryAgain) {
  ErrorDetails details;
  details.retry_after = std::chrono::milliseconds(1500);
  const auto error = MakeError(absl::StatusCode::kResourceExhausted, "busy", std::move(details));
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(RpcStatusOf(ToGrpcStatus(error, "")).details(1).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500000000);
  EXPECT_EQ(RetryPushback(error), "1500");
}

TEST(StatusCodecTest, HidesTheStateDirectory) {
  const auto status =
      ToGrpcStatus(absl::DataLossError("/var/lib/latent/models/a is damaged"), "/var/lib/latent");
  EXPECT_EQ(status.error_message(), "<state>/models/a is damaged");
}

TEST(StatusCodecTest, KeepsInternalTextForTheLog) {
  const auto status = ToGrpcStatus(absl::InternalError("secret"), "");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message() + status.error_details(), Not(HasSubstr("secret")));
}

TEST(StatusCodecTest, CutsLongMessages) {
  const auto status = ToGrpcStatus(absl::NotFoundError(std::string(1 << 20, 'x')), "");
  EXPECT_LT(status.error_message().size() + status.error_details().size(), 8192u);
}

TEST(StatusCodecTest, CodesAreNamedAsDashboardsExpect) {
  EXPECT_EQ(CodeName(absl::StatusCode::kOk), "OK");
  EXPECT_EQ(CodeName(absl::StatusCode::kInvalidArgument), "InvalidArgument");
  EXPECT_EQ(CodeName(static_cast<absl::StatusCode>(99)), "Unknown");
}

TEST(StatusCodecTest, LogsAnEndAsItsCodeDeserves) {
  const struct {
    absl::StatusCode code;
    const char* reason;
    Severity severity;
  } cases[] = {
      {absl::StatusCode::kCancelled, "CANCELLED", Severity::kInfo},
      {absl::StatusCode::kUnknown, "UNKNOWN", Severity::kError},
      {absl::StatusCode::kInvalidArgument, "INVALID_FIELD", Severity::kInfo},
      {absl::StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED", Severity::kWarning},
      {absl::StatusCode::kNotFound, "MODEL_NOT_FOUND", Severity::kInfo},
      {absl::StatusCode::kAlreadyExists, "DATASET_EXISTS", Severity::kInfo},
      {absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED", Severity::kInfo},
      {absl::StatusCode::kResourceExhausted, "QUEUE_FULL", Severity::kWarning},
      {absl::StatusCode::kFailedPrecondition, "NO_LATENT", Severity::kInfo},
      {absl::StatusCode::kAborted, "ALIAS_MOVED", Severity::kInfo},
      {absl::StatusCode::kOutOfRange, "UPLOAD_GAP", Severity::kInfo},
      {absl::StatusCode::kUnimplemented, "UNIMPLEMENTED", Severity::kInfo},
      {absl::StatusCode::kInternal, "INTERNAL", Severity::kError},
      {absl::StatusCode::kUnavailable, "SHUTTING_DOWN", Severity::kWarning},
      {absl::StatusCode::kDataLoss, "VERSION_DAMAGED", Severity::kError},
      {absl::StatusCode::kDataLoss, "BAD_CHECKSUM", Severity::kWarning},
      {absl::StatusCode::kUnauthenticated, "UNAUTHENTICATED", Severity::kInfo},
  };
  EXPECT_EQ(SeverityOf(absl::OkStatus()), Severity::kInfo);
  for (const auto& row : cases) {
    EXPECT_EQ(SeverityOf(MakeError(row.code, row.reason, "text")), row.severity) << row.reason;
  }
}

}  // namespace
}  // namespace latent

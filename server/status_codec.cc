#include "server/status_codec.h"

#include <array>
#include <cctype>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace latent {
namespace {

// gRPC sends details in a header, which intermediaries bound at 8 KiB.
constexpr std::size_t kMaxMessageBytes = 2048;
constexpr std::size_t kMaxFields = 16;
// The reason of an uploaded chunk that was damaged before it came (core/store/dataset_upload).
constexpr std::string_view kBadChecksum = "BAD_CHECKSUM";

constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

// The reason of errors that name none: "InvalidArgument" as INVALID_ARGUMENT.
std::string DefaultReason(absl::StatusCode code) {
  std::string reason;
  for (const char c : CodeName(code)) {
    if (std::isupper(static_cast<unsigned char>(c)) && !reason.empty()) reason += '_';
    reason += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return reason;
}

std::string PublicText(std::string_view text, std::string_view hidden_path) {
  std::string out(text);
  if (!hidden_path.empty()) {
    const absl::string_view hidden(hidden_path.data(), hidden_path.size());
    out = absl::StrReplaceAll(out, {{hidden, "<state>"}});
  }
  if (out.size() > kMaxMessageBytes) {
    std::size_t end = kMaxMessageBytes;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;
    out.resize(end);
    out += "...";
  }
  return out;
}

template <typename Message>
void AddDetail(google::rpc::Status& status, const Message& detail) {
  status.add_details()->PackFrom(detail);
}

}  // namespace

std::string_view CodeName(absl::StatusCode code) {
  const auto index = static_cast<std::size_t>(code);
  return index < kCodeNames.size() ? kCodeNames[index] : kCodeNames[2];
}

Severity SeverityOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
      // A chunk that does not match the checksum it was sent with: nothing of ours is lost.
      return DetailsOf(status).reason == kBadChecksum ? Severity::kWarning : Severity::kError;
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return Severity::kError;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return Severity::kWarning;
    default:
      return Severity::kInfo;
  }
}

std::string RetryPushback(const absl::Status& status) {
  const auto delay = DetailsOf(status).retry_after;
  return delay ? absl::StrCat(delay->count()) : "";
}

grpc::Status ToGrpcStatus(const absl::Status& status, std::string_view hidden_path) {
  if (status.ok()) return grpc::Status::OK;
  const ErrorDetails details = DetailsOf(status);
  const bool internal =
      status.code() == absl::StatusCode::kInternal || status.code() == absl::StatusCode::kUnknown;
  const absl::string_view text = status.message();
  const std::string message = internal ? "internal error; the server's log has the details"
                                       : PublicText({text.data(), text.size()}, hidden_path);
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int>(status.code()));
  rpc.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(details.reason.empty() ? DefaultReason(status.code()) : details.reason);
  info.set_domain(kErrorDomain);
  for (const auto& [key, value] : details.metadata) {
    (*info.mutable_metadata())[key] = PublicText(value, hidden_path);
  }
  AddDetail(rpc, info);
  if (!details.fields.empty()) {
    google::rpc::BadRequest bad_request;
    for (const auto& field : details.fields) {
      if (static_cast<std::size_t>(bad_request.field_violations_size()) == kMaxFields) break;
      auto* violation = bad_request.add_field_violations();
      violation->set_field(field.path);
      violation->set_description(PublicText(field.description, hidden_path).substr(0, 256));
    }
    AddDetail(rpc, bad_request);
  }
  if (details.retry_after) {
    google::rpc::RetryInfo retry;
    const auto ms = details.retry_after->count();
    retry.mutable_retry_delay()->set_seconds(ms / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(ms % 1000) * 1000000);
    AddDetail(rpc, retry);
  }
  return {static_cast<grpc::StatusCode>(status.code()), message, rpc.SerializeAsString()};
}

}  // namespace latent

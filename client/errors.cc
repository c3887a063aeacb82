#include "client/errors.h"

#include <cstdint>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace latent {
namespace {

template <typename Message>
bool Find(const absl::Status& status, Message* message) {
  const std::string url = "type.googleapis.com/" + Message::descriptor()->full_name();
  const auto payload = status.GetPayload(url);
  return payload && message->ParseFromString(std::string(*payload));
}

}  // namespace

RpcError RpcErrorOf(const absl::Status& status) {
  RpcError error;
  if (google::rpc::ErrorInfo info; Find(status, &info)) {
    error.reason = info.reason();
    error.domain = info.domain();
    error.metadata = {info.metadata().begin(), info.metadata().end()};
  }
  if (google::rpc::BadRequest bad; Find(status, &bad)) {
    for (const auto& violation : bad.field_violations()) {
      error.fields.push_back({violation.field(), violation.description()});
    }
  }
  if (google::rpc::RetryInfo retry; Find(status, &retry)) {
    const auto& delay = retry.retry_delay();
    error.retry_after =
        std::chrono::milliseconds(delay.seconds() * 1000 + std::int64_t{delay.nanos()} / 1'000'000);
  }
  return error;
}

absl::Status StatusFromWire(absl::StatusCode code, std::string_view message,
                            std::string_view details) {
  absl::Status status(code, {message.data(), message.size()});
  google::rpc::Status wire;
  if (!wire.ParseFromArray(details.data(), static_cast<int>(details.size()))) return status;
  for (const auto& detail : wire.details()) {
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

}  // namespace latent

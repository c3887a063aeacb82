// What a server says about an error beside its code and message. Values; any thread.
#ifndef LATENT_CLIENT_ERRORS_H_
#define LATENT_CLIENT_ERRORS_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace latent {

struct RpcError {
  // From google.rpc.ErrorInfo, e.g. "NO_LATENT"; empty if there was none.
  std::string reason;
  std::string domain;
  std::map<std::string, std::string> metadata;
  // From google.rpc.BadRequest: every field at fault.
  struct Field {
    std::string path;
    std::string description;
  };
  std::vector<Field> fields;
  // From google.rpc.RetryInfo: how long to wait before trying again.
  std::optional<std::chrono::milliseconds> retry_after;
};

// The details of a status that a Client returned; empty ones if it has none.
RpcError RpcErrorOf(const absl::Status& status);

// A status of this code and message with the details in `details`, the bytes of a
// google.rpc.Status, as payloads under their type URLs. Bytes that are none are ignored.
absl::Status StatusFromWire(absl::StatusCode code, std::string_view message,
                            std::string_view details);

}  // namespace latent

#endif  // LATENT_CLIENT_ERRORS_H_

// core's statuses as gRPC's: the code, the message, and google.rpc details (ErrorInfo of domain
// "latent" always; BadRequest and RetryInfo where they apply). Free functions; any thread.
#ifndef LATENT_SERVER_STATUS_CODEC_H_
#define LATENT_SERVER_STATUS_CODEC_H_

#include <grpcpp/support/status.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/logging.h"

namespace latent {

inline constexpr char kErrorDomain[] = "latent";
inline constexpr char kRetryPushbackKey[] = "grpc-retry-pushback-ms";

// `hidden_path` (the state directory) is cut out of the message; INTERNAL and UNKNOWN messages,
// whose text is for the log, are replaced whole. Messages are cut at 2 KiB.
grpc::Status ToGrpcStatus(const absl::Status& status, std::string_view hidden_path);

// Milliseconds for the trailer grpc-retry-pushback-ms; empty if the status names no delay.
std::string RetryPushback(const absl::Status& status);

// How the end of a call is logged: INFO for success and for what the caller can put right, WARN for
// what asks for an operator's eye if it goes on (overload, deadlines, bytes damaged on their way to
// the server), ERROR for faults of the server and of what it keeps.
Severity SeverityOf(const absl::Status& status);

// "OK", "InvalidArgument", ...: the value of metrics' and logs' code label.
std::string_view CodeName(absl::StatusCode code);

}  // namespace latent

#endif  // LATENT_SERVER_STATUS_CODEC_H_

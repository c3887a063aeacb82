// Mutating calls that may be repeated: binds a request to core/store's record of answers. Blocking;
// for the I/O executor.
#ifndef LATENT_SERVER_IDEMPOTENT_H_
#define LATENT_SERVER_IDEMPOTENT_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "core/base/status.h"
#include "core/store/idempotency.h"
#include "core/store/store.h"

namespace google::protobuf {
class MessageLite;
}

namespace latent {

// The bytes of a message, the same for equal messages (maps are sorted).
std::string DeterministicBytes(const google::protobuf::MessageLite& message);

// Names one request for the record. Keeps what the IdempotentCall points at.
class RequestKey {
 public:
  // `method` must outlive this.
  template <typename Request>
  RequestKey(const char* method, const Request& request)
      : method_(method), request_id_(request.request_id()) {
    if (request_id_.empty()) return;  // not remembered: nothing to hash
    Request content = request;
    content.clear_request_id();
    hash_ = PayloadHash(DeterministicBytes(content));
  }
  IdempotentCall call() const {
    return {.method = method_, .request_id = request_id_, .payload_hash = hash_};
  }

 private:
  const char* const method_;
  const std::string request_id_;
  std::string hash_;
};

// Runs `body` in one transaction with the record of its answer, or answers as it did before.
template <typename Request, typename Response>
absl::Status MutateOnce(Store& store, const char* method, const Request& request,
                        Response* response,
                        const std::function<absl::Status(Transaction&, Response*)>& body) {
  LATENT_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  const RequestKey key(method, request);
  LATENT_ASSIGN_OR_RETURN(const std::string answer,
                          Mutate(store.db(), store.clock(), key.call(),
                                 [&](Transaction& tx) -> absl::StatusOr<std::string> {
                                   Response made;
                                   LATENT_RETURN_IF_ERROR(body(tx, &made));
                                   return DeterministicBytes(made);
                                 }));
  if (response->ParseFromString(answer)) return absl::OkStatus();
  return absl::DataLossError("the stored answer of this request_id cannot be read");
}

}  // namespace latent

#endif  // LATENT_SERVER_IDEMPOTENT_H_

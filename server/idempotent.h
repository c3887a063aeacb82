// Mutating calls that may be repeated: binds a request to core/store's record of answers. Blocking;
// for the I/O executor.
#ifndef LATENT_SERVER_IDEMPOTENT_H_
#define LATENT_SERVER_IDEMPOTENT_H_

#include <functional>
#include <optional>
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

// What DeterministicBytes wrote.
absl::Status ReadAnswer(const std::string& bytes, google::protobuf::MessageLite* response);

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

// Whether this very request was answered before; then `response` is that answer. For calls whose
// checks look at what may have changed since: they ask this first. ALREADY_EXISTS (reason
// REQUEST_ID_REUSED) if the id came with another content.
template <typename Request, typename Response>
absl::StatusOr<bool> AnsweredBefore(Store& store, const char* method, const Request& request,
                                    Response* response) {
  LATENT_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  if (request.request_id().empty()) return false;
  const RequestKey key(method, request);
  std::optional<std::string> answer;
  LATENT_RETURN_IF_ERROR(store.db().Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(answer, FindAnswer(tx, key.call()));
    return absl::OkStatus();
  }));
  if (!answer) return false;
  LATENT_RETURN_IF_ERROR(ReadAnswer(*answer, response));
  return true;
}

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
  return ReadAnswer(answer, response);
}

}  // namespace latent

#endif  // LATENT_SERVER_IDEMPOTENT_H_

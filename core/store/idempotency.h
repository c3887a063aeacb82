// Requests that may be repeated: the answer of each mutating call is kept with its request id, in
// the transaction that had its effect. Free functions on the Database; any thread that may block.
#ifndef LATENT_CORE_STORE_IDEMPOTENCY_H_
#define LATENT_CORE_STORE_IDEMPOTENCY_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/store/db.h"

namespace latent {

struct IdempotentCall {
  std::string_view method;        // e.g. "SetAlias"
  std::string_view request_id;    // a UUID, in any case; empty: the call is not remembered
  std::string_view payload_hash;  // of the request without its request_id, see PayloadHash
  std::string_view tenant = "default";
};

// SHA-256, hex, of a request's deterministic bytes.
std::string PayloadHash(std::string_view request_bytes);

// OK if empty or a UUID in its usual form; else INVALID_ARGUMENT for "request_id".
absl::Status CheckRequestId(std::string_view request_id);

// Runs `body` in one write transaction together with the record of its answer, and returns that
// answer (the serialized response). If this request id was answered before: the same bytes, and
// `body` does not run; ALREADY_EXISTS (reason REQUEST_ID_REUSED) if it came with another payload.
// Errors of `body` are returned and not remembered: nothing happened.
absl::StatusOr<std::string> Mutate(
    Database& db, const Clock& clock, const IdempotentCall& call,
    const std::function<absl::StatusOr<std::string>(Transaction&)>& body);

// The parts of Mutate, for calls whose effect takes more than one transaction.
absl::StatusOr<std::optional<std::string>> FindAnswer(Transaction& tx, const IdempotentCall& call);
absl::Status RecordAnswer(Transaction& tx, const Clock& clock, const IdempotentCall& call,
                          std::string_view answer);

// Answers are kept at least this long.
inline constexpr std::chrono::hours kAnswersKept{24};
// Forgets older ones; call now and then.
absl::Status PruneAnswers(Database& db, const Clock& clock);

Schema IdempotencySchema();

}  // namespace latent

#endif  // LATENT_CORE_STORE_IDEMPOTENCY_H_

#include "core/store/idempotency.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/ids.h"
#include "core/base/sha256.h"
#include "core/base/status.h"

namespace latent {
namespace {

// UUIDs are compared without regard to case (RFC 4122, section 3).
std::string Folded(std::string_view request_id) {
  return absl::AsciiStrToLower({request_id.data(), request_id.size()});
}

}  // namespace

std::string PayloadHash(std::string_view request_bytes) { return Sha256Hex(request_bytes); }

absl::Status CheckRequestId(std::string_view request_id) {
  if (request_id.empty()) return absl::OkStatus();
  bool good = request_id.size() == 36;
  for (std::size_t i = 0; good && i < request_id.size(); ++i) {
    const char c = request_id[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    good = dash ? c == '-' : hex;
  }
  if (good) return absl::OkStatus();
  return InvalidField("request_id",
                      absl::StrCat("expected a UUID such as 0d9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6d "
                                   "or nothing, got ",
                                   Quoted(request_id)));
}

absl::StatusOr<std::optional<std::string>> FindAnswer(Transaction& tx, const IdempotentCall& call) {
  if (call.request_id.empty()) return std::nullopt;
  LATENT_ASSIGN_OR_RETURN(auto rows, tx.Query("SELECT payload_hash, answer FROM answers "
                                              "WHERE tenant = ? AND method = ? AND request_id = ?",
                                              {call.tenant, call.method, Folded(call.request_id)}));
  LATENT_ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return std::nullopt;
  if (rows.Text(0) != call.payload_hash) {
    return MakeError(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                     absl::StrCat("request_id ", Quoted(call.request_id),
                                  " was used for another request; use a new one"));
  }
  return rows.Text(1);
}

absl::Status RecordAnswer(Transaction& tx, const Clock& clock, const IdempotentCall& call,
                          std::string_view answer) {
  if (call.request_id.empty()) return absl::OkStatus();
  return tx
      .Run(
          "INSERT INTO answers (tenant, method, request_id, payload_hash, answer, create_time) "
          "VALUES (?, ?, ?, ?, ?, ?)",
          {call.tenant, call.method, Folded(call.request_id), call.payload_hash, SqlBlob{answer},
           ToUnixMicros(clock.WallNow())})
      .status();
}

absl::StatusOr<std::string> Mutate(
    Database& db, const Clock& clock, const IdempotentCall& call,
    const std::function<absl::StatusOr<std::string>(Transaction&)>& body) {
  std::string answer;
  LATENT_RETURN_IF_ERROR(db.Write([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(std::optional<std::string> earlier, FindAnswer(tx, call));
    if (earlier) {
      answer = std::move(*earlier);
      return absl::OkStatus();
    }
    LATENT_ASSIGN_OR_RETURN(answer, body(tx));
    return RecordAnswer(tx, clock, call, answer);
  }));
  return answer;
}

absl::Status PruneAnswers(Database& db, const Clock& clock) {
  const std::int64_t oldest = ToUnixMicros(clock.WallNow() - kAnswersKept);
  return db.Write([oldest](Transaction& tx) {
    return tx.Run("DELETE FROM answers WHERE create_time < ?", {oldest}).status();
  });
}

Schema IdempotencySchema() {
  return {"idempotency", {R"(CREATE TABLE answers (
                tenant TEXT NOT NULL,
                method TEXT NOT NULL,
                request_id TEXT NOT NULL,
                payload_hash TEXT NOT NULL,
                answer BLOB NOT NULL,
                create_time INTEGER NOT NULL,
                UNIQUE (tenant, method, request_id)
              ) STRICT;
              CREATE INDEX answers_by_time ON answers (create_time);)"}};
}

}  // namespace latent

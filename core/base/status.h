// Errors: absl::Status that also carries a machine-readable reason and the fields at fault.
// Values; any thread. The server turns them into google.rpc details; nothing here knows the wire.
#ifndef LATENT_CORE_BASE_STATUS_H_
#define LATENT_CORE_BASE_STATUS_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace latent {

// What programs may want to know about an error beside its code and message.
struct ErrorDetails {
  // UPPER_SNAKE_CASE, at most 63 characters, e.g. "NO_LATENT"; empty if there is none.
  std::string reason;
  // Values that belong to the reason, e.g. {"limit_rows", "4096"}.
  std::map<std::string, std::string> metadata;
  struct Field {
    std::string path;         // dotted, as in the request, e.g. "spec.training.seed"
    std::string description;  // what was expected, what came
  };
  std::vector<Field> fields;
  // How long a caller should wait before trying again, for refusals under load.
  std::optional<std::chrono::milliseconds> retry_after;
};

// A status with details. `code` must not be OK.
absl::Status MakeError(absl::StatusCode code, std::string_view message, ErrorDetails details);
// The same with a reason alone.
absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message);
// INVALID_ARGUMENT for one field: "<path>: <description>". Reason INVALID_FIELD.
absl::Status InvalidField(std::string_view path, std::string_view description);
// The details of a status; empty ones if it has none.
ErrorDetails DetailsOf(const absl::Status& status);
// The same code and details with "<prefix>: " before the message.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

// Collects the bad fields of one request, so that a caller learns of all of them at once.
class FieldErrors {
 public:
  void Add(std::string_view path, std::string_view description);
  bool empty() const { return fields_.empty(); }
  // OK if there are none, else INVALID_ARGUMENT whose message lists them all.
  absl::Status ToStatus() const;

 private:
  std::vector<ErrorDetails::Field> fields_;
};

}  // namespace latent

// Returns the status from the enclosing function unless it is OK.
#define LATENT_RETURN_IF_ERROR(expr)                                                    \
  do {                                                                                  \
    if (absl::Status latent_status = (expr); !latent_status.ok()) return latent_status; \
  } while (false)

#define LATENT_CONCAT_INNER(a, b) a##b
#define LATENT_CONCAT(a, b) LATENT_CONCAT_INNER(a, b)
// LATENT_ASSIGN_OR_RETURN(auto x, Expr()); returns the error or assigns the value.
#define LATENT_ASSIGN_OR_RETURN(lhs, expr) \
  LATENT_ASSIGN_OR_RETURN_INNER(LATENT_CONCAT(latent_or_, __LINE__), lhs, expr)
// A declaration cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define LATENT_ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                                  \
  if (!tmp.ok()) return tmp.status();                 \
  lhs = std::move(tmp).value()
// NOLINTEND(bugprone-macro-parentheses)

#endif  // LATENT_CORE_BASE_STATUS_H_

// Names that callers choose and ids that the server makes. Free functions; any thread.
#ifndef LATENT_CORE_BASE_IDS_H_
#define LATENT_CORE_BASE_IDS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/base/status.h"

namespace latent {

// Whether `id` matches ^[a-z0-9][a-z0-9_-]{0,62}$.
bool IsValidId(std::string_view id);
// OK, or INVALID_ARGUMENT for the field `path` that says what is wrong with `id`.
absl::Status CheckId(std::string_view path, std::string_view id);
// The same as one of a request's errors.
void CheckId(std::string_view path, std::string_view id, FieldErrors& errors);
// A random UUID (RFC 4122 version 4), e.g. "0d9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6d"; is a valid id.
std::string RandomUuid();
// "<prefix>-" and 16 random lower-case letters and digits, e.g. "job-k3v9x0q2m4n8p1tz".
std::string RandomId(std::string_view prefix);
// `text` for an error message: at most 80 bytes, control and non-ASCII bytes as \xNN.
std::string Quoted(std::string_view text);
// "a, b, c" for an error message: at most ten names, then "and 7 more".
std::string Listed(const std::vector<std::string>& names);

}  // namespace latent

#endif  // LATENT_CORE_BASE_IDS_H_

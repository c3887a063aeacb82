// SQLite's result codes as statuses. Free functions; called with the connection's lock held.
#ifndef LATENT_CORE_STORE_SQL_ERROR_H_
#define LATENT_CORE_STORE_SQL_ERROR_H_

#include <sqlite3.h>

#include <string_view>

#include "absl/status/status.h"

namespace latent {

// The last error of `db` (which may be null): ALREADY_EXISTS for a unique key, FAILED_PRECONDITION
// for another constraint, RESOURCE_EXHAUSTED for a full disk, DATA_LOSS for a damaged file,
// UNAVAILABLE for failed input or output, else INTERNAL.
absl::Status SqlError(sqlite3* db, std::string_view doing);
// Runs one or more statements without values or rows.
absl::Status Execute(sqlite3* db, const char* sql);

}  // namespace latent

#endif  // LATENT_CORE_STORE_SQL_ERROR_H_

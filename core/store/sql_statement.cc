// Statement and Transaction of db.h.
#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/store/db.h"
#include "core/store/sql_error.h"

namespace latent {
namespace {

absl::StatusCode CodeOf(int extended) {
  if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY) {
    return absl::StatusCode::kAlreadyExists;
  }
  switch (extended & 0xff) {
    case SQLITE_CONSTRAINT:
      return absl::StatusCode::kFailedPrecondition;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

int Bind(sqlite3_stmt* statement, int index, const SqlValue& value) {
  struct Binder {
    sqlite3_stmt* statement;
    int index;
    int operator()(std::monostate) const { return sqlite3_bind_null(statement, index); }
    int operator()(std::int64_t v) const { return sqlite3_bind_int64(statement, index, v); }
    int operator()(double v) const { return sqlite3_bind_double(statement, index, v); }
    int operator()(std::string_view v) const {
      return sqlite3_bind_text64(statement, index, v.data() == nullptr ? "" : v.data(), v.size(),
                                 SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    int operator()(SqlBlob v) const {
      return sqlite3_bind_blob64(statement, index, v.bytes.data() == nullptr ? "" : v.bytes.data(),
                                 v.bytes.size(), SQLITE_TRANSIENT);
    }
  };
  return std::visit(Binder{statement, index}, value);
}

}  // namespace

absl::Status SqlError(sqlite3* db, std::string_view doing) {
  const int code = db == nullptr ? SQLITE_CANTOPEN : sqlite3_extended_errcode(db);
  return absl::Status(
      CodeOf(code),
      absl::StrCat("database: ", absl::string_view(doing.data(), doing.size()), ": ",
                   db == nullptr ? "is not open" : sqlite3_errmsg(db), " (", code, ")"));
}

absl::Status Execute(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return SqlError(db, "execute");
}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() { sqlite3_finalize(statement_); }

absl::StatusOr<bool> Statement::Next() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return SqlError(db_, "run a statement");
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
std::int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::Real(int column) const { return sqlite3_column_double(statement_, column); }

std::string Statement::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (bytes == nullptr || size <= 0) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

absl::StatusOr<Statement> Transaction::Query(std::string_view sql,
                                             std::initializer_list<SqlValue> values) {
  statements_->fetch_add(1, std::memory_order_relaxed);
  sqlite3_stmt* raw = nullptr;
  const int prepared =
      sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &raw, nullptr);
  Statement statement(db_, raw);
  if (prepared != SQLITE_OK) return SqlError(db_, "prepare a statement");
  int index = 0;
  for (const SqlValue& value : values) {
    if (Bind(raw, ++index, value) != SQLITE_OK) return SqlError(db_, "bind a value");
  }
  if (index != sqlite3_bind_parameter_count(raw)) {
    return absl::InternalError(absl::StrCat("database: ", index, " values for ",
                                            sqlite3_bind_parameter_count(raw), " parameters"));
  }
  return statement;
}

absl::StatusOr<std::int64_t> Transaction::Run(std::string_view sql,
                                              std::initializer_list<SqlValue> values) {
  LATENT_ASSIGN_OR_RETURN(Statement statement, Query(sql, values));
  LATENT_ASSIGN_OR_RETURN(const bool row, statement.Next());
  if (row) return absl::InternalError("database: Run of a statement that returns rows");
  return sqlite3_changes64(db_);
}

}  // namespace latent

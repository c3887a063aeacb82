#include "core/store/db.h"

#include <sqlite3.h>

#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/status.h"
#include "core/store/sql_error.h"

namespace latent {
namespace {

// What must hold of the connection: statement, and the value that the pragma must then report.
struct Setting {
  const char* set;
  const char* ask;
  const char* expected;
};
constexpr Setting kSettings[] = {
    {"PRAGMA journal_mode=WAL", "PRAGMA journal_mode", "wal"},
    {"PRAGMA synchronous=FULL", "PRAGMA synchronous", "2"},
    {"PRAGMA mmap_size=0", "PRAGMA mmap_size", "0"},
    {"PRAGMA foreign_keys=ON", "PRAGMA foreign_keys", "1"},
    {"PRAGMA trusted_schema=OFF", "PRAGMA trusted_schema", "0"},
    {"PRAGMA cell_size_check=ON", "PRAGMA cell_size_check", "1"},
    // KiB, negated: the pages of some ten thousand versions, so that they are read once.
    {"PRAGMA cache_size=-16384", "PRAGMA cache_size", "-16384"},
};

absl::StatusOr<std::string> AskText(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) != SQLITE_OK) return SqlError(db, sql);
  absl::StatusOr<std::string> answer = std::string();
  const int stepped = sqlite3_step(statement);
  if (stepped == SQLITE_ROW) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    answer = std::string(text == nullptr ? "" : text);
  } else if (stepped != SQLITE_DONE) {
    answer = SqlError(db, sql);
  }
  sqlite3_finalize(statement);
  return answer;
}

absl::Status ApplySettings(sqlite3* db) {
  for (const Setting& setting : kSettings) {
    LATENT_RETURN_IF_ERROR(AskText(db, setting.set).status());
    LATENT_ASSIGN_OR_RETURN(const std::string value, AskText(db, setting.ask));
    if (value != setting.expected) {
      return absl::FailedPreconditionError(absl::StrCat("database: ", setting.set,
                                                        " has no effect: expected ",
                                                        setting.expected, ", got ", value));
    }
  }
  return absl::OkStatus();
}

absl::Status QuickCheck(sqlite3* db) {
  LATENT_ASSIGN_OR_RETURN(const std::string result, AskText(db, "PRAGMA quick_check(1)"));
  if (result == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("database is damaged: ", result));
}

absl::Status Newer(std::string_view what, std::int64_t found, std::size_t known) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "NEWER_DATABASE",
                   absl::StrCat("the database was written by a newer program: ",
                                absl::string_view(what.data(), what.size()), " has version ", found,
                                ", this program knows up to ", known, "; start the newer program"));
}

// Version of each owner's tables as the database has them.
absl::StatusOr<std::map<std::string, std::int64_t>> ReadSchemaVersions(sqlite3* db) {
  LATENT_RETURN_IF_ERROR(Execute(db,
                                 "CREATE TABLE IF NOT EXISTS schema_versions ("
                                 "owner TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT"));
  std::map<std::string, std::int64_t> versions;
  const auto collect = [](void* into, int, char** values, char**) {
    (*static_cast<std::map<std::string, std::int64_t>*>(into))[values[0]] = std::stoll(values[1]);
    return 0;
  };
  if (sqlite3_exec(db, "SELECT owner, version FROM schema_versions", collect, &versions, nullptr) !=
      SQLITE_OK) {
    return SqlError(db, "read schema versions");
  }
  return versions;
}

// One migration and the record of it, as one transaction.
absl::Status ApplyMigration(sqlite3* db, const Schema& schema, std::size_t index) {
  LATENT_ASSIGN_OR_RETURN(const std::string total, AskText(db, "PRAGMA user_version"));
  const std::string record = absl::StrCat(
      "INSERT INTO schema_versions VALUES ('", schema.owner, "', ", index + 1,
      ") ON CONFLICT (owner) DO UPDATE SET version = excluded.version; PRAGMA user_version = ",
      std::stoll(total) + 1, ";");
  LATENT_RETURN_IF_ERROR(Execute(db, "BEGIN IMMEDIATE"));
  absl::Status status = Execute(db, schema.migrations[index].c_str());
  if (status.ok()) status = Execute(db, record.c_str());
  if (status.ok()) status = Execute(db, "COMMIT");
  if (!status.ok()) sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr);
  return Annotate(status, absl::StrCat("migration ", index + 1, " of ", schema.owner));
}

absl::Status OutcomeUnknown(const absl::Status& cause) {
  return MakeError(absl::StatusCode::kUnavailable, "OUTCOME_UNKNOWN",
                   absl::StrCat("it is unknown whether the change was stored (", cause.message(),
                                "); repeat the call with the same request id"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(Options options) {
  std::unique_ptr<Database> database(new Database(std::move(options)));
  MutexLock lock(&database->mutex_);
  LATENT_RETURN_IF_ERROR(database->Connect());
  LATENT_RETURN_IF_ERROR(database->Migrate());
  return database;
}

Database::~Database() {
  MutexLock lock(&mutex_);
  sqlite3_close(db_);
}

absl::Status Database::Connect() {
  sqlite3_close(db_);
  db_ = nullptr;
  sqlite3* db = nullptr;
  const int opened = sqlite3_open_v2(
      options_.path.c_str(), &db,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  absl::Status status = opened == SQLITE_OK ? absl::OkStatus() : SqlError(db, "open");
  if (status.ok()) status = ApplySettings(db);
  if (status.ok()) status = QuickCheck(db);
  // What a failed sync left in the log counts as written though it may not be: copied into the
  // database file it is written and synced again.
  if (status.ok()) status = AskText(db, "PRAGMA wal_checkpoint(TRUNCATE)").status();
  if (!status.ok()) {
    sqlite3_close(db);
    return status;
  }
  db_ = db;
  return absl::OkStatus();
}

absl::Status Database::Migrate() {
  std::size_t total = 0;
  for (const Schema& schema : options_.schemas) total += schema.migrations.size();
  LATENT_ASSIGN_OR_RETURN(const std::string found, AskText(db_, "PRAGMA user_version"));
  if (std::stoll(found) > static_cast<std::int64_t>(total)) {
    return Newer("the file", std::stoll(found), total);
  }
  LATENT_ASSIGN_OR_RETURN(auto versions, ReadSchemaVersions(db_));
  for (const Schema& schema : options_.schemas) {
    const std::int64_t version = versions[schema.owner];
    versions.erase(schema.owner);
    if (version > static_cast<std::int64_t>(schema.migrations.size())) {
      return Newer(schema.owner, version, schema.migrations.size());
    }
    for (auto i = static_cast<std::size_t>(version); i < schema.migrations.size(); ++i) {
      LATENT_RETURN_IF_ERROR(ApplyMigration(db_, schema, i));
    }
  }
  if (versions.empty()) return absl::OkStatus();
  return Newer(versions.begin()->first, versions.begin()->second, 0);
}

absl::Status Database::RunBody(bool write, const std::function<absl::Status(Transaction&)>& body,
                               std::vector<std::function<void()>>* hooks) {
  MutexLock lock(&mutex_);
  const bool reconciles =
      health_ == Health::kReconciling && reconciler_ == std::this_thread::get_id();
  if (db_ == nullptr || (health_ != Health::kGood && !reconciles)) {
    return MakeError(absl::StatusCode::kUnavailable, "STORE_READ_ONLY",
                     "the database is being opened anew after a failed write; try again");
  }
  LATENT_RETURN_IF_ERROR(Execute(db_, write ? "BEGIN IMMEDIATE" : "BEGIN"));
  Transaction transaction(db_, &statements_);
  absl::Status status = body(transaction);
  if (!status.ok() || !write) {
    // SQLite may have rolled back by itself, after a full disk for example.
    if (sqlite3_get_autocommit(db_) == 0 && !Execute(db_, "ROLLBACK").ok()) {
      health_ = Health::kBroken;
    }
    return status;
  }
  const auto start = std::chrono::steady_clock::now();
  const absl::Status committed = Execute(db_, "COMMIT");
  CountSync(std::chrono::steady_clock::now() - start, committed.ok());
  if (!committed.ok()) {
    health_ = Health::kBroken;
    return OutcomeUnknown(committed);
  }
  *hooks = std::move(transaction.hooks_);
  return absl::OkStatus();
}

absl::Status Database::Write(const std::function<absl::Status(Transaction&)>& body) {
  LATENT_RETURN_IF_ERROR(Reopen());
  std::vector<std::function<void()>> hooks;
  LATENT_RETURN_IF_ERROR(RunBody(true, body, &hooks));
  for (const auto& hook : hooks) hook();
  return absl::OkStatus();
}

absl::Status Database::Read(const std::function<absl::Status(Transaction&)>& body) {
  LATENT_RETURN_IF_ERROR(Reopen());
  std::vector<std::function<void()>> hooks;
  return RunBody(false, body, &hooks);
}

absl::Status Database::Reopen() {
  {
    MutexLock lock(&mutex_);
    if (health_ != Health::kBroken) return absl::OkStatus();
    const absl::Status connected = Connect();
    if (!connected.ok()) {
      return MakeError(absl::StatusCode::kUnavailable, "STORE_READ_ONLY",
                       absl::StrCat("the database cannot be opened anew: ", connected.message()));
    }
    health_ = Health::kReconciling;
    reconciler_ = std::this_thread::get_id();
  }
  absl::Status status;
  for (const auto& reconcile : reconcilers_) {
    status = reconcile();
    if (!status.ok()) break;
  }
  MutexLock lock(&mutex_);
  health_ = status.ok() && health_ == Health::kReconciling ? Health::kGood : Health::kBroken;
  reconciler_ = {};
  if (status.ok()) return status;
  return MakeError(absl::StatusCode::kUnavailable, "STORE_READ_ONLY",
                   absl::StrCat("the database cannot be reconciled: ", status.message()));
}

void Database::OnReopen(std::function<absl::Status()> reconcile) {
  reconcilers_.push_back(std::move(reconcile));
}

bool Database::read_only() const {
  MutexLock lock(&mutex_);
  return health_ != Health::kGood;
}

}  // namespace latent

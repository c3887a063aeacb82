// The one SQLite database (WAL, synchronous=FULL) and its transactions: the only truth about what
// exists. One connection behind a mutex: for normal-priority threads that may block (I/O executor,
// job runner), never for training threads or event loops. Each owner of tables brings its Schema.
// Not its job: files beside the database.
#ifndef LATENT_CORE_STORE_DB_H_
#define LATENT_CORE_STORE_DB_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/mutex.h"

struct sqlite3;
struct sqlite3_stmt;

namespace latent {

struct SqlBlob {
  std::string_view bytes;
};
// What may be bound to a "?": NULL, integer, real, text, bytes. Cast unsigned integers to int64_t.
using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string_view, SqlBlob>;

// A prepared statement with its values bound; walks over the rows:
//   LATENT_ASSIGN_OR_RETURN(auto rows, tx.Query("SELECT id, name FROM t WHERE x = ?", {x}));
//   for (;;) {
//     LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
//     if (!more) break;
//     Use(rows.Int(0), rows.Text(1));
//   }
// Must not outlive the transaction it came from.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();
  // Steps to the next row; false at the end.
  absl::StatusOr<bool> Next();
  // Columns of the current row, from 0. NULL reads as 0 or "".
  bool IsNull(int column) const;
  std::int64_t Int(int column) const;
  std::uint64_t Uint(int column) const { return static_cast<std::uint64_t>(Int(column)); }
  double Real(int column) const;
  std::string Text(int column) const;  // of text and blobs
 private:
  friend class Transaction;
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  sqlite3* db_;
  sqlite3_stmt* statement_;
};

// What a caller does between BEGIN and COMMIT. Lives for one call of Write or Read, on its thread.
class Transaction {
 public:
  absl::StatusOr<Statement> Query(std::string_view sql,
                                  std::initializer_list<SqlValue> values = {});
  // Runs a statement that returns no rows; returns the number of rows it changed. ALREADY_EXISTS
  // if a unique key forbids it, FAILED_PRECONDITION for another constraint.
  absl::StatusOr<std::int64_t> Run(std::string_view sql,
                                   std::initializer_list<SqlValue> values = {});
  // `hook` runs after the commit, in the order given, on this thread, with no lock held and before
  // Write returns: the place for snapshots, notifications and the removal of files. It may start
  // transactions. It does not run if the transaction fails.
  void OnCommit(std::function<void()> hook) { hooks_.push_back(std::move(hook)); }

 private:
  friend class Database;
  Transaction(sqlite3* db, std::atomic<std::uint64_t>* statements)
      : db_(db), statements_(statements) {}
  sqlite3* db_;
  std::atomic<std::uint64_t>* statements_;
  std::vector<std::function<void()>> hooks_;
};

// Tables of one owner. `migrations[i]` (one or more statements) leads from version i to i+1; never
// change one that was released, only append.
struct Schema {
  std::string owner;  // e.g. "registry"
  std::vector<std::string> migrations;
};

class Database {
 public:
  struct Options {
    std::string path;
    std::vector<Schema> schemas;  // always the same owners
  };
  // Opens (or makes) the file, verifies its settings, checks it (quick_check) and migrates it
  // forward; `user_version` is the number of all migrations. FAILED_PRECONDITION (reason
  // NEWER_DATABASE) if a newer program wrote it, DATA_LOSS if it is damaged.
  static absl::StatusOr<std::unique_ptr<Database>> Open(Options options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // BEGIN IMMEDIATE, `body`, COMMIT, hooks. If `body` fails, everything is rolled back and its
  // status returned. A failed COMMIT leaves the outcome unknown: UNAVAILABLE (reason
  // OUTCOME_UNKNOWN), and no write is taken (UNAVAILABLE, reason STORE_READ_ONLY) until the
  // database has been opened anew, which the next call of Write tries. Ask again with the same
  // request id. Must not be called inside a body.
  absl::Status Write(const std::function<absl::Status(Transaction&)>& body);
  // A consistent view; `body` must not write.
  absl::Status Read(const std::function<absl::Status(Transaction&)>& body);

  // `reconcile` runs after the database has been opened anew, before writes are taken again, to
  // bring what is held in memory in line with it; it may call Read and Write. Register before
  // threads start.
  void OnReopen(std::function<absl::Status()> reconcile);
  bool read_only() const;
  // How many statements transactions have run.
  std::uint64_t statements() const { return statements_.load(std::memory_order_relaxed); }

 private:
  explicit Database(Options options) : options_(std::move(options)) {}
  absl::Status Connect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Migrate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RunBody(bool write, const std::function<absl::Status(Transaction&)>& body,
                       std::vector<std::function<void()>>* hooks);
  // Does nothing unless a commit has failed.
  absl::Status Reopen();

  enum class Health { kGood, kBroken, kReconciling };
  const Options options_;
  std::atomic<std::uint64_t> statements_ = 0;
  mutable Mutex mutex_;
  sqlite3* db_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Health health_ ABSL_GUARDED_BY(mutex_) = Health::kGood;
  std::thread::id reconciler_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<absl::Status()>> reconcilers_;
};

}  // namespace latent

#endif  // LATENT_CORE_STORE_DB_H_

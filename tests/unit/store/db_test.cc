#include "core/store/db.h"

#include <sys/resource.h>

#include <csignal>

#include "core/base/durable_file.h"
#include "core/base/status.h"
#include "tests/unit/store/store_fixture.h"

namespace latent {
namespace {

class DbTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Database>> Open(std::vector<std::string> migrations) {
    return Database::Open({dir_.path() + "/test.db", {{"owner", std::move(migrations)}}});
  }
  static constexpr char kTable[] = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)";
  std::unique_ptr<Database> OpenTable() {
    auto db = Open({kTable});
    EXPECT_TRUE(db.ok()) << db.status();
    return *std::move(db);
  }
  static absl::Status Insert(Database& db, std::int64_t id, std::string_view name) {
    return db.Write([&](Transaction& tx) {
      return tx.Run("INSERT INTO t (id, name) VALUES (?, ?)", {id, name}).status();
    });
  }
  static std::int64_t Count(Database& db) {
    std::int64_t count = -1;
    const absl::Status status = db.Read([&](Transaction& tx) -> absl::Status {
      LATENT_ASSIGN_OR_RETURN(auto rows, tx.Query("SELECT COUNT(*) FROM t"));
      LATENT_RETURN_IF_ERROR(rows.Next().status());
      count = rows.Int(0);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return count;
  }
  TemporaryDir dir_;
};

TEST_F(DbTest, KeepsWhatWasCommitted) {
  ASSERT_TRUE(Insert(*OpenTable(), 1, "one").ok());
  EXPECT_EQ(Count(*OpenTable()), 1);
}

TEST_F(DbTest, RollsBackWhenTheBodyFails) {
  const auto db = OpenTable();
  const absl::Status status = db->Write([&](Transaction& tx) -> absl::Status {
    LATENT_RETURN_IF_ERROR(tx.Run("INSERT INTO t (id) VALUES (1)").status());
    return absl::AbortedError("no");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Count(*db), 0);
}

TEST_F(DbTest, ReadsCannotWrite) {
  const auto db = OpenTable();
  ASSERT_TRUE(db->Read([&](Transaction& tx) {
                  return tx.Run("INSERT INTO t (id) VALUES (1)").status();
                }).ok());
  EXPECT_EQ(Count(*db), 0);
}

TEST_F(DbTest, RunsHooksAfterTheCommitAlone) {
  const auto db = OpenTable();
  int ran = 0;
  ASSERT_TRUE(db->Write([&](Transaction& tx) {
                  tx.OnCommit([&] { ran += Count(*db) == 1 ? 1 : 100; });
                  return tx.Run("INSERT INTO t (id) VALUES (1)").status();
                }).ok());
  EXPECT_EQ(ran, 1);
  ASSERT_FALSE(db->Write([&](Transaction& tx) {
                   tx.OnCommit([&] { ++ran; });
                   return absl::AbortedError("no");
                 }).ok());
  EXPECT_EQ(ran, 1);
}

TEST_F(DbTest, NamesAUniqueKeyThatIsTaken) {
  const auto db = OpenTable();
  ASSERT_TRUE(Insert(*db, 1, "one").ok());
  EXPECT_EQ(Insert(*db, 2, "one").code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(DbTest, RoundTripsEveryKindOfValue) {
  const auto db = OpenTable();
  const std::string bytes("a\0b", 3);
  ASSERT_TRUE(db->Read([&](Transaction& tx) -> absl::Status {
                  LATENT_ASSIGN_OR_RETURN(
                      auto rows,
                      tx.Query("SELECT ?, ?, ?, ?, ?", {std::monostate{}, std::int64_t{-5}, 0.25,
                                                        std::string_view("text"), SqlBlob{bytes}}));
                  LATENT_RETURN_IF_ERROR(rows.Next().status());
                  EXPECT_TRUE(rows.IsNull(0));
                  EXPECT_EQ(rows.Int(1), -5);
                  EXPECT_EQ(rows.Real(2), 0.25);
                  EXPECT_EQ(rows.Text(3), "text");
                  EXPECT_EQ(rows.Text(4), bytes);
                  return absl::OkStatus();
                }).ok());
}

TEST_F(DbTest, MigratesForward) {
  ASSERT_TRUE(Insert(*OpenTable(), 1, "one").ok());
  const auto db = Open({kTable, "ALTER TABLE t ADD COLUMN extra TEXT"});
  ASSERT_TRUE(db.ok()) << db.status();
  EXPECT_EQ(Count(**db), 1);
  EXPECT_TRUE(
      (*db)
          ->Write([](Transaction& tx) { return tx.Run("UPDATE t SET extra = 'x'").status(); })
          .ok());
}

TEST_F(DbTest, RefusesANewerDatabase) {
  ASSERT_TRUE(Open({kTable, "CREATE TABLE u (id INTEGER)"}).ok());
  const absl::Status status = Open({kTable}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "NEWER_DATABASE");
}

TEST_F(DbTest, LeavesNothingOfAMigrationThatFails) {
  ASSERT_FALSE(Open({kTable, "CREATE TABLE u (id INTEGER); CREATE TABLE u (id INTEGER)"}).ok());
  const auto db = Open({kTable, "CREATE TABLE u (id INTEGER)"});
  EXPECT_TRUE(db.ok()) << db.status();
}

TEST_F(DbTest, RefusesADamagedFile) {
  OpenTable();
  ASSERT_TRUE(ReplaceFile(dir_.path() + "/test.db", std::string(8192, 'x')).ok());
  EXPECT_EQ(Open({kTable}).status().code(), absl::StatusCode::kDataLoss);
}

// Lets no file grow beyond `bytes` while it lives, as a disk that is full.
class NoRoom {
 public:
  explicit NoRoom(std::uint64_t bytes) : before_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit tight{bytes, limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
  }
  ~NoRoom() {
    setrlimit(RLIMIT_FSIZE, &limit_);
    std::signal(SIGXFSZ, before_);
  }
  NoRoom(const NoRoom&) = delete;
  NoRoom& operator=(const NoRoom&) = delete;

 private:
  void (*before_)(int);
  rlimit limit_{};
};

TEST_F(DbTest, OpensAnewAfterACommitThatFailed) {
  const auto db = OpenTable();
  ASSERT_TRUE(Insert(*db, 1, "one").ok());
  int reconciled = 0;
  db->OnReopen([&]() -> absl::Status {
    ++reconciled;
    EXPECT_TRUE(db->read_only());
    EXPECT_EQ(Count(*db), 1);
    return absl::OkStatus();
  });
  {
    const NoRoom no_room(*FileSize(dir_.path() + "/test.db-wal"));
    const absl::Status status = Insert(*db, 2, "two");
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(DetailsOf(status).reason, "OUTCOME_UNKNOWN");
    EXPECT_TRUE(db->read_only());
  }
  EXPECT_TRUE(Insert(*db, 3, "three").ok());
  EXPECT_EQ(reconciled, 1);
  EXPECT_FALSE(db->read_only());
  EXPECT_EQ(Count(*db), 2);
}

TEST_F(DbTest, TakesNoWritesUntilItIsReconciled) {
  const auto db = OpenTable();
  ASSERT_TRUE(Insert(*db, 1, "one").ok());
  absl::Status answer = absl::UnavailableError("not yet");
  db->OnReopen([&] { return answer; });
  {
    const NoRoom no_room(*FileSize(dir_.path() + "/test.db-wal"));
    ASSERT_FALSE(Insert(*db, 2, "two").ok());
  }
  EXPECT_EQ(DetailsOf(Insert(*db, 3, "three")).reason, "STORE_READ_ONLY");
  answer = absl::OkStatus();
  EXPECT_TRUE(Insert(*db, 3, "three").ok());
}

TEST_F(DbTest, CountsCommitsAsSyncs) {
  const auto db = OpenTable();
  const std::uint64_t before = GetSyncStats().count;
  ASSERT_TRUE(Insert(*db, 1, "one").ok());
  EXPECT_EQ(GetSyncStats().count, before + 1);
}

}  // namespace
}  // namespace latent

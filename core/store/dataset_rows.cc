#include "core/store/dataset_rows.h"

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

absl::StatusOr<std::vector<std::string>> Names(absl::StatusOr<Statement> rows) {
  if (!rows.ok()) return rows.status();
  std::vector<std::string> names;
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows->Next());
    if (!more) return names;
    names.push_back(rows->Text(0));
  }
}

}  // namespace

std::string StateName(DatasetState state) {
  switch (state) {
    case DatasetState::kUploading:
      return "UPLOADING";
    case DatasetState::kParsing:
      return "PARSING";
    case DatasetState::kReady:
      return "READY";
    case DatasetState::kFailed:
      return "FAILED";
  }
  return "";
}

absl::StatusOr<std::optional<DatasetRow>> FindDatasetRow(Transaction& tx, std::string_view name) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows, tx.Query("SELECT declaration, canonical, state, error, bytes, create_time "
                          "FROM datasets WHERE tenant = ? AND name = ?",
                          {kDefaultTenant, name}));
  LATENT_ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return std::nullopt;
  DatasetRow row;
  row.record.name = std::string(name);
  row.record.declaration = rows.Text(0);
  row.canonical = rows.Text(1);
  row.state = rows.Int(2);
  if (row.state != kDatasetDeleting) row.record.state = static_cast<DatasetState>(row.state);
  row.record.error = rows.Text(3);
  row.record.bytes = rows.Uint(4);
  row.record.create_time = FromUnixMicros(rows.Int(5));
  LATENT_ASSIGN_OR_RETURN(auto files, tx.Query("SELECT name, committed_bytes FROM dataset_files "
                                               "WHERE tenant = ? AND dataset = ? ORDER BY position",
                                               {kDefaultTenant, name}));
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, files.Next());
    if (!more) return row;
    row.record.files.push_back({files.Text(0), files.Uint(1)});
  }
}

absl::Status InsertDatasetRow(Transaction& tx, std::string_view declaration,
                              const ParseRequest& request, std::int64_t now_micros) {
  LATENT_RETURN_IF_ERROR(
      tx.Run("INSERT INTO datasets (tenant, name, declaration, canonical, state, create_time, "
             "update_time) VALUES (?, ?, ?, ?, ?, ?, ?)",
             {kDefaultTenant, request.name, SqlBlob{declaration},
              SqlBlob{CanonicalDeclaration(request)},
              static_cast<std::int64_t>(DatasetState::kUploading), now_micros, now_micros})
          .status());
  for (std::size_t i = 0; i < request.files.size(); ++i) {
    LATENT_RETURN_IF_ERROR(
        tx.Run("INSERT INTO dataset_files (tenant, dataset, position, name) VALUES (?, ?, ?, ?)",
               {kDefaultTenant, request.name, static_cast<std::int64_t>(i), request.files[i].name})
            .status());
  }
  return absl::OkStatus();
}

absl::Status MoveDatasetState(Transaction& tx, std::string_view name, std::int64_t from,
                              std::int64_t to, std::string_view error, std::uint64_t bytes) {
  LATENT_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      tx.Run("UPDATE datasets SET state = ?, error = ?, bytes = ? "
             "WHERE tenant = ? AND name = ? AND state = ?",
             {to, error, static_cast<std::int64_t>(bytes), kDefaultTenant, name, from}));
  if (changed == 1) return absl::OkStatus();
  return absl::AbortedError("the dataset was changed by another call; look again");
}

absl::Status SetCommitted(Transaction& tx, std::string_view name, std::size_t file,
                          std::uint64_t committed, std::int64_t now_micros) {
  LATENT_RETURN_IF_ERROR(tx.Run("UPDATE dataset_files SET committed_bytes = ? "
                                "WHERE tenant = ? AND dataset = ? AND position = ?",
                                {static_cast<std::int64_t>(committed), kDefaultTenant, name,
                                 static_cast<std::int64_t>(file)})
                             .status());
  return tx
      .Run(
          "UPDATE datasets SET update_time = ?, bytes = (SELECT SUM(committed_bytes) "
          "FROM dataset_files WHERE tenant = datasets.tenant AND dataset = datasets.name) "
          "WHERE tenant = ? AND name = ?",
          {now_micros, kDefaultTenant, name})
      .status();
}

absl::Status DeleteDatasetRow(Transaction& tx, std::string_view name) {
  return tx
      .Run("DELETE FROM datasets WHERE tenant = ? AND name = ? AND state = ?",
           {kDefaultTenant, name, kDatasetDeleting})
      .status();
}

absl::StatusOr<std::vector<std::string>> DatasetNamesAfter(Transaction& tx, std::string_view after,
                                                           std::int64_t limit) {
  return Names(
      tx.Query("SELECT name FROM datasets WHERE tenant = ? AND name > ? AND state <> ? "
               "ORDER BY name LIMIT ?",
               {kDefaultTenant, after, kDatasetDeleting, limit}));
}

absl::StatusOr<std::vector<std::string>> DatasetNamesIn(Transaction& tx, std::int64_t state) {
  return Names(tx.Query("SELECT name FROM datasets WHERE tenant = ? AND state = ? ORDER BY name",
                        {kDefaultTenant, state}));
}

absl::StatusOr<std::vector<std::string>> AbandonedDatasets(Transaction& tx,
                                                           std::int64_t before_micros) {
  return Names(tx.Query(
      "SELECT name FROM datasets WHERE tenant = ? AND state = ? AND update_time < ?",
      {kDefaultTenant, static_cast<std::int64_t>(DatasetState::kUploading), before_micros}));
}

Schema DatasetStore::DatabaseSchema() {
  return {"datasets", {R"(CREATE TABLE datasets (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                declaration BLOB NOT NULL,
                canonical BLOB NOT NULL,
                state INTEGER NOT NULL,
                error TEXT NOT NULL DEFAULT '',
                bytes INTEGER NOT NULL DEFAULT 0,
                create_time INTEGER NOT NULL,
                update_time INTEGER NOT NULL,
                PRIMARY KEY (tenant, name)
              ) STRICT;
              CREATE TABLE dataset_files (
                tenant TEXT NOT NULL,
                dataset TEXT NOT NULL,
                position INTEGER NOT NULL,
                name TEXT NOT NULL,
                committed_bytes INTEGER NOT NULL DEFAULT 0,
                PRIMARY KEY (tenant, dataset, position),
                FOREIGN KEY (tenant, dataset) REFERENCES datasets (tenant, name) ON DELETE CASCADE
              ) STRICT;)"}};
}

}  // namespace latent

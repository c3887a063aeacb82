#include "core/store/registry_rows.h"

#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "core/store/registry.h"

namespace latent {
namespace {

// What the tables say while they are read: models by name, and READY versions in the order of
// model and version.
struct Rows {
  std::map<std::string, ModelInfo> models;
  std::vector<std::shared_ptr<VersionInfo>> versions;

  // The model whose row has that name; null if there is none.
  ModelInfo* Find(const std::string& name) {
    const auto found = models.find(name);
    return found == models.end() ? nullptr : &found->second;
  }
};

// `sql`, which ends in "WHERE tenant = ?", for all models or for one alone.
absl::StatusOr<Statement> QueryModels(Transaction& tx, std::string_view sql,
                                      std::string_view name_column,
                                      std::optional<std::string_view> only,
                                      std::string_view order = "") {
  std::string text(sql);
  if (only) text.append(" AND ").append(name_column).append(" = ?");
  text.append(order);
  if (only) return tx.Query(text, {kDefaultTenant, *only});
  return tx.Query(text, {kDefaultTenant});
}

absl::Status ReadModels(Transaction& tx, std::optional<std::string_view> only, Rows* into) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows, QueryModels(tx,
                             "SELECT name, description, keep_last, create_time FROM models "
                             "WHERE tenant = ?",
                             "name", only));
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    ModelInfo model;
    model.name = rows.Text(0);
    model.description = rows.Text(1);
    model.keep_last = static_cast<std::uint32_t>(rows.Int(2));
    model.create_time = FromUnixMicros(rows.Int(3));
    into->models.emplace_hint(into->models.end(), model.name, std::move(model));
  }
}

absl::Status ReadLabels(Transaction& tx, std::optional<std::string_view> only, Rows* into) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows, QueryModels(tx, "SELECT model, key, value FROM model_labels WHERE tenant = ?",
                             "model", only));
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    ModelInfo* const model = into->Find(rows.Text(0));
    if (model != nullptr) model->labels[rows.Text(1)] = rows.Text(2);
  }
}

absl::Status ReadAliases(Transaction& tx, std::optional<std::string_view> only, Rows* into) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows,
      QueryModels(tx, "SELECT model, alias, version, update_time FROM aliases WHERE tenant = ?",
                  "model", only));
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    ModelInfo* const model = into->Find(rows.Text(0));
    if (model != nullptr)
      model->aliases[rows.Text(1)] = {rows.Uint(2), FromUnixMicros(rows.Int(3))};
  }
}

absl::Status ReadVersions(Transaction& tx, const StateDir& dir,
                          std::optional<std::string_view> only, Rows* into) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows, QueryModels(tx,
                             "SELECT model, version, latent_space_id, create_time, bytes, job_id, "
                             "dataset_hash, seed, code_revision, damage, manifest_sha256, state "
                             "FROM versions WHERE tenant = ?",
                             "model", only, " ORDER BY model, version"));
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    if (rows.Int(11) != kRowReady) continue;
    auto info = std::make_shared<VersionInfo>();
    info->model = rows.Text(0);
    info->version = rows.Uint(1);
    info->latent_space_id = rows.Text(2);
    info->create_time = FromUnixMicros(rows.Int(3));
    info->bytes = rows.Uint(4);
    info->lineage = {rows.Text(5), rows.Text(6), rows.Uint(7), rows.Text(8)};
    info->damage = rows.Text(9);
    info->manifest_sha256 = rows.Text(10);
    info->dir = dir.version_dir(kDefaultTenant, info->model, info->version);
    into->versions.push_back(std::move(info));
  }
}

// Both lists have the same order: one walk over each.
absl::Status ReadArtifacts(Transaction& tx, std::optional<std::string_view> only, Rows* into) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows,
      QueryModels(tx, "SELECT model, version, name, size, sha256 FROM artifacts WHERE tenant = ?",
                  "model", only, " ORDER BY model, version, name"));
  auto at = into->versions.begin();
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    const std::pair key(rows.Text(0), rows.Uint(1));
    const auto before = [&key](const VersionInfo& info) {
      return std::tie(info.model, info.version) < std::tie(key.first, key.second);
    };
    while (at != into->versions.end() && before(**at)) ++at;
    // Files of versions that are being published or deleted belong to none of them.
    if (at == into->versions.end() || (*at)->model != key.first || (*at)->version != key.second) {
      continue;
    }
    (*at)->artifacts.push_back({rows.Text(2), rows.Uint(3), rows.Text(4)});
  }
}

absl::StatusOr<std::map<std::string, ModelInfo>> ReadRows(Transaction& tx, const StateDir& dir,
                                                          std::optional<std::string_view> only) {
  Rows rows;
  LATENT_RETURN_IF_ERROR(ReadModels(tx, only, &rows));
  LATENT_RETURN_IF_ERROR(ReadLabels(tx, only, &rows));
  LATENT_RETURN_IF_ERROR(ReadAliases(tx, only, &rows));
  LATENT_RETURN_IF_ERROR(ReadVersions(tx, dir, only, &rows));
  LATENT_RETURN_IF_ERROR(ReadArtifacts(tx, only, &rows));
  for (auto& version : rows.versions) {
    ModelInfo* const model = rows.Find(version->model);
    if (model == nullptr) continue;
    const std::uint64_t number = version->version;
    model->versions.emplace_hint(model->versions.end(), number, std::move(version));
  }
  return std::move(rows.models);
}

}  // namespace

absl::StatusOr<std::optional<ModelInfo>> ReadModelRows(Transaction& tx, const StateDir& dir,
                                                       std::string_view name) {
  LATENT_ASSIGN_OR_RETURN(auto models, ReadRows(tx, dir, name));
  if (models.empty()) return std::nullopt;
  return std::move(models.begin()->second);
}

absl::StatusOr<std::map<std::string, ModelInfo>> ReadAllRows(Transaction& tx, const StateDir& dir) {
  return ReadRows(tx, dir, std::nullopt);
}

absl::Status WriteReadyRow(Transaction& tx, const VersionInfo& info) {
  const auto version = static_cast<std::int64_t>(info.version);
  LATENT_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      tx.Run("UPDATE versions SET state = ?, latent_space_id = ?, create_time = ?, bytes = ?, "
             "manifest_sha256 = ?, job_id = ?, dataset_hash = ?, seed = ?, code_revision = ? "
             "WHERE tenant = ? AND model = ? AND version = ? AND state = ?",
             {kRowReady, info.latent_space_id, ToUnixMicros(info.create_time),
              static_cast<std::int64_t>(info.bytes), info.manifest_sha256, info.lineage.job_id,
              info.lineage.dataset_hash, static_cast<std::int64_t>(info.lineage.seed),
              info.lineage.code_revision, kDefaultTenant, info.model, version, kRowStaging}));
  if (changed != 1) return absl::InternalError("the version's reservation is gone");
  for (const auto& artifact : info.artifacts) {
    LATENT_RETURN_IF_ERROR(
        tx.Run("INSERT INTO artifacts (tenant, model, version, name, size, sha256) "
               "VALUES (?, ?, ?, ?, ?, ?)",
               {kDefaultTenant, info.model, version, artifact.name,
                static_cast<std::int64_t>(artifact.size), artifact.sha256})
            .status());
  }
  return absl::OkStatus();
}

Schema Registry::DatabaseSchema() {
  // A counter outlives its model, so that a version number never comes back.
  return {"registry", {R"(CREATE TABLE models (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                description TEXT NOT NULL DEFAULT '',
                keep_last INTEGER NOT NULL,
                create_time INTEGER NOT NULL,
                PRIMARY KEY (tenant, name)
              ) STRICT;
              CREATE TABLE model_labels (
                tenant TEXT NOT NULL,
                model TEXT NOT NULL,
                key TEXT NOT NULL,
                value TEXT NOT NULL,
                PRIMARY KEY (tenant, model, key),
                FOREIGN KEY (tenant, model) REFERENCES models (tenant, name) ON DELETE CASCADE
              ) STRICT;
              CREATE TABLE version_counters (
                tenant TEXT NOT NULL,
                model TEXT NOT NULL,
                last INTEGER NOT NULL,
                PRIMARY KEY (tenant, model)
              ) STRICT;
              CREATE TABLE versions (
                tenant TEXT NOT NULL,
                model TEXT NOT NULL,
                version INTEGER NOT NULL,
                state INTEGER NOT NULL,
                staging TEXT NOT NULL,
                latent_space_id TEXT NOT NULL DEFAULT '',
                create_time INTEGER NOT NULL,
                bytes INTEGER NOT NULL DEFAULT 0,
                manifest_sha256 TEXT NOT NULL DEFAULT '',
                job_id TEXT NOT NULL DEFAULT '',
                dataset_hash TEXT NOT NULL DEFAULT '',
                seed INTEGER NOT NULL DEFAULT 0,
                code_revision TEXT NOT NULL DEFAULT '',
                damage TEXT NOT NULL DEFAULT '',
                PRIMARY KEY (tenant, model, version)
              ) STRICT;
              CREATE TABLE artifacts (
                tenant TEXT NOT NULL,
                model TEXT NOT NULL,
                version INTEGER NOT NULL,
                name TEXT NOT NULL,
                size INTEGER NOT NULL,
                sha256 TEXT NOT NULL,
                PRIMARY KEY (tenant, model, version, name),
                FOREIGN KEY (tenant, model, version)
                  REFERENCES versions (tenant, model, version) ON DELETE CASCADE
              ) STRICT;
              CREATE TABLE aliases (
                tenant TEXT NOT NULL,
                model TEXT NOT NULL,
                alias TEXT NOT NULL,
                version INTEGER NOT NULL,
                update_time INTEGER NOT NULL,
                PRIMARY KEY (tenant, model, alias),
                FOREIGN KEY (tenant, model) REFERENCES models (tenant, name) ON DELETE CASCADE,
                FOREIGN KEY (tenant, model, version)
                  REFERENCES versions (tenant, model, version)
              ) STRICT;)"}};
}

}  // namespace latent

#include "core/store/registry_rows.h"

#include "core/base/status.h"
#include "core/store/registry.h"

namespace latent {
namespace {

absl::Status ReadLabels(Transaction& tx, ModelInfo* model) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows, tx.Query("SELECT key, value FROM model_labels WHERE tenant = ? AND model = ?",
                          {kDefaultTenant, model->name}));
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    model->labels[rows.Text(0)] = rows.Text(1);
  }
}

absl::Status ReadAliases(Transaction& tx, ModelInfo* model) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows,
      tx.Query("SELECT alias, version, update_time FROM aliases WHERE tenant = ? AND model = ?",
               {kDefaultTenant, model->name}));
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    model->aliases[rows.Text(0)] = {rows.Uint(1), FromUnixMicros(rows.Int(2))};
  }
}

absl::Status ReadArtifacts(Transaction& tx, VersionInfo* info) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows, tx.Query("SELECT name, size, sha256 FROM artifacts "
                          "WHERE tenant = ? AND model = ? AND version = ? ORDER BY name",
                          {kDefaultTenant, info->model, static_cast<std::int64_t>(info->version)}));
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    info->artifacts.push_back({rows.Text(0), rows.Uint(1), rows.Text(2)});
  }
}

absl::Status ReadVersions(Transaction& tx, const StateDir& dir, ModelInfo* model) {
  LATENT_ASSIGN_OR_RETURN(
      auto rows,
      tx.Query("SELECT version, latent_space_id, create_time, bytes, job_id, dataset_hash, seed, "
               "code_revision, damage, manifest_sha256 FROM versions WHERE tenant = ? AND model = "
               "? AND state = ?",
               {kDefaultTenant, model->name, kRowReady}));
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    auto info = std::make_shared<VersionInfo>();
    info->model = model->name;
    info->version = rows.Uint(0);
    info->latent_space_id = rows.Text(1);
    info->create_time = FromUnixMicros(rows.Int(2));
    info->bytes = rows.Uint(3);
    info->lineage = {rows.Text(4), rows.Text(5), rows.Uint(6), rows.Text(7)};
    info->damage = rows.Text(8);
    info->manifest_sha256 = rows.Text(9);
    info->dir = dir.version_dir(kDefaultTenant, model->name, info->version);
    LATENT_RETURN_IF_ERROR(ReadArtifacts(tx, info.get()));
    model->versions[info->version] = std::move(info);
  }
}

}  // namespace

absl::StatusOr<std::optional<ModelInfo>> ReadModelRows(Transaction& tx, const StateDir& dir,
                                                       std::string_view name) {
  LATENT_ASSIGN_OR_RETURN(auto rows,
                          tx.Query("SELECT description, keep_last, create_time FROM models "
                                   "WHERE tenant = ? AND name = ?",
                                   {kDefaultTenant, name}));
  LATENT_ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return std::nullopt;
  ModelInfo model;
  model.name = std::string(name);
  model.description = rows.Text(0);
  model.keep_last = static_cast<std::uint32_t>(rows.Int(1));
  model.create_time = FromUnixMicros(rows.Int(2));
  LATENT_RETURN_IF_ERROR(ReadLabels(tx, &model));
  LATENT_RETURN_IF_ERROR(ReadAliases(tx, &model));
  LATENT_RETURN_IF_ERROR(ReadVersions(tx, dir, &model));
  return model;
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

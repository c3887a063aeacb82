// What brings memory and files in line with the database: snapshots, removals, checks, repairs.
#include <unordered_set>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/posix.h"
#include "core/base/status.h"
#include "core/store/registry.h"
#include "core/store/registry_rows.h"

namespace latent {
namespace {

struct RowKey {
  std::string model;
  std::uint64_t version = 0;
  std::string staging;
};

absl::StatusOr<std::vector<RowKey>> RowsIn(Database* db, std::int64_t state) {
  std::vector<RowKey> keys;
  LATENT_RETURN_IF_ERROR(db->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(auto rows, tx.Query("SELECT model, version, staging FROM versions "
                                                "WHERE tenant = ? AND state = ?",
                                                {kDefaultTenant, state}));
    for (;;) {
      LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
      if (!more) return absl::OkStatus();
      keys.push_back({rows.Text(0), rows.Uint(1), rows.Text(2)});
    }
  }));
  return keys;
}

absl::Status DeleteRow(Database* db, const RowKey& key, std::int64_t state) {
  return db->Write([&](Transaction& tx) {
    return tx
        .Run("DELETE FROM versions WHERE tenant = ? AND model = ? AND version = ? AND state = ?",
             {kDefaultTenant, key.model, static_cast<std::int64_t>(key.version), state})
        .status();
  });
}

// Why the version's files cannot be what was published; empty if sizes say nothing against it.
std::string SizeFault(const VersionInfo& version) {
  for (const auto& artifact : version.artifacts) {
    const auto size = FileSize(absl::StrCat(version.dir, "/", artifact.name));
    if (!size.ok()) return absl::StrCat(artifact.name, " cannot be read");
    if (*size != artifact.size) {
      return absl::StrCat(artifact.name, " has ", *size, " bytes, expected ", artifact.size);
    }
  }
  return "";
}

// Names of the folders that rows of any state have, relative to models/<tenant>/, e.g. "digits/3".
absl::StatusOr<std::unordered_set<std::string>> KnownFolders(Database* db) {
  std::unordered_set<std::string> folders;
  LATENT_RETURN_IF_ERROR(db->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(auto rows, tx.Query("SELECT model, version FROM versions "
                                                "WHERE tenant = ?",
                                                {kDefaultTenant}));
    for (;;) {
      LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
      if (!more) return absl::OkStatus();
      folders.insert(absl::StrCat(rows.Text(0), "/", rows.Uint(1)));
    }
  }));
  return folders;
}

}  // namespace

absl::Status Registry::RemoveMarked(std::string_view model) {
  LATENT_ASSIGN_OR_RETURN(const auto keys, RowsIn(db_, kRowDeleting));
  for (const RowKey& key : keys) {
    if (!model.empty() && key.model != model) continue;
    LATENT_RETURN_IF_ERROR(RemoveTree(dir_->version_dir(kDefaultTenant, key.model, key.version)));
    LATENT_RETURN_IF_ERROR(DeleteRow(db_, key, kRowDeleting));
  }
  return absl::OkStatus();
}

absl::Status Registry::RemoveUnpublished(std::vector<std::string>* notes) {
  LATENT_ASSIGN_OR_RETURN(const auto keys, RowsIn(db_, kRowStaging));
  for (const RowKey& key : keys) {
    {
      MutexLock lock(&publishing_mutex_);
      if (publishing_.count({key.model, key.version}) != 0) continue;
    }
    LATENT_RETURN_IF_ERROR(RemoveTree(absl::StrCat(dir_->staging_dir(), "/", key.staging)));
    LATENT_RETURN_IF_ERROR(RemoveTree(dir_->version_dir(kDefaultTenant, key.model, key.version)));
    LATENT_RETURN_IF_ERROR(DeleteRow(db_, key, kRowStaging));
    notes->push_back(absl::StrCat("removed version ", key.version, " of model ", key.model,
                                  ", whose publication was interrupted"));
  }
  return absl::OkStatus();
}

absl::Status Registry::Refresh(std::string_view model) {
  {
    MutexLock refresh(&refresh_mutex_);
    std::optional<ModelInfo> info;
    LATENT_RETURN_IF_ERROR(db_->Read([&](Transaction& tx) -> absl::Status {
      LATENT_ASSIGN_OR_RETURN(info, ReadModelRows(tx, *dir_, model));
      return absl::OkStatus();
    }));
    auto next = std::make_shared<RegistrySnapshot>(*Get());
    ++next->generation;
    if (info) {
      next->models[std::string(model)] = std::make_shared<const ModelInfo>(std::move(*info));
    } else {
      next->models.erase(std::string(model));
    }
    MutexLock lock(&mutex_);
    snapshot_ = std::move(next);
  }
  for (const auto& changed : subscribers_) changed();
  return absl::OkStatus();
}

absl::Status Registry::RefreshAll() {
  {
    MutexLock refresh(&refresh_mutex_);
    auto next = std::make_shared<RegistrySnapshot>();
    next->generation = Get()->generation + 1;
    LATENT_RETURN_IF_ERROR(db_->Read([&](Transaction& tx) -> absl::Status {
      LATENT_ASSIGN_OR_RETURN(auto models, ReadAllRows(tx, *dir_));
      for (auto& [name, info] : models) {
        next->models.emplace_hint(next->models.end(), name,
                                  std::make_shared<const ModelInfo>(std::move(info)));
      }
      return absl::OkStatus();
    }));
    MutexLock lock(&mutex_);
    snapshot_ = std::move(next);
  }
  for (const auto& changed : subscribers_) changed();
  return absl::OkStatus();
}

absl::Status Registry::VerifyVersion(const VersionInfo& version) {
  {
    MutexLock lock(&verify_mutex_);
    if (verified_.count({version.model, version.version}) != 0) return absl::OkStatus();
  }
  std::vector<ArtifactInfo> files = version.artifacts;
  files.push_back({kManifestName, 0, version.manifest_sha256});
  for (const auto& artifact : files) {
    const auto sha256 = HashFile(absl::StrCat(version.dir, "/", artifact.name));
    if (!sha256.ok() && !PathExists(version.dir)) {
      return MakeError(absl::StatusCode::kNotFound, "VERSION_NOT_FOUND",
                       absl::StrCat("version ", version.version, " of model ", version.model,
                                    " has been deleted"));
    }
    // Too many open files, say, is no damage.
    if (!sha256.ok() && !absl::IsNotFound(sha256.status())) return sha256.status();
    if (sha256.ok() && *sha256 == artifact.sha256) continue;
    const std::string why =
        absl::StrCat(artifact.name, sha256.ok() ? " does not match its checksum" : " is missing");
    LATENT_RETURN_IF_ERROR(MarkDamaged(version, why));
    return MakeError(absl::StatusCode::kDataLoss, "VERSION_DAMAGED",
                     absl::StrCat("version ", version.version, " of model ", version.model,
                                  " is damaged: ", why, "; use another version"));
  }
  MutexLock lock(&verify_mutex_);
  verified_.insert({version.model, version.version});
  return absl::OkStatus();
}

absl::Status Registry::MarkDamaged(const VersionInfo& version, const std::string& why) {
  // The row first: files that are gone must never be expected.
  LATENT_RETURN_IF_ERROR(db_->Write([&](Transaction& tx) -> absl::Status {
    FollowUp(tx, version.model);
    return tx
        .Run("UPDATE versions SET damage = ? WHERE tenant = ? AND model = ? AND version = ?",
             {why, kDefaultTenant, version.model, static_cast<std::int64_t>(version.version)})
        .status();
  }));
  return dir_->Quarantine(version.dir, absl::StrCat(version.model, "-", version.version)).status();
}

absl::Status Registry::CheckFiles(const std::function<bool()>& stopped) {
  const auto snapshot = Get();
  for (const auto& [name, model] : snapshot->models) {
    for (const auto& [number, version] : model->versions) {
      if (stopped()) return absl::OkStatus();
      if (!version->damage.empty()) continue;
      const std::string fault = SizeFault(*version);
      if (fault.empty()) continue;
      // The files of a version go after it has left the snapshot: one that is still there should
      // have had them.
      if (!Get()->Resolve(name, {number, ""}).ok()) continue;
      LATENT_RETURN_IF_ERROR(MarkDamaged(*version, fault));
    }
  }
  return absl::OkStatus();
}

absl::Status Registry::QuarantineStrangers(std::vector<std::string>* notes) {
  LATENT_ASSIGN_OR_RETURN(const auto known, KnownFolders(db_));
  LATENT_ASSIGN_OR_RETURN(const auto tenants, dir_->ListFolders(dir_->models_dir(), notes));
  for (const auto& tenant : tenants) {
    const std::string folder = absl::StrCat(dir_->models_dir(), "/", tenant);
    LATENT_ASSIGN_OR_RETURN(const auto models, dir_->ListFolders(folder, notes));
    for (const auto& model : models) {
      const std::string parent = dir_->model_dir(tenant, model);
      LATENT_ASSIGN_OR_RETURN(const auto versions, dir_->ListFolders(parent, notes));
      for (const auto& version : versions) {
        const bool is_known = known.contains(absl::StrCat(model, "/", version));
        if (is_known && tenant == kDefaultTenant) continue;
        const std::string label = absl::StrCat(model, "-", version);
        LATENT_RETURN_IF_ERROR(
            dir_->Quarantine(absl::StrCat(parent, "/", version), label).status());
        notes->push_back(absl::StrCat("moved unknown files ", label, " to quarantine"));
      }
    }
    // An interrupted run may have made a model's folder and not come to syncing its name. What is
    // in one was synced before the commit that made it count.
    LATENT_RETURN_IF_ERROR(SyncDirectory(folder));
  }
  return absl::OkStatus();
}

absl::Status Registry::Recover(std::vector<std::string>* notes) {
  LATENT_RETURN_IF_ERROR(RemoveMarked(""));
  LATENT_RETURN_IF_ERROR(RemoveUnpublished(notes));
  LATENT_RETURN_IF_ERROR(RefreshAll());
  return QuarantineStrangers(notes);
}

absl::Status Registry::Reconcile() {
  std::vector<std::string> notes;  // told to the caller whose commit failed
  LATENT_RETURN_IF_ERROR(RemoveMarked(""));
  LATENT_RETURN_IF_ERROR(RemoveUnpublished(&notes));
  return RefreshAll();
}

}  // namespace latent

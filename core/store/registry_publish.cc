// Publishing: reserve, write, sync, re-read, verify, rename, commit.
#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/ids.h"
#include "core/base/posix.h"
#include "core/base/sha256.h"
#include "core/base/status.h"
#include "core/store/registry.h"
#include "core/store/registry_rows.h"
#include "nlohmann/json.hpp"

namespace latent {
namespace {

constexpr int kManifestFormat = 1;
constexpr std::size_t kMaxNameBytes = 128;

bool IsFileName(const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes || name[0] == '.') return false;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && c != '.' && c != '_' && c != '-') return false;
  }
  return name != kManifestName;
}

absl::Status CheckRequest(const PublishRequest& request) {
  LATENT_RETURN_IF_ERROR(CheckId("model", request.model));
  if (request.files.empty()) return InvalidField("files", "expected at least one, got none");
  for (const auto& [name, unused] : request.files) {
    if (!IsFileName(name)) {
      return InvalidField("files", absl::StrCat("expected a plain file name, got ", Quoted(name)));
    }
  }
  for (const auto& move : request.aliases) LATENT_RETURN_IF_ERROR(CheckId("alias", move.alias));
  return absl::OkStatus();
}

std::string ManifestOf(const PublishRequest& request, const VersionInfo& info) {
  nlohmann::json manifest;
  manifest["format_version"] = kManifestFormat;
  manifest["model"] = info.model;
  manifest["version"] = info.version;
  manifest["latent_space_id"] = info.latent_space_id;
  manifest["create_time_unix_micros"] = ToUnixMicros(info.create_time);
  manifest["lineage"] = {{"job_id", info.lineage.job_id},
                         {"dataset_hash", info.lineage.dataset_hash},
                         {"seed", info.lineage.seed},
                         {"code_revision", info.lineage.code_revision}};
  manifest["metadata"] = request.metadata;
  for (const auto& artifact : info.artifacts) {
    manifest["files"].push_back(
        {{"name", artifact.name}, {"size", artifact.size}, {"sha256", artifact.sha256}});
  }
  return manifest.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// What is on disk must be what was meant, before anything depends on it.
absl::Status CompareFile(const std::string& path, const std::string& sha256) {
  LATENT_ASSIGN_OR_RETURN(const std::string found, HashFile(path));
  if (found == sha256) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(BaseName(path), " does not read as it was written"));
}

}  // namespace

absl::StatusOr<std::uint64_t> Registry::Publish(const PublishRequest& request) {
  LATENT_RETURN_IF_ERROR(CheckRequest(request));
  std::uint64_t bytes = 0;
  for (const auto& [unused, content] : request.files) bytes += content.size();
  LATENT_RETURN_IF_ERROR(dir_->CheckFreeSpace(bytes));
  LATENT_ASSIGN_OR_RETURN(const Reservation reservation, Reserve(request));
  const absl::Status status = PublishReserved(request, reservation);
  if (status.ok()) {
    EndPublication(request.model, reservation.version);
    return reservation.version;
  }
  // Where the outcome is unknown, the reopened database tells: Reconcile removes what is not READY.
  if (DetailsOf(status).reason != "OUTCOME_UNKNOWN") Abandon(request.model, reservation);
  EndPublication(request.model, reservation.version);
  return status;
}

absl::StatusOr<Registry::Reservation> Registry::Reserve(const PublishRequest& request) {
  Reservation reservation;
  const std::string staging = RandomUuid();
  reservation.staging = absl::StrCat(dir_->staging_dir(), "/", staging);
  const absl::Status reserved = db_->Write([&](Transaction& tx) -> absl::Status {
    LATENT_RETURN_IF_ERROR(tx.Run("INSERT INTO version_counters (tenant, model, last) "
                                  "VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET last = last + 1",
                                  {kDefaultTenant, request.model})
                               .status());
    LATENT_ASSIGN_OR_RETURN(
        auto rows, tx.Query("SELECT last FROM version_counters WHERE tenant = ? AND model = ?",
                            {kDefaultTenant, request.model}));
    LATENT_RETURN_IF_ERROR(rows.Next().status());
    reservation.version = rows.Uint(0);
    BeginPublication(request.model, reservation.version);
    return tx
        .Run(
            "INSERT INTO versions (tenant, model, version, state, staging, create_time) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            {kDefaultTenant, request.model, rows.Int(0), kRowStaging, staging,
             ToUnixMicros(clock_->WallNow())})
        .status();
  });
  if (!reserved.ok()) {
    EndPublication(request.model, reservation.version);
    return reserved;
  }
  return reservation;
}

absl::Status Registry::PublishReserved(const PublishRequest& request,
                                       const Reservation& reservation) {
  LATENT_ASSIGN_OR_RETURN(const VersionInfo info, WriteStaged(request, reservation));
  if (request.verify) LATENT_RETURN_IF_ERROR(request.verify(reservation.staging));
  LATENT_RETURN_IF_ERROR(MakeDirectories(ParentOf(info.dir)));
  LATENT_RETURN_IF_ERROR(MoveInto(reservation.staging, info.dir));
  {
    MutexLock lock(&verify_mutex_);
    verified_.insert({info.model, info.version});
  }
  if (!request.aliases.empty() && preloader_) LATENT_RETURN_IF_ERROR(preloader_(info));
  return CommitPublication(request, info);
}

absl::StatusOr<VersionInfo> Registry::WriteStaged(const PublishRequest& request,
                                                  const Reservation& reservation) {
  VersionInfo info;
  info.model = request.model;
  info.version = reservation.version;
  info.latent_space_id = request.latent_space_id;
  info.create_time = FromUnixMicros(ToUnixMicros(clock_->WallNow()));
  info.dir = dir_->version_dir(kDefaultTenant, info.model, info.version);
  info.lineage = request.lineage;
  const auto path = [&](const std::string& name) {
    return absl::StrCat(reservation.staging, "/", name);
  };
  LATENT_RETURN_IF_ERROR(MakeDirectories(reservation.staging));
  for (const auto& [name, content] : request.files) {
    LATENT_RETURN_IF_ERROR(WriteNewFile(path(name), content));
    info.artifacts.push_back({name, content.size(), Sha256Hex(content)});
    info.bytes += content.size();
  }
  const std::string manifest = ManifestOf(request, info);
  info.bytes += manifest.size();
  info.manifest_sha256 = Sha256Hex(manifest);
  LATENT_RETURN_IF_ERROR(WriteNewFile(path(kManifestName), manifest));
  LATENT_RETURN_IF_ERROR(SyncDirectory(reservation.staging));
  for (const auto& artifact : info.artifacts) {
    LATENT_RETURN_IF_ERROR(CompareFile(path(artifact.name), artifact.sha256));
  }
  LATENT_RETURN_IF_ERROR(CompareFile(path(kManifestName), info.manifest_sha256));
  return info;
}

absl::Status Registry::CommitPublication(const PublishRequest& request, const VersionInfo& info) {
  return db_->Write([&](Transaction& tx) -> absl::Status {
    LATENT_RETURN_IF_ERROR(WriteReadyRow(tx, info));
    LATENT_RETURN_IF_ERROR(
        tx.Run("INSERT INTO models (tenant, name, keep_last, create_time) "
               "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
               {kDefaultTenant, info.model, static_cast<std::int64_t>(options_.default_keep_last),
                ToUnixMicros(info.create_time)})
            .status());
    for (const auto& move : request.aliases) {
      LATENT_RETURN_IF_ERROR(
          SetAlias(tx, info.model, move.alias, info.version, move.expected_current_version));
    }
    if (request.in_commit) LATENT_RETURN_IF_ERROR(request.in_commit(tx, info.version));
    LATENT_ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(tx, info.model));
    LATENT_RETURN_IF_ERROR(ApplyRetention(tx, info.model, model.keep_last));
    FollowUp(tx, info.model);
    return absl::OkStatus();
  });
}

void Registry::Abandon(const std::string& model, const Reservation& reservation) {
  // Files first: a row without files is repaired at the next start, files without a row only
  // quarantined. What fails here is left to that.
  const std::string dir = dir_->version_dir(kDefaultTenant, model, reservation.version);
  if (!RemoveTree(reservation.staging).ok() || !RemoveTree(dir).ok()) return;
  db_->Write([&](Transaction& tx) {
       return tx
           .Run(
               "DELETE FROM versions WHERE tenant = ? AND model = ? AND version = ? AND state = ?",
               {kDefaultTenant, model, static_cast<std::int64_t>(reservation.version), kRowStaging})
           .status();
     })
      .IgnoreError();
}

void Registry::BeginPublication(const std::string& model, std::uint64_t version) {
  MutexLock lock(&publishing_mutex_);
  publishing_.insert({model, version});
}

void Registry::EndPublication(const std::string& model, std::uint64_t version) {
  MutexLock lock(&publishing_mutex_);
  publishing_.erase({model, version});
}

}  // namespace latent

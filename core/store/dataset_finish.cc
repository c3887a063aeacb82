// The end of an upload, and what is left of one after a crash.
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/ids.h"
#include "core/base/status.h"
#include "core/store/dataset_rows.h"
#include "core/store/datasets.h"

namespace latent {
namespace {

constexpr std::size_t kMaxErrorBytes = 4096;

}  // namespace

absl::StatusOr<DatasetRecord> DatasetStore::Finish(std::string_view dataset,
                                                   const ParseRequest& request,
                                                   const std::vector<std::string>& file_sha256,
                                                   std::stop_token stop) {
  {
    MutexLock lock(&mutex_);
    if (!parsing_.insert(std::string(dataset)).second) {
      ErrorDetails details;
      details.reason = "PARSING";
      details.retry_after = std::chrono::seconds(1);
      return MakeError(
          absl::StatusCode::kUnavailable,
          absl::StrCat("dataset ", Quoted(dataset), " is being parsed by another call; try again"),
          std::move(details));
    }
  }
  auto claimed = BeginParsing(dataset, request, file_sha256);
  absl::Status status = claimed.status();
  if (status.ok() && *claimed) {
    status = ParseAndPublish(dataset, request, std::move(stop));
    if (!status.ok()) {
      // The uploaded bytes are all there: the call may be repeated. If this fails too, the next
      // call or start does it.
      MoveState(dataset, DatasetState::kParsing, DatasetState::kUploading, "",
                TreeBytes(RawDir(dataset)))
          .IgnoreError();
    }
  }
  {
    MutexLock lock(&mutex_);
    parsing_.erase(parsing_.find(dataset));
  }
  if (!status.ok()) return status;
  return Get(dataset);
}

absl::StatusOr<bool> DatasetStore::BeginParsing(std::string_view dataset,
                                                const ParseRequest& request,
                                                const std::vector<std::string>& file_sha256) {
  std::optional<DatasetRow> row;
  LATENT_RETURN_IF_ERROR(db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(row, FindDatasetRow(tx, dataset));
    return absl::OkStatus();
  }));
  if (!row || row->state == kDatasetDeleting) return Get(dataset).status();
  if (row->record.state == DatasetState::kReady || row->record.state == DatasetState::kFailed) {
    return false;
  }
  if (CanonicalDeclaration(request) != row->canonical) {
    return absl::InternalError("Finish was given another declaration than Create");
  }
  if (row->record.state == DatasetState::kParsing) {
    // An earlier call of this process could not set it back.
    LATENT_RETURN_IF_ERROR(MoveState(dataset, DatasetState::kParsing, DatasetState::kUploading, "",
                                     row->record.bytes));
  }
  LATENT_RETURN_IF_ERROR(CloseUpload(dataset, file_sha256));
  ForgetUpload(dataset);
  return true;
}

absl::Status DatasetStore::CloseUpload(std::string_view dataset,
                                       const std::vector<std::string>& file_sha256) {
  return WithUpload(dataset, [&](Upload* upload) -> absl::Status {
    upload->mutex.AssertHeld();
    LATENT_RETURN_IF_ERROR(FlushUpload(dataset, upload));
    LATENT_ASSIGN_OR_RETURN(const DatasetRecord record, Get(dataset));
    for (const auto& file : record.files) {
      if (file.committed_bytes > 0) continue;
      return MakeError(absl::StatusCode::kFailedPrecondition, "UPLOAD_INCOMPLETE",
                       absl::StrCat("file ", Quoted(file.name), " of dataset ", record.name,
                                    " has no bytes yet; upload it first"));
    }
    LATENT_RETURN_IF_ERROR(CheckHashes(record, file_sha256));
    return MoveState(dataset, DatasetState::kUploading, DatasetState::kParsing, "", record.bytes);
  });
}

absl::Status DatasetStore::CheckHashes(const DatasetRecord& record,
                                       const std::vector<std::string>& sha256) {
  if (sha256.empty()) return absl::OkStatus();
  if (sha256.size() != record.files.size()) {
    return InvalidField("file_sha256", absl::StrCat("expected ", record.files.size(),
                                                    ", one a file, or none; got ", sha256.size()));
  }
  FieldErrors errors;
  for (std::size_t i = 0; i < sha256.size(); ++i) {
    LATENT_ASSIGN_OR_RETURN(const std::string found, HashFile(RawPath(record.name, i)));
    if (found == sha256[i]) continue;
    errors.Add(absl::StrCat("file_sha256[", i, "]"),
               absl::StrCat("expected the hash of what was uploaded as ",
                            Quoted(record.files[i].name), ", ", found, " (",
                            record.files[i].committed_bytes, " bytes), got ", Quoted(sha256[i])));
  }
  return errors.ToStatus();
}

absl::Status DatasetStore::ParseAndPublish(std::string_view dataset, ParseRequest request,
                                           std::stop_token stop) {
  for (std::size_t i = 0; i < request.files.size(); ++i) {
    request.files[i].path = RawPath(dataset, i);
  }
  LATENT_RETURN_IF_ERROR(dir_->CheckFreeSpace(TreeBytes(RawDir(dataset))));
  LATENT_ASSIGN_OR_RETURN(const std::string staging, dir_->MakeStagingDir());
  const auto info = ParseDataset(request, staging, std::move(stop));
  absl::Status status = info.status();
  if (status.ok()) status = SyncTree(staging);
  // What an interrupted call may have left there.
  if (status.ok() && PathExists(DataPath(dataset))) status = RemoveTree(DataPath(dataset));
  if (status.ok()) status = MoveInto(staging, DataPath(dataset));
  if (status.ok()) {
    status = MoveState(dataset, DatasetState::kParsing, DatasetState::kReady, "",
                       TreeBytes(DataPath(dataset)));
  } else {
    RemoveTree(staging).IgnoreError();
  }
  if (absl::IsInvalidArgument(info.status())) {
    std::string error(info.status().message());
    if (error.size() > kMaxErrorBytes) error.resize(kMaxErrorBytes);
    status = MoveState(dataset, DatasetState::kParsing, DatasetState::kFailed, error, 0);
  }
  // Left over raw files go at the next start.
  if (status.ok()) RemoveTree(RawDir(dataset)).IgnoreError();
  return status;
}

absl::Status DatasetStore::MoveState(std::string_view dataset, DatasetState from, DatasetState to,
                                     std::string_view error, std::uint64_t bytes) {
  return db_->Write([&](Transaction& tx) {
    return MoveDatasetState(tx, dataset, static_cast<std::int64_t>(from),
                            static_cast<std::int64_t>(to), error, bytes);
  });
}

absl::Status DatasetStore::RecoverUploads(std::vector<std::string>* notes) {
  std::vector<std::string> names;
  LATENT_RETURN_IF_ERROR(db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(
        names, DatasetNamesIn(tx, static_cast<std::int64_t>(DatasetState::kUploading)));
    return absl::OkStatus();
  }));
  for (const auto& name : names) {
    if (PathExists(DataPath(name))) LATENT_RETURN_IF_ERROR(RemoveTree(DataPath(name)));
    LATENT_ASSIGN_OR_RETURN(const DatasetRecord record, Get(name));
    for (std::size_t i = 0; i < record.files.size(); ++i) {
      if (record.files[i].committed_bytes == 0) continue;
      const auto size = FileSize(RawPath(name, i));
      if (size.ok() && *size >= record.files[i].committed_bytes) continue;
      LATENT_RETURN_IF_ERROR(db_->Write([&](Transaction& tx) {
        return SetCommitted(tx, name, i, 0, ToUnixMicros(clock_->WallNow()));
      }));
      notes->push_back(absl::StrCat("file ", Quoted(record.files[i].name), " of dataset ", name,
                                    " is shorter than it was; its upload starts again"));
    }
  }
  return absl::OkStatus();
}

absl::Status DatasetStore::QuarantineStrangers(std::vector<std::string>* notes) {
  LATENT_ASSIGN_OR_RETURN(const auto tenants, dir_->ListFolders(dir_->datasets_dir(), notes));
  for (const auto& tenant : tenants) {
    const std::string folder = absl::StrCat(dir_->datasets_dir(), "/", tenant);
    LATENT_ASSIGN_OR_RETURN(const auto names, dir_->ListFolders(folder, notes));
    for (const auto& name : names) {
      const auto record = Get(name);
      if (absl::IsNotFound(record.status()) || tenant != kDefaultTenant) {
        const std::string label = absl::StrCat("dataset-", name);
        LATENT_RETURN_IF_ERROR(dir_->Quarantine(absl::StrCat(folder, "/", name), label).status());
        notes->push_back(absl::StrCat("moved unknown files ", label, " to quarantine"));
        continue;
      }
      const bool ended = record.ok() && record->state != DatasetState::kUploading;
      if (ended && PathExists(RawDir(name))) LATENT_RETURN_IF_ERROR(RemoveTree(RawDir(name)));
      // An interrupted run may have made it and not come to syncing it.
      LATENT_RETURN_IF_ERROR(SyncDirectory(absl::StrCat(folder, "/", name)));
    }
    LATENT_RETURN_IF_ERROR(SyncDirectory(folder));
  }
  return absl::OkStatus();
}

absl::Status DatasetStore::Recover(std::vector<std::string>* notes) {
  std::vector<std::string> deleting, parsing;
  LATENT_RETURN_IF_ERROR(db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(deleting, DatasetNamesIn(tx, kDatasetDeleting));
    LATENT_ASSIGN_OR_RETURN(parsing,
                            DatasetNamesIn(tx, static_cast<std::int64_t>(DatasetState::kParsing)));
    return absl::OkStatus();
  }));
  for (const auto& name : deleting) LATENT_RETURN_IF_ERROR(RemoveDeleted(name));
  for (const auto& name : parsing) {
    LATENT_RETURN_IF_ERROR(MoveState(name, DatasetState::kParsing, DatasetState::kUploading, "",
                                     TreeBytes(RawDir(name))));
    notes->push_back(absl::StrCat("parsing of dataset ", name,
                                  " was interrupted; FinishDataset starts it again"));
  }
  LATENT_RETURN_IF_ERROR(RecoverUploads(notes));
  return QuarantineStrangers(notes);
}

absl::Status DatasetStore::ExpireUploads() {
  const std::int64_t oldest = ToUnixMicros(clock_->WallNow() - options_.upload_expiry);
  return db_->Write([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(const auto names, AbandonedDatasets(tx, oldest));
    for (const auto& name : names) LATENT_RETURN_IF_ERROR(Delete(tx, name));
    return absl::OkStatus();
  });
}

}  // namespace latent

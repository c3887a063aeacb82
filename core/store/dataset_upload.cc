// Uploads: chunks written at offsets, made durable by Flush.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/crc32c.h"
#include "core/base/durable_file.h"
#include "core/base/ids.h"
#include "core/base/status.h"
#include "core/store/dataset_rows.h"
#include "core/store/datasets.h"

namespace latent {
namespace {

absl::Status UploadEnded(std::string_view dataset, const std::string& state) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_UPLOADING",
                   absl::StrCat("dataset ", Quoted(dataset), " takes no more bytes: it is ", state,
                                ", expected UPLOADING"));
}

}  // namespace

std::string DatasetStore::RawDir(std::string_view dataset) const {
  return dir_->dataset_dir(kDefaultTenant, dataset) + "/raw";
}
std::string DatasetStore::RawPath(std::string_view dataset, std::size_t file) const {
  return absl::StrCat(RawDir(dataset), "/", file);
}

std::shared_ptr<DatasetStore::Upload> DatasetStore::UploadOf(std::string_view dataset) {
  MutexLock lock(&mutex_);
  auto& upload = uploads_[std::string(dataset)];
  if (upload == nullptr) upload = std::make_shared<Upload>();
  return upload;
}

void DatasetStore::ForgetUpload(std::string_view dataset) {
  std::shared_ptr<Upload> upload;
  {
    MutexLock lock(&mutex_);
    const auto found = uploads_.find(dataset);
    if (found == uploads_.end()) return;
    upload = std::move(found->second);
    uploads_.erase(found);
  }
  MutexLock lock(&upload->mutex);
  upload->closed = true;
}

absl::Status DatasetStore::WithUpload(std::string_view dataset,
                                      const std::function<absl::Status(Upload*)>& use) {
  const auto upload = UploadOf(dataset);
  {
    MutexLock lock(&upload->mutex);
    absl::Status status = LoadUpload(dataset, upload.get());
    if (status.ok()) status = use(upload.get());
    if (upload->loaded && !upload->closed) return status;
    upload->closed = true;
    if (status.ok()) return status;
    MutexLock map_lock(&mutex_);
    // The database knows what is durable; whoever comes next asks it.
    const auto found = uploads_.find(dataset);
    if (found != uploads_.end() && found->second == upload) uploads_.erase(found);
    return status;
  }
}

absl::Status DatasetStore::LoadUpload(std::string_view dataset, Upload* upload) {
  if (upload->closed) {
    return MakeError(
        absl::StatusCode::kUnavailable, "UPLOAD_CHANGED",
        absl::StrCat("dataset ", Quoted(dataset), " was changed by another call; try again"));
  }
  if (upload->loaded) return absl::OkStatus();
  LATENT_ASSIGN_OR_RETURN(const DatasetRecord record, Get(dataset));
  if (record.state != DatasetState::kUploading) {
    return UploadEnded(dataset, StateName(record.state));
  }
  for (const auto& file : record.files) {
    upload->files.push_back({file.name, file.committed_bytes, file.committed_bytes, nullptr});
  }
  upload->loaded = true;
  return absl::OkStatus();
}

absl::Status DatasetStore::Append(std::string_view dataset, std::string_view file,
                                  std::uint64_t offset, std::string_view bytes,
                                  std::uint32_t crc32c) {
  if (const std::uint32_t found = Crc32c(bytes); found != crc32c) {
    return MakeError(
        absl::StatusCode::kDataLoss, "BAD_CHECKSUM",
        absl::StrCat("chunk of ", bytes.size(), " bytes at offset ", offset, " of ", Quoted(file),
                     ": CRC-32C is ", found, ", expected ", crc32c, "; send it again"));
  }
  return WithUpload(dataset, [&](Upload* upload) {
    upload->mutex.AssertHeld();
    for (std::size_t i = 0; i < upload->files.size(); ++i) {
      if (upload->files[i].name == file) return WriteChunk(dataset, upload, i, offset, bytes);
    }
    return MakeError(absl::StatusCode::kNotFound, "FILE_NOT_FOUND",
                     absl::StrCat("dataset ", Quoted(dataset), " declares no file ", Quoted(file)));
  });
}

absl::Status DatasetStore::OpenForChunk(std::string_view dataset, Upload* upload,
                                        std::size_t file) {
  Upload::File& target = upload->files[file];
  if (target.file != nullptr) return absl::OkStatus();
  LATENT_RETURN_IF_ERROR(MakeDirectories(RawDir(dataset)));
  LATENT_ASSIGN_OR_RETURN(DurableFile opened, DurableFile::OpenForWriting(RawPath(dataset, file)));
  // What lies behind the durable bytes was never acknowledged and may be anything.
  LATENT_RETURN_IF_ERROR(opened.Truncate(target.committed));
  target.written = target.committed;
  target.file = std::make_unique<DurableFile>(std::move(opened));
  return absl::OkStatus();
}

absl::Status DatasetStore::WriteChunk(std::string_view dataset, Upload* upload, std::size_t file,
                                      std::uint64_t offset, std::string_view bytes) {
  Upload::File& target = upload->files[file];
  if (offset > target.written) {
    ErrorDetails details;
    details.reason = "UPLOAD_GAP";
    details.metadata["expected_offset"] = absl::StrCat(target.written);
    return MakeError(absl::StatusCode::kOutOfRange,
                     absl::StrCat("file ", Quoted(target.name), ": offset ", offset,
                                  " leaves a gap, expected at most ", target.written),
                     std::move(details));
  }
  const std::uint64_t known = std::min<std::uint64_t>(target.written - offset, bytes.size());
  bytes.remove_prefix(static_cast<std::size_t>(known));
  if (bytes.empty()) return absl::OkStatus();
  std::uint64_t total = bytes.size(), unsynced = bytes.size();
  for (const auto& other : upload->files) {
    total += other.written;
    unsynced += other.written - other.committed;
  }
  if (total > options_.max_dataset_bytes) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, "DATASET_TOO_LARGE",
        absl::StrCat("dataset ", Quoted(dataset), ": ", total, " bytes uploaded, at most ",
                     options_.max_dataset_bytes, " are taken"));
  }
  LATENT_RETURN_IF_ERROR(dir_->CheckFreeSpace(bytes.size()));
  LATENT_RETURN_IF_ERROR(OpenForChunk(dataset, upload, file));
  LATENT_RETURN_IF_ERROR(target.file->WriteAt(target.written, bytes));
  target.written += bytes.size();
  return unsynced < options_.flush_bytes ? absl::OkStatus() : FlushUpload(dataset, upload);
}

absl::StatusOr<std::vector<FileProgress>> DatasetStore::Flush(std::string_view dataset) {
  std::vector<FileProgress> progress;
  LATENT_RETURN_IF_ERROR(WithUpload(dataset, [&](Upload* upload) {
    upload->mutex.AssertHeld();
    absl::Status status = FlushUpload(dataset, upload);
    for (const auto& file : upload->files) progress.push_back({file.name, file.committed});
    return status;
  }));
  return progress;
}

absl::Status DatasetStore::SyncFiles(std::string_view dataset, Upload* upload) {
  bool new_file = false;
  for (auto& file : upload->files) {
    if (file.file == nullptr) continue;
    LATENT_RETURN_IF_ERROR(file.file->Sync());
    new_file = new_file || file.committed == 0;
  }
  return new_file ? SyncDirectory(RawDir(dataset)) : absl::OkStatus();
}

absl::Status DatasetStore::FlushUpload(std::string_view dataset, Upload* upload) {
  absl::Status synced = SyncFiles(dataset, upload);
  bool changed = false;
  for (auto& file : upload->files) {
    file.file.reset();
    // After a failed sync nothing new counts: the next chunk cuts the file back to what was durable
    // before, and its bytes are written and synced anew.
    if (!synced.ok()) file.written = file.committed;
    changed = changed || file.written != file.committed;
  }
  if (!changed) return synced;
  const std::int64_t now = ToUnixMicros(clock_->WallNow());
  absl::Status stored = db_->Write([&](Transaction& tx) -> absl::Status {
    upload->mutex.AssertHeld();
    for (std::size_t i = 0; i < upload->files.size(); ++i) {
      const auto& file = upload->files[i];
      if (file.written == file.committed) continue;
      LATENT_RETURN_IF_ERROR(SetCommitted(tx, dataset, i, file.written, now));
    }
    return absl::OkStatus();
  });
  if (!stored.ok()) {
    upload->closed = true;  // the database knows better now
    return stored;
  }
  for (auto& file : upload->files) file.committed = file.written;
  return absl::OkStatus();
}

}  // namespace latent

#include "client/upload.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/checksum.h"

namespace latent {
namespace {

struct LocalFile {
  std::string name, path, sha256;
  std::uint64_t size = 0;
};
using Committed = std::map<std::string, std::uint64_t>;  // bytes by name

absl::Status OpenLocal(const std::string& path, std::ifstream* file) {
  errno = 0;
  *file = std::ifstream(path, std::ios::binary);
  file->peek();  // a directory opens, but cannot be read
  if (errno == 0) {
    file->clear();  // an empty file is at its end already
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
}

// The chunks of one stream: what the server lacks, file by file, up to a number of bytes.
class ChunkSource {
 public:
  ChunkSource(const std::vector<LocalFile>& files, const Committed& committed,
              const std::string& dataset, const UploadOptions& options)
      : files_(files), committed_(committed), dataset_(dataset), options_(options) {}

  // False at the end of the stream or when status() has an error.
  bool Next(v1::UploadDatasetRequest* chunk) {
    if (sent_ >= options_.stream_bytes || !FindFile()) return false;
    const LocalFile& file = files_[current_];
    std::string data(std::min<std::uint64_t>(options_.chunk_bytes, file.size - offset_), '\0');
    if (!input_.read(data.data(), static_cast<std::streamsize>(data.size()))) {
      status_ = absl::DataLossError(
          absl::StrCat(file.path, " became shorter while it was uploaded; start again"));
      return false;
    }
    chunk->set_dataset(dataset_);
    chunk->set_file(file.name);
    chunk->set_offset(offset_);
    chunk->set_crc32c(client_internal::UploadCrc32c(data));
    offset_ += data.size();
    sent_ += data.size();
    chunk->set_data(std::move(data));
    return true;
  }

  std::uint64_t sent() const { return sent_; }
  const absl::Status& status() const { return status_; }

 private:
  // Stands at the next byte to send; false if there is none.
  bool FindFile() {
    if (open_ && offset_ < files_[current_].size) return true;
    for (current_ = open_ ? current_ + 1 : 0; current_ < files_.size(); ++current_) {
      const auto done = committed_.find(files_[current_].name);
      offset_ = done == committed_.end() ? 0 : done->second;
      if (offset_ >= files_[current_].size) continue;
      status_ = OpenLocal(files_[current_].path, &input_);
      input_.seekg(static_cast<std::streamoff>(offset_));
      open_ = true;
      return status_.ok();
    }
    return false;
  }

  const std::vector<LocalFile>& files_;
  const Committed& committed_;
  const std::string& dataset_;
  const UploadOptions& options_;
  std::size_t current_ = 0;
  std::uint64_t offset_ = 0, sent_ = 0;
  bool open_ = false;
  std::ifstream input_;
  absl::Status status_;
};

class Uploader {
 public:
  Uploader(Client& client, const UploadOptions& options) : client_(client), options_(options) {}

  absl::StatusOr<v1::Dataset> Run(const v1::DatasetDeclaration& declaration,
                                  const std::vector<std::string>& paths) {
    if (absl::Status status = HashFiles(declaration, paths); !status.ok()) return status;
    name_ = declaration.name();
    v1::CreateDatasetRequest request;
    *request.mutable_dataset() = declaration;
    const auto created = client_.CreateDataset(request, {.stop = options_.stop});
    if (!created.ok()) return created.status();
    const v1::Dataset& dataset = created->dataset();
    if (dataset.state() == v1::Dataset::STATE_FAILED) return dataset;
    if (dataset.state() == v1::Dataset::STATE_UPLOADING) {
      Remember(dataset.files());
      if (absl::Status status = Send(); !status.ok()) return status;
    }
    return Finish();
  }

 private:
  absl::Status HashFiles(const v1::DatasetDeclaration& declaration,
                         const std::vector<std::string>& paths) {
    if (static_cast<std::size_t>(declaration.files_size()) != paths.size()) {
      return absl::InvalidArgumentError(absl::StrCat("expected one path for each of ",
                                                     declaration.files_size(),
                                                     " declared files, got ", paths.size()));
    }
    for (std::size_t i = 0; i < paths.size(); ++i) {
      LocalFile file{declaration.files(static_cast<int>(i)).name(), paths[i], "", 0};
      if (absl::Status status = HashFile(&file); !status.ok()) return status;
      // The server would wait for its first byte, and hold the name meanwhile.
      if (file.size == 0) {
        return absl::InvalidArgumentError(
            absl::StrCat(file.path, " is empty; nothing was sent, and the name is still free"));
      }
      files_.push_back(std::move(file));
    }
    return absl::OkStatus();
  }

  absl::Status HashFile(LocalFile* file) {
    std::ifstream input;
    if (absl::Status status = OpenLocal(file->path, &input); !status.ok()) return status;
    client_internal::FileHash hash;
    std::string buffer(1 << 20, '\0');
    while (input) {
      if (options_.stop.stop_requested()) return absl::CancelledError("upload cancelled");
      input.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
      const auto count = static_cast<std::size_t>(input.gcount());
      hash.Update({buffer.data(), count});
      file->size += count;
      total_ += count;
      Report(UploadProgress::Step::kHashing, total_);
    }
    file->sha256 = hash.Finish();
    return absl::OkStatus();
  }

  // Sends stream after stream until the server has everything.
  absl::Status Send() {
    Resumer resumer(options_.resume);
    for (std::uint64_t before = Held(); before < total_; before = Held()) {
      absl::Status status = SendStream();
      if (status.ok() && Held() == before) {
        return absl::InternalError("the server acknowledged chunks but keeps none of their bytes");
      }
      if (status.ok()) {
        resumer.Progress();
        continue;
      }
      if (!resumer.Again(status)) return status;
      v1::GetDatasetRequest request;
      request.set_dataset(name_);
      const auto current = client_.GetDataset(request, {.stop = options_.stop});
      // Still unreachable: the next stream will say so, and count.
      if (!current.ok() && !absl::IsUnavailable(current.status())) return current.status();
      if (current.ok()) Remember(current->dataset().files());
      if (Held() > before) resumer.Progress();
    }
    return absl::OkStatus();
  }

  absl::Status SendStream() {
    const std::uint64_t before = Held();
    ChunkSource source(files_, committed_, name_, options_);
    const auto next = [&](v1::UploadDatasetRequest* chunk) {
      if (!source.Next(chunk)) return false;
      Report(UploadProgress::Step::kSending, before + source.sent());
      return true;
    };
    const auto response =
        client_.UploadDataset(next, {.timeout = options_.stream_timeout, .stop = options_.stop});
    if (!source.status().ok()) return source.status();
    if (!response.ok()) return response.status();
    Remember(response->files());
    return absl::OkStatus();
  }

  absl::StatusOr<v1::Dataset> Finish() {
    Report(UploadProgress::Step::kParsing, total_);
    v1::FinishDatasetRequest request;
    request.set_dataset(name_);
    for (const LocalFile& file : files_) request.add_file_sha256(file.sha256);
    auto finished =
        client_.FinishDataset(request, {.timeout = options_.parse_timeout, .stop = options_.stop});
    if (!finished.ok()) return finished.status();
    return std::move(*finished->mutable_dataset());
  }

  template <typename Files>
  void Remember(const Files& files) {
    for (const v1::FileProgress& file : files) committed_[file.name()] = file.committed_bytes();
  }
  // Bytes that the server has; no more than there are, should it have a longer file.
  std::uint64_t Held() const {
    std::uint64_t bytes = 0;
    for (const LocalFile& file : files_) {
      const auto found = committed_.find(file.name);
      if (found != committed_.end()) bytes += std::min(found->second, file.size);
    }
    return bytes;
  }
  void Report(UploadProgress::Step step, std::uint64_t bytes) const {
    if (options_.progress) options_.progress({step, bytes, total_});
  }

  Client& client_;
  const UploadOptions& options_;
  std::string name_;
  std::vector<LocalFile> files_;
  std::uint64_t total_ = 0;
  Committed committed_;
};

}  // namespace

absl::StatusOr<v1::Dataset> Upload(Client& client, const v1::DatasetDeclaration& declaration,
                                   const std::vector<std::string>& paths,
                                   const UploadOptions& options) {
  return Uploader(client, options).Run(declaration, paths);
}

}  // namespace latent

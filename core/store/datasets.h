// Datasets on disk: declared, uploaded in chunks, parsed, opened, deleted. One per server, shared
// by all threads that may block. A dataset's rows live in datasets/<tenant>/<name>/data, its
// uploaded bytes in .../raw until it is READY. Not its job: formats (core/data), the wire.
#ifndef LATENT_CORE_STORE_DATASETS_H_
#define LATENT_CORE_STORE_DATASETS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/base/durable_file.h"
#include "core/base/mutex.h"
#include "core/data/dataset.h"
#include "core/data/parse.h"
#include "core/store/db.h"
#include "core/store/idempotency.h"
#include "core/store/page.h"
#include "core/store/state_dir.h"

namespace latent {

// Numbered as latent.v1.Dataset.State.
enum class DatasetState { kUploading = 1, kParsing = 2, kReady = 3, kFailed = 4 };

struct FileProgress {
  std::string name;
  std::uint64_t committed_bytes = 0;  // durable
};

struct DatasetRecord {
  std::string name;
  std::string declaration;  // the bytes that Create was given
  DatasetState state = DatasetState::kUploading;
  std::string error;                // of FAILED
  std::vector<FileProgress> files;  // in declared order
  DatasetInfo info;                 // READY only
  Clock::WallTime create_time;
  std::uint64_t bytes = 0;  // on disk
};

class DatasetStore {
 public:
  struct Options {
    std::uint64_t max_dataset_bytes = 8ull << 30;  // of uploaded files, together
    std::uint64_t flush_bytes = 16ull << 20;       // synced without being asked after so many bytes
    std::chrono::hours upload_expiry{24};          // since the last byte or change
  };
  // Borrows all; they outlive the store.
  DatasetStore(const StateDir* dir, Database* db, const Clock* clock, Options options);

  // Declares a dataset. `declaration` are opaque bytes that come back in the record; `request` is
  // their meaning (paths and limits are ignored). An existing dataset of the same name and
  // declaration is returned as it is; ALREADY_EXISTS (reason DATASET_EXISTS) if it differs.
  absl::StatusOr<DatasetRecord> Create(Transaction& tx, std::string_view declaration,
                                       const ParseRequest& request);

  // Writes a chunk of one file; not durable before Flush (done by itself every `flush_bytes`).
  // Bytes that are there already are skipped. NOT_FOUND for dataset or file, FAILED_PRECONDITION
  // if it is not UPLOADING, OUT_OF_RANGE for a gap (the message names the offset that is
  // expected), DATA_LOSS for a wrong checksum, RESOURCE_EXHAUSTED over the cap or on a full disk.
  absl::Status Append(std::string_view dataset, std::string_view file, std::uint64_t offset,
                      std::string_view bytes, std::uint32_t crc32c);
  // Makes durable what came; returns the progress of every file. Call at the end of a stream, and
  // when it breaks.
  absl::StatusOr<std::vector<FileProgress>> Flush(std::string_view dataset);

  // Ends the upload: flushes, compares `file_sha256` (one a file in declared order, or none) with
  // the bytes (INVALID_ARGUMENT; the dataset stays UPLOADING), parses and makes the dataset READY;
  // or FAILED, where the files cannot be read as declared: that is an outcome, not an error.
  // `request` is the meaning of the record's declaration (its paths are ignored). READY and FAILED
  // datasets are returned as they are. Takes as long as parsing does. UNAVAILABLE (reason PARSING)
  // while another call is parsing it; CANCELLED if `stop` was requested (it is UPLOADING again).
  absl::StatusOr<DatasetRecord> Finish(std::string_view dataset, const ParseRequest& request,
                                       const std::vector<std::string>& file_sha256,
                                       std::stop_token stop = {});

  absl::StatusOr<DatasetRecord> Get(std::string_view dataset);
  absl::StatusOr<DatasetRecord> Get(Transaction& tx, std::string_view dataset);
  struct Listing {
    std::vector<DatasetRecord> datasets;  // by name
    std::string next_page_token;
  };
  // Without the names of columns and labels, and without groups of columns, in `info`.
  absl::StatusOr<Listing> List(const PageRequest& page);

  // Deletes it; its files go after the commit. Open Dataset objects stay usable. NOT_FOUND, or
  // FAILED_PRECONDITION (reason DATASET_IN_USE) naming the unfinished jobs that need it, or while
  // it is being parsed.
  absl::Status Delete(Transaction& tx, std::string_view dataset);

  // The rows of a READY dataset; FAILED_PRECONDITION (reason DATASET_NOT_READY) otherwise. Opened
  // once and shared while anybody holds it. DATA_LOSS if the files are damaged.
  absl::StatusOr<std::shared_ptr<const Dataset>> OpenRows(std::string_view dataset);

  // Who needs a dataset: ids of unfinished jobs. Set once, before threads start.
  using UsersOf =
      std::function<absl::StatusOr<std::vector<std::string>>(Transaction&, std::string_view name)>;
  void SetUsersOf(UsersOf users_of) { users_of_ = std::move(users_of); }

  // Finishes what a crash interrupted; at start-up, before anything else is called. Adds a line
  // for each repair to `notes`.
  absl::Status Recover(std::vector<std::string>* notes);
  // Deletes UPLOADING datasets that nobody has touched for `upload_expiry`. Call now and then.
  absl::Status ExpireUploads();

  static Schema DatabaseSchema();

 private:
  // An upload in progress, in memory.
  struct Upload {
    Mutex mutex;
    bool loaded ABSL_GUARDED_BY(mutex) = false;  // read from the database
    bool closed ABSL_GUARDED_BY(mutex) = false;  // finished, failed or deleted meanwhile
    struct File {
      std::string name;
      std::uint64_t committed = 0;  // durable, as in the database
      std::uint64_t written = 0;    // >= committed
      std::unique_ptr<DurableFile> file;
    };
    std::vector<File> files ABSL_GUARDED_BY(mutex);
  };

  std::shared_ptr<Upload> UploadOf(std::string_view dataset);
  void ForgetUpload(std::string_view dataset);
  // Runs `use` with the dataset's upload, locked and read from the database.
  absl::Status WithUpload(std::string_view dataset,
                          const std::function<absl::Status(Upload*)>& use);
  absl::Status LoadUpload(std::string_view dataset, Upload* upload)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(upload->mutex);
  absl::Status WriteChunk(std::string_view dataset, Upload* upload, std::size_t file,
                          std::uint64_t offset, std::string_view bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(upload->mutex);
  absl::Status OpenForChunk(std::string_view dataset, Upload* upload, std::size_t file)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(upload->mutex);
  absl::Status FlushUpload(std::string_view dataset, Upload* upload)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(upload->mutex);
  absl::Status SyncFiles(std::string_view dataset, Upload* upload)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(upload->mutex);
  absl::StatusOr<DatasetInfo> InfoOf(std::string_view dataset);
  // Whether the dataset was claimed for this thread; false if it has ended already.
  absl::StatusOr<bool> BeginParsing(std::string_view dataset, const ParseRequest& request,
                                    const std::vector<std::string>& file_sha256);
  absl::Status CloseUpload(std::string_view dataset, const std::vector<std::string>& file_sha256);
  absl::Status CheckHashes(const DatasetRecord& record, const std::vector<std::string>& sha256);
  absl::Status ParseAndPublish(std::string_view dataset, ParseRequest request,
                               std::stop_token stop);
  absl::Status MoveState(std::string_view dataset, DatasetState from, DatasetState to,
                         std::string_view error, std::uint64_t bytes);
  absl::Status RemoveDeleted(std::string_view dataset);
  absl::Status RecoverUploads(std::vector<std::string>* notes);
  absl::Status QuarantineStrangers(std::vector<std::string>* notes);
  std::string RawPath(std::string_view dataset, std::size_t file) const;
  std::string RawDir(std::string_view dataset) const;
  std::string DataPath(std::string_view dataset) const;

  const StateDir* const dir_;
  Database* const db_;
  const Clock* const clock_;
  const Options options_;
  UsersOf users_of_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Upload>, std::less<>> uploads_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> parsing_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::weak_ptr<const Dataset>, std::less<>> open_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, DatasetInfo, std::less<>> infos_ ABSL_GUARDED_BY(mutex_);  // of READY ones
};

}  // namespace latent

#endif  // LATENT_CORE_STORE_DATASETS_H_

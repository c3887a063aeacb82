#include "core/jobs/checkpoint_files.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/sha256.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr std::uint64_t kMaxCheckpointBytes = 16ull << 30;

}  // namespace

absl::Status WriteCheckpoint(const StateDir& dir, JobStore& jobs, const JobRun& run,
                             const std::string& bytes, std::uint64_t step, std::size_t keep) {
  LATENT_RETURN_IF_ERROR(dir.CheckFreeSpace(bytes.size()));
  const std::string folder = dir.job_dir(run.id);
  LATENT_RETURN_IF_ERROR(MakeDirectories(folder));
  CheckpointRecord record;
  record.sha256 = Sha256Hex(bytes);
  record.step = step;
  // A file is named by its content, so that no attempt overwrites what another has recorded.
  record.file = absl::StrCat("checkpoint-", record.sha256.substr(0, 24));
  LATENT_RETURN_IF_ERROR(ReplaceFile(absl::StrCat(folder, "/", record.file), bytes));
  LATENT_ASSIGN_OR_RETURN(const std::vector<std::string> dropped,
                          jobs.RecordCheckpoint(run, record, keep));
  for (const std::string& file : dropped) {
    if (file == record.file) continue;
    LATENT_RETURN_IF_ERROR(RemoveTree(absl::StrCat(folder, "/", file)));
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadedCheckpoint> LoadCheckpoint(const StateDir& dir, JobStore& jobs,
                                                const std::string& job_id) {
  LATENT_ASSIGN_OR_RETURN(const std::vector<CheckpointRecord> records, jobs.Checkpoints(job_id));
  LoadedCheckpoint loaded;
  for (const CheckpointRecord& record : records) {
    const std::string path = absl::StrCat(dir.job_dir(job_id), "/", record.file);
    absl::StatusOr<std::string> bytes = ReadWholeFile(path, kMaxCheckpointBytes);
    if (bytes.ok() && Sha256Hex(*bytes) == record.sha256) {
      loaded.bytes = *std::move(bytes);
      loaded.step = record.step;
      return loaded;
    }
    absl::StrAppend(&loaded.note, loaded.note.empty() ? "" : "; ", "checkpoint at step ",
                    record.step,
                    " passed over: ", bytes.ok() ? "its hash is wrong" : bytes.status().message());
  }
  return loaded;
}

}  // namespace latent

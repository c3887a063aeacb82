// A job's checkpoints as files in its directory, recorded in the job store after they are durable.
// Free functions; for the runner's thread.
#ifndef LATENT_CORE_JOBS_CHECKPOINT_FILES_H_
#define LATENT_CORE_JOBS_CHECKPOINT_FILES_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/jobs/job_store.h"
#include "core/store/state_dir.h"

namespace latent {

// Writes the bytes durably (new file, sync, rename, sync of the directory), records them under the
// run's attempt and removes files that are no longer among the newest `keep`. On an error the
// checkpoints before this one are still there. ABORTED, reason JOB_RUN_LOST, if the attempt is
// over.
absl::Status WriteCheckpoint(const StateDir& dir, JobStore& jobs, const JobRun& run,
                             const std::string& bytes, std::uint64_t step, std::size_t keep);

struct LoadedCheckpoint {
  std::string bytes;  // empty: start from scratch
  std::uint64_t step = 0;
  std::string note;  // what was passed over, and why; may be empty
};
// The newest checkpoint whose hash holds.
absl::StatusOr<LoadedCheckpoint> LoadCheckpoint(const StateDir& dir, JobStore& jobs,
                                                const std::string& job_id);

}  // namespace latent

#endif  // LATENT_CORE_JOBS_CHECKPOINT_FILES_H_

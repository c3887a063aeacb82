// Runs queued train jobs, one at a time, on one normal-priority thread: LOADING, TRAINING,
// EVALUATING, PUBLISHING. Training has its own threads; their progress and checkpoints reach the
// runner through a bounded mailbox, and the runner alone writes the database and files. Made once
// at start-up; methods may be called from any thread. Not its job: how to train (core/train).
#ifndef LATENT_CORE_JOBS_RUNNER_H_
#define LATENT_CORE_JOBS_RUNNER_H_

#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "core/jobs/job_store.h"
#include "core/jobs/runner_parts.h"
#include "core/jobs/running_job.h"
#include "latent/v1/spec.pb.h"

namespace latent {

class Runner {
 public:
  Runner(RunnerParts parts, RunnerOptions options);
  // Stops as by Stop().
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Starts the thread. JobStore::Recover must have run.
  void Start();
  // Has the running job checkpoint and goes back to the queue, and ends the thread. Returns when it
  // has ended; a second call does nothing.
  void Stop();
  JobStats stats() const { return stats_.Get(); }
  // Runs the next queued job to its end on the calling thread, in place of Start(); false if there
  // was none. For tests and tools.
  absl::StatusOr<bool> RunOne() { return RunNext(); }

 private:
  void Loop();
  // Runs the next job, if there is one. An error of the store is returned.
  absl::StatusOr<bool> RunNext();
  void OnChange(const std::string& id, v1::JobState state);

  const RunnerParts parts_;
  const RunnerOptions options_;
  JobStatsBox stats_;
  Mutex mutex_;
  CondVar wake_;
  bool work_ ABSL_GUARDED_BY(mutex_) = true;  // there may be a queued job
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<RunningJob> running_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace latent

#endif  // LATENT_CORE_JOBS_RUNNER_H_

// Runs queued train jobs, one at a time, on one normal-priority thread: LOADING, TRAINING,
// EVALUATING, PUBLISHING. Training has its own threads; their progress and checkpoints reach the
// runner through a bounded mailbox, and the runner alone writes the database and files. Made once
// at start-up; methods may be called from any thread. Not its job: how to train (core/train).
#ifndef LATENT_CORE_JOBS_RUNNER_H_
#define LATENT_CORE_JOBS_RUNNER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/data/dataset.h"
#include "core/eval/evaluation.h"
#include "core/jobs/job_store.h"
#include "core/store/registry.h"
#include "core/store/state_dir.h"
#include "core/train/trainer.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// What the runner works with. Pointers are borrowed and outlive it.
struct RunnerParts {
  JobStore* jobs = nullptr;
  Registry* registry = nullptr;
  const StateDir* state = nullptr;
  const Clock* clock = nullptr;
  // The rows of a READY dataset. Blocks on files.
  std::function<absl::StatusOr<std::shared_ptr<const Dataset>>(const v1::DatasetSchema&)>
      load_dataset;
  // Loads and tries a version from the directory where its files are staged; what it returns is
  // called with the version's number within the commit, and keeps it ready to answer the moment
  // its alias moves. An error keeps the version from being published. Null: only that the files
  // can be read is checked.
  using Adopt = std::function<void(std::uint64_t version)>;
  std::function<absl::StatusOr<Adopt>(const std::string& model, const std::string& directory)>
      stage;
  // The three below have defaults; tests replace them.
  std::function<absl::StatusOr<TrainResult>(const v1::TrainingPlan&, const Dataset&,
                                            const std::string& checkpoint, TrainingPriority,
                                            const TrainCallbacks&, std::stop_token)>
      train = Train;
  std::function<absl::StatusOr<Evaluation>(const Autoencoder&, const v1::TrainingPlan&,
                                           const Dataset&, std::stop_token)>
      evaluate = Evaluate;
  std::function<double(const Autoencoder&, const Dataset&, v1::Part, std::uint64_t seed)>
      objective = ValidationObjective;
};

struct RunnerOptions {
  TrainingPriority priority = TrainingPriority::kBackground;
  std::string code_revision;  // goes into the lineage of versions
  std::size_t checkpoints_kept = 2;
};

// What operators watch; a snapshot.
struct JobStats {
  bool running = false;
  std::string model;         // of the running job
  double training_loss = 0;  // nats a row
  double samples_per_second = 0;
  std::uint64_t epochs = 0;       // finished since the start of the server
  std::uint64_t checkpoints = 0;  // written since then
  std::uint64_t checkpoint_failures = 0;
  std::int64_t last_checkpoint_time_us = 0;  // Unix; 0: none yet for the running job
};

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
  JobStats stats() const;
  // Runs at most one job to its end on the calling thread, without Start(); whether there was one.
  // For tests and tools.
  bool RunOne();

 private:
  class Run;
  void Loop(std::stop_token stop);
  void OnChange(const std::string& id, v1::JobState state);

  const RunnerParts parts_;
  const RunnerOptions options_;
  mutable Mutex mutex_;
  CondVar wake_;
  bool wake_up_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Run> run_ ABSL_GUARDED_BY(mutex_);
  JobStats stats_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace latent

#endif  // LATENT_CORE_JOBS_RUNNER_H_

// What the runner is made of and what it counts; split from runner.h for the parts that share it.
#ifndef LATENT_CORE_JOBS_RUNNER_PARTS_H_
#define LATENT_CORE_JOBS_RUNNER_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

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
  // Told the bytes that a job expects to hold before it runs, and 0 when it has ended.
  std::function<void(std::uint64_t bytes)> reserve = [](std::uint64_t) {};
  // Those below have defaults; tests replace them.
  std::function<absl::StatusOr<TrainResult>(
      const v1::TrainingPlan&, const Dataset&, const std::string& checkpoint, TrainingPriority,
      const TrainCallbacks&, std::stop_token, const TensorFile* start)>
      train = Train;
  std::function<absl::StatusOr<Evaluation>(const Autoencoder&, const v1::TrainingPlan&,
                                           const Dataset&, std::stop_token)>
      evaluate = Evaluate;
  std::function<absl::StatusOr<std::vector<v1::Metric>>(const Autoencoder&, const v1::TrainingPlan&,
                                                        const Dataset&, const CodeScales&,
                                                        std::stop_token)>
      compute_metrics = ComputeMetrics;
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

// The counters, shared by the runner and the job it runs.
class JobStatsBox {
 public:
  JobStats Get() const {
    MutexLock lock(&mutex_);
    return stats_;
  }
  // `change` must not block.
  template <typename Change>
  void Update(const Change& change) {
    MutexLock lock(&mutex_);
    change(stats_);
  }

 private:
  mutable Mutex mutex_;
  JobStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace latent

#endif  // LATENT_CORE_JOBS_RUNNER_PARTS_H_

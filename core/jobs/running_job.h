// One job being run: LOADING, TRAINING, EVALUATING, PUBLISHING, and its end in the job store. Made
// and executed by the runner's thread; RequestStop() may be called from any. Not its job: which job
// is next (runner.h).
#ifndef LATENT_CORE_JOBS_RUNNING_JOB_H_
#define LATENT_CORE_JOBS_RUNNING_JOB_H_

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/jobs/checkpoint_files.h"
#include "core/jobs/job.h"
#include "core/jobs/job_store.h"
#include "core/jobs/runner_parts.h"
#include "core/jobs/train_mailbox.h"
#include "core/model/model_file.h"
#include "core/train/trainer.h"
#include "core/train/training_thread.h"
#include "core/train/version_files.h"

namespace latent {

class RunningJob {
 public:
  enum class StopReason { kNone, kCancel, kServerStops };

  // Borrows parts, options and stats.
  RunningJob(const RunnerParts* parts, const RunnerOptions* options, JobStatsBox* stats,
             JobRecord job);

  // Brings the job to its end, or back into the queue if the server stops. An error means that the
  // store could not be told how it ended; recovery finds it RUNNING.
  absl::Status Execute();
  // Ends it soon. A cancel outdoes the stopping of the server.
  void RequestStop(StopReason reason);
  const std::string& id() const { return job_.id; }

 private:
  absl::Status RunPhases();
  // An evaluation job in place of training and publishing.
  absl::Status EvaluateVersion(const Dataset& data);
  // The tensors of the version that a warm start names; nothing without one.
  absl::StatusOr<std::optional<TensorFile>> ReadStart() const;
  absl::StatusOr<TrainResult> TrainFrom(const Dataset& data, const LoadedCheckpoint& checkpoint,
                                        const TensorFile* start);
  absl::Status HandleMail(TrainMailbox::Mail& mail);
  absl::StatusOr<VersionContent> EvaluateResult(TrainResult result, const Dataset& data);
  absl::Status Measure(const Autoencoder& model, const Dataset& data,
                       VersionContent& content) const;
  ThreadClass EvaluationThreadClass() const;
  absl::Status CheckStop() const;
  absl::Status End(const absl::Status& outcome);

  const RunnerParts& parts_;
  const RunnerOptions& options_;
  JobStatsBox& stats_;
  const JobRecord job_;
  const JobRun run_;
  std::stop_source stop_;
  std::atomic<StopReason> reason_{StopReason::kNone};
};

}  // namespace latent

#endif  // LATENT_CORE_JOBS_RUNNING_JOB_H_

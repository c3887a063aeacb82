// Train jobs and their stored events in the database: the truth about every job. Each method is (or
// joins) one transaction that checks the legal moves (job.h) and, for the runner's calls, the
// attempt, so that a run that was given up cannot write any more. Owns the hub that watchers pull
// from. Made once at start-up; any normal-priority thread that may block. Not its job: running them
// (runner.h).
#ifndef LATENT_CORE_JOBS_JOB_STORE_H_
#define LATENT_CORE_JOBS_JOB_STORE_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/jobs/job.h"
#include "core/jobs/watch_hub.h"
#include "core/store/db.h"
#include "core/store/page.h"
#include "core/store/state_dir.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// One run of one job: what the runner's writes are fenced by.
struct JobRun {
  std::string id;
  std::uint32_t attempt = 0;
};

// A checkpoint that is durable in the job's directory.
struct CheckpointRecord {
  std::string file;  // name within the directory
  std::string sha256;
  std::uint64_t step = 0;
};

// What a job leaves behind when it succeeds.
struct JobOutcome {
  std::uint64_t published_version = 0;  // 0: none
  std::string publish_decision;
  std::vector<v1::Metric> metrics;
};

class JobStore {
 public:
  struct Options {
    std::size_t max_queued = 16;               // more are refused
    std::uint32_t max_fruitless_attempts = 3;  // crashes in a row without a later checkpoint
    std::chrono::seconds retry_after{10};      // told to callers when the queue is full
  };
  // Borrows all; they outlive the store.
  JobStore(const StateDir* dir, Database* db, const Clock* clock, Options options);

  // The tables `jobs`, `job_events` and `job_checkpoints`.
  static Schema DatabaseSchema();

  // --- for callers -------------------------------------------------------------------------------
  // Stores a job as QUEUED. RESOURCE_EXHAUSTED, reason QUEUE_FULL, with retry_after.
  absl::StatusOr<JobRecord> Submit(Transaction& tx, const v1::TrainingPlan& plan);
  // The same for a job that evaluates a version of the plan's model on the plan's dataset.
  absl::StatusOr<JobRecord> SubmitEvaluation(Transaction& tx, const v1::TrainingPlan& plan,
                                             std::uint64_t version);
  // With the newest progress that was shown, stored or not. NOT_FOUND if there is no such job.
  absl::StatusOr<JobRecord> Get(std::string_view id);
  struct Page {
    std::vector<JobRecord> jobs;  // newest first
    std::string next_page_token;
  };
  // Empty `model` and UNSPECIFIED `state` mean all. Plans come without the columns' names
  // and groups.
  absl::StatusOr<Page> List(const PageRequest& page, const std::string& model, v1::JobState state);
  // QUEUED to CANCELLED, RUNNING to CANCELLING; FAILED_PRECONDITION, reason JOB_STATE, if it has
  // ended (publishing commits the end).
  absl::StatusOr<JobRecord> Cancel(Transaction& tx, const std::string& id);
  // Forgets an ended job, its events and its files. FAILED_PRECONDITION, reason JOB_STATE, while it
  // is unfinished.
  absl::Status Delete(Transaction& tx, const std::string& id);
  // Stored events after `after`, ascending, at most `limit`.
  absl::StatusOr<std::vector<JobEvent>> Events(const std::string& id, std::uint64_t after,
                                               std::size_t limit);
  // NOT_FOUND if there is no such job; else a watcher (see WatchHub::Watch).
  absl::StatusOr<std::shared_ptr<WatchHub::Watcher>> Watch(const std::string& id,
                                                           std::uint64_t after,
                                                           std::function<void()> notify);
  WatchHub& hub() { return hub_; }

  // --- for the other stores, within their transactions (SetUsersOf) ------------------------------
  // Ids of unfinished jobs that train on the dataset; that train the model or begin with a version
  // of it; that begin with the version or evaluate it.
  static absl::StatusOr<std::vector<std::string>> UsersOfDataset(Transaction& tx,
                                                                 std::string_view dataset);
  static absl::StatusOr<std::vector<std::string>> UsersOfModel(Transaction& tx,
                                                               std::string_view model);
  static absl::StatusOr<std::vector<std::string>> UsersOfVersion(Transaction& tx,
                                                                 std::string_view model,
                                                                 std::uint64_t version);

  // --- for the runner ----------------------------------------------------------------------------
  // What a server that was killed left behind: RUNNING becomes QUEUED (or FAILED after too many
  // attempts without progress), CANCELLING becomes CANCELLED; files of jobs that are gone are
  // removed. Idempotent; before anything else. Adds a line for each repair to `notes`.
  absl::Status Recover(std::vector<std::string>* notes);
  // Takes up the oldest QUEUED job: RUNNING, phase LOADING, attempt + 1. nullopt if there is none.
  absl::StatusOr<std::optional<JobRecord>> StartNext();
  absl::Status SetPhase(const JobRun& run, v1::JobPhase phase, std::string_view message);
  // Stores an event an epoch and the newest progress, in one transaction.
  absl::Status RecordEpochs(const JobRun& run, std::span<const v1::TrainProgress> epochs);
  // Tells watchers, and whoever gets the job, of progress that is not stored.
  void ShowStep(const JobRun& run, const v1::TrainProgress& progress);
  // Records a durable checkpoint, forgets all but the newest `keep`; returns the files that are no
  // longer needed.
  absl::StatusOr<std::vector<std::string>> RecordCheckpoint(const JobRun& run,
                                                            const CheckpointRecord& checkpoint,
                                                            std::size_t keep);
  // Newest first.
  absl::StatusOr<std::vector<CheckpointRecord>> Checkpoints(const std::string& id);
  // RUNNING to SUCCEEDED as part of `tx`, so that the end and the published version are one step.
  // FAILED_PRECONDITION, reason JOB_STATE, if it was asked to cancel meanwhile.
  absl::Status Succeed(Transaction& tx, const JobRun& run, const JobOutcome& outcome);
  absl::Status Succeed(const JobRun& run, const JobOutcome& outcome);
  // RUNNING to FAILED (or CANCELLING to CANCELLED).
  absl::Status Fail(const JobRun& run, const std::string& error);
  // CANCELLING to CANCELLED.
  absl::Status Stopped(const JobRun& run);
  // RUNNING to QUEUED (or CANCELLING to CANCELLED), because the server stops.
  absl::Status Requeue(const JobRun& run);

  // Called, without locks, after a job was submitted (QUEUED) or asked to cancel (CANCELLING or
  // CANCELLED). Must not block. Set before threads start.
  void SetListener(std::function<void(const std::string& id, v1::JobState state)> listener) {
    listener_ = std::move(listener);
  }
  // Jobs by state, indexed by v1::JobState.
  absl::StatusOr<std::array<std::uint64_t, v1::JobState_ARRAYSIZE>> CountByState();

 private:
  absl::StatusOr<JobRecord> SubmitJob(Transaction& tx, JobRecord job);
  absl::Status Store(Transaction& tx, JobRecord& job, const v1::TrainProgress* progress,
                     std::string_view message);
  // The unfinished job of a run; ABORTED, reason JOB_RUN_LOST, if another attempt has it.
  absl::StatusOr<JobRecord> Fenced(Transaction& tx, const JobRun& run);
  // Fenced, then a move from RUNNING or, where that is not legal, from CANCELLING to CANCELLED.
  absl::Status EndRun(const JobRun& run, JobMove move, std::string_view message);
  absl::Status RecoverJob(Transaction& tx, JobRecord job, std::vector<std::string>* notes);
  void RemoveFiles(std::string_view id) const;
  // Puts the newest shown progress of the job's present run in the place of an older, stored one.
  void AddShown(JobRecord& job);
  void ForgetShown(const std::string& id);

  const StateDir* const dir_;
  Database* const db_;
  const Clock* const clock_;
  const Options options_;
  struct Shown {
    std::uint32_t attempt = 0;
    v1::TrainProgress progress;
  };
  WatchHub hub_;
  Mutex mutex_;
  // Of running jobs, by id; forgotten when their run ends.
  std::map<std::string, Shown> shown_ ABSL_GUARDED_BY(mutex_);
  std::function<void(const std::string&, v1::JobState)> listener_;
};

}  // namespace latent

#endif  // LATENT_CORE_JOBS_JOB_STORE_H_

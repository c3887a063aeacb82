// The runner's side of the job store, and recovery.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/status.h"
#include "core/jobs/job_rows.h"
#include "core/jobs/job_store.h"

namespace latent {

absl::StatusOr<JobRecord> JobStore::Fenced(Transaction& tx, const JobRun& run) {
  auto job = job_rows::Read(tx, run.id);
  if (job.ok() && job->attempt == run.attempt &&
      (job->state == v1::JOB_STATE_RUNNING || job->state == v1::JOB_STATE_CANCELLING)) {
    return job;
  }
  if (!job.ok() && !absl::IsNotFound(job.status())) return job.status();
  return MakeError(absl::StatusCode::kAborted, "JOB_RUN_LOST",
                   absl::StrCat("attempt ", run.attempt, " of job ", run.id, " is over"));
}

absl::StatusOr<std::optional<JobRecord>> JobStore::StartNext() {
  std::optional<JobRecord> started;
  const absl::Status done = db_->Write([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(started, job_rows::ReadOldestQueued(tx));
    if (!started) return absl::OkStatus();
    LATENT_ASSIGN_OR_RETURN(started->state, NextJobState(started->state, JobMove::kStart));
    started->phase = v1::JOB_PHASE_LOADING;
    started->queue_position.reset();
    ++started->attempt;
    started->start_time_us = ToUnixMicros(clock_->WallNow());
    LATENT_ASSIGN_OR_RETURN(job_rows::Attempts attempts, job_rows::ReadAttempts(tx, started->id));
    LATENT_ASSIGN_OR_RETURN(attempts.step_at_start,
                            job_rows::NewestCheckpointStep(tx, started->id));
    LATENT_RETURN_IF_ERROR(job_rows::WriteAttempts(tx, started->id, attempts));
    return Store(tx, *started, nullptr, absl::StrCat("attempt ", started->attempt, " started"));
  });
  if (!done.ok()) return done;
  return started;
}

absl::Status JobStore::SetPhase(const JobRun& run, v1::JobPhase phase, std::string_view message) {
  return db_->Write([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(JobRecord job, Fenced(tx, run));
    job.phase = phase;
    return Store(tx, job, nullptr, message);
  });
}

absl::Status JobStore::RecordEpochs(const JobRun& run, std::span<const v1::TrainProgress> epochs) {
  if (epochs.empty()) return absl::OkStatus();
  return db_->Write([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(JobRecord job, Fenced(tx, run));
    for (const v1::TrainProgress& progress : epochs) {
      job.progress = progress;
      LATENT_RETURN_IF_ERROR(Store(tx, job, &progress, ""));
    }
    return absl::OkStatus();
  });
}

void JobStore::ShowStep(const JobRun& run, const v1::TrainProgress& progress) {
  JobEvent event;
  event.time_us = ToUnixMicros(clock_->WallNow());
  event.state = v1::JOB_STATE_RUNNING;
  event.phase = v1::JOB_PHASE_TRAINING;
  event.progress = progress;
  {
    MutexLock lock(&mutex_);
    shown_[run.id] = {run.attempt, progress};
  }
  hub_.Publish(run.id, event);
}

absl::StatusOr<std::vector<std::string>> JobStore::RecordCheckpoint(
    const JobRun& run, const CheckpointRecord& checkpoint, std::size_t keep) {
  std::vector<std::string> dropped;
  const absl::Status done = db_->Write([&](Transaction& tx) -> absl::Status {
    LATENT_RETURN_IF_ERROR(Fenced(tx, run).status());
    // The same content again replaces its earlier record, or its file would be dropped with that.
    LATENT_RETURN_IF_ERROR(tx.Run("DELETE FROM job_checkpoints WHERE job_id = ? AND file = ?",
                                  {run.id, checkpoint.file})
                               .status());
    LATENT_RETURN_IF_ERROR(
        tx.Run("INSERT INTO job_checkpoints (job_id, step, file, sha256) VALUES (?, ?, ?, ?)",
               {run.id, static_cast<std::int64_t>(checkpoint.step), checkpoint.file,
                checkpoint.sha256})
            .status());
    constexpr char kOld[] =
        "job_id = ?1 AND number NOT IN (SELECT number FROM job_checkpoints WHERE job_id = ?1 "
        "ORDER BY number DESC LIMIT ?2)";
    const std::int64_t kept = static_cast<std::int64_t>(keep);
    {
      LATENT_ASSIGN_OR_RETURN(
          Statement rows,
          tx.Query(absl::StrCat("SELECT file FROM job_checkpoints WHERE ", kOld), {run.id, kept}));
      for (;;) {
        LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
        if (!more) break;
        dropped.push_back(rows.Text(0));
      }
    }
    return tx.Run(absl::StrCat("DELETE FROM job_checkpoints WHERE ", kOld), {run.id, kept})
        .status();
  });
  if (!done.ok()) return done;
  return dropped;
}

absl::StatusOr<std::vector<CheckpointRecord>> JobStore::Checkpoints(const std::string& id) {
  std::vector<CheckpointRecord> checkpoints;
  const absl::Status done = db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(Statement rows,
                            tx.Query("SELECT file, sha256, step FROM job_checkpoints "
                                     "WHERE job_id = ? ORDER BY number DESC",
                                     {id}));
    for (;;) {
      LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
      if (!more) return absl::OkStatus();
      checkpoints.push_back({rows.Text(0), rows.Text(1), rows.Uint(2)});
    }
  });
  if (!done.ok()) return done;
  return checkpoints;
}

absl::Status JobStore::Succeed(Transaction& tx, const JobRun& run, const JobOutcome& outcome) {
  LATENT_ASSIGN_OR_RETURN(JobRecord job, Fenced(tx, run));
  LATENT_ASSIGN_OR_RETURN(job.state, NextJobState(job.state, JobMove::kSucceed));
  job.phase = v1::JOB_PHASE_UNSPECIFIED;
  job.published_version = outcome.published_version;
  job.publish_decision = outcome.publish_decision;
  job.metrics = outcome.metrics;
  job.end_time_us = ToUnixMicros(clock_->WallNow());
  return Store(tx, job, &job.progress, outcome.publish_decision);
}

absl::Status JobStore::Succeed(const JobRun& run, const JobOutcome& outcome) {
  return db_->Write([&](Transaction& tx) { return Succeed(tx, run, outcome); });
}

absl::Status JobStore::EndRun(const JobRun& run, JobMove move, std::string_view message) {
  return db_->Write([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(JobRecord job, Fenced(tx, run));
    // Whatever else was to happen, somebody has asked for its end.
    if (job.state == v1::JOB_STATE_CANCELLING) move = JobMove::kStopped;
    LATENT_ASSIGN_OR_RETURN(job.state, NextJobState(job.state, move));
    job.phase = v1::JOB_PHASE_UNSPECIFIED;
    if (IsEnded(job.state)) job.end_time_us = ToUnixMicros(clock_->WallNow());
    if (job.state == v1::JOB_STATE_FAILED) job.error = std::string(message);
    return Store(tx, job, nullptr, move == JobMove::kStopped ? "cancelled" : message);
  });
}

absl::Status JobStore::Fail(const JobRun& run, const std::string& error) {
  return EndRun(run, JobMove::kFail, error);
}

absl::Status JobStore::Stopped(const JobRun& run) { return EndRun(run, JobMove::kStopped, ""); }

absl::Status JobStore::Requeue(const JobRun& run) {
  return EndRun(run, JobMove::kRequeue, "back in the queue: the server stops");
}

absl::Status JobStore::RecoverJob(Transaction& tx, JobRecord job, std::vector<std::string>* notes) {
  if (job.state == v1::JOB_STATE_QUEUED) return absl::OkStatus();
  job.phase = v1::JOB_PHASE_UNSPECIFIED;
  std::string message = "cancelled";
  if (job.state == v1::JOB_STATE_CANCELLING) {
    LATENT_ASSIGN_OR_RETURN(job.state, NextJobState(job.state, JobMove::kStopped));
  } else {
    LATENT_ASSIGN_OR_RETURN(job_rows::Attempts attempts, job_rows::ReadAttempts(tx, job.id));
    LATENT_ASSIGN_OR_RETURN(const std::uint64_t step, job_rows::NewestCheckpointStep(tx, job.id));
    attempts.fruitless = step > attempts.step_at_start ? 0 : attempts.fruitless + 1;
    LATENT_RETURN_IF_ERROR(job_rows::WriteAttempts(tx, job.id, attempts));
    const bool give_up = attempts.fruitless >= options_.max_fruitless_attempts;
    LATENT_ASSIGN_OR_RETURN(job.state,
                            NextJobState(job.state, give_up ? JobMove::kFail : JobMove::kRequeue));
    message = give_up
                  ? absl::StrCat("given up: the server was killed in each of ", attempts.fruitless,
                                 " attempts before there was a later checkpoint than step ", step)
                  : "back in the queue: the server was killed";
    if (give_up) job.error = message;
  }
  if (IsEnded(job.state)) job.end_time_us = ToUnixMicros(clock_->WallNow());
  notes->push_back(absl::StrCat("job ", job.id, ": ", message));
  return Store(tx, job, nullptr, message);
}

absl::Status JobStore::Recover(std::vector<std::string>* notes) {
  std::set<std::string> known;
  absl::Status done = db_->Write([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(std::vector<JobRecord> jobs, job_rows::ReadUnfinished(tx));
    for (JobRecord& job : jobs) {
      LATENT_RETURN_IF_ERROR(RecoverJob(tx, std::move(job), notes));
    }
    LATENT_ASSIGN_OR_RETURN(Statement rows, tx.Query("SELECT id FROM jobs"));
    for (;;) {
      LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
      if (!more) return absl::OkStatus();
      known.insert(rows.Text(0));
    }
  });
  if (!done.ok()) return done;
  LATENT_ASSIGN_OR_RETURN(const std::vector<std::string> folders, ListDirectory(dir_->jobs_dir()));
  for (const std::string& folder : folders) {
    if (!known.contains(folder)) RemoveFiles(folder);
  }
  return absl::OkStatus();
}

}  // namespace latent

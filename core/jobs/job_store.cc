// What callers ask of the job store; the runner's side is in job_store_runner.cc.
#include "core/jobs/job_store.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/ids.h"
#include "core/base/status.h"
#include "core/jobs/job_rows.h"

namespace latent {
namespace {

absl::Status QueueFull(std::size_t limit, std::chrono::seconds retry_after) {
  ErrorDetails details;
  details.reason = "QUEUE_FULL";
  details.metadata["limit_queued"] = absl::StrCat(limit);
  details.retry_after = retry_after;
  return MakeError(absl::StatusCode::kResourceExhausted,
                   absl::StrCat("the queue is full: ", limit,
                                " train jobs wait already; try again later or cancel one"),
                   std::move(details));
}

absl::StatusOr<std::vector<std::string>> IdsOf(absl::StatusOr<Statement> query) {
  LATENT_ASSIGN_OR_RETURN(Statement rows, std::move(query));
  std::vector<std::string> ids;
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return ids;
    ids.push_back(rows.Text(0));
  }
}

}  // namespace

Schema JobStore::DatabaseSchema() {
  Schema schema;
  schema.owner = "jobs";
  // States are numbered as latent.v1.JobState, phases as latent.v1.JobPhase.
  schema.migrations = {R"sql(
    CREATE TABLE jobs (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      tenant TEXT NOT NULL DEFAULT 'default',
      id TEXT NOT NULL UNIQUE,
      model TEXT NOT NULL,
      dataset TEXT NOT NULL,
      plan BLOB NOT NULL,
      state INTEGER NOT NULL,
      phase INTEGER NOT NULL DEFAULT 0,
      progress BLOB NOT NULL DEFAULT x'',
      error TEXT NOT NULL DEFAULT '',
      attempt INTEGER NOT NULL DEFAULT 0,
      step_at_start INTEGER NOT NULL DEFAULT 0,
      fruitless INTEGER NOT NULL DEFAULT 0,
      published_version INTEGER NOT NULL DEFAULT 0,
      publish_decision TEXT NOT NULL DEFAULT '',
      metrics TEXT,
      create_us INTEGER NOT NULL,
      start_us INTEGER NOT NULL DEFAULT 0,
      end_us INTEGER NOT NULL DEFAULT 0,
      last_sequence INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX jobs_by_state ON jobs (state, number);
    CREATE TABLE job_events (
      job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
      sequence INTEGER NOT NULL,
      time_us INTEGER NOT NULL,
      state INTEGER NOT NULL,
      phase INTEGER NOT NULL,
      progress BLOB,
      message TEXT NOT NULL,
      PRIMARY KEY (job_id, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE job_checkpoints (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
      step INTEGER NOT NULL,
      file TEXT NOT NULL,
      sha256 TEXT NOT NULL
    ) STRICT;
    CREATE INDEX job_checkpoints_by_job ON job_checkpoints (job_id, number);
  )sql",
                       // Of evaluation jobs: the version that is evaluated; 0 for train jobs.
                       "ALTER TABLE jobs ADD COLUMN evaluated_version INTEGER NOT NULL DEFAULT 0",
                       // Of a warm start: the version whose weights training begins with.
                       "ALTER TABLE jobs ADD COLUMN source_model TEXT NOT NULL DEFAULT '';"
                       "ALTER TABLE jobs ADD COLUMN source_version INTEGER NOT NULL DEFAULT 0"};
  return schema;
}

JobStore::JobStore(const StateDir* dir, Database* db, const Clock* clock, Options options)
    : dir_(dir),
      db_(db),
      clock_(clock),
      options_(options),
      hub_([this](const std::string& id, std::uint64_t after, std::size_t limit) {
        return Events(id, after, limit);
      }),
      listener_([](const std::string&, v1::JobState) {}) {}

absl::Status JobStore::Store(Transaction& tx, JobRecord& job, const v1::TrainProgress* progress,
                             std::string_view message) {
  JobEvent event;
  event.sequence = ++job.last_sequence;
  event.time_us = ToUnixMicros(clock_->WallNow());
  event.state = job.state;
  event.phase = job.phase;
  if (progress != nullptr) event.progress = *progress;
  event.message = std::string(message);
  event.stored = true;
  LATENT_RETURN_IF_ERROR(job_rows::InsertEvent(tx, job.id, event));
  LATENT_RETURN_IF_ERROR(job_rows::Update(tx, job));
  tx.OnCommit([this, id = job.id, event = std::move(event)] {
    if (!HasRun(event.state)) ForgetShown(id);
    hub_.Publish(id, event);
  });
  return absl::OkStatus();
}

absl::StatusOr<JobRecord> JobStore::Submit(Transaction& tx, const v1::TrainingPlan& plan) {
  JobRecord job;
  job.plan = plan;
  return SubmitJob(tx, std::move(job));
}

absl::StatusOr<JobRecord> JobStore::SubmitEvaluation(Transaction& tx, const v1::TrainingPlan& plan,
                                                     std::uint64_t version) {
  JobRecord job;
  job.plan = plan;
  job.evaluated_version = version;
  return SubmitJob(tx, std::move(job));
}

absl::StatusOr<JobRecord> JobStore::SubmitJob(Transaction& tx, JobRecord job) {
  LATENT_ASSIGN_OR_RETURN(const std::int64_t queued, job_rows::CountQueued(tx));
  if (static_cast<std::size_t>(queued) >= options_.max_queued) {
    return QueueFull(options_.max_queued, options_.retry_after);
  }
  job.id = RandomId("job");
  job.create_time_us = ToUnixMicros(clock_->WallNow());
  LATENT_RETURN_IF_ERROR(job_rows::Insert(tx, job));
  LATENT_RETURN_IF_ERROR(Store(tx, job, nullptr, "submitted"));
  tx.OnCommit([this, id = job.id] { listener_(id, v1::JOB_STATE_QUEUED); });
  return job_rows::Read(tx, job.id);
}

absl::StatusOr<JobRecord> JobStore::Get(std::string_view id) {
  JobRecord job;
  const absl::Status done = db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(job, job_rows::Read(tx, id));
    return absl::OkStatus();
  });
  if (!done.ok()) return done;
  AddShown(job);
  return job;
}

void JobStore::AddShown(JobRecord& job) {
  if (!HasRun(job.state)) return;
  MutexLock lock(&mutex_);
  const auto shown = shown_.find(job.id);
  if (shown == shown_.end() || shown->second.attempt != job.attempt) return;
  if (shown->second.progress.step() > job.progress.step()) job.progress = shown->second.progress;
}

void JobStore::ForgetShown(const std::string& id) {
  MutexLock lock(&mutex_);
  shown_.erase(id);
}

absl::StatusOr<JobStore::Page> JobStore::List(const PageRequest& page, const std::string& model,
                                              v1::JobState state) {
  const std::string list = absl::StrCat("jobs/", model, "/", static_cast<int>(state));
  LATENT_ASSIGN_OR_RETURN(const std::int64_t size, CheckedPageSize(page));
  LATENT_ASSIGN_OR_RETURN(const std::string last, ReadPageToken(list, page.token));
  std::int64_t before = 0;
  if (!last.empty() && (!absl::SimpleAtoi(last, &before) || before <= 0)) {
    return InvalidField("page_token", "expected a token of an earlier page");
  }
  Page result;
  const absl::Status done = db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(job_rows::JobPage read,
                            job_rows::ReadPage(tx, model, state, before, size));
    result.jobs = std::move(read.jobs);
    if (read.next > 0) result.next_page_token = MakePageToken(list, absl::StrCat(read.next));
    return absl::OkStatus();
  });
  if (!done.ok()) return done;
  for (JobRecord& job : result.jobs) AddShown(job);
  return result;
}

absl::StatusOr<JobRecord> JobStore::Cancel(Transaction& tx, const std::string& id) {
  LATENT_ASSIGN_OR_RETURN(JobRecord job, job_rows::Read(tx, id));
  LATENT_ASSIGN_OR_RETURN(const v1::JobState next, NextJobState(job.state, JobMove::kCancel));
  if (next != job.state) {
    job.state = next;
    if (IsEnded(next)) job.end_time_us = ToUnixMicros(clock_->WallNow());
    LATENT_RETURN_IF_ERROR(Store(tx, job, nullptr, "asked to cancel"));
  }
  tx.OnCommit([this, id, next] { listener_(id, next); });
  return job_rows::Read(tx, id);
}

absl::Status JobStore::Delete(Transaction& tx, const std::string& id) {
  LATENT_ASSIGN_OR_RETURN(const JobRecord job, job_rows::Read(tx, id));
  if (!IsEnded(job.state)) {
    const std::string_view name = JobStateName(job.state);
    return MakeError(absl::StatusCode::kFailedPrecondition, "JOB_STATE",
                     absl::StrCat("job ", id, " is ", absl::string_view(name.data(), name.size()),
                                  ": cancel it and wait for its end before deleting it"));
  }
  LATENT_RETURN_IF_ERROR(tx.Run("DELETE FROM jobs WHERE id = ?", {id}).status());
  tx.OnCommit([this, id] { RemoveFiles(id); });
  return absl::OkStatus();
}

void JobStore::RemoveFiles(std::string_view id) const {
  // What cannot be removed now is removed by Recover at the next start.
  RemoveTree(dir_->job_dir(id)).IgnoreError();
}

absl::StatusOr<std::vector<JobEvent>> JobStore::Events(const std::string& id, std::uint64_t after,
                                                       std::size_t limit) {
  std::vector<JobEvent> events;
  const absl::Status done = db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(events, job_rows::ReadEvents(tx, id, after, limit));
    if (events.empty()) return job_rows::Read(tx, id).status();
    return absl::OkStatus();
  });
  if (!done.ok()) return done;
  return events;
}

absl::StatusOr<std::shared_ptr<WatchHub::Watcher>> JobStore::Watch(const std::string& id,
                                                                   std::uint64_t after,
                                                                   std::function<void()> notify) {
  // Subscribed first: an end that comes between the two is not missed.
  std::shared_ptr<WatchHub::Watcher> watcher = hub_.Watch(id, after, std::move(notify));
  LATENT_ASSIGN_OR_RETURN(const JobRecord job, Get(id));
  if (IsEnded(job.state) && job.last_sequence <= after) WatchHub::MarkDone(*watcher);
  return watcher;
}

absl::StatusOr<std::vector<std::string>> JobStore::UsersOfDataset(Transaction& tx,
                                                                  std::string_view dataset) {
  return IdsOf(tx.Query(
      "SELECT id FROM jobs WHERE state IN (1, 2, 3) AND dataset = ? ORDER BY number", {dataset}));
}

absl::StatusOr<std::vector<std::string>> JobStore::UsersOfModel(Transaction& tx,
                                                                std::string_view model) {
  return IdsOf(
      tx.Query("SELECT id FROM jobs WHERE state IN (1, 2, 3) AND (model = ?1 OR source_model = ?1) "
               "ORDER BY number",
               {model}));
}

absl::StatusOr<std::vector<std::string>> JobStore::UsersOfVersion(Transaction& tx,
                                                                  std::string_view model,
                                                                  std::uint64_t version) {
  return IdsOf(
      tx.Query("SELECT id FROM jobs WHERE state IN (1, 2, 3) AND ((source_model = ?1 AND "
               "source_version = ?2) OR (model = ?1 AND evaluated_version = ?2)) ORDER BY number",
               {model, static_cast<std::int64_t>(version)}));
}

absl::StatusOr<std::array<std::uint64_t, v1::JobState_ARRAYSIZE>> JobStore::CountByState() {
  std::array<std::uint64_t, v1::JobState_ARRAYSIZE> counts{};
  const absl::Status done = db_->Read([&](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(Statement rows,
                            tx.Query("SELECT state, count(*) FROM jobs GROUP BY state"));
    for (;;) {
      LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
      if (!more) return absl::OkStatus();
      const std::uint64_t state = rows.Uint(0);
      if (state < counts.size()) counts[state] = rows.Uint(1);
    }
  });
  if (!done.ok()) return done;
  return counts;
}

}  // namespace latent

#include "core/jobs/job_rows.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/ids.h"
#include "core/base/status.h"
#include "core/store/page.h"
#include "core/train/version_files.h"

namespace latent::job_rows {
namespace {

std::int64_t Signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }

constexpr char kSelect[] =
    "SELECT number, id, plan, state, phase, progress, error, attempt, published_version, "
    "publish_decision, metrics, create_us, start_us, end_us, last_sequence, "
    "(SELECT count(*) FROM jobs AS earlier WHERE earlier.state = 1 AND "
    "earlier.number < jobs.number), evaluated_version FROM jobs ";

absl::StatusOr<JobRecord> FromRow(const Statement& row) {
  JobRecord job;
  job.id = row.Text(1);
  if (!job.plan.ParseFromString(row.Text(2)) || !job.progress.ParseFromString(row.Text(5))) {
    return absl::DataLossError(absl::StrCat("the row of job ", job.id, " cannot be read"));
  }
  job.state = static_cast<v1::JobState>(row.Int(3));
  job.phase = static_cast<v1::JobPhase>(row.Int(4));
  job.error = row.Text(6);
  job.attempt = static_cast<std::uint32_t>(row.Int(7));
  job.published_version = row.Uint(8);
  job.publish_decision = row.Text(9);
  job.evaluated_version = row.Uint(16);
  if (!row.IsNull(10)) {
    LATENT_ASSIGN_OR_RETURN(Evaluation evaluation, ParseEvaluation(row.Text(10)));
    job.metrics = std::move(evaluation.metrics);
  }
  job.create_time_us = row.Int(11);
  job.start_time_us = row.Int(12);
  job.end_time_us = row.Int(13);
  job.last_sequence = row.Uint(14);
  if (job.state == v1::JOB_STATE_QUEUED) {
    job.queue_position = static_cast<std::uint32_t>(row.Int(15));
  }
  return job;
}

absl::StatusOr<std::vector<JobRecord>> FromRows(Statement rows) {
  std::vector<JobRecord> jobs;
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return jobs;
    LATENT_ASSIGN_OR_RETURN(JobRecord job, FromRow(rows));
    jobs.push_back(std::move(job));
  }
}

std::size_t BytesOf(const JobRecord& job) {
  std::size_t bytes = job.plan.ByteSizeLong() + job.progress.ByteSizeLong() + job.error.size() +
                      job.publish_decision.size();
  for (const v1::Metric& metric : job.metrics) bytes += metric.ByteSizeLong();
  return bytes;
}

}  // namespace

absl::Status Insert(Transaction& tx, const JobRecord& job) {
  const std::string plan = job.plan.SerializeAsString();
  // An evaluation job has the plan of the version, but begins with nothing.
  const v1::WarmStart start =
      job.evaluated_version == 0 ? job.plan.training().warm_start() : v1::WarmStart();
  return tx
      .Run(
          "INSERT INTO jobs (id, model, dataset, plan, evaluated_version, source_model, "
          "source_version, state, create_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
          {job.id, job.plan.model(), job.plan.data().dataset(), SqlBlob{plan},
           Signed(job.evaluated_version), start.model(), Signed(start.version()),
           std::int64_t{job.state}, job.create_time_us})
      .status();
}

absl::Status Update(Transaction& tx, const JobRecord& job) {
  const std::string progress = job.progress.SerializeAsString();
  std::string metrics;
  SqlValue metrics_value = std::monostate();
  if (!job.metrics.empty()) {
    Evaluation evaluation;
    evaluation.metrics = job.metrics;
    metrics = EvaluationToJson(evaluation);
    metrics_value = std::string_view(metrics);
  }
  return tx
      .Run(
          "UPDATE jobs SET state = ?, phase = ?, progress = ?, error = ?, attempt = ?, "
          "published_version = ?, publish_decision = ?, metrics = ?, start_us = ?, end_us = ?, "
          "last_sequence = ? WHERE id = ?",
          {std::int64_t{job.state}, std::int64_t{job.phase}, SqlBlob{progress}, job.error,
           std::int64_t{job.attempt}, Signed(job.published_version), job.publish_decision,
           metrics_value, job.start_time_us, job.end_time_us, Signed(job.last_sequence), job.id})
      .status();
}

absl::StatusOr<JobRecord> Read(Transaction& tx, std::string_view id) {
  LATENT_ASSIGN_OR_RETURN(Statement rows, tx.Query(absl::StrCat(kSelect, "WHERE id = ?"), {id}));
  LATENT_ASSIGN_OR_RETURN(std::vector<JobRecord> jobs, FromRows(std::move(rows)));
  if (!jobs.empty()) return std::move(jobs.front());
  return MakeError(absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
                   absl::StrCat("there is no train job ", Quoted(id)));
}

absl::StatusOr<std::optional<JobRecord>> ReadOldestQueued(Transaction& tx) {
  LATENT_ASSIGN_OR_RETURN(
      Statement rows, tx.Query(absl::StrCat(kSelect, "WHERE state = 1 ORDER BY number LIMIT 1")));
  LATENT_ASSIGN_OR_RETURN(std::vector<JobRecord> jobs, FromRows(std::move(rows)));
  if (jobs.empty()) return std::nullopt;
  return std::move(jobs.front());
}

absl::StatusOr<std::vector<JobRecord>> ReadUnfinished(Transaction& tx) {
  LATENT_ASSIGN_OR_RETURN(
      Statement rows, tx.Query(absl::StrCat(kSelect, "WHERE state IN (1, 2, 3) ORDER BY number")));
  return FromRows(std::move(rows));
}

absl::StatusOr<JobPage> ReadPage(Transaction& tx, const std::string& model, v1::JobState state,
                                 std::int64_t before, std::int64_t limit) {
  // One more than asked for tells whether there is a next page.
  LATENT_ASSIGN_OR_RETURN(
      Statement rows,
      tx.Query(absl::StrCat(kSelect,
                            "WHERE (?1 = '' OR model = ?1) AND (?2 = 0 OR state = ?2) AND "
                            "(?3 = 0 OR number < ?3) ORDER BY number DESC LIMIT ?4"),
               {model, std::int64_t{state}, before, limit + 1}));
  JobPage page;
  PageBudget budget;
  std::int64_t last = 0;
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return page;
    LATENT_ASSIGN_OR_RETURN(JobRecord job, FromRow(rows));
    job.plan.mutable_data()->clear_column_names();
    job.plan.mutable_data()->clear_column_groups();
    if (std::ssize(page.jobs) == limit || !budget.Takes(BytesOf(job))) {
      page.next = last;
      return page;
    }
    page.jobs.push_back(std::move(job));
    last = rows.Int(0);
  }
}

absl::StatusOr<std::int64_t> CountQueued(Transaction& tx) {
  LATENT_ASSIGN_OR_RETURN(Statement rows, tx.Query("SELECT count(*) FROM jobs WHERE state = 1"));
  LATENT_RETURN_IF_ERROR(rows.Next().status());
  return rows.Int(0);
}

absl::Status InsertEvent(Transaction& tx, const std::string& id, const JobEvent& event) {
  std::string progress;
  SqlValue progress_value = std::monostate();
  if (event.progress) {
    progress = event.progress->SerializeAsString();
    progress_value = SqlBlob{progress};
  }
  return tx
      .Run(
          "INSERT INTO job_events (job_id, sequence, time_us, state, phase, progress, message) "
          "VALUES (?, ?, ?, ?, ?, ?, ?)",
          {id, Signed(event.sequence), event.time_us, std::int64_t{event.state},
           std::int64_t{event.phase}, progress_value, event.message})
      .status();
}

absl::StatusOr<std::vector<JobEvent>> ReadEvents(Transaction& tx, std::string_view id,
                                                 std::uint64_t after, std::size_t limit) {
  // Sequence numbers fit in a signed integer; a caller's may not.
  const std::int64_t from = Signed(std::min<std::uint64_t>(after, INT64_MAX));
  LATENT_ASSIGN_OR_RETURN(
      Statement rows,
      tx.Query("SELECT sequence, time_us, state, phase, progress, message FROM job_events "
               "WHERE job_id = ? AND sequence > ? ORDER BY sequence LIMIT ?",
               {id, from, Signed(limit)}));
  std::vector<JobEvent> events;
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return events;
    JobEvent& event = events.emplace_back();
    event.sequence = rows.Uint(0);
    event.time_us = rows.Int(1);
    event.state = static_cast<v1::JobState>(rows.Int(2));
    event.phase = static_cast<v1::JobPhase>(rows.Int(3));
    if (!rows.IsNull(4) && !event.progress.emplace().ParseFromString(rows.Text(4))) {
      return absl::DataLossError(
          absl::StrCat("event ", event.sequence, " of job ", Quoted(id), " cannot be read"));
    }
    event.message = rows.Text(5);
    event.stored = true;
  }
}

absl::StatusOr<std::uint64_t> NewestCheckpointStep(Transaction& tx, std::string_view id) {
  LATENT_ASSIGN_OR_RETURN(
      Statement rows,
      tx.Query("SELECT coalesce(max(step), 0) FROM job_checkpoints WHERE job_id = ?", {id}));
  LATENT_RETURN_IF_ERROR(rows.Next().status());
  return rows.Uint(0);
}

absl::StatusOr<Attempts> ReadAttempts(Transaction& tx, std::string_view id) {
  LATENT_ASSIGN_OR_RETURN(Statement rows,
                          tx.Query("SELECT step_at_start, fruitless FROM jobs WHERE id = ?", {id}));
  LATENT_RETURN_IF_ERROR(rows.Next().status());
  return Attempts{rows.Uint(0), static_cast<std::uint32_t>(rows.Int(1))};
}

absl::Status WriteAttempts(Transaction& tx, std::string_view id, const Attempts& attempts) {
  return tx
      .Run("UPDATE jobs SET step_at_start = ?, fruitless = ? WHERE id = ?",
           {Signed(attempts.step_at_start), std::int64_t{attempts.fruitless}, id})
      .status();
}

}  // namespace latent::job_rows

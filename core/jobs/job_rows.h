// Jobs as rows of the database; the SQL that job_store.cc and job_store_runner.cc share. Free
// functions within the caller's transaction.
#ifndef LATENT_CORE_JOBS_JOB_ROWS_H_
#define LATENT_CORE_JOBS_JOB_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/jobs/job.h"
#include "core/store/db.h"

namespace latent::job_rows {

// Makes the row of a new job.
absl::Status Insert(Transaction& tx, const JobRecord& job);
// Writes everything that changes in a job's life.
absl::Status Update(Transaction& tx, const JobRecord& job);
// NOT_FOUND, reason JOB_NOT_FOUND, if there is none.
absl::StatusOr<JobRecord> Read(Transaction& tx, std::string_view id);
// The oldest QUEUED job.
absl::StatusOr<std::optional<JobRecord>> ReadOldestQueued(Transaction& tx);
absl::StatusOr<std::vector<JobRecord>> ReadUnfinished(Transaction& tx);

struct JobPage {
  std::vector<JobRecord> jobs;  // newest first, plans without columns' names and groups
  std::int64_t next = 0;        // `before` of the next page; 0: there is none
};
// Those with a number below `before` (0: from the newest); at most `limit`, and PageBudget's bytes.
absl::StatusOr<JobPage> ReadPage(Transaction& tx, const std::string& model, v1::JobState state,
                                 std::int64_t before, std::int64_t limit);
absl::StatusOr<std::int64_t> CountQueued(Transaction& tx);

absl::Status InsertEvent(Transaction& tx, const std::string& id, const JobEvent& event);
absl::StatusOr<std::vector<JobEvent>> ReadEvents(Transaction& tx, std::string_view id,
                                                 std::uint64_t after, std::size_t limit);

// Step of the newest checkpoint; 0 without one.
absl::StatusOr<std::uint64_t> NewestCheckpointStep(Transaction& tx, std::string_view id);

// What only recovery needs: how far the job was when its attempt began, and how many attempts in a
// row brought it no further.
struct Attempts {
  std::uint64_t step_at_start = 0;
  std::uint32_t fruitless = 0;
};
absl::StatusOr<Attempts> ReadAttempts(Transaction& tx, std::string_view id);
absl::Status WriteAttempts(Transaction& tx, std::string_view id, const Attempts& attempts);

}  // namespace latent::job_rows

#endif  // LATENT_CORE_JOBS_JOB_ROWS_H_

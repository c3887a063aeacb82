// A train or evaluation job as a value, what happens to it, and which moves are legal. Values and
// pure functions; any thread. Not its job: rows in the database (job_store.h), running (runner.h).
#ifndef LATENT_CORE_JOBS_JOB_H_
#define LATENT_CORE_JOBS_JOB_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "latent/v1/spec.pb.h"

namespace latent {

struct JobRecord {
  std::string id;
  v1::TrainingPlan plan;
  // Of evaluation jobs: the version whose figures are computed; 0 for train jobs. `plan` is then
  // that version's, with the evaluated dataset as its data.
  std::uint64_t evaluated_version = 0;
  v1::JobState state = v1::JOB_STATE_QUEUED;
  v1::JobPhase phase = v1::JOB_PHASE_UNSPECIFIED;  // of RUNNING and CANCELLING jobs
  v1::TrainProgress progress;
  std::string error;                            // of FAILED
  std::uint32_t attempt = 0;                    // times it was started
  std::optional<std::uint32_t> queue_position;  // of QUEUED; 0 is next
  std::uint64_t published_version = 0;          // 0: none
  std::string publish_decision;
  std::vector<v1::Metric> metrics;
  // Microseconds since the Unix epoch; 0: not yet.
  std::int64_t create_time_us = 0;
  std::int64_t start_time_us = 0;  // of the last attempt
  std::int64_t end_time_us = 0;
  std::uint64_t last_sequence = 0;  // of its stored events
};

// Something that happened to a job. State and epoch events are stored; step events are live only
// and carry the sequence of the last stored one.
struct JobEvent {
  std::uint64_t sequence = 0;
  std::int64_t time_us = 0;
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;  // after the event
  v1::JobPhase phase = v1::JOB_PHASE_UNSPECIFIED;  // after the event
  std::optional<v1::TrainProgress> progress;
  std::string message;
  bool stored = false;
};

// What can be done to a job.
enum class JobMove {
  kStart,    // the runner takes it up
  kRequeue,  // the server stopped, or came back after a crash
  kCancel,   // somebody asked
  kStopped,  // the runner has let go of it after a cancel
  kSucceed,
  kFail,
};
inline constexpr JobMove kAllJobMoves[] = {JobMove::kStart,   JobMove::kRequeue, JobMove::kCancel,
                                           JobMove::kStopped, JobMove::kSucceed, JobMove::kFail};

std::string_view JobMoveName(JobMove move);
// "QUEUED" for JOB_STATE_QUEUED.
std::string_view JobStateName(v1::JobState state);
std::string_view JobPhaseName(v1::JobPhase phase);

// The state after `move`; FAILED_PRECONDITION, reason JOB_STATE, if the move is not legal in
// `state`. Cancelling what is being cancelled is legal and changes nothing.
absl::StatusOr<v1::JobState> NextJobState(v1::JobState state, JobMove move);
// Whether it has ended: SUCCEEDED, FAILED or CANCELLED.
bool IsEnded(v1::JobState state);
// Whether a run works on it: RUNNING or CANCELLING.
bool HasRun(v1::JobState state);

}  // namespace latent

#endif  // LATENT_CORE_JOBS_JOB_H_

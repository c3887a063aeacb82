#include "core/jobs/job.h"

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

struct LegalMove {
  v1::JobState from;
  JobMove move;
  v1::JobState to;
};

// Everything that is not here is refused.
constexpr LegalMove kLegalMoves[] = {
    {v1::JOB_STATE_QUEUED, JobMove::kStart, v1::JOB_STATE_RUNNING},
    {v1::JOB_STATE_QUEUED, JobMove::kCancel, v1::JOB_STATE_CANCELLED},
    {v1::JOB_STATE_RUNNING, JobMove::kRequeue, v1::JOB_STATE_QUEUED},
    {v1::JOB_STATE_RUNNING, JobMove::kCancel, v1::JOB_STATE_CANCELLING},
    {v1::JOB_STATE_RUNNING, JobMove::kSucceed, v1::JOB_STATE_SUCCEEDED},
    {v1::JOB_STATE_RUNNING, JobMove::kFail, v1::JOB_STATE_FAILED},
    {v1::JOB_STATE_CANCELLING, JobMove::kCancel, v1::JOB_STATE_CANCELLING},
    {v1::JOB_STATE_CANCELLING, JobMove::kStopped, v1::JOB_STATE_CANCELLED},
};

std::string_view WithoutPrefix(const std::string& name, std::string_view prefix) {
  std::string_view rest = name;
  if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
  return rest;
}

}  // namespace

std::string_view JobMoveName(JobMove move) {
  switch (move) {
    case JobMove::kStart:
      return "be started";
    case JobMove::kRequeue:
      return "be put back into the queue";
    case JobMove::kCancel:
      return "be cancelled";
    case JobMove::kStopped:
      return "end as cancelled";
    case JobMove::kSucceed:
      return "succeed";
    case JobMove::kFail:
      return "fail";
  }
  return "";
}

std::string_view JobStateName(v1::JobState state) {
  return WithoutPrefix(v1::JobState_Name(state), "JOB_STATE_");
}

std::string_view JobPhaseName(v1::JobPhase phase) {
  return WithoutPrefix(v1::JobPhase_Name(phase), "JOB_PHASE_");
}

absl::StatusOr<v1::JobState> NextJobState(v1::JobState state, JobMove move) {
  for (const LegalMove& legal : kLegalMoves) {
    if (legal.from == state && legal.move == move) return legal.to;
  }
  const std::string_view verb = JobMoveName(move), name = JobStateName(state);
  return MakeError(absl::StatusCode::kFailedPrecondition, "JOB_STATE",
                   absl::StrCat("a job that is ", absl::string_view(name.data(), name.size()),
                                " cannot ", absl::string_view(verb.data(), verb.size()),
                                IsEnded(state) ? ": it has ended" : ""));
}

bool IsEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

bool HasRun(v1::JobState state) {
  return state == v1::JOB_STATE_RUNNING || state == v1::JOB_STATE_CANCELLING;
}

}  // namespace latent

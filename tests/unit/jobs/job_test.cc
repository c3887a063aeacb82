#include "core/jobs/job.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "core/base/status.h"

namespace latent {
namespace {

constexpr v1::JobState kQueued = v1::JOB_STATE_QUEUED;
constexpr v1::JobState kRunning = v1::JOB_STATE_RUNNING;
constexpr v1::JobState kCancelling = v1::JOB_STATE_CANCELLING;
constexpr v1::JobState kSucceeded = v1::JOB_STATE_SUCCEEDED;
constexpr v1::JobState kFailed = v1::JOB_STATE_FAILED;
constexpr v1::JobState kCancelled = v1::JOB_STATE_CANCELLED;

// Every state against every move; what is not here must be refused.
TEST(JobTest, MovesAreLegalExactlyAsListed) {
  const std::map<std::pair<v1::JobState, JobMove>, v1::JobState> legal = {
      {{kQueued, JobMove::kStart}, kRunning},
      {{kQueued, JobMove::kCancel}, kCancelled},
      {{kRunning, JobMove::kRequeue}, kQueued},
      {{kRunning, JobMove::kCancel}, kCancelling},
      {{kRunning, JobMove::kSucceed}, kSucceeded},
      {{kRunning, JobMove::kFail}, kFailed},
      {{kCancelling, JobMove::kCancel}, kCancelling},
      {{kCancelling, JobMove::kStopped}, kCancelled},
  };
  for (const v1::JobState state :
       {kQueued, kRunning, kCancelling, kSucceeded, kFailed, kCancelled}) {
    for (const JobMove move : kAllJobMoves) {
      const auto next = NextJobState(state, move);
      const auto expected = legal.find({state, move});
      SCOPED_TRACE(std::string(JobStateName(state)) + " " + std::string(JobMoveName(move)));
      if (expected != legal.end()) {
        ASSERT_TRUE(next.ok()) << next.status();
        EXPECT_EQ(*next, expected->second);
      } else {
        EXPECT_EQ(next.status().code(), absl::StatusCode::kFailedPrecondition);
        EXPECT_EQ(DetailsOf(next.status()).reason, "JOB_STATE");
      }
    }
  }
}

TEST(JobTest, NamesCarryNoPrefix) {
  EXPECT_EQ(JobStateName(kQueued), "QUEUED");
  EXPECT_EQ(JobPhaseName(v1::JOB_PHASE_TRAINING), "TRAINING");
}

}  // namespace
}  // namespace latent

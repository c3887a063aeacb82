// Jobs that are stopped, cancelled and resumed.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "runner_fixture.h"

namespace latent {
namespace {

TEST_F(RunnerTest, AResumedJobEndsWithTheWeightsOfOneThatWasNotStopped) {
  Submit(JobPlan("whole", 12));
  ASSERT_TRUE(*MakeRunner()->RunOne());
  const std::string id = Submit(JobPlan("toy", 12));
  HoldAtEpoch(5);
  {
    const auto runner = MakeRunner();
    runner->Start();
    WaitUntilHeld();
    runner->Stop();
  }
  EXPECT_EQ(Get(id).state, v1::JOB_STATE_QUEUED);
  Open();
  HoldAtEpoch(0);
  const JobRecord job = RunOne(id);
  EXPECT_EQ(job.state, v1::JOB_STATE_SUCCEEDED) << job.error;
  EXPECT_EQ(job.attempt, 2u);
  EXPECT_EQ(Weights(1), Weights(1, "whole"));
}

TEST_F(RunnerTest, CancelEndsARunningJob) {
  const std::string id = Submit(JobPlan("toy", 12));
  HoldAtEpoch(3);
  const auto runner = MakeRunner();
  runner->Start();
  WaitUntilHeld();
  EXPECT_TRUE(runner->stats().running);
  EXPECT_EQ(Cancel(id)->state, v1::JOB_STATE_CANCELLING);
  EXPECT_EQ(WaitForEnd(id).state, v1::JOB_STATE_CANCELLED);
  runner->Stop();
  EXPECT_EQ(Production(), 0u);
  EXPECT_FALSE(std::filesystem::exists(store_->dir().job_dir(id)));
}

TEST_F(RunnerTest, AStartedRunnerTakesUpJobsThatComeLater) {
  const auto runner = MakeRunner();
  runner->Start();
  EXPECT_EQ(WaitForEnd(Submit()).state, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(WaitForEnd(Submit(JobPlan("other"))).state, v1::JOB_STATE_SUCCEEDED);
  EXPECT_GT(runner->stats().epochs, 0u);
}

TEST_F(RunnerTest, ACancelThatComesBeforeTheCommitWins) {
  const std::string id = Submit();
  evaluate_ = [&](const Autoencoder&, const v1::TrainingPlan&, const Dataset&, std::stop_token) {
    EXPECT_TRUE(Cancel(id).ok());
    return Evaluation();
  };
  EXPECT_EQ(RunOne(id).state, v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Production(), 0u);
}

TEST_F(RunnerTest, ACancelWhileFilesAreVerifiedLeavesNothingVisible) {
  const std::string id = Submit();
  store_->registry().SetPreloader([&](const VersionInfo&) { return Cancel(id).status(); });
  EXPECT_EQ(RunOne(id).state, v1::JOB_STATE_CANCELLED);
  EXPECT_FALSE(store_->registry().Get()->Resolve("toy", {}).ok());
}

TEST_F(RunnerTest, StopDuringEvaluationPutsTheJobBack) {
  const std::string id = Submit();
  std::mutex mutex;
  std::condition_variable_any evaluating;
  std::atomic<bool> reached = false;
  evaluate_ = [&](const Autoencoder&, const v1::TrainingPlan&, const Dataset&,
                  std::stop_token stop) -> absl::StatusOr<Evaluation> {
    std::unique_lock<std::mutex> lock(mutex);
    reached = true;
    evaluating.notify_all();
    evaluating.wait(lock, stop, [] { return false; });
    return absl::CancelledError("stopped");
  };
  const auto runner = MakeRunner();
  runner->Start();
  {
    std::unique_lock<std::mutex> lock(mutex);
    evaluating.wait(lock, [&] { return reached.load(); });
  }
  runner->Stop();
  EXPECT_EQ(Get(id).state, v1::JOB_STATE_QUEUED);
  EXPECT_FALSE(jobs_->Checkpoints(id)->empty());
}

}  // namespace
}  // namespace latent

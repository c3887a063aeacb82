#include "core/jobs/job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/status.h"
#include "jobs_fixture.h"

namespace latent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class JobStoreTest : public JobsTest {
 protected:
  std::vector<std::uint64_t> Sequences(const std::string& id, std::uint64_t after) {
    std::vector<std::uint64_t> sequences;
    const auto events = jobs_->Events(id, after, 100);
    for (const JobEvent& event : *events) sequences.push_back(event.sequence);
    return sequences;
  }
  void Checkpoint(const JobRun& run, std::uint64_t step) {
    const std::string file = "checkpoint-" + std::to_string(step);
    ASSERT_TRUE(jobs_->RecordCheckpoint(run, {file, "hash", step}, 2).ok());
  }
};

TEST_F(JobStoreTest, ASubmittedJobIsThereAfterARestart) {
  const std::string id = Submit();
  Open();
  const JobRecord job = Get(id);
  EXPECT_EQ(job.state, v1::JOB_STATE_QUEUED);
  EXPECT_EQ(job.plan.SerializeAsString(), JobPlan().SerializeAsString());
  EXPECT_EQ(job.queue_position, 0u);
}

TEST_F(JobStoreTest, AFullQueueRefusesAndSaysWhenToTryAgain) {
  for (int i = 0; i < 16; ++i) Submit();
  const absl::Status status = TrySubmit(JobPlan()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(status).reason, "QUEUE_FULL");
  EXPECT_TRUE(DetailsOf(status).retry_after.has_value());
  Start();
  EXPECT_TRUE(TrySubmit(JobPlan()).ok());
}

TEST_F(JobStoreTest, JobsRunInTheOrderTheyCame) {
  const std::string first = Submit(), second = Submit(), third = Submit();
  EXPECT_EQ(Get(third).queue_position, 2u);
  EXPECT_EQ(Start().id, first);
  EXPECT_EQ(Get(third).queue_position, 1u);
  EXPECT_EQ(Start().id, second);
  Start();
  EXPECT_FALSE((*jobs_->StartNext()).has_value());
}

TEST_F(JobStoreTest, ListsPagesNewestFirst) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(Submit(JobPlan(i == 2 ? "other" : "toy")));
  const auto page = jobs_->List({2, ""}, "toy", v1::JOB_STATE_UNSPECIFIED);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->jobs.size(), 2u);
  EXPECT_EQ(page->jobs[0].id, ids[4]);
  const auto rest =
      jobs_->List({.size = 2, .token = page->next_page_token}, "toy", v1::JOB_STATE_UNSPECIFIED);
  ASSERT_EQ(rest->jobs.size(), 2u);
  EXPECT_EQ(rest->jobs[1].id, ids[0]);
  EXPECT_EQ(rest->next_page_token, "");
  EXPECT_EQ(jobs_->List({}, "", v1::JOB_STATE_RUNNING)->jobs.size(), 0u);
  EXPECT_EQ(
      jobs_->List({.size = 2, .token = page->next_page_token}, "other", v1::JOB_STATE_UNSPECIFIED)
          .status()
          .code(),
      absl::StatusCode::kInvalidArgument);
}

TEST_F(JobStoreTest, ListsLeaveOutColumnNamesAndEndPagesByBytes) {
  v1::TrainingPlan plan = JobPlan();
  plan.mutable_data()->add_column_names(std::string(3 << 20, 'c'));
  const std::string first = Submit(plan);
  plan.set_description(std::string(1 << 20, 'd'));
  for (int i = 0; i < 3; ++i) Submit(plan);
  const auto page = jobs_->List({}, "", v1::JOB_STATE_UNSPECIFIED);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->jobs.size(), 1u);  // two and what else a plan has are more than 2 MiB
  EXPECT_EQ(page->jobs[0].plan.data().column_names_size(), 0);
  const auto next = jobs_->List({0, page->next_page_token}, "", v1::JOB_STATE_UNSPECIFIED);
  const auto last = jobs_->List({0, next->next_page_token}, "", v1::JOB_STATE_UNSPECIFIED);
  ASSERT_EQ(last->jobs.size(), 2u);
  EXPECT_EQ(last->jobs[1].id, first);
  EXPECT_EQ(last->next_page_token, "");
  EXPECT_EQ(Get(first).plan.data().column_names_size(), 1);
}

TEST_F(JobStoreTest, CancelEndsAQueuedJobAndAsksARunningOne) {
  const std::string queued = Submit();
  EXPECT_EQ(Cancel(queued)->state, v1::JOB_STATE_CANCELLED);
  Submit();
  const JobRun run = Start();
  EXPECT_EQ(Cancel(run.id)->state, v1::JOB_STATE_CANCELLING);
  EXPECT_EQ(Cancel(run.id)->state, v1::JOB_STATE_CANCELLING);
  ASSERT_TRUE(jobs_->Stopped(run).ok());
  EXPECT_EQ(Get(run.id).state, v1::JOB_STATE_CANCELLED);
}

TEST_F(JobStoreTest, CancelIsRefusedAfterTheEnd) {
  Submit();
  const JobRun run = Start();
  ASSERT_TRUE(
      jobs_->Succeed(run, {.published_version = 3, .publish_decision = "published", .metrics = {}})
          .ok());
  const absl::Status status = Cancel(run.id).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "JOB_STATE");
  EXPECT_EQ(Get(run.id).published_version, 3u);
}

TEST_F(JobStoreTest, WhoWasAskedToCancelCannotSucceed) {
  Submit();
  const JobRun run = Start();
  ASSERT_TRUE(Cancel(run.id).ok());
  EXPECT_EQ(jobs_->Succeed(run, {}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Get(run.id).state, v1::JOB_STATE_CANCELLING);
}

TEST_F(JobStoreTest, OnlyEndedJobsAreDeleted) {
  const std::string id = Submit();
  EXPECT_EQ(Delete(id).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Cancel(id).ok());
  const std::filesystem::path files = store_->dir().job_dir(id);
  std::filesystem::create_directories(files);
  EXPECT_TRUE(Delete(id).ok());
  EXPECT_EQ(jobs_->Get(id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(jobs_->Events(id, 0, 10).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(files));
}

TEST_F(JobStoreTest, UnfinishedJobsHoldTheirDatasetAndModel) {
  const std::string id = Submit();
  const auto users = [&] {
    std::vector<std::string> dataset, model;
    EXPECT_TRUE(store_->db()
                    .Read([&](Transaction& tx) -> absl::Status {
                      LATENT_ASSIGN_OR_RETURN(dataset, JobStore::UsersOfDataset(tx, "numbers"));
                      LATENT_ASSIGN_OR_RETURN(model, JobStore::UsersOfModel(tx, "toy"));
                      return absl::OkStatus();
                    })
                    .ok());
    EXPECT_EQ(dataset, model);
    return dataset;
  };
  EXPECT_THAT(users(), ElementsAre(id));
  ASSERT_TRUE(Cancel(id).ok());
  EXPECT_THAT(users(), IsEmpty());
}

TEST_F(JobStoreTest, EventsOfStatesAndEpochsAreStoredInOrder) {
  const std::string id = Submit();
  const JobRun run = Start();
  ASSERT_TRUE(jobs_->SetPhase(run, v1::JOB_PHASE_TRAINING, "").ok());
  std::vector<v1::TrainProgress> epochs(2);
  epochs[1].set_epoch(2);
  ASSERT_TRUE(jobs_->RecordEpochs(run, epochs).ok());
  jobs_->ShowStep(run, epochs[0]);
  EXPECT_THAT(Sequences(id, 0), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Sequences(id, 4), ElementsAre(5));
  EXPECT_THAT(Sequences(id, UINT64_MAX), IsEmpty());
  EXPECT_EQ((*jobs_->Events(id, 4, 1))[0].progress->epoch(), 2u);
  EXPECT_EQ(Get(id).progress.epoch(), 2u);
}

TEST_F(JobStoreTest, ARunningJobHasTheNewestProgressThatWasShown) {
  const std::string id = Submit();
  const JobRun first = Start();
  const auto show = [this](const JobRun& run, std::uint64_t step) {
    v1::TrainProgress progress;
    progress.set_step(step);
    jobs_->ShowStep(run, progress);
  };
  const auto listed = [this] { return jobs_->List({}, "", {})->jobs[0].progress.step(); };
  show(first, 7);
  EXPECT_EQ(Get(id).progress.step(), 7u);
  EXPECT_EQ(listed(), 7u);
  std::vector<v1::TrainProgress> epochs(1);
  epochs[0].set_step(9);
  ASSERT_TRUE(jobs_->RecordEpochs(first, epochs).ok());
  EXPECT_EQ(Get(id).progress.step(), 9u) << "what is stored is newer";
  show(first, 11);
  ASSERT_TRUE(jobs_->Requeue(first).ok());
  EXPECT_EQ(Get(id).progress.step(), 9u) << "what was not stored is lost with its run";
  const JobRun second = Start();
  show(first, 12);
  EXPECT_EQ(Get(id).progress.step(), 9u) << "of a run that is over";
  show(second, 10);
  ASSERT_TRUE(Cancel(id).ok());
  EXPECT_EQ(Get(id).progress.step(), 10u) << "while it is being cancelled";
  EXPECT_EQ(listed(), 10u);
  ASSERT_TRUE(jobs_->Stopped(second).ok());
  EXPECT_EQ(Get(id).progress.step(), 9u);
}

TEST_F(JobStoreTest, AnAttemptThatIsOverWritesNothingMore) {
  Submit();
  const JobRun first = Start();
  ASSERT_TRUE(jobs_->Requeue(first).ok());
  const JobRun second = Start();
  EXPECT_EQ(second.attempt, 2u);
  const absl::Status status = jobs_->RecordCheckpoint(first, {"c", "hash", 9}, 2).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(DetailsOf(status).reason, "JOB_RUN_LOST");
  EXPECT_EQ(jobs_->Fail(first, "late").code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(jobs_->SetPhase(second, v1::JOB_PHASE_TRAINING, "").ok());
}

TEST_F(JobStoreTest, KeepsTheNewestCheckpoints) {
  Submit();
  const JobRun run = Start();
  Checkpoint(run, 1);
  Checkpoint(run, 2);
  EXPECT_THAT(*jobs_->RecordCheckpoint(run, {"checkpoint-3", "hash", 3}, 2),
              ElementsAre("checkpoint-1"));
  const auto kept = jobs_->Checkpoints(run.id);
  ASSERT_EQ(kept->size(), 2u);
  EXPECT_EQ((*kept)[0].step, 3u);
}

TEST_F(JobStoreTest, AKilledServersJobGoesBackIntoTheQueue) {
  const std::string id = Submit();
  Start();
  Open();
  EXPECT_EQ(Get(id).state, v1::JOB_STATE_QUEUED);
  EXPECT_EQ(Start().attempt, 2u);
}

TEST_F(JobStoreTest, AKilledServersCancelIsCarriedOut) {
  Submit();
  const JobRun run = Start();
  ASSERT_TRUE(Cancel(run.id).ok());
  Open();
  EXPECT_EQ(Get(run.id).state, v1::JOB_STATE_CANCELLED);
}

TEST_F(JobStoreTest, ThreeKilledAttemptsWithoutProgressAreEnough) {
  const std::string id = Submit();
  for (int i = 0; i < 2; ++i) {
    Start();
    Open();
    EXPECT_EQ(Get(id).state, v1::JOB_STATE_QUEUED);
  }
  Start();
  Open();
  EXPECT_EQ(Get(id).state, v1::JOB_STATE_FAILED);
  EXPECT_THAT(Get(id).error, HasSubstr("3 attempts"));
}

TEST_F(JobStoreTest, ProgressStartsTheCountAnew) {
  const std::string id = Submit();
  for (std::uint64_t attempt = 1; attempt <= 6; ++attempt) {
    const JobRun run = Start();
    if (attempt % 2 == 0) Checkpoint(run, attempt * 10);
    Open();
    EXPECT_EQ(Get(id).state, v1::JOB_STATE_QUEUED) << attempt;
  }
}

TEST_F(JobStoreTest, StoppingTheServerIsNoStrike) {
  const std::string id = Submit();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(jobs_->Requeue(Start()).ok());
  EXPECT_EQ(Get(id).state, v1::JOB_STATE_QUEUED);
}

TEST_F(JobStoreTest, FilesOfUnknownJobsAreRemovedAtTheStart) {
  const std::string id = Submit();
  std::filesystem::create_directories(store_->dir().job_dir(id));
  std::filesystem::create_directories(store_->dir().job_dir("job-of-nobody"));
  Open();
  EXPECT_TRUE(std::filesystem::exists(store_->dir().job_dir(id)));
  EXPECT_FALSE(std::filesystem::exists(store_->dir().job_dir("job-of-nobody")));
}

TEST_F(JobStoreTest, CountsByState) {
  Submit();
  Submit();
  Start();
  const auto counts = jobs_->CountByState();
  EXPECT_EQ((*counts)[v1::JOB_STATE_QUEUED], 1u);
  EXPECT_EQ((*counts)[v1::JOB_STATE_RUNNING], 1u);
}

}  // namespace
}  // namespace latent

#include "core/jobs/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <limits>
#include <mutex>

#include "core/base/status.h"
#include "core/model/column_statistics.h"
#include "core/model/model_io.h"
#include "core/train/version_files.h"
#include "jobs_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

class RunnerTest : public JobsTest {
 protected:
  RunnerTest() {
    evaluate_ = [](const Autoencoder&, const v1::TrainingPlan&, const Dataset&, std::stop_token) {
      Evaluation evaluation;
      evaluation.anomaly_threshold = 1;
      evaluation.score_quantiles = {0, 1};
      return evaluation;
    };
  }
  std::unique_ptr<Runner> MakeRunner() {
    RunnerParts parts;
    parts.jobs = jobs_.get();
    parts.registry = &store_->registry();
    parts.state = &store_->dir();
    parts.clock = &clock_;
    parts.load_dataset = [this](const v1::DatasetSchema&) { return data_; };
    parts.train = [this](const v1::TrainingPlan& plan, const Dataset& data,
                         const std::string& checkpoint, TrainingPriority,
                         const TrainCallbacks& callbacks, std::stop_token stop) {
      return train_(plan, data, checkpoint, callbacks, stop);
    };
    parts.evaluate = evaluate_;
    parts.objective = [this](const Autoencoder&, const Dataset&, v1::Part, std::uint64_t) {
      return objectives_.size() > 1 ? TakeObjective() : objectives_.front();
    };
    RunnerOptions options;
    options.priority = TrainingPriority::kNormal;
    options.code_revision = "r1";
    return std::make_unique<Runner>(std::move(parts), options);
  }
  double TakeObjective() {
    const double value = objectives_.front();
    objectives_.erase(objectives_.begin());
    return value;
  }
  // Runs the next job to its end.
  JobRecord RunOne(const std::string& id) {
    const auto ran = MakeRunner()->RunOne();
    EXPECT_TRUE(ran.ok() && *ran) << ran.status();
    JobRecord job = Get(id);
    return job;
  }
  std::uint64_t Production(const std::string& model = "toy") {
    const auto found = store_->registry().Get()->FindModel(model);
    return found.ok() && (*found)->aliases.contains("production")
               ? (*found)->aliases.at("production").version
               : 0;
  }
  std::string Weights(std::uint64_t version, const std::string& model = "toy") {
    const auto found = store_->registry().Get()->Resolve(model, {version, ""});
    EXPECT_TRUE(found.ok()) << found.status();
    return *store_->registry().ReadArtifact(**found, kWeightsFile);
  }
  // Trains for real, but after the event of epoch `epoch` waits until it is asked to stop.
  void HoldAtEpoch(std::uint32_t epoch) {
    train_ = [this, epoch](const v1::TrainingPlan& plan, const Dataset& data,
                           const std::string& checkpoint, const TrainCallbacks& callbacks,
                           std::stop_token stop) {
      TrainCallbacks held = callbacks;
      held.on_progress = [&](const v1::TrainProgress& progress, bool epoch_end) {
        callbacks.on_progress(progress, epoch_end);
        if (!epoch_end || progress.epoch() != epoch) return;
        std::unique_lock<std::mutex> lock(held_mutex_);
        held_ = true;
        held_changed_.notify_all();
        held_changed_.wait(lock, stop, [] { return false; });
      };
      return Train(plan, data, checkpoint, TrainingPriority::kNormal, held, stop);
    };
  }
  void WaitUntilHeld() {
    std::unique_lock<std::mutex> lock(held_mutex_);
    held_changed_.wait(lock, [this] { return held_; });
    held_ = false;
  }
  // Until the job has ended, by its events.
  JobRecord WaitForEnd(const std::string& id) {
    std::mutex mutex;
    std::condition_variable changed;
    std::atomic<bool> news = true;
    const auto watcher = *jobs_->Watch(id, 0, [&] {
      const std::lock_guard<std::mutex> lock(mutex);
      news = true;
      changed.notify_all();
    });
    while (!watcher->done()) {
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [&] { return news.load(); });
      news = false;
      lock.unlock();
      while (watcher->Next()->has_value()) {
      }
    }
    return Get(id);
  }

  using FakeTrain = std::function<absl::StatusOr<TrainResult>(
      const v1::TrainingPlan&, const Dataset&, const std::string&, const TrainCallbacks&,
      std::stop_token)>;
  std::shared_ptr<const Dataset> data_ = JobDataset();
  FakeTrain train_ = [](const v1::TrainingPlan& plan, const Dataset& data,
                        const std::string& checkpoint, const TrainCallbacks& callbacks,
                        std::stop_token stop) {
    return Train(plan, data, checkpoint, TrainingPriority::kNormal, callbacks, stop);
  };
  decltype(RunnerParts::evaluate) evaluate_;
  std::vector<double> objectives_ = {1.0};
  std::mutex held_mutex_;
  std::condition_variable_any held_changed_;
  bool held_ = false;
};

TEST_F(RunnerTest, ASubmittedJobBecomesTheVersionThatProductionNames) {
  const std::string id = Submit();
  const JobRecord job = RunOne(id);
  EXPECT_EQ(job.state, v1::JOB_STATE_SUCCEEDED) << job.error;
  EXPECT_EQ(job.published_version, 1u);
  EXPECT_THAT(job.publish_decision, HasSubstr("first version"));
  EXPECT_EQ(job.progress.epoch(), 4u);
  EXPECT_EQ(Production(), 1u);
  const auto version = *store_->registry().Get()->Resolve("toy", {});
  EXPECT_EQ(version->lineage.job_id, id);
  EXPECT_EQ(version->lineage.code_revision, "r1");
  const auto content = ReadVersion(version->dir);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->plan.SerializeAsString(), job.plan.SerializeAsString());
  EXPECT_EQ(content->evaluation.anomaly_threshold, 1);
  EXPECT_FALSE(std::filesystem::exists(store_->dir().job_dir(id)));
}

TEST_F(RunnerTest, WithoutJobsThereIsNothingToRun) { EXPECT_FALSE(*MakeRunner()->RunOne()); }

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
  EXPECT_EQ(jobs_->Cancel(id, {})->state, v1::JOB_STATE_CANCELLING);
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

TEST_F(RunnerTest, TheTrainersErrorIsTheJobs) {
  train_ = [](const auto&, const auto&, const auto&, const TrainCallbacks& callbacks, auto) {
    callbacks.on_checkpoint("last good state");
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_FINITE",
                     "step 7: the reconstruction term is NaN");
  };
  const std::string id = Submit();
  const JobRecord job = RunOne(id);
  EXPECT_EQ(job.state, v1::JOB_STATE_FAILED);
  EXPECT_THAT(job.error, HasSubstr("reconstruction term is NaN"));
  EXPECT_EQ(jobs_->Checkpoints(id)->size(), 1u);
}

TEST_F(RunnerTest, ACancelThatComesBeforeTheCommitWins) {
  const std::string id = Submit();
  evaluate_ = [&](const Autoencoder&, const v1::TrainingPlan&, const Dataset&, std::stop_token) {
    EXPECT_TRUE(jobs_->Cancel(id, {}).ok());
    return Evaluation();
  };
  EXPECT_EQ(RunOne(id).state, v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Production(), 0u);
}

TEST_F(RunnerTest, ACancelWhileFilesAreVerifiedLeavesNothingVisible) {
  const std::string id = Submit();
  store_->registry().SetPreloader(
      [&](const VersionInfo&) { return jobs_->Cancel(id, {}).status(); });
  EXPECT_EQ(RunOne(id).state, v1::JOB_STATE_CANCELLED);
  EXPECT_FALSE(store_->registry().Get()->Resolve("toy", {}).ok());
}

TEST_F(RunnerTest, AVersionThatCannotBeLoadedIsNotPublished) {
  store_->registry().SetPreloader(
      [](const VersionInfo&) { return absl::FailedPreconditionError("answers with NaN"); });
  const JobRecord job = RunOne(Submit());
  EXPECT_EQ(job.state, v1::JOB_STATE_FAILED);
  EXPECT_THAT(job.error, HasSubstr("answers with NaN"));
  EXPECT_FALSE(store_->registry().Get()->Resolve("toy", {}).ok());
}

TEST_F(RunnerTest, AModelThatAnswersWithNaNIsNotPublished) {
  train_ = [this](const v1::TrainingPlan& plan, const auto&...) -> absl::StatusOr<TrainResult> {
    auto model = CreateModel(plan, ComputeColumnStatistics(data_->rows(v1::PART_TRAIN)));
    auto values = (*model)->parameters().values();
    std::fill(values.begin(), values.end(), std::numeric_limits<float>::quiet_NaN());
    (*model)->RefreshPacked();
    TrainResult result;
    result.model = *std::move(model);
    return result;
  };
  EXPECT_EQ(RunOne(Submit()).state, v1::JOB_STATE_FAILED);
  EXPECT_FALSE(store_->registry().Get()->Resolve("toy", {}).ok());
}

TEST_F(RunnerTest, AWorseVersionIsPublishedButTheAliasStays) {
  RunOne(Submit());
  objectives_ = {3.0, 2.0};  // candidate, current
  const JobRecord job = RunOne(Submit());
  EXPECT_EQ(job.state, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.published_version, 2u);
  EXPECT_THAT(job.publish_decision, HasSubstr("alias production stays at version 1"));
  EXPECT_EQ(Production(), 1u);
  objectives_ = {1.0, 2.0};
  EXPECT_THAT(RunOne(Submit()).publish_decision, HasSubstr("moved from version 1"));
  EXPECT_EQ(Production(), 3u);
}

TEST_F(RunnerTest, ANamedMetricIsComparedOnValidationRows) {
  const auto plan = [] {
    v1::TrainingPlan with_metric = JobPlan();
    with_metric.mutable_publish()->set_metric("quality");
    with_metric.mutable_publish()->set_policy(v1::PUBLISH_POLICY_IF_BETTER);
    with_metric.mutable_publish()->set_bound(16);
    return with_metric;
  };
  // A figure that tells which rows were shown as TEST.
  evaluate_ = [&](const Autoencoder&, const v1::TrainingPlan&, const Dataset& data,
                  std::stop_token) {
    Evaluation evaluation;
    v1::Metric& metric = evaluation.metrics.emplace_back();
    metric.set_name("quality");
    metric.set_higher_is_better(true);
    const bool validation =
        data.rows(v1::PART_TEST).dense().data == data_->rows(v1::PART_VALIDATION).dense().data;
    metric.set_value(validation ? 16 : 0);
    return evaluation;
  };
  EXPECT_THAT(RunOne(Submit(plan())).publish_decision, HasSubstr("reaches the bound"));
}

TEST_F(RunnerTest, AnUndefinedMetricCostsTheAliasNotTheVersion) {
  RunOne(Submit());
  v1::TrainingPlan plan = JobPlan();
  plan.mutable_publish()->set_metric("kl_nats");
  const JobRecord job = RunOne(Submit(plan));
  EXPECT_EQ(job.published_version, 2u) << job.error;
  EXPECT_THAT(job.publish_decision, HasSubstr("no figure \"kl_nats\""));
  EXPECT_EQ(Production(), 1u);
}

TEST_F(RunnerTest, AnotherLikelihoodLeavesTheAliasUnlessAllowed) {
  RunOne(Submit());
  v1::TrainingPlan plan = JobPlan();
  plan.mutable_architecture()->mutable_likelihood()->mutable_bernoulli();
  EXPECT_THAT(RunOne(Submit(plan)).publish_decision, HasSubstr("set allow_schema_change"));
  EXPECT_EQ(Production(), 1u);
  plan.mutable_publish()->set_allow_schema_change(true);
  EXPECT_EQ(RunOne(Submit(plan)).published_version, 3u);
  EXPECT_EQ(Production(), 3u);
}

TEST_F(RunnerTest, NeverPublishesWhatShallNotBe) {
  v1::TrainingPlan plan = JobPlan();
  plan.mutable_publish()->set_policy(v1::PUBLISH_POLICY_NEVER);
  const JobRecord job = RunOne(Submit(plan));
  EXPECT_EQ(job.state, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.published_version, 0u);
  EXPECT_EQ(job.publish_decision, "not published: policy NEVER");
}

TEST_F(RunnerTest, AnAliasThatMovesMeanwhileIsComparedAnew) {
  RunOne(Submit());
  objectives_ = {2.0};  // equal: stays
  RunOne(Submit());
  objectives_ = {1.0, 2.0, 0.5};  // better than version 1, then worse than version 2
  bool moved = false;
  store_->registry().SetPreloader([&](const VersionInfo&) {
    if (std::exchange(moved, true)) return absl::OkStatus();
    return store_->db().Write([&](Transaction& tx) {
      return store_->registry().SetAlias(tx, "toy", "production", 2, std::nullopt);
    });
  });
  const JobRecord job = RunOne(Submit());
  EXPECT_THAT(job.publish_decision, HasSubstr("stays at version 2"));
  EXPECT_EQ(Production(), 2u);
}

TEST_F(RunnerTest, ADatasetThatCannotBeReadFailsTheJob) {
  const std::string id = Submit();
  RunnerParts parts;
  parts.jobs = jobs_.get();
  parts.registry = &store_->registry();
  parts.state = &store_->dir();
  parts.clock = &clock_;
  parts.load_dataset = [](const auto&) { return absl::DataLossError("numbers is damaged"); };
  EXPECT_TRUE(*Runner(std::move(parts), {}).RunOne());
  EXPECT_EQ(Get(id).error, "numbers is damaged");
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

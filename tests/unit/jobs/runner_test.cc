// What a runner makes of a job: a version, a moved alias, or an error.
#include "core/jobs/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <new>
#include <stdexcept>

#include "core/base/status.h"
#include "core/model/column_statistics.h"
#include "core/model/model_io.h"
#include "core/train/version_files.h"
#include "runner_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

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

TEST_F(RunnerTest, TheVersionTellsWhatItsCodesAreDrawnFrom) {
  const JobRecord job = RunOne(Submit());
  const auto components = FindMetric(job.metrics, "sampler_components");
  ASSERT_TRUE(components.ok()) << components.status();
  EXPECT_GE(components->value(), 1);
  EXPECT_EQ(FindMetric(job.metrics, "sampler_code_nll")->part(), v1::PART_TEST);
}

TEST_F(RunnerTest, WithoutJobsThereIsNothingToRun) { EXPECT_FALSE(*MakeRunner()->RunOne()); }

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

TEST_F(RunnerTest, AJobWhoseMemoryRunsOutFailsAndTheNextOneRuns) {
  const auto good = train_;
  train_ = [](const auto&...) -> absl::StatusOr<TrainResult> { throw std::bad_alloc(); };
  const JobRecord trained = RunOne(Submit());
  EXPECT_EQ(trained.state, v1::JOB_STATE_FAILED);
  EXPECT_THAT(trained.error, HasSubstr("not enough memory"));
  train_ = good;
  evaluate_ = [](const auto&...) -> absl::StatusOr<Evaluation> { throw std::length_error("long"); };
  const JobRecord evaluated = RunOne(Submit());
  EXPECT_EQ(evaluated.state, v1::JOB_STATE_FAILED);
  EXPECT_THAT(evaluated.error, HasSubstr("long"));
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

TEST_F(RunnerTest, AMetricWithoutDirectionIsComparedAsThePlanSays) {
  double value = 5;
  evaluate_ = [&](const Autoencoder&, const v1::TrainingPlan&, const Dataset&, std::stop_token) {
    Evaluation evaluation;
    v1::Metric& metric = evaluation.metrics.emplace_back();
    metric.set_name("active_units");
    metric.set_value(value);
    return evaluation;
  };
  const auto plan = [](bool higher_is_better) {
    v1::TrainingPlan with_metric = JobPlan();
    with_metric.mutable_publish()->set_metric("active_units");
    with_metric.mutable_publish()->set_policy(v1::PUBLISH_POLICY_IF_BETTER);
    with_metric.mutable_publish()->set_metric_higher_is_better(higher_is_better);
    with_metric.mutable_publish()->set_bound(4);
    return with_metric;
  };
  EXPECT_THAT(RunOne(Submit(plan(true))).publish_decision, HasSubstr("reaches the bound"));
  EXPECT_EQ(Production(), 1u);
  EXPECT_THAT(RunOne(Submit(plan(false))).publish_decision,
              testing::Not(HasSubstr("reaches the bound")));
  EXPECT_EQ(Production(), 1u);
  value = 3;
  EXPECT_THAT(RunOne(Submit(plan(false))).publish_decision, HasSubstr("reaches the bound"));
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

}  // namespace
}  // namespace latent

// Jobs that evaluate a published version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/status.h"
#include "core/eval/metric_table.h"
#include "core/jobs/runner.h"
#include "core/train/version_files.h"
#include "jobs_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

class EvaluationJobTest : public JobsTest {
 protected:
  // Trains version 1 of "toy".
  void Train() {
    const std::string id = Submit();
    ASSERT_TRUE(*MakeRunner()->RunOne());
    ASSERT_EQ(Get(id).published_version, 1u) << Get(id).error;
  }
  std::unique_ptr<Runner> MakeRunner() {
    RunnerParts parts;
    parts.jobs = jobs_.get();
    parts.registry = &store_->registry();
    parts.state = &store_->dir();
    parts.clock = &clock_;
    parts.load_dataset = [this](const v1::DatasetSchema& schema) {
      loaded_ = schema.dataset();
      return JobDataset();
    };
    if (compute_metrics_ != nullptr) parts.compute_metrics = compute_metrics_;
    RunnerOptions options;
    options.priority = TrainingPriority::kNormal;
    return std::make_unique<Runner>(std::move(parts), options);
  }
  std::string SubmitEvaluation(std::uint64_t version = 1) {
    v1::TrainingPlan plan = JobPlan();
    plan.mutable_data()->set_dataset("other");
    const auto job =
        InTransaction([&](Transaction& tx) { return jobs_->SubmitEvaluation(tx, plan, version); });
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->id : "";
  }
  static const v1::Metric* Find(const JobRecord& job, const std::string& name) {
    for (const v1::Metric& metric : job.metrics) {
      if (metric.name() == name) return &metric;
    }
    return nullptr;
  }

  std::string loaded_;
  decltype(RunnerParts::compute_metrics) compute_metrics_;
};

TEST_F(EvaluationJobTest, KeepsFiguresAndPublishesNothing) {
  Train();
  const std::string id = SubmitEvaluation();
  ASSERT_TRUE(*MakeRunner()->RunOne());
  const JobRecord job = Get(id);
  EXPECT_EQ(job.state, v1::JOB_STATE_SUCCEEDED) << job.error;
  EXPECT_EQ(job.published_version, 0u);
  EXPECT_EQ(loaded_, "other");
  EXPECT_EQ(job.evaluated_version, 1u);
  EXPECT_EQ((*store_->registry().Get()->FindModel("toy"))->newest(), 1u);
  ASSERT_NE(Find(job, "test_mse_per_element"), nullptr);
  // The same rows as the version's own figures.
  const VersionContent content = *ReadVersion((*store_->registry().Get()->Resolve("toy", {}))->dir);
  EXPECT_EQ(Find(job, "test_mse_per_element")->value(),
            FindMetric(content.evaluation.metrics, "test_mse_per_element")->value());
  EXPECT_EQ(Find(job, "int8_mse_per_element")->value(),
            FindMetric(content.evaluation.metrics, "int8_mse_per_element")->value());
}

TEST_F(EvaluationJobTest, GoesBackToTheQueueWhenTheServerWasKilled) {
  Train();
  const std::string id = SubmitEvaluation();
  Start();
  Open();
  EXPECT_EQ(Get(id).state, v1::JOB_STATE_QUEUED);
  EXPECT_EQ(Get(id).evaluated_version, 1u);
  EXPECT_EQ(Get(id).plan.data().dataset(), "other");
  ASSERT_TRUE(*MakeRunner()->RunOne());
  EXPECT_EQ(Get(id).state, v1::JOB_STATE_SUCCEEDED) << Get(id).error;
  EXPECT_EQ(Get(id).attempt, 2u);
}

TEST_F(EvaluationJobTest, FailsIfTheVersionIsGone) {
  Train();
  const std::string id = SubmitEvaluation(7);
  ASSERT_TRUE(*MakeRunner()->RunOne());
  EXPECT_EQ(Get(id).state, v1::JOB_STATE_FAILED);
  EXPECT_THAT(Get(id).error, HasSubstr("7"));
}

TEST_F(EvaluationJobTest, EndsWhenCancelled) {
  Train();
  const std::string id = SubmitEvaluation();
  compute_metrics_ = [&](const Autoencoder&, const v1::TrainingPlan&, const Dataset&,
                         const CodeScales&,
                         std::stop_token stop) -> absl::StatusOr<std::vector<v1::Metric>> {
    EXPECT_TRUE(Cancel(id).ok());
    EXPECT_TRUE(stop.stop_requested());
    return absl::CancelledError("stopped");
  };
  ASSERT_TRUE(*MakeRunner()->RunOne());
  EXPECT_EQ(Get(id).state, v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(Get(id).metrics.empty());
}

TEST_F(EvaluationJobTest, KeepsItsDatasetInUse) {
  const std::string id = SubmitEvaluation();
  std::vector<std::string> users;
  ASSERT_TRUE(store_->db()
                  .Read([&](Transaction& tx) -> absl::Status {
                    LATENT_ASSIGN_OR_RETURN(users, JobStore::UsersOfDataset(tx, "other"));
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_THAT(users, testing::ElementsAre(id));
}

// The gate takes every figure that more or less is better of.
TEST_F(EvaluationJobTest, AnyFigureOpensTheGate) {
  Train();
  for (const char* name : {"int8_mse_per_element", "r2", "psnr_db"}) {
    v1::TrainingPlan plan = JobPlan();
    plan.mutable_publish()->set_policy(v1::PUBLISH_POLICY_IF_BETTER);
    plan.mutable_publish()->set_metric(name);
    plan.mutable_publish()->set_bound(FindMetricDefinition(name)->better == Better::kHigher ? -1e9
                                                                                            : 1e9);
    const std::string id = Submit(plan);
    ASSERT_TRUE(*MakeRunner()->RunOne());
    EXPECT_THAT(Get(id).publish_decision, HasSubstr(std::string(name) + " on VALIDATION rows is "));
    EXPECT_THAT(Get(id).publish_decision, HasSubstr("reaches the bound")) << name;
  }
}

}  // namespace
}  // namespace latent

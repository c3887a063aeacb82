// Jobs that begin with a published version's weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/status.h"
#include "core/train/version_files.h"
#include "runner_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

class WarmStartJobTest : public RunnerTest {
 protected:
  // Trains version 1 of "toy".
  WarmStartJobTest() {
    store_->registry().SetUsersOf(&JobStore::UsersOfModel);
    store_->registry().SetUsersOfVersion(&JobStore::UsersOfVersion);
    EXPECT_EQ(RunOne(Submit()).published_version, 1u);
  }
  v1::TrainingPlan PlanAfterFirst(const std::string& model, bool keep_latent_space = false) {
    v1::TrainingPlan plan = JobPlan(model);
    v1::WarmStart& start = *plan.mutable_training()->mutable_warm_start();
    start.set_model("toy");
    start.set_version(1);
    start.set_keep_latent_space(keep_latent_space);
    return plan;
  }
  absl::Status DeleteFirst() {
    return store_->db().Write(
        [&](Transaction& tx) { return store_->registry().DeleteVersion(tx, "toy", 1); });
  }
  absl::Status FreeFirst() {
    return store_->db().Write(
        [&](Transaction& tx) { return store_->registry().DeleteAlias(tx, "toy", "production"); });
  }
  absl::Status KeepOne() {
    ModelUpdate update;
    update.keep_last = 1;
    return store_->db().Write(
        [&](Transaction& tx) { return store_->registry().UpdateModel(tx, "toy", update); });
  }
};

TEST_F(WarmStartJobTest, KeepsTheLatentSpaceOfItsStart) {
  const JobRecord job = RunOne(Submit(PlanAfterFirst("other", true)));
  ASSERT_EQ(job.published_version, 1u) << job.error;
  const auto snapshot = store_->registry().Get();
  EXPECT_EQ((*snapshot->Resolve("other", {}))->latent_space_id,
            (*snapshot->Resolve("toy", {}))->latent_space_id);
  EXPECT_NE(Weights(1, "other"), Weights(1, "toy"));
  const auto content = ReadVersion((*snapshot->Resolve("other", {}))->dir);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->plan.training().warm_start().model(), "toy");
  EXPECT_EQ(content->plan.training().warm_start().version(), 1u);
}

TEST_F(WarmStartJobTest, GoesOnWithTheOptimizerStateThatAVersionKeeps) {
  v1::TrainingPlan keeping = JobPlan("keeping");
  keeping.mutable_publish()->set_keep_optimizer_state(true);
  ASSERT_EQ(RunOne(Submit(keeping)).published_version, 1u);
  v1::TrainingPlan plan = PlanAfterFirst("fresh");
  plan.mutable_training()->mutable_warm_start()->set_model("keeping");
  ASSERT_EQ(RunOne(Submit(plan)).state, v1::JOB_STATE_SUCCEEDED);
  plan.set_model("going-on");
  plan.mutable_training()->mutable_warm_start()->set_optimizer_state(true);
  const JobRecord job = RunOne(Submit(plan));
  ASSERT_EQ(job.published_version, 1u) << job.error;
  EXPECT_NE(Weights(1, "going-on"), Weights(1, "fresh"));
}

TEST_F(WarmStartJobTest, ItsVersionCannotBeDeletedBeforeItsEnd) {
  ASSERT_TRUE(FreeFirst().ok());
  const std::string id = Submit(PlanAfterFirst("other"));
  const absl::Status refused = DeleteFirst();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(refused).reason, "VERSION_IN_USE");
  EXPECT_THAT(std::string(refused.message()), HasSubstr(id));
  const absl::Status model = store_->db().Write(
      [&](Transaction& tx) { return store_->registry().DeleteModel(tx, "toy"); });
  EXPECT_EQ(DetailsOf(model).reason, "MODEL_IN_USE");
  ASSERT_EQ(RunOne(id).state, v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(DeleteFirst().ok());
}

TEST_F(WarmStartJobTest, ItsVersionDoesNotFallToRetention) {
  ASSERT_TRUE(FreeFirst().ok());
  ASSERT_EQ(RunOne(Submit()).published_version, 2u);
  const std::string id = Submit(PlanAfterFirst("other"));
  ASSERT_TRUE(KeepOne().ok());
  EXPECT_TRUE(store_->registry().Get()->Resolve("toy", {.version = 1, .alias = ""}).ok());
  ASSERT_EQ(RunOne(id).state, v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(KeepOne().ok());
  EXPECT_FALSE(store_->registry().Get()->Resolve("toy", {.version = 1, .alias = ""}).ok());
}

TEST_F(WarmStartJobTest, FailsHonestlyIfItsVersionIsDamaged) {
  const std::string id = Submit(PlanAfterFirst("other"));
  Open();  // what was verified is forgotten
  const auto version = *store_->registry().Get()->Resolve("toy", {});
  std::filesystem::resize_file(version->dir + "/" + kWeightsFile, 100);
  const JobRecord job = RunOne(id);
  EXPECT_EQ(job.state, v1::JOB_STATE_FAILED);
  EXPECT_THAT(job.error, HasSubstr("warm start"));
  EXPECT_THAT(job.error, HasSubstr("damaged"));
}

}  // namespace
}  // namespace latent

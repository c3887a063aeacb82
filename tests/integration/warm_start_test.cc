// Train jobs that begin with a published version's weights.
#include <gtest/gtest.h>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using Training = v1::TrainingService::Stub;
using Registry = v1::RegistryService::Stub;

class WarmStartServerTest : public ServerTest {
 protected:
  void SetUp() override {
    StartServer();
    UploadDigits();
    v1::TrainJobSpec spec = Spec("first", "digits", "plain", 8);
    spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(1);
    Train(spec);
  }
  static v1::TrainJobSpec After(const std::string& model) {
    v1::TrainJobSpec spec;
    spec.set_model(model);
    spec.set_dataset("digits");
    v1::TrainingSpec& training = *spec.mutable_training();
    training.mutable_warm_start()->set_model("first");
    training.mutable_solver()->mutable_gradient()->set_epochs(1);
    return spec;
  }
  grpc::Status Create(const v1::TrainJobSpec& spec) {
    v1::CreateTrainJobRequest request;
    *request.mutable_spec() = spec;
    request.set_validate_only(true);
    v1::CreateTrainJobResponse response;
    return Call(*training_, &Training::CreateTrainJob, request, &response);
  }
  v1::ModelVersion Newest(const std::string& model) {
    v1::GetModelVersionRequest request;
    request.set_model(model);
    v1::GetModelVersionResponse response;
    EXPECT_TRUE(Call(*registry_, &Registry::GetModelVersion, request, &response).ok());
    return response.version();
  }
};

TEST_F(WarmStartServerTest, KeepsTheLatentSpaceAndTellsWhereItComesFrom) {
  v1::TrainJobSpec spec = After("second");
  spec.mutable_training()->mutable_warm_start()->set_alias("production");
  spec.mutable_training()->mutable_warm_start()->set_keep_latent_space(true);
  const v1::TrainJob job = Train(spec);
  EXPECT_EQ(job.plan().training().warm_start().version(), 1u);
  const v1::ModelVersion version = Newest("second");
  EXPECT_EQ(version.latent_space_id(), Newest("first").latent_space_id());
  EXPECT_EQ(version.lineage().warm_start_model(), "first");
  EXPECT_EQ(version.lineage().warm_start_version(), 1u);
  EXPECT_EQ(Newest("first").lineage().warm_start_version(), 0u);
}

TEST_F(WarmStartServerTest, RefusesWhatIsNotThereOrDoesNotFit) {
  v1::TrainJobSpec spec = After("second");
  spec.mutable_training()->mutable_warm_start()->set_version(7);
  grpc::Status status = Create(spec);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_EQ(PartsOf(status).fields.size(), 1u);
  EXPECT_EQ(PartsOf(status).fields[0].first, "spec.training.warm_start");

  spec = After("second");
  spec.mutable_architecture()->mutable_latent()->set_dim(9);
  status = Create(spec);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_EQ(PartsOf(status).fields.size(), 1u);
  EXPECT_EQ(PartsOf(status).fields[0].first, "spec.architecture.latent.dim");

  spec = After("second");
  spec.mutable_training()->mutable_warm_start()->set_model("No Model");
  EXPECT_EQ(Create(spec).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace latent

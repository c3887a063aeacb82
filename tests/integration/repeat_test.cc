// Calls that are repeated with their request id: the first answer, whatever has happened since.
#include <gmock/gmock.h>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using Training = v1::TrainingService::Stub;
using Datasets = v1::DatasetService::Stub;
using Registry = v1::RegistryService::Stub;

constexpr char kId[] = "0d9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6d";
constexpr char kSameId[] = "0D9F5C1E-8B1C-4E6F-9D0E-2A7A3F1C5B6D";

class RepeatTest : public ServerTest {
 protected:
  void SetUp() override {
    StartServer();
    UploadRandom("data", 60, 6);
  }
  void DeleteData() {
    v1::DeleteDatasetRequest request;
    request.set_dataset("data");
    v1::DeleteDatasetResponse response;
    ASSERT_TRUE(Call(*datasets_, &Datasets::DeleteDataset, request, &response).ok());
  }
};

TEST_F(RepeatTest, CreateTrainJobAfterItsDatasetAndTheJobHaveGone) {
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = Spec("m", "data", "pca", 2);
  request.set_request_id(kId);
  v1::CreateTrainJobResponse first, again;
  ASSERT_TRUE(Call(*training_, &Training::CreateTrainJob, request, &first).ok());
  EXPECT_EQ(WaitForJob(first.job().id()).state(), v1::JOB_STATE_SUCCEEDED);
  v1::DeleteTrainJobRequest remove;
  remove.set_job_id(first.job().id());
  v1::DeleteTrainJobResponse removed;
  ASSERT_TRUE(Call(*training_, &Training::DeleteTrainJob, remove, &removed).ok());
  DeleteData();
  request.set_request_id(kSameId);
  const grpc::Status status = Call(*training_, &Training::CreateTrainJob, request, &again);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
}

TEST_F(RepeatTest, SetAliasAfterItsVersionHasGone) {
  Train(Spec("m", "data", "pca", 2));
  v1::SetAliasRequest request;
  request.set_model("m");
  request.set_alias("best");
  request.set_version(1);
  request.set_request_id(kId);
  v1::SetAliasResponse first, again;
  ASSERT_TRUE(Call(*registry_, &Registry::SetAlias, request, &first).ok());
  v1::DeleteModelRequest remove;
  remove.set_model("m");
  v1::DeleteModelResponse removed;
  ASSERT_TRUE(Call(*registry_, &Registry::DeleteModel, remove, &removed).ok());
  const grpc::Status status = Call(*registry_, &Registry::SetAlias, request, &again);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
}

TEST_F(RepeatTest, FinishDatasetAfterItHasGone) {
  v1::FinishDatasetRequest request;
  request.set_dataset("data");
  request.set_request_id(kId);
  v1::FinishDatasetResponse first, again;
  ASSERT_TRUE(Call(*datasets_, &Datasets::FinishDataset, request, &first).ok());
  DeleteData();
  const grpc::Status status = Call(*datasets_, &Datasets::FinishDataset, request, &again);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
  request.set_dataset("other");
  const grpc::Status other = Call(*datasets_, &Datasets::FinishDataset, request, &again);
  EXPECT_EQ(other.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(PartsOf(other).reason, "REQUEST_ID_REUSED");
}

}  // namespace
}  // namespace latent

// What a shutdown does not wait for.
#include <gmock/gmock.h>

#include <chrono>

#include "core/base/crc32c.h"
#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

class DrainTest : public ServerTest {
 protected:
  // Well below the drain limit of ten seconds, and above what a busy machine needs.
  static constexpr std::chrono::seconds kPrompt{5};

  std::chrono::steady_clock::duration TimeToStop() {
    const auto start = std::chrono::steady_clock::now();
    StopServer();
    return std::chrono::steady_clock::now() - start;
  }
  std::uint64_t CommittedBytes(const std::string& dataset) {
    v1::GetDatasetRequest get;
    get.set_dataset(dataset);
    v1::GetDatasetResponse got;
    EXPECT_TRUE(Call(*datasets_, &v1::DatasetService::Stub::GetDataset, get, &got).ok());
    return got.dataset().files(0).committed_bytes();
  }
  // How many messages the server has read of uploads.
  double ChunksRead() {
    return Value(Scrape(),
                 "grpc_server_msg_received_total{grpc_method=\"UploadDataset\","
                 "grpc_service=\"latent.v1.DatasetService\",grpc_type=\"client_stream\"}");
  }
};

TEST_F(DrainTest, AnUploadThatWaitsForItsClientEndsAtOnceAndKeepsItsBytes) {
  TurnMetricsOn();
  StartServer();
  Declare("d", "", 1);
  v1::UploadDatasetRequest chunk;
  chunk.set_dataset("d");
  chunk.set_file("data.csv");
  chunk.set_data("1,2\n3,4\n");
  chunk.set_crc32c(Crc32c(chunk.data()));
  grpc::ClientContext context;
  v1::UploadDatasetResponse uploaded;
  auto writer = datasets_->UploadDataset(&context, &uploaded);
  ASSERT_TRUE(writer->Write(chunk));
  while (ChunksRead() < 1) {
  }
  EXPECT_LT(TimeToStop(), kPrompt);
  const grpc::Status status = writer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(PartsOf(status).reason, "SHUTTING_DOWN");
  StartServer();
  EXPECT_EQ(CommittedBytes("d"), 8u);
  EXPECT_TRUE(Upload("d", 8, "5,6\n").ok());
}

TEST_F(DrainTest, AWatcherOfAJobThatWaitsEndsAtOnce) {
  StartServer();
  UploadDigits();
  v1::TrainJobSpec spec = Spec("m", "digits", "plain", 16);
  spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(10000);
  Submit(spec);
  const std::string waiting = Submit(spec);
  grpc::ClientContext context;
  v1::WatchTrainJobRequest request;
  request.set_job_id(waiting);
  auto reader = training_->WatchTrainJob(&context, request);
  v1::WatchTrainJobResponse event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.event().state(), v1::JOB_STATE_QUEUED);
  EXPECT_LT(TimeToStop(), kPrompt);
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(DrainTest, TheMetricsServerStopsAtOnce) {
  TurnMetricsOn();
  StartServer();
  EXPECT_EQ(Value(Scrape(), "latent_models"), 0);
  EXPECT_LT(TimeToStop(), std::chrono::milliseconds(1500));
}

}  // namespace
}  // namespace latent

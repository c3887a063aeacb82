// Calls whose caller has gone.
#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <vector>

#include "core/base/crc32c.h"
#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using Inference = v1::InferenceService::Stub;

class CancelTest : public ServerTest {
 protected:
  static constexpr std::uint32_t kRows = 4096;
  static constexpr std::size_t kCalls = 6;
  static constexpr char kDropped[] = "latent_dropped_total{reason=\"cancelled\"}";

  struct One {
    grpc::ClientContext context;
    v1::ReconstructResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::ReconstructResponse>> reader;
  };

  // One model that takes some ten milliseconds for kRows rows, on one thread.
  void SetUp() override {
    config_.loops = 1;
    TurnMetricsOn();
    StartServer();
    UploadRandom("data", 60, 64);
    v1::TrainJobSpec spec = Spec("m", "data", "plain", 16);
    auto* dense = spec.mutable_architecture()->mutable_encoder()->add_layers()->mutable_dense();
    dense->set_units(2048);
    dense->set_activation(v1::ACTIVATION_RELU);
    spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(1);
    Train(spec);
  }
  static v1::ReconstructRequest Request(std::uint32_t rows) {
    v1::ReconstructRequest request;
    request.mutable_model()->set_model("m");
    *request.mutable_rows() = DenseRows(64, std::vector<float>(std::size_t{rows} * 64, 0.5f));
    return request;
  }
  // Until the server has at least so many rows; a call that it loses shall not hang the test.
  void WaitForRows(std::uint64_t rows) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (app_->rows_in_flight() < rows && std::chrono::steady_clock::now() < limit) {
    }
  }
  // Sends large calls and cancels them all when the server has at least three of them.
  std::vector<One> CancelledRound() {
    const v1::ReconstructRequest request = Request(kRows);
    grpc::CompletionQueue queue;
    std::vector<One> calls(kCalls);
    for (One& call : calls) {
      call.reader = inference_->AsyncReconstruct(&call.context, request, &queue);
      call.reader->Finish(&call.response, &call.status, &call);
    }
    WaitForRows(3 * kRows);
    for (One& call : calls) call.context.TryCancel();
    for (std::size_t i = 0; i < calls.size(); ++i) {
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
    }
    while (app_->rows_in_flight() > 0) {
    }
    return calls;
  }
};

TEST_F(CancelTest, LargeCallsAreDroppedAndCounted) {
  double dropped = Value(Scrape(), kDropped);
  EXPECT_EQ(dropped, 0);
  for (int round = 0; round < 10; ++round) {
    const std::vector<One> calls = CancelledRound();
    EXPECT_EQ(calls.back().status.error_code(), grpc::StatusCode::CANCELLED);
    const double now = Value(Scrape(), kDropped);
    EXPECT_GT(now, dropped) << "round " << round;
    dropped = now;
  }
  v1::ReconstructResponse response;
  const grpc::Status status = Call(*inference_, &Inference::Reconstruct, Request(kRows), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.reconstruction().data().size(), kRows * 64 * sizeof(float));
}

TEST_F(CancelTest, AShutdownAmongCancelledCallsEnds) {
  const v1::ReconstructRequest request = Request(kRows);
  grpc::CompletionQueue queue;
  std::vector<One> calls(kCalls);
  for (One& call : calls) {
    call.reader = inference_->AsyncReconstruct(&call.context, request, &queue);
    call.reader->Finish(&call.response, &call.status, &call);
  }
  WaitForRows(1);
  for (One& call : calls) call.context.TryCancel();
  StopServer();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
  }
}

// Without a model: uploads need none.
class CancelUploadTest : public ServerTest {};

TEST_F(CancelUploadTest, ACancelledUploadIsNotCountedAsGood) {
  TurnMetricsOn();
  StartServer();
  Declare("d", "", 1);
  const std::string method =
      "grpc_method=\"UploadDataset\",grpc_service=\"latent.v1.DatasetService\","
      "grpc_type=\"client_stream\"}";
  const auto handled = [&](const std::string& code) {
    return Value(Scrape(), "grpc_server_handled_total{grpc_code=\"" + code + "\"," + method);
  };
  const auto received = [&] { return Value(Scrape(), "grpc_server_msg_received_total{" + method); };
  constexpr int kUploads = 20;
  const std::string bytes = "1,2\n";
  for (int i = 0; i < kUploads; ++i) {
    grpc::ClientContext context;
    v1::UploadDatasetResponse response;
    auto writer = datasets_->UploadDataset(&context, &response);
    v1::UploadDatasetRequest chunk;
    chunk.set_dataset("d");
    chunk.set_file("data.csv");
    chunk.set_data(bytes);
    chunk.set_crc32c(Crc32c(bytes));
    ASSERT_TRUE(writer->Write(chunk));
    while (received() <= i) {
    }
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (handled("OK") + handled("Canceled") < kUploads &&
         std::chrono::steady_clock::now() < limit) {
  }
  EXPECT_EQ(handled("OK"), 0);
  EXPECT_EQ(handled("Canceled"), kUploads);
}

}  // namespace
}  // namespace latent

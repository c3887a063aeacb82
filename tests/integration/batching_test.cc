// Rows of several callers share forward passes, and nobody's answer depends on it.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>

#include <random>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

constexpr int kCallers = 64;
constexpr int kRounds = 20;

class BatchingTest : public ServerTest {
 protected:
  struct One {
    grpc::ClientContext context;
    v1::EncodeRequest request;
    v1::EncodeResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::EncodeResponse>> reader;
  };

  v1::EncodeRequest Request(std::uint32_t seed) const {
    std::mt19937 random(seed);
    std::vector<float> cells(64 * (1 + seed % 3));
    for (float& cell : cells) cell = static_cast<float>(random() % 17) / 16;
    v1::EncodeRequest request;
    request.mutable_model()->set_model("m");
    *request.mutable_rows() = DenseRows(64, cells);
    return request;
  }
  // One call per caller, all in flight at once.
  std::vector<One> Round() {
    grpc::CompletionQueue queue;
    std::vector<One> calls(kCallers);
    for (int i = 0; i < kCallers; ++i) {
      One& call = calls[static_cast<std::size_t>(i)];
      call.request = Request(static_cast<std::uint32_t>(i));
      call.reader = inference_->AsyncEncode(&call.context, call.request, &queue);
      call.reader->Finish(&call.response, &call.status, &call);
    }
    for (int i = 0; i < kCallers; ++i) {
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
    }
    return calls;
  }
};

TEST_F(BatchingTest, CallersShareBatchesAndGetTheBitsOfTheirRowsAlone) {
  config_.loops = 1;
  TurnMetricsOn();
  StartServer();
  UploadDigits();
  v1::TrainJobSpec spec = Spec("m", "digits", "plain", 16);
  spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(1);
  Train(spec);
  std::vector<std::string> alone;
  for (std::uint32_t i = 0; i < kCallers; ++i) {
    v1::EncodeResponse response;
    ASSERT_TRUE(Call(*inference_, &v1::InferenceService::Stub::Encode, Request(i), &response).ok());
    alone.push_back(response.codes().dense().data());
  }
  const std::string before = Scrape();
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<One> calls = Round();
    for (std::size_t i = 0; i < calls.size(); ++i) {
      ASSERT_TRUE(calls[i].status.ok()) << calls[i].status.error_message();
      EXPECT_EQ(calls[i].response.codes().dense().data(), alone[i]) << "caller " << i;
    }
  }
  const std::string after = Scrape();
  const double rows =
      Value(after, "latent_batch_rows_sum") - Value(before, "latent_batch_rows_sum");
  const double batches =
      Value(after, "latent_batch_rows_count") - Value(before, "latent_batch_rows_count");
  RecordProperty("mean_batch_rows", std::to_string(rows / batches));
  // A call has 1.98 rows on average: more a batch means that callers share it. How many more
  // depends on how busy the machine is.
  EXPECT_GT(rows / batches, 2.2) << rows << " rows in " << batches << " batches";
}

TEST_F(BatchingTest, SeveralLoopsAnswerSeveralConnections) {
  config_.loops = 3;
  StartServer();
  UploadRandom("data", 60, 6);
  Train(Spec("m", "data", "pca", 2));
  v1::EncodeRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_rows() = DenseRows(6, std::vector<float>(6, 0.5f));
  std::vector<std::string> codes;
  for (int i = 0; i < 12; ++i) {
    // Channels of equal arguments would share a connection.
    grpc::ChannelArguments arguments;
    arguments.SetInt("connection", i);
    auto stub = v1::InferenceService::NewStub(
        grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(app_->port()),
                                  grpc::InsecureChannelCredentials(), arguments));
    v1::EncodeResponse response;
    ASSERT_TRUE(Call(*stub, &v1::InferenceService::Stub::Encode, request, &response).ok());
    codes.push_back(response.codes().dense().data());
  }
  EXPECT_THAT(codes, ::testing::Each(codes[0]));
}

TEST_F(BatchingTest, LargeRequestsAreAnsweredBesideSmallOnes) {
  StartServer();
  UploadDigits();
  v1::TrainJobSpec spec = Spec("m", "digits", "plain", 16);
  spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(1);
  Train(spec);
  std::vector<float> cells(4096 * 64, 0.25f);
  v1::ReconstructRequest large;
  large.mutable_model()->set_model("m");
  *large.mutable_rows() = DenseRows(64, cells);
  v1::ReconstructResponse response;
  ASSERT_TRUE(Call(*inference_, &v1::InferenceService::Stub::Reconstruct, large, &response).ok());
  *large.mutable_rows() = DenseRows(64, std::vector<float>(64, 0.25f));
  v1::ReconstructResponse small;
  ASSERT_TRUE(Call(*inference_, &v1::InferenceService::Stub::Reconstruct, large, &small).ok());
  EXPECT_EQ(response.reconstruction().data().substr(0, 64 * 4), small.reconstruction().data());
  EXPECT_EQ(response.reconstruction().data().substr(4095 * 64 * 4), small.reconstruction().data());
}

}  // namespace
}  // namespace latent

#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "client/checksum.h"
#include "client/errors.h"
#include "google/rpc/error_details.pb.h"
#include "latent/v1/inference_service.grpc.pb.h"
#include "latent/v1/registry_service.grpc.pb.h"
#include "latent/v1/training_service.grpc.pb.h"
#include "tests/unit/client/fake_server.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

// Fails the first calls of DeleteTrainJob and remembers what came.
class FlakyTraining : public v1::TrainingService::Service {
 public:
  explicit FlakyTraining(int failures, grpc::StatusCode code = grpc::StatusCode::UNAVAILABLE)
      : failures_(failures), code_(code) {}

  grpc::Status DeleteTrainJob(grpc::ServerContext* context,
                              const v1::DeleteTrainJobRequest* request,
                              v1::DeleteTrainJobResponse*) override {
    request_ids.push_back(request->request_id());
    deadlines.push_back(context->deadline() - std::chrono::system_clock::now());
    if (static_cast<int>(request_ids.size()) <= failures_) return {code_, "restarting"};
    return grpc::Status::OK;
  }

  std::vector<std::string> request_ids;  // one call at a time
  std::vector<std::chrono::system_clock::duration> deadlines;

 private:
  const int failures_;
  const grpc::StatusCode code_;
};

TEST(ClientTest, RetriesUnavailableWithTheSameRequestId) {
  FlakyTraining training(2);
  FakeServer server({&training});
  Client client(server.options());
  EXPECT_TRUE(client.DeleteTrainJob({}).ok());
  ASSERT_THAT(training.request_ids, SizeIs(3));
  EXPECT_THAT(training.request_ids[0],
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(training.request_ids[1], training.request_ids[0]);
  EXPECT_EQ(training.request_ids[2], training.request_ids[0]);
}

TEST(ClientTest, GivesEveryCallItsOwnRequestId) {
  FlakyTraining training(0);
  FakeServer server({&training});
  Client client(server.options());
  ASSERT_TRUE(client.DeleteTrainJob({}).ok());
  ASSERT_TRUE(client.DeleteTrainJob({}).ok());
  EXPECT_NE(training.request_ids[0], training.request_ids[1]);
}

TEST(ClientTest, KeepsARequestIdThatTheCallerGave) {
  FlakyTraining training(0);
  FakeServer server({&training});
  Client client(server.options());
  v1::DeleteTrainJobRequest request;
  request.set_request_id("mine");
  ASSERT_TRUE(client.DeleteTrainJob(request).ok());
  EXPECT_THAT(training.request_ids, ElementsAre("mine"));
}

TEST(ClientTest, DoesNotRetryOtherErrors) {
  for (const auto code : {grpc::StatusCode::INTERNAL, grpc::StatusCode::RESOURCE_EXHAUSTED,
                          grpc::StatusCode::ABORTED, grpc::StatusCode::FAILED_PRECONDITION}) {
    FlakyTraining training(1, code);
    FakeServer server({&training});
    Client client(server.options());
    EXPECT_EQ(static_cast<int>(client.DeleteTrainJob({}).status().code()), static_cast<int>(code));
    EXPECT_THAT(training.request_ids, SizeIs(1));
  }
}

TEST(ClientTest, GivesUpAfterTheConfiguredAttempts) {
  FlakyTraining training(100);
  FakeServer server({&training});
  ClientOptions options = server.options();
  options.attempts = 3;
  Client client(options);
  EXPECT_EQ(client.DeleteTrainJob({}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(training.request_ids, SizeIs(3));
}

TEST(ClientTest, SetsTheDefaultDeadlineOnEveryCall) {
  FlakyTraining training(0);
  FakeServer server({&training});
  ClientOptions options = server.options();
  options.timeout = std::chrono::seconds(20);
  Client client(options);
  ASSERT_TRUE(client.DeleteTrainJob({}).ok());
  EXPECT_LE(training.deadlines[0], std::chrono::seconds(21));
  EXPECT_GT(training.deadlines[0], std::chrono::seconds(10));
}

TEST(ClientTest, ReportsAServerThatIsNotThere) {
  ClientOptions options;
  options.server = "127.0.0.1:1";
  options.first_pause = std::chrono::milliseconds(1);
  options.timeout = std::chrono::seconds(20);
  Client client(options);
  EXPECT_EQ(client.GetServerInfo({}).status().code(), absl::StatusCode::kUnavailable);
}

class RefusingRegistry : public v1::RegistryService::Service {
 public:
  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest*,
                        v1::GetModelResponse*) override {
    google::rpc::ErrorInfo info;
    info.set_reason("TOO_MANY_ROWS");
    info.set_domain("latent");
    (*info.mutable_metadata())["limit_rows"] = "4096";
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field("rows.count");
    violation->set_description("expected at most 4096, got 5000");
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(250'000'000);
    return StatusWithDetails(grpc::StatusCode::INVALID_ARGUMENT, "rows.count: too many", info, bad,
                             retry);
  }
  grpc::Status GetArtifact(grpc::ServerContext*, const v1::GetArtifactRequest*,
                           grpc::ServerWriter<v1::GetArtifactResponse>* writer) override {
    v1::GetArtifactResponse piece;
    for (const char* data : {"one", "two", "three"}) {
      piece.set_data(data);
      writer->Write(piece);
    }
    return grpc::Status::OK;
  }
};

TEST(ClientTest, DecodesErrorDetails) {
  RefusingRegistry registry;
  FakeServer server({&registry});
  Client client(server.options());
  const absl::Status status = client.GetModel({}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "rows.count: too many");
  const RpcError error = RpcErrorOf(status);
  EXPECT_EQ(error.reason, "TOO_MANY_ROWS");
  EXPECT_EQ(error.domain, "latent");
  EXPECT_EQ(error.metadata.at("limit_rows"), "4096");
  ASSERT_THAT(error.fields, SizeIs(1));
  EXPECT_EQ(error.fields[0].path, "rows.count");
  EXPECT_EQ(error.fields[0].description, "expected at most 4096, got 5000");
  EXPECT_EQ(error.retry_after, std::chrono::milliseconds(250));
}

TEST(RpcErrorTest, IsEmptyWithoutDetails) {
  const RpcError error =
      RpcErrorOf(StatusFromWire(absl::StatusCode::kInternal, "broken", "no protobuf \xff"));
  EXPECT_EQ(error.reason, "");
  EXPECT_FALSE(error.retry_after.has_value());
}

TEST(ClientTest, StreamsArtifactsInOrder) {
  RefusingRegistry registry;
  FakeServer server({&registry});
  Client client(server.options());
  std::string all;
  EXPECT_TRUE(client
                  .GetArtifact({},
                               [&](const v1::GetArtifactResponse& piece) {
                                 all += piece.data();
                                 return absl::OkStatus();
                               })
                  .ok());
  EXPECT_EQ(all, "onetwothree");
}

TEST(ClientTest, EndsAnArtifactWithTheReadersError) {
  RefusingRegistry registry;
  FakeServer server({&registry});
  Client client(server.options());
  const absl::Status status = client.GetArtifact(
      {}, [](const v1::GetArtifactResponse&) { return absl::DataLossError("disk full"); });
  EXPECT_EQ(status, absl::DataLossError("disk full"));
}

// Answers only when the caller has gone.
class StuckInference : public v1::InferenceService::Service {
 public:
  grpc::Status Encode(grpc::ServerContext* context, const v1::EncodeRequest* request,
                      v1::EncodeResponse*) override {
    bytes = request->ByteSizeLong();
    if (request->rows().dense().data().size() > 1) return grpc::Status::OK;
    entered.store(true);
    entered.notify_all();
    while (!context->IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  }
  std::atomic<bool> entered = false;
  std::atomic<std::size_t> bytes = 0;
};

TEST(ClientTest, StopCancelsTheCall) {
  StuckInference inference;
  FakeServer server({&inference});
  Client client(server.options());
  std::stop_source stop;
  std::jthread canceller([&] {
    inference.entered.wait(false);
    stop.request_stop();
  });
  EXPECT_EQ(client.Encode({}, {.stop = stop.get_token()}).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(ClientTest, EndsACallAtItsDeadline) {
  StuckInference inference;
  FakeServer server({&inference});
  Client client(server.options());
  EXPECT_EQ(client.Encode({}, {.timeout = std::chrono::milliseconds(50)}).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(ChecksumTest, MatchesTheStandardVectors) {
  EXPECT_EQ(client_internal::UploadCrc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(client_internal::UploadCrc32c(""), 0u);
  client_internal::FileHash hash;
  hash.Update("a");
  hash.Update("bc");
  EXPECT_EQ(hash.Finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace latent

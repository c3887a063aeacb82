#include "client/encode_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "google/rpc/error_details.pb.h"
#include "latent/v1/inference_service.grpc.pb.h"
#include "tests/unit/client/fake_server.h"

namespace latent {
namespace {

using ::testing::ElementsAre;

// Answers the seed of each message; a stream ends with its error after so many replies.
class ScriptedInference : public v1::InferenceService::Service {
 public:
  struct Script {
    int replies = 1000;
    grpc::Status end = grpc::Status::OK;
  };
  grpc::Status StreamEncode(grpc::ServerContext*,
                            grpc::ServerReaderWriter<v1::StreamEncodeResponse,
                                                     v1::StreamEncodeRequest>* stream) override {
    const std::scoped_lock lock(mutex);
    const Script& script = scripts[std::min(firsts.size(), scripts.size() - 1)];
    v1::StreamEncodeRequest message;
    for (int i = 0; i < script.replies && stream->Read(&message); ++i) {
      if (i == 0) firsts.push_back(message);
      v1::StreamEncodeResponse reply;
      reply.mutable_answered_by()->set_version(7);
      reply.set_message_index(static_cast<std::uint64_t>(i));
      reply.add_labels(static_cast<std::int32_t>(message.seed()));
      stream->Write(reply);
    }
    return script.end;
  }
  std::mutex mutex;
  std::vector<Script> scripts = {{}};
  std::vector<v1::StreamEncodeRequest> firsts;  // messages of streams
};

class EncodeStreamTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kMessages = 6;

  absl::Status Run(std::uint64_t refuse_at = kMessages) {
    FakeServer server({&service_});
    Client client(server.options());
    EncodeStreamOptions options;
    options.model.set_model("m");
    options.model.set_alias("production");
    options.outputs.set_include_error(true);
    options.resume.wait = [this](std::chrono::milliseconds) { ++waits_; };
    options.resume.attempts = 3;
    const auto source = [](std::uint64_t index, v1::StreamEncodeRequest* message) {
      message->set_seed(100 + index);
      return index < kMessages;
    };
    return EncodeStream(client, options, source,
                        [&](const v1::StreamEncodeResponse& reply) -> absl::Status {
                          if (reply.message_index() == refuse_at)
                            return absl::DataLossError("full");
                          EXPECT_EQ(reply.message_index(), seen_.size());
                          seen_.push_back(reply.labels(0));
                          return absl::OkStatus();
                        });
  }
  static grpc::Status Refused(bool retry) {
    google::rpc::RetryInfo info;
    info.mutable_retry_delay()->set_nanos(1000);
    const auto code = grpc::StatusCode::RESOURCE_EXHAUSTED;
    return retry ? StatusWithDetails(code, "busy", info) : grpc::Status(code, "too large");
  }
  void ExpectAll() { EXPECT_THAT(seen_, ElementsAre(100, 101, 102, 103, 104, 105)); }

  ScriptedInference service_;
  std::vector<int> seen_;
  int waits_ = 0;
};

TEST_F(EncodeStreamTest, HandsOverEveryReplyInOrder) {
  EXPECT_TRUE(Run().ok());
  ExpectAll();
  EXPECT_EQ(service_.firsts.size(), 1u);
}

TEST_F(EncodeStreamTest, GoesOnBehindTheLastReplyWithTheVersionThatAnswered) {
  service_.scripts = {{2, {grpc::StatusCode::UNAVAILABLE, "restarting"}}, {1, Refused(true)}, {}};
  EXPECT_TRUE(Run().ok());
  ExpectAll();
  EXPECT_EQ(waits_, 2);
  ASSERT_EQ(service_.firsts.size(), 3u);
  EXPECT_EQ(service_.firsts[0].model().alias(), "production");
  for (const int i : {1, 2}) {
    const auto& first = service_.firsts[static_cast<std::size_t>(i)];
    EXPECT_EQ(first.seed(), 101u + static_cast<unsigned>(i));
    EXPECT_EQ(first.model().version(), 7u);
    EXPECT_TRUE(first.outputs().include_error());
  }
}

TEST_F(EncodeStreamTest, GivesUpAfterSoManyStreamsWithoutAReply) {
  service_.scripts = {{0, {grpc::StatusCode::UNAVAILABLE, "restarting"}}};
  EXPECT_EQ(Run().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(waits_, 2);
}

TEST_F(EncodeStreamTest, ReturnsWhatWaitingDoesNotMend) {
  service_.scripts = {{3, {grpc::StatusCode::INVALID_ARGUMENT, "message 3: rows"}}};
  EXPECT_EQ(Run().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(seen_.size(), 3u);
  seen_.clear();
  service_.scripts = {{0, Refused(false)}};
  EXPECT_EQ(Run().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(waits_, 0);
}

TEST_F(EncodeStreamTest, FailsWhereMessagesAreLeftUnanswered) {
  service_.scripts = {{4, grpc::Status::OK}};
  EXPECT_EQ(Run().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(seen_, ElementsAre(100, 101, 102, 103));
}

TEST_F(EncodeStreamTest, EndsWithTheErrorOfWhoTakesTheReplies) {
  EXPECT_EQ(Run(2).code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(seen_, ElementsAre(100, 101));
}

}  // namespace
}  // namespace latent

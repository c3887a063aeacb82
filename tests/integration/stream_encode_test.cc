// Encoding message after message on one call.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr char kReceived[] =
    "grpc_server_msg_received_total{grpc_method=\"StreamEncode\","
    "grpc_service=\"latent.v1.InferenceService\",grpc_type=\"bidi_stream\"}";

class StreamEncodeTest : public ServerTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::StreamEncodeRequest, v1::StreamEncodeResponse>;

  void SetUp() override {
    config_.loops = 1;
    TurnMetricsOn();
  }
  void StartWithModel() {
    StartServer();
    UploadDigits();
    TrainDigits();
  }
  void TrainDigits() {
    v1::TrainJobSpec spec = Spec("m", "digits", "plain", 16);
    spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(1);
    Train(spec);
  }
  std::unique_ptr<Stream> Open(grpc::ClientContext* context) {
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    return inference_->StreamEncode(context);
  }
  // The first message of a stream names the model.
  static v1::StreamEncodeRequest Message(std::uint32_t seed, std::size_t rows, bool first) {
    std::mt19937 random(seed);
    std::vector<float> cells(64 * rows);
    for (float& cell : cells) cell = static_cast<float>(random() % 17) / 16;
    v1::StreamEncodeRequest message;
    if (first) message.mutable_model()->set_model("m");
    *message.mutable_rows() = DenseRows(64, cells);
    return message;
  }
  // Sends all, says that there is no more and takes the replies.
  grpc::Status Exchange(const std::vector<v1::StreamEncodeRequest>& messages,
                        std::vector<v1::StreamEncodeResponse>* replies) {
    grpc::ClientContext context;
    const auto stream = Open(&context);
    std::jthread writer([&] {
      for (const auto& message : messages) {
        if (!stream->Write(message)) break;
      }
      stream->WritesDone();
    });
    v1::StreamEncodeResponse reply;
    while (stream->Read(&reply)) replies->push_back(reply);
    writer.join();
    return stream->Finish();
  }
};

TEST_F(StreamEncodeTest, AnswersInOrderWhatEncodeAnswers) {
  StartWithModel();
  // One in fifty is so large that it is computed elsewhere, and ends after those behind it.
  std::vector<v1::StreamEncodeRequest> messages;
  for (std::uint32_t i = 0; i < 300; ++i) {
    messages.push_back(Message(i, i % 50 == 7 ? 4096 : 1 + i % 3, i == 0));
  }
  std::vector<v1::StreamEncodeResponse> replies;
  const grpc::Status status = Exchange(messages, &replies);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(replies.size(), messages.size());
  for (std::uint32_t i = 0; i < replies.size(); ++i) {
    EXPECT_EQ(replies[i].message_index(), i);
    v1::EncodeRequest request;
    request.mutable_model()->set_model("m");
    *request.mutable_rows() = messages[i].rows();
    v1::EncodeResponse response;
    ASSERT_TRUE(Call(*inference_, &v1::InferenceService::Stub::Encode, request, &response).ok());
    ASSERT_EQ(replies[i].codes().dense().data(), response.codes().dense().data()) << i;
    EXPECT_EQ(replies[i].answered_by().latent_space_id(), response.answered_by().latent_space_id());
  }
}

TEST_F(StreamEncodeTest, RepliesThatAreReadyTogetherAllGoOut) {
  StartWithModel();
  constexpr std::uint32_t kTogether = 12;
  for (int round = 0; round < 50; ++round) {
    grpc::ClientContext context;
    const auto stream = Open(&context);
    for (std::uint32_t i = 0; i < kTogether; ++i) {
      grpc::WriteOptions options;
      if (i + 1 < kTogether) options.set_buffer_hint();  // so that they arrive at once
      ASSERT_TRUE(stream->Write(Message(i, 1, i == 0), options));
    }
    v1::StreamEncodeResponse reply;
    for (std::uint32_t i = 0; i < kTogether; ++i) ASSERT_TRUE(stream->Read(&reply)) << i;
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  }
}

TEST_F(StreamEncodeTest, AStreamWithoutMessagesEndsWell) {
  StartWithModel();
  std::vector<v1::StreamEncodeResponse> replies;
  EXPECT_TRUE(Exchange({}, &replies).ok());
  EXPECT_TRUE(replies.empty());
}

TEST_F(StreamEncodeTest, AMessageThatFailsEndsTheStreamAfterTheRepliesBeforeIt) {
  StartWithModel();
  std::vector<v1::StreamEncodeRequest> messages = {Message(0, 1, true), Message(1, 4096, false),
                                                   Message(2, 1, false), Message(3, 1, false)};
  *messages[2].mutable_rows() = DenseRows(63, std::vector<float>(63));
  std::vector<v1::StreamEncodeResponse> replies;
  const grpc::Status status = Exchange(messages, &replies);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(replies.size(), 2u);
  const ErrorParts parts = PartsOf(status);
  ASSERT_EQ(parts.fields.size(), 1u);
  EXPECT_EQ(parts.fields[0].first, "rows");
  EXPECT_THAT(parts.metadata, ElementsAre(Pair("message_index", "2")));
}

TEST_F(StreamEncodeTest, TheFirstMessageChoosesTheVersionForAll) {
  StartWithModel();
  std::vector<v1::StreamEncodeResponse> replies;
  EXPECT_EQ(PartsOf(Exchange({Message(0, 1, false)}, &replies)).fields[0].first, "model.model");
  std::vector<v1::StreamEncodeRequest> messages = {Message(0, 1, true), Message(1, 1, true)};
  EXPECT_TRUE(Exchange(messages, &replies).ok());
  messages[1].mutable_model()->set_version(1);
  EXPECT_EQ(PartsOf(Exchange(messages, &replies)).fields[0].first, "model");
  // Version 2 is published while the stream is open.
  grpc::ClientContext context;
  const auto stream = Open(&context);
  v1::StreamEncodeResponse reply;
  ASSERT_TRUE(stream->Write(messages[0]));
  ASSERT_TRUE(stream->Read(&reply));
  TrainDigits();
  ASSERT_TRUE(stream->Write(Message(1, 1, false)));
  stream->WritesDone();
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.answered_by().version(), 1u);
  EXPECT_TRUE(stream->Finish().ok());
}

// The memory of a version is the cache's to give, however many streams are open.
TEST_F(StreamEncodeTest, AnIdleStreamKeepsNoVersionInMemory) {
  StartWithModel();
  grpc::ClientContext context;
  const auto stream = Open(&context);
  v1::StreamEncodeResponse reply;
  ASSERT_TRUE(stream->Write(Message(0, 1, true)));
  ASSERT_TRUE(stream->Read(&reply));
  v1::DeleteModelRequest request;
  request.set_model("m");
  v1::DeleteModelResponse response;
  ASSERT_TRUE(Call(*registry_, &v1::RegistryService::Stub::DeleteModel, request, &response).ok());
  ASSERT_TRUE(stream->Write(Message(1, 1, false)));
  EXPECT_FALSE(stream->Read(&reply));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND) << status.error_message();
}

TEST_F(StreamEncodeTest, OutputsHoldUntilOthersAreNamed) {
  StartWithModel();
  std::vector<v1::StreamEncodeRequest> messages = {Message(0, 2, true), Message(0, 2, false),
                                                   Message(0, 2, false)};
  auto* outputs = messages[0].mutable_outputs();
  outputs->set_omit_codes(true);
  outputs->set_include_reconstruction(true);
  outputs->set_include_error(true);
  messages[2].mutable_outputs()->mutable_sparsify()->set_top_k(3);
  std::vector<v1::StreamEncodeResponse> replies;
  ASSERT_TRUE(Exchange(messages, &replies).ok());
  v1::ReconstructRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_rows() = messages[0].rows();
  request.set_include_error(true);
  v1::ReconstructResponse expected;
  ASSERT_TRUE(Call(*inference_, &v1::InferenceService::Stub::Reconstruct, request, &expected).ok());
  for (const int i : {0, 1}) {
    const v1::StreamEncodeResponse& reply = replies[static_cast<std::size_t>(i)];
    EXPECT_FALSE(reply.has_codes());
    EXPECT_EQ(reply.reconstruction().data(), expected.reconstruction().data());
    EXPECT_THAT(reply.squared_error(), ::testing::ElementsAreArray(expected.squared_error()));
  }
  EXPECT_EQ(replies[2].codes().sparse().indices_size(), 6);
  EXPECT_FALSE(replies[2].has_reconstruction());
}

TEST_F(StreamEncodeTest, SaysHowLongItTookWhenAsked) {
  StartWithModel();
  std::vector<v1::StreamEncodeRequest> messages = {Message(0, 2, true), Message(1, 4096, false)};
  std::vector<v1::StreamEncodeResponse> replies;
  ASSERT_TRUE(Exchange(messages, &replies).ok());
  EXPECT_FALSE(replies[0].answered_by().has_timing());
  messages[0].mutable_model()->set_include_timing(true);
  replies.clear();
  ASSERT_TRUE(Exchange(messages, &replies).ok());
  EXPECT_EQ(replies[0].answered_by().timing().batch_rows(), 2u);
  EXPECT_EQ(replies[1].answered_by().timing().batch_rows(), 4096u);
  for (const auto& reply : replies) {
    EXPECT_GT(reply.answered_by().timing().compute_us(), 0);
    EXPECT_GE(reply.answered_by().timing().queue_us(), 0);
  }
}

TEST_F(StreamEncodeTest, AReaderThatTakesNothingIsNotReadFromWithoutBound) {
  StartWithModel();
  constexpr int kMessages = 400;
  // 128 KiB to send, as much to answer: the bytes that are held bind before the messages do.
  v1::StreamEncodeRequest message = Message(0, 512, true);
  message.mutable_outputs()->set_include_reconstruction(true);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  grpc::CompletionQueue queue;
  int tags[4];
  const auto stream = inference_->AsyncStreamEncode(&context, &queue, &tags[0]);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  int written = 0;
  for (; written < kMessages; ++written) {
    stream->Write(message, &tags[1]);
    // A write that has not gone out by then waits for the server to read.
    const auto limit = std::chrono::system_clock::now() + std::chrono::seconds(2);
    if (queue.AsyncNext(&tag, &ok, limit) != grpc::CompletionQueue::GOT_EVENT) break;
  }
  ASSERT_LT(written, kMessages);
  // What the server holds, and what lies in both windows of the connection, of a few MiB each.
  EXPECT_LT(Value(Scrape(), kReceived), 150);
  // Now it reads, and everything goes on.
  v1::StreamEncodeResponse reply;
  int read = 0;
  bool writing = true;
  stream->Read(&reply, &tags[2]);
  while (read < kMessages) {
    ASSERT_TRUE(queue.Next(&tag, &ok));
    ASSERT_TRUE(ok);
    if (tag == &tags[1]) writing = false;
    if (tag == &tags[2]) {
      EXPECT_EQ(reply.message_index(), static_cast<std::uint64_t>(read++));
      if (read < kMessages) stream->Read(&reply, &tags[2]);
    }
    if (!writing && ++written < kMessages) {
      stream->Write(message, &tags[1]);
      writing = true;
    }
  }
  context.TryCancel();
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

TEST_F(StreamEncodeTest, WaitsWhereTooManyRowsAreInFlight) {
  config_.limits.rows_in_flight = 4;
  StartWithModel();
  std::vector<v1::StreamEncodeRequest> messages;
  for (std::uint32_t i = 0; i < 200; ++i) messages.push_back(Message(i, 3, i == 0));
  messages[0].mutable_model()->set_include_timing(true);
  messages[0].mutable_outputs()->set_include_error(true);
  messages[100].mutable_outputs()->set_include_sigma(false);
  std::vector<v1::StreamEncodeResponse> replies;
  const grpc::Status status = Exchange(messages, &replies);
  EXPECT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(replies.size(), messages.size());
  for (std::uint32_t i = 0; i < replies.size(); ++i) {
    EXPECT_EQ(replies[i].message_index(), i);
    EXPECT_TRUE(replies[i].answered_by().has_timing()) << i;
    EXPECT_EQ(replies[i].squared_error_size(), i < 100 ? 3 : 0) << i;
  }
}

TEST_F(StreamEncodeTest, AMessageThatCannotBeParsedEndsTheStreamAfterTheRepliesBeforeIt) {
  StartWithModel();
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  grpc::CompletionQueue queue;
  const auto stream =
      stub.PrepareCall(&context, "/latent.v1.InferenceService/StreamEncode", &queue);
  const auto next_ok = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto write = [&](const std::string& bytes) {
    const grpc::Slice slice(bytes);
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    return next_ok();
  };
  stream->StartCall(nullptr);
  ASSERT_TRUE(next_ok());
  ASSERT_TRUE(write(Message(0, 1, true).SerializeAsString()));
  ASSERT_TRUE(write("\xff\xff"));  // a tag that breaks off
  int replies = 0;
  for (;;) {
    grpc::ByteBuffer reply;
    stream->Read(&reply, nullptr);
    if (!next_ok()) break;
    ++replies;
  }
  EXPECT_EQ(replies, 1);
  grpc::Status status;
  stream->Finish(&status, nullptr);
  ASSERT_TRUE(next_ok());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(PartsOf(status).metadata, ElementsAre(Pair("message_index", "1")));
}

TEST_F(StreamEncodeTest, GivesEverythingBackWhenTheCallerCancels) {
  StartWithModel();
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext context;
    const auto stream = Open(&context);
    for (std::uint32_t i = 0; i < 8; ++i) stream->Write(Message(i, i == 3 ? 4096 : 1, i == 0));
    v1::StreamEncodeResponse reply;
    ASSERT_TRUE(stream->Read(&reply));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (app_->rows_in_flight() > 0 && std::chrono::steady_clock::now() < limit) {
  }
  EXPECT_EQ(app_->rows_in_flight(), 0u);
  std::vector<v1::StreamEncodeResponse> replies;
  EXPECT_TRUE(Exchange({Message(0, 1, true)}, &replies).ok());
}

TEST_F(StreamEncodeTest, EndsAtItsDeadline) {
  StartWithModel();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  const auto stream = inference_->StreamEncode(&context);
  ASSERT_TRUE(stream->Write(Message(0, 1, true)));
  v1::StreamEncodeResponse reply;
  while (stream->Read(&reply)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(StreamEncodeTest, EndsWithWhatItHasReadWhenTheServerStops) {
  StartWithModel();
  grpc::ClientContext context;
  const auto stream = Open(&context);
  v1::StreamEncodeResponse reply;
  for (std::uint32_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream->Write(Message(i, 1, i == 0)));
    ASSERT_TRUE(stream->Read(&reply));
  }
  const auto start = std::chrono::steady_clock::now();
  StopServer();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_FALSE(stream->Read(&reply));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(PartsOf(status).reason, "SHUTTING_DOWN");
}

}  // namespace
}  // namespace latent

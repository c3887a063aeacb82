#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr const char* kNames[] = {"",
                                  "readiness",
                                  "latent.v1.InferenceService",
                                  "latent.v1.TrainingService",
                                  "latent.v1.DatasetService",
                                  "latent.v1.RegistryService",
                                  "latent.v1.SystemService"};

class HealthTest : public ServerTest {
 protected:
  void ExpectEverywhere(HealthCheckResponse::ServingStatus status) {
    for (const char* name : kNames) {
      HealthCheckResponse response;
      EXPECT_TRUE(Check(name, &response).ok()) << name;
      EXPECT_EQ(response.status(), status) << name;
    }
  }
  grpc::Status Check(const std::string& service, HealthCheckResponse* response) {
    HealthCheckRequest request;
    request.set_service(service);
    return Call(*health_, &Health::Stub::Check, request, response);
  }
};

TEST_F(HealthTest, ServesUnderEveryName) {
  StartServer();
  ExpectEverywhere(HealthCheckResponse::SERVING);
}

TEST_F(HealthTest, ServesOnlyWhenRecoveredAndWarmed) {
  TurnMetricsOn();
  StartServer();
  UploadRandom("data", 60, 6);
  Train(Spec("m", "data", "pca", 2));
  StopServer();
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> watch;
  std::vector<App::Stage> stages;
  StartServer([&](App::Stage stage, int port) {
    stages.push_back(stage);
    if (stage == App::Stage::kListening) {
      Connect(port);
      watch = health_->Watch(&context, HealthCheckRequest());
    }
    ExpectEverywhere(HealthCheckResponse::NOT_SERVING);
    v1::ListModelsResponse models;
    const grpc::Status refused =
        Call(*registry_, &v1::RegistryService::Stub::ListModels, {}, &models);
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(PartsOf(refused).reason, "NOT_READY");
    EXPECT_TRUE(PartsOf(refused).has_retry);
  });
  EXPECT_THAT(stages, ::testing::ElementsAre(App::Stage::kListening, App::Stage::kWarmed));
  ExpectEverywhere(HealthCheckResponse::SERVING);
  HealthCheckResponse seen;
  ASSERT_TRUE(watch->Read(&seen));
  EXPECT_EQ(seen.status(), HealthCheckResponse::NOT_SERVING);
  ASSERT_TRUE(watch->Read(&seen));
  EXPECT_EQ(seen.status(), HealthCheckResponse::SERVING);
  // What the alias names was loaded before: nobody's call has waited for it.
  EXPECT_EQ(Value(Scrape(), "latent_cache_versions"), 1);
  context.TryCancel();
  watch->Finish();
}

TEST_F(HealthTest, DoesNotKnowOthers) {
  StartServer();
  HealthCheckResponse response;
  EXPECT_EQ(Check("nobody", &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(HealthTest, WatchersOfEveryServiceLearnOfTheEnd) {
  StartServer();
  struct Watch {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader;
  };
  std::map<std::string, Watch> watches;
  HealthCheckResponse response;
  for (const char* name : kNames) {
    HealthCheckRequest request;
    request.set_service(name);
    Watch& watch = watches[name];
    watch.reader = health_->Watch(&watch.context, request);
    ASSERT_TRUE(watch.reader->Read(&response)) << name;
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING) << name;
  }
  StopServer();
  for (auto& [name, watch] : watches) {
    ASSERT_TRUE(watch.reader->Read(&response)) << name;
    EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING) << name;
    EXPECT_FALSE(watch.reader->Read(&response)) << name;
    EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE) << name;
  }
}

TEST_F(HealthTest, WatchingAnUnknownServiceStaysOpen) {
  StartServer();
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service("nobody");
  auto reader = health_->Watch(&context, request);
  HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(HealthTest, TheServerDescribesItself) {
  StartServer();
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(Call(*system_, &v1::SystemService::Stub::GetServerInfo, {}, &info).ok());
  EXPECT_EQ(info.limits().rows_per_request(), 4096u);
  EXPECT_EQ(info.limits().cells_per_request(), 1u << 22);
  EXPECT_GE(info.event_loops(), 1u);
  EXPECT_GE(info.presets_size(), 6);
  EXPECT_FALSE(info.isa().empty());
}

TEST_F(HealthTest, ASecondServerOnTheSameStateIsRefused) {
  StartServer();
  EXPECT_EQ(App::Start(config_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(HealthTest, AnswersOnAUnixSocket) {
  config_.listen = "unix:" + config_.state_dir + ".sock";
  StartServer();
  health_ =
      Health::NewStub(grpc::CreateChannel(config_.listen, grpc::InsecureChannelCredentials()));
  HealthCheckResponse response;
  ASSERT_TRUE(Check("", &response).ok());
  EXPECT_EQ(app_->port(), 0);
}

TEST_F(HealthTest, TakesTheSocketOfAServerThatWasKilledButNoLiveOnesAndNoFile) {
  const std::string path = config_.state_dir + ".sock";
  config_.listen = "unix:" + path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(stale, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(stale);
  StartServer();
  Config other = config_;
  other.state_dir += "-other";
  EXPECT_EQ(App::Start(other).status().code(), absl::StatusCode::kUnavailable);
  health_ =
      Health::NewStub(grpc::CreateChannel(config_.listen, grpc::InsecureChannelCredentials()));
  HealthCheckResponse response;
  EXPECT_TRUE(Check("", &response).ok());
  StopServer();
  std::ofstream(path) << "precious";
  EXPECT_EQ(App::Start(other).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
  std::filesystem::remove(path);
  std::filesystem::remove_all(other.state_dir);
}

TEST_F(HealthTest, AServerThatSpinsAnswersAndStops) {
  config_.spin_us = 200;
  StartServer();
  HealthCheckResponse response;
  EXPECT_TRUE(Check("", &response).ok());
  StopServer();
}

TEST_F(HealthTest, AStateDirectoryThatCannotBeMadeIsRefused) {
  config_.state_dir = "/proc/latent_test";
  EXPECT_FALSE(App::Start(config_).ok());
}

TEST_F(HealthTest, ASecondServerOnTheSamePortIsRefused) {
  StartServer();
  Config other = config_;
  other.state_dir += "-other";
  other.listen = "127.0.0.1:" + std::to_string(app_->port());
  EXPECT_EQ(App::Start(other).status().code(), absl::StatusCode::kUnavailable);
  std::filesystem::remove_all(other.state_dir);
}

TEST_F(HealthTest, ReflectionListsTheServices) {
  StartServer();
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  auto stream = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag = nullptr;
  bool ok = false;
  stream->StartCall(nullptr);
  queue.Next(&tag, &ok);
  // ServerReflectionRequest{list_services: ""}.
  const grpc::Slice request(std::string("\x3a\x00", 2));
  stream->Write(grpc::ByteBuffer(&request, 1), nullptr);
  queue.Next(&tag, &ok);
  grpc::ByteBuffer reply;
  stream->Read(&reply, nullptr);
  queue.Next(&tag, &ok);
  ASSERT_TRUE(ok);
  grpc::Slice bytes;
  ASSERT_TRUE(reply.DumpToSingleSlice(&bytes).ok());
  const std::string text(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  EXPECT_THAT(text, ::testing::HasSubstr("latent.v1.InferenceService"));
  EXPECT_THAT(text, ::testing::HasSubstr("grpc.health.v1.Health"));
  context.TryCancel();
}

// The callback API and the library's health service bring threads that poll the loops' sockets and
// double the CPU of every call. gRPC calls them "nexting_thread".
TEST_F(HealthTest, NoThreadOfTheCallbackApiExists) {
  StartServer();
  HealthCheckResponse response;
  ASSERT_TRUE(Check("", &response).ok());
  std::map<std::string, int> threads;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    ++threads[name];
  }
  EXPECT_EQ(threads.count("nexting_thread"), 0u);
  EXPECT_GE(threads["latent-loop-0"], 1);
}

}  // namespace
}  // namespace latent

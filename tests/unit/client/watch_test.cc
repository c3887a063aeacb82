#include "client/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "latent/v1/training_service.grpc.pb.h"
#include "tests/unit/client/fake_server.h"

namespace latent {
namespace {

using ::testing::ElementsAre;

// Each stream sends one script; a script ends with its status.
class ScriptedWatch : public v1::TrainingService::Service {
 public:
  struct Script {
    std::vector<v1::JobEvent> events;
    grpc::Status end = grpc::Status::OK;
  };
  grpc::Status WatchTrainJob(grpc::ServerContext*, const v1::WatchTrainJobRequest* request,
                             grpc::ServerWriter<v1::WatchTrainJobResponse>* writer) override {
    after.push_back(request->after_sequence());
    const Script& script = scripts[std::min(after.size() - 1, scripts.size() - 1)];
    for (const v1::JobEvent& event : script.events) {
      v1::WatchTrainJobResponse response;
      *response.mutable_event() = event;
      writer->Write(response);
    }
    return script.end;
  }
  std::vector<Script> scripts;
  std::vector<std::uint64_t> after;
};

v1::JobEvent Event(std::uint64_t sequence, bool stored) {
  v1::JobEvent event;
  event.set_sequence(sequence);
  event.set_stored(stored);
  return event;
}
const grpc::Status kBroken(grpc::StatusCode::UNAVAILABLE, "restarting");

class WatchTest : public testing::Test {
 protected:
  absl::Status Run(bool stop_at_first = false) {
    FakeServer server({&service_});
    Client client(server.options());
    WatchOptions options;
    options.resume.wait = [this](std::chrono::milliseconds) { ++waits_; };
    options.resume.attempts = 3;
    options.timeout = timeout_;
    return Watch(client, "job-1", options, [&](const v1::JobEvent& event) {
      seen_.push_back(event.sequence());
      return !stop_at_first;
    });
  }
  ScriptedWatch service_;
  std::vector<std::uint64_t> seen_;
  int waits_ = 0;
  std::optional<std::chrono::milliseconds> timeout_;
};

TEST_F(WatchTest, EndsWithTheStream) {
  service_.scripts = {{{Event(1, true), Event(2, true)}}};
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(seen_, ElementsAre(1, 2));
}

TEST_F(WatchTest, ResumesAfterTheLastStoredEvent) {
  service_.scripts = {{{Event(1, true), Event(2, true), Event(2, false)}, kBroken},
                      {{Event(3, true)}}};
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(seen_, ElementsAre(1, 2, 2, 3));
  EXPECT_THAT(service_.after, ElementsAre(0, 2));
}

TEST_F(WatchTest, HandsOverStoredEventsOnce) {
  service_.scripts = {{{Event(1, true)}, kBroken}, {{Event(1, true), Event(2, true)}}};
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(seen_, ElementsAre(1, 2));
}

TEST_F(WatchTest, GivesUpWhenTheServerStaysAway) {
  service_.scripts = {{{}, kBroken}};
  EXPECT_EQ(Run().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(service_.after.size(), 3u);
  EXPECT_EQ(waits_, 2);
}

TEST_F(WatchTest, ReturnsOtherErrorsAtOnce) {
  service_.scripts = {{{}, grpc::Status(grpc::StatusCode::NOT_FOUND, "no such job")}};
  EXPECT_EQ(Run().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(waits_, 0);
}

TEST_F(WatchTest, EndsWhenItsOwnTimeIsUp) {
  // Every stream ends before the job does.
  service_.scripts = {{{}, grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "")}};
  timeout_ = std::chrono::milliseconds(30);
  const absl::Status status = Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("job-1 has not ended"));
}

TEST_F(WatchTest, EndsWhenTheCallerHasSeenEnough) {
  service_.scripts = {{{Event(1, true), Event(2, true)}}};
  EXPECT_TRUE(Run(/*stop_at_first=*/true).ok());
  EXPECT_THAT(seen_, ElementsAre(1));
}

}  // namespace
}  // namespace latent

// The `latent` program: its usage, its tables and its exit codes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "latent/v1/system_service.grpc.pb.h"
#include "tests/unit/client/fake_registry.h"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/latent_program.h"

namespace latent {
namespace {

using ::testing::HasSubstr;

TEST(CommandLineTest, WrongUsageExitsWith2AndSaysWhy) {
  const struct {
    const char* arguments;
    const char* message;
  } cases[] = {
      {"", "subcommand is required"},
      {"fly", "fly"},
      {"datasets", "subcommand is required"},
      {"datasets upload digits", "--train is required"},
      {"encode", "--model is required"},
      {"encode --model m", "--input FILE or --dataset NAME"},
      {"train m", "--dataset"},
      {"train m --dataset d --epochs many", "--epochs"},
      {"train m --dataset d --corruption fog:1", "--corruption"},
      {"--output-format yaml info", "yaml"},
      {"sample --model m --output x.txt", ".csv or .npy"},
      {"--timeout 0 info", "--timeout"},
      {"models alias set m production", "VERSION is required"},
  };
  for (const auto& c : cases) {
    const Outcome outcome = Latent(c.arguments);
    EXPECT_EQ(outcome.code, 2) << c.arguments;
    EXPECT_THAT(outcome.err, HasSubstr(c.message)) << c.arguments;
    EXPECT_EQ(outcome.out, "") << c.arguments;
  }
}

TEST(CommandLineTest, HelpHasExamples) {
  for (const char* verb :
       {"", "datasets upload", "train", "encode", "decode", "reconstruct", "denoise", "sample",
        "interpolate", "score", "recommend", "health", "completion"}) {
    const Outcome outcome = Latent(std::string(verb) + " --help");
    EXPECT_EQ(outcome.code, 0) << verb;
    EXPECT_THAT(outcome.out, HasSubstr("Example")) << verb;
  }
}

TEST(CommandLineTest, CompletionKnowsEveryVerb) {
  const Outcome outcome = Latent("completion bash");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\"latent datasets upload\") words=\""));
  EXPECT_THAT(outcome.out, HasSubstr("--sparsify-top-k"));
}

TEST(CommandLineTest, UnreachableServerExitsWith5) {
  const Outcome outcome = Latent("--server 127.0.0.1:1 --timeout 5 info");
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("is latentd running there?"));
}

TEST(CommandLineTest, ListsAllPagesAndEscapesServerText) {
  FakeRegistry registry;
  FakeServer server({&registry});
  const Outcome outcome = Latent("--server " + server.address() + " models list");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "NAME  NEWEST  VERSIONS  ALIASES  CREATED  DESCRIPTION\n"
            "a          3         0                    \\x1b[31mred\n"
            "b         12         0                    \n");
}

TEST(CommandLineTest, PrintsTheApisJson) {
  FakeRegistry registry;
  FakeServer server({&registry});
  const Outcome outcome = Latent("models list --output-format json --server " + server.address());
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\"newestVersion\": \"12\""));
}

TEST(CommandLineTest, RefusalsExitWith4) {
  FakeRegistry registry;
  FakeServer server({&registry});
  const Outcome outcome = Latent("--server " + server.address() +
                                 " models alias set m production 5 --expected-current-version 3");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("alias production names version 4, expected 3"));
}

// Answers only when the caller has gone.
class StuckSystem : public v1::SystemService::Service {
 public:
  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse*) override {
    entered.store(true);
    entered.notify_all();
    while (!context->IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  }
  std::atomic<bool> entered = false;
};

TEST(CommandLineTest, InterruptCancelsTheCallAndExitsWith130) {
  StuckSystem system;
  FakeServer server({&system});
  std::string binary = LATENT_BINARY, flag = "--server=" + server.address(), verb = "info";
  char* const arguments[] = {binary.data(), flag.data(), verb.data(), nullptr};
  pid_t process = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ASSERT_EQ(posix_spawn(&process, binary.c_str(), &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  system.entered.wait(false);
  kill(process, SIGINT);
  int status = 0;
  ASSERT_EQ(waitpid(process, &status, 0), process);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
}

}  // namespace
}  // namespace latent

#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace latent {
namespace {

using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  absl::StatusOr<ConfigAction> Read(const std::vector<std::string>& arguments) {
    return ReadConfig(arguments, [this](const char* name) -> const char* {
      const auto it = environment_.find(name);
      return it == environment_.end() ? nullptr : it->second.c_str();
    });
  }
  std::string File(const std::string& text) {
    const std::string path =
        ::testing::TempDir() + "/latentd_config_" + std::to_string(getpid()) + ".toml";
    std::ofstream(path) << text;
    return path;
  }
  void ExpectRefused(const std::vector<std::string>& arguments, const std::string& message) {
    const auto action = Read(arguments);
    EXPECT_EQ(action.status().code(), absl::StatusCode::kInvalidArgument) << action.status();
    EXPECT_THAT(std::string(action.status().message()), HasSubstr(message));
  }

  std::map<std::string, std::string> environment_;
};

TEST_F(ConfigTest, DefaultsAreLoopbackAndBounded) {
  const auto action = Read({});
  ASSERT_TRUE(action.ok()) << action.status();
  EXPECT_EQ(action->kind, ConfigAction::Kind::kRun);
  EXPECT_EQ(action->config.listen, "127.0.0.1:7700");
  EXPECT_EQ(action->config.metrics_listen, "127.0.0.1:7701");
  EXPECT_EQ(action->config.limits.rows, 4096u);
  EXPECT_EQ(action->config.limits.cells, 1u << 22);
}

TEST_F(ConfigTest, KnowsThreeFormatsOfServingWeights) {
  EXPECT_EQ(Read({})->config.serving_weights, "float32");
  const auto action = Read({"--serving-weights", "int8"});
  ASSERT_TRUE(action.ok()) << action.status();
  EXPECT_THAT(ToToml(action->config), HasSubstr("serving-weights = \"int8\""));
  ExpectRefused({"--serving-weights", "int4"}, "--serving-weights");
}

TEST_F(ConfigTest, FlagBeatsEnvironmentBeatsFile) {
  const std::string file = File("io-threads = 2\nio-queue = 20\nloops = 3\n");
  environment_ = {{"LATENT_IO_THREADS", "5"}, {"LATENT_IO_QUEUE", "50"}};
  const auto action = Read({"--config", file, "--io-threads", "7"});
  ASSERT_TRUE(action.ok()) << action.status();
  EXPECT_EQ(action->config.io_threads, 7);
  EXPECT_EQ(action->config.io_queue, 50);
  EXPECT_EQ(action->config.loops, 3);
}

TEST_F(ConfigTest, FlagsWithoutValueComeFromEveryPlace) {
  EXPECT_TRUE(Read({"--insecure-bind"})->config.insecure_bind);
  EXPECT_TRUE(Read({"--config", File("insecure-bind = true\n")})->config.insecure_bind);
  environment_ = {{"LATENT_INSECURE_BIND", "true"}};
  EXPECT_TRUE(Read({})->config.insecure_bind);
}

TEST_F(ConfigTest, RefusesUnknownFlags) { ExpectRefused({"--lisen", "x"}, "--lisen"); }

TEST_F(ConfigTest, RefusesUnknownKeys) {
  ExpectRefused({"--config", File("lisen = \"127.0.0.1:1\"\n")}, "unknown key \"lisen\"");
}

TEST_F(ConfigTest, RefusesAMissingFile) {
  ExpectRefused({"--config", "/nonexistent.toml"}, "cannot read \"/nonexistent.toml\"");
}

TEST_F(ConfigTest, RefusesValuesOutOfRange) {
  ExpectRefused({"--io-threads", "0"}, "--io-threads");
}

TEST_F(ConfigTest, NamesTheVariableAtFault) {
  environment_ = {{"LATENT_LOOPS", "many"}};
  ExpectRefused({}, "LATENT_LOOPS");
}

TEST_F(ConfigTest, RefusesAForeignAddressUnlessAllowed) {
  ExpectRefused({"--listen", "0.0.0.0:7700"}, "--insecure-bind");
  ExpectRefused({"--metrics-listen", "[::]:7701"}, "--metrics-listen");
  EXPECT_TRUE(Read({"--listen", "0.0.0.0:7700", "--insecure-bind"}).ok());
}

TEST_F(ConfigTest, TakesLiteralsOfLoopbackAlone) {
  for (const char* good : {"127.0.0.1:1", "127.9.8.7:0", "localhost:1", "[::1]:65535"}) {
    EXPECT_TRUE(Read({"--listen", good}).ok()) << good;
  }
  for (const char* bad : {"127.evil.example:1", "127.0.0.1.example:1", "localhost.example:1",
                          "128.0.0.1:1", "[::2]:1", "127.1:1"}) {
    ExpectRefused({"--listen", bad}, "not a loopback address");
  }
}

TEST_F(ConfigTest, RefusesWhatIsNoPort) {
  for (const char* bad : {"127.0.0.1:99999", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1"}) {
    ExpectRefused({"--listen", bad}, "expected a port of 0 to 65535");
    ExpectRefused({"--metrics-listen", bad}, "expected a port of 0 to 65535");
  }
  for (const char* bad : {"7700", ":7700", "::1:7700"}) {
    ExpectRefused({"--listen", bad}, "expected host:port");
  }
}

TEST_F(ConfigTest, RefusesSecondsThatAreNoNumber) {
  for (const char* bad : {"nan", "-1", "601", "inf"}) {
    ExpectRefused({"--drain-seconds", bad}, "expected 0 to 600 seconds");
  }
  EXPECT_TRUE(Read({"--drain-seconds", "0"}).ok());
}

TEST_F(ConfigTest, PrintsPathsWithQuotesSoThatTheyComeBack) {
  const auto printed = Read({"--print-config", "--state-dir", "a \"b\" \\c"});
  ASSERT_TRUE(printed.ok()) << printed.status();
  const auto again = Read({"--config", File(printed->output)});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->config.state_dir, "a \"b\" \\c");
  EXPECT_THAT(Read({"--print-config", "--state-dir", "it's \"b\""})->output,
              HasSubstr("state-dir = \"it's \\\"b\\\"\""));
}

TEST_F(ConfigTest, TakesUnixSocketsAsLoopback) {
  EXPECT_TRUE(Read({"--listen", "unix:/run/latent.sock"}).ok());
}

TEST_F(ConfigTest, PrintsWhatItReadsBack) {
  const auto printed =
      Read({"--print-config", "--io-threads", "9", "--spin-us", "30", "--listen", "127.0.0.1:1"});
  ASSERT_TRUE(printed.ok()) << printed.status();
  EXPECT_EQ(printed->kind, ConfigAction::Kind::kPrintAndExit);
  const auto again = Read({"--config", File(printed->output), "--print-config"});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->output, printed->output);
  EXPECT_THAT(again->output, HasSubstr("\nspin-us = 30\n"));
}

TEST_F(ConfigTest, HelpNamesEveryFlagOfTheFile) {
  const auto help = Read({"--help"});
  ASSERT_TRUE(help.ok()) << help.status();
  EXPECT_THAT(help->output, HasSubstr("--drain-seconds"));
}

}  // namespace
}  // namespace latent

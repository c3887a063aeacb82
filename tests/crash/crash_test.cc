// Kills the workload at every call that changes the disk, cuts the power there, lets every such
// call fail once, and looks at what the store then is: each acknowledged step must be there, the
// one that had begun wholly or not at all.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "core/base/durable_file.h"
#include "tests/crash/workload.h"

namespace latent {
namespace {

namespace fs = std::filesystem;
using Environment = std::map<std::string, std::string>;

std::string MakeScratch() {
  // In memory: the shim's shadow stands for the disk.
  std::string pattern = access("/dev/shm", W_OK) == 0 ? "/dev/shm/latent-crash-XXXXXX"
                                                      : testing::TempDir() + "latent-crash-XXXXXX";
  return mkdtemp(pattern.data());
}

std::unique_ptr<Store> OpenStore(const std::string& path) {
  Store::Options options;
  options.path = path;
  std::vector<std::string> notes;
  auto store = Store::Open(std::move(options), &notes);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

// Whether the child ended by itself and well; its output goes to `log`.
bool RunWorkload(const std::string& mode, const std::string& state, const std::string& log,
                 const Environment& environment) {
  const pid_t child = fork();
  if (child == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    setenv("LD_PRELOAD", LATENT_CRASH_SHIM, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
    setenv("LATENT_SHIM_ROOT", state.c_str(), 1);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    execl(LATENT_CRASH_WORKLOAD, LATENT_CRASH_WORKLOAD, mode.c_str(), state.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  const bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  std::ifstream told(log);
  std::stringstream text;
  text << told.rdbuf();
  EXPECT_TRUE(killed || ended) << "status " << status << "\n" << text.str();
  return !killed;
}

// What the workload told before it ended.
struct Told {
  std::size_t begun = 0, acknowledged = 0;
  std::uint64_t highest_version = 0;  // of model m
  std::vector<std::string> refusals;  // steps, codes and reasons of attempts that failed
};
Told ReadLog(const std::string& log) {
  Told told;
  std::ifstream in(log);
  std::string line, step;
  while (std::getline(in, line)) {
    if (line.rfind("try ", 0) == 0) {
      ++told.begun;
      step = line.substr(4);
    } else if (line.rfind("refused ", 0) == 0) {
      if (told.begun > 0) told.refusals.push_back(step + ": " + line.substr(8));
    } else if (line.rfind("ack ", 0) == 0) {
      ++told.acknowledged;
      if (step.rfind("publish m", 0) == 0) told.highest_version = std::stoull(line.substr(4));
    }
  }
  return told;
}

void RestoreDirectory(const std::string& shadow, const std::string& id, const std::string& to) {
  fs::create_directory(to);
  fs::permissions(to, fs::perms::owner_all);
  std::ifstream lines(shadow + "/dirs/" + id);  // none: made, but never synced
  std::string kind, child, name;
  while (lines >> kind >> child && std::getline(lines >> std::ws, name)) {
    const std::string path = to + "/" + name;
    if (kind == "d") {
      RestoreDirectory(shadow, child, path);
    } else if (fs::exists(shadow + "/files/" + child)) {
      fs::copy_file(shadow + "/files/" + child, path);
    } else {
      std::ofstream empty(path);
    }
  }
}

class CrashTest : public testing::Test {
 protected:
  CrashTest() : scratch_(MakeScratch()) {
    const auto store = OpenStore(scratch_ + "/reference");
    expected_.push_back(*Describe(*store));
    for (const Step& step : CrashSteps()) {
      const auto detail = step.run(*store);
      EXPECT_TRUE(detail.ok()) << step.name << ": " << detail.status();
      expected_.push_back(*Describe(*store));
    }
  }
  ~CrashTest() override { RemoveTree(scratch_).IgnoreError(); }

  std::string state() const { return scratch_ + "/state"; }
  std::string log() const { return scratch_ + "/log"; }

  void Reset() {
    for (const char* name : {"state", "shadow", "restored"}) fs::remove_all(scratch_ + "/" + name);
    fs::create_directory(state());
    fs::permissions(state(), fs::perms::owner_all);
    fs::create_directory(scratch_ + "/shadow");
  }
  std::string CutPower() {
    const std::string shadow = scratch_ + "/shadow", restored = scratch_ + "/restored";
    fs::remove_all(restored);
    std::ifstream root(shadow + "/root");
    std::string id;
    root >> id;
    RestoreDirectory(shadow, id, restored);
    return restored;
  }
  Environment ShadowAt(long n) const {
    return {{"LATENT_SHIM_KILL_AT", std::to_string(n)},
            {"LATENT_SHIM_SHADOW", scratch_ + "/shadow"}};
  }

  // What is wrong with the store at `path`; empty if nothing is.
  std::string Fault(const std::string& path, const Told& told) const {
    Store::Options options;
    options.path = path;
    std::vector<std::string> notes;
    auto store = Store::Open(std::move(options), &notes);
    if (!store.ok()) return "does not open: " + store.status().ToString();
    const auto found = Describe(**store);
    if (!found.ok()) return "cannot be used: " + found.status().ToString();
    const bool whole = *found == expected_[told.acknowledged] ||
                       (told.begun > told.acknowledged && *found == expected_[told.begun]);
    if (!whole) return "is\n" + *found + "\nexpected\n" + expected_[told.acknowledged];
    PublishRequest request;
    request.model = "m";
    request.files = {{"model.safetensors", "next"}};
    const auto version = (*store)->registry().Publish(request);
    if (!version.ok()) return "cannot publish: " + version.status().ToString();
    if (*version <= told.highest_version) return "a version number came back";
    return "";
  }

  const std::string scratch_;
  std::vector<std::string> expected_;  // after so many steps
};

TEST_F(CrashTest, KeepsWhatWasAcknowledgedWhenKilledOrCutOffAtAnyCall) {
  long n = 1;
  for (bool ended = false; !ended; ++n) {
    Reset();
    ended = RunWorkload("run", state(), log(), ShadowAt(n));
    const Told told = ReadLog(log());
    const std::string restored = CutPower();
    ASSERT_EQ(Fault(state(), told), "") << "killed at call " << n << " in step " << told.begun;
    ASSERT_EQ(Fault(restored, told), "") << "power cut at call " << n << " in step " << told.begun;
    ASSERT_TRUE(!ended || told.acknowledged == expected_.size() - 1);
  }
  EXPECT_GT(n, 200) << "the shim saw too few calls";
  RecordProperty("calls", std::to_string(n));
}

TEST_F(CrashTest, SurvivesOneFailureOfAnyCall) {
  const std::string report = scratch_ + "/report";
  for (long n = 1;; ++n) {
    Reset();
    fs::remove(report);
    ASSERT_TRUE(
        RunWorkload("run", state(), log(),
                    {{"LATENT_SHIM_FAIL_AT", std::to_string(n)}, {"LATENT_SHIM_REPORT", report}}))
        << "failed at call " << n;
    const Told told = ReadLog(log());
    ASSERT_EQ(told.acknowledged, expected_.size() - 1);
    ASSERT_EQ(Fault(state(), told), "") << "failed at call " << n;
    if (!fs::exists(report)) break;
  }
}

TEST_F(CrashTest, AFullDiskRefusesAndLosesNothing) {
  const std::string report = scratch_ + "/report";
  const std::string full = scratch_ + "/full";
  constexpr long kStride = 7;
  int refusals = 0;
  for (long n = 1;; n += kStride) {
    Reset();
    fs::remove(report);
    fs::remove(full);
    ASSERT_TRUE(RunWorkload("run", state(), log(),
                            {{"LATENT_SHIM_FULL_AT", std::to_string(n)},
                             {"LATENT_SHIM_FULL", full},
                             {"LATENT_SHIM_REPORT", report}}))
        << "full at call " << n;
    const Told told = ReadLog(log());
    for (const std::string& refusal : told.refusals) {
      EXPECT_THAT(refusal, testing::AnyOf(testing::HasSubstr("RESOURCE_EXHAUSTED"),
                                          testing::HasSubstr("OUTCOME_UNKNOWN"),
                                          testing::HasSubstr("STORE_READ_ONLY")))
          << "full at call " << n << " in step " << told.begun;
      ++refusals;
    }
    ASSERT_EQ(told.acknowledged, expected_.size() - 1);
    ASSERT_EQ(Fault(state(), told), "") << "full at call " << n;
    if (!fs::exists(full) && !fs::exists(report)) break;
  }
  EXPECT_GT(refusals, 20);
}

// Each stands for a sync that somebody forgot; the check must see what it costs.
TEST_F(CrashTest, SeesAMissingSync) {
  for (const char* pattern :
       {"staging/*/model.safetensors", "staging/*/manifest.json", "staging/*", "models/default/m",
        "models/default", "models", "latent.db-wal", "datasets/default/*/raw/0",
        "datasets/default/*/raw", "datasets/default", "staging/*/train.rows", "datasets/default/*",
        "jobs/job-1", "jobs/job-1/checkpoint.*", "jobs"}) {
    Reset();
    Environment environment = ShadowAt(0);
    environment["LATENT_SHIM_DROP_SYNC"] = pattern;
    ASSERT_TRUE(RunWorkload("run", state(), log(), environment)) << pattern;
    EXPECT_NE(Fault(CutPower(), ReadLog(log())), "") << "dropped syncs of " << pattern;
  }
}

TEST_F(CrashTest, RecoveryMayBeKilledAtAnyCall) {
  constexpr long kStride = 61;
  for (long n = 1;; n += kStride) {
    Reset();
    if (RunWorkload("run", state(), log(), ShadowAt(n))) break;
    const Told told = ReadLog(log());
    const std::string crashed = scratch_ + "/crashed";
    fs::remove_all(crashed);
    fs::rename(state(), crashed);
    for (long k = 1;; ++k) {
      Reset();
      fs::copy(crashed, state(), fs::copy_options::recursive);
      const bool ended = RunWorkload("recover", state(), scratch_ + "/recovery", ShadowAt(k));
      ASSERT_EQ(Fault(state(), told), "") << "killed at " << n << ", recovery killed at " << k;
      ASSERT_EQ(Fault(CutPower(), told), "") << "killed at " << n << ", power cut at " << k;
      if (ended) break;
    }
  }
}

}  // namespace
}  // namespace latent

#include "server/cpu_budget.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/cgroup.h"

namespace latent {
namespace {

int AffinityCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

std::optional<double> ParseCpuMax(std::string_view text) {
  const std::vector<std::string> words = absl::StrSplit(absl::string_view(text.data(), text.size()),
                                                        absl::ByAnyChar(" \n"), absl::SkipEmpty());
  double quota = 0, period = 0;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &quota) ||
      !absl::SimpleAtod(words[1], &period) || quota <= 0 || period <= 0) {
    return std::nullopt;
  }
  return quota / period;
}

CpuBudget MeasureCpuBudget(const std::string& cgroup_root) {
  CpuBudget budget{.cores = AffinityCores()};
  const auto limit = [&budget](std::optional<double> cores) {
    if (!cores) return;
    budget.has_quota = true;
    budget.cores = std::min(budget.cores, std::max(1, static_cast<int>(std::ceil(*cores))));
  };
  for (const std::string& text : ReadCgroups(cgroup_root, "cpu.max")) limit(ParseCpuMax(text));
  const std::string v1 = cgroup_root + "/cpu/cpu.cfs_";
  limit(ParseCpuMax(ReadText(v1 + "quota_us") + " " + ReadText(v1 + "period_us")));
  return budget;
}

int DefaultLoops(const CpuBudget& budget) { return std::max(1, budget.cores / 2); }

int DefaultTrainThreads(const CpuBudget& budget) {
  return std::max(1, budget.has_quota ? budget.cores - 1 : budget.cores);
}

}  // namespace latent

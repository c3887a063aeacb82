// How many cores this process may use: the lesser of affinity and cgroup quota. Free functions.
#ifndef LATENT_SERVER_CPU_BUDGET_H_
#define LATENT_SERVER_CPU_BUDGET_H_

#include <optional>
#include <string>
#include <string_view>

namespace latent {

struct CpuBudget {
  int cores = 1;           // >= 1, quota rounded up
  bool has_quota = false;  // a cgroup limits CPU time
};

// Asks the kernel. `cgroup_root` is where cgroups are mounted; other values are for tests.
CpuBudget MeasureCpuBudget(const std::string& cgroup_root = "/sys/fs/cgroup");

// Cores that the text of a cgroup v2 cpu.max allows ("max 100000", "150000 100000"); nothing if it
// sets no limit.
std::optional<double> ParseCpuMax(std::string_view text);

// Event loops by default: half the cores, since clients and training want the others.
int DefaultLoops(const CpuBudget& budget);
// Threads of a job that names none: all cores, one less under a quota, which would throttle
// serving.
int DefaultTrainThreads(const CpuBudget& budget);

}  // namespace latent

#endif  // LATENT_SERVER_CPU_BUDGET_H_

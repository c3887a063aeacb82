// How much memory this process may use: the lesser of the machine's and the cgroup's. Free
// functions. Not its job: who gets how much of it (backend.h).
#ifndef LATENT_SERVER_MEMORY_LIMIT_H_
#define LATENT_SERVER_MEMORY_LIMIT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace latent {

// Bytes that the text of a cgroup v2 memory.max allows ("max", "1073741824"); nothing if it sets no
// limit.
std::optional<std::uint64_t> ParseMemoryMax(std::string_view text);

// Asks the kernel. `cgroup_root` is where cgroups are mounted; other values are for tests.
std::uint64_t MeasureMemoryBytes(const std::string& cgroup_root = "/sys/fs/cgroup");

// The budget that is taken if none is given: three quarters, for the rest of the process and the
// system need some, too.
std::uint64_t DefaultMemoryBudgetMib();

}  // namespace latent

#endif  // LATENT_SERVER_MEMORY_LIMIT_H_

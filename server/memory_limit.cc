#include "server/memory_limit.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "server/cgroup.h"

namespace latent {
std::optional<std::uint64_t> ParseMemoryMax(std::string_view text) {
  std::uint64_t bytes = 0;
  const auto word = absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size()));
  if (!absl::SimpleAtoi(word, &bytes) || bytes == 0) return std::nullopt;
  return bytes;
}

std::uint64_t MeasureMemoryBytes(const std::string& cgroup_root) {
  auto bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
               static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const auto limit = [&bytes](std::optional<std::uint64_t> most) {
    if (most) bytes = std::min(bytes, *most);
  };
  for (const std::string& text : ReadCgroups(cgroup_root, "memory.max"))
    limit(ParseMemoryMax(text));
  limit(ParseMemoryMax(ReadText(cgroup_root + "/memory/memory.limit_in_bytes")));
  return bytes;
}

std::uint64_t DefaultMemoryBudgetMib() {
  return std::max<std::uint64_t>(1, (MeasureMemoryBytes() / 4 * 3) >> 20);
}

}  // namespace latent

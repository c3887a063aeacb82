#include "core/base/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

namespace latent {
namespace {

constexpr Isa kLevels[] = {Isa::kAvx512, Isa::kAvx2, Isa::kPortable};

std::string_view NameOf(Isa level) {
  switch (level) {
    case Isa::kPortable:
      return "portable";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  return "portable";
}

#if defined(__x86_64__)
// Not a name that every compiler's __builtin_cpu_supports knows.
bool HasF16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

// The level that LATENT_ISA names, else the highest.
Isa Detect() {
  const char* wanted = std::getenv("LATENT_ISA");
  for (const Isa level : kLevels) {
    if (wanted != nullptr && wanted == NameOf(level) && CpuHas(level)) return level;
  }
  return *std::find_if(std::begin(kLevels), std::end(kLevels), CpuHas);
}

}  // namespace

bool CpuHas(Isa level) {
  if (level == Isa::kPortable) return true;
#if defined(__x86_64__)
  // These also say that the operating system saves the wide registers.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c();
  if (level == Isa::kAvx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

Isa ActiveIsa() {
  static const Isa isa = Detect();
  return isa;
}

std::string_view IsaName() { return NameOf(ActiveIsa()); }

}  // namespace latent

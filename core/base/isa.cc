#include "core/base/isa.h"

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
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
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

#include "core/base/isa.h"

#include <cstdlib>
#include <string_view>

namespace latent {
namespace {

Isa Detect() {
#if defined(__x86_64__)
  const char* wanted = std::getenv("LATENT_ISA");
  if (wanted != nullptr && std::string_view(wanted) == "portable") return Isa::kPortable;
  // Both also say that the operating system saves the wide registers.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::kAvx2;
#endif
  return Isa::kPortable;
}

}  // namespace

Isa ActiveIsa() {
  static const Isa isa = Detect();
  return isa;
}

std::string_view IsaName() { return ActiveIsa() == Isa::kAvx2 ? "avx2" : "portable"; }

}  // namespace latent

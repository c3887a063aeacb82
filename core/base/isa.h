// Which instruction-set level the numerical kernels use: decided once a process, the highest that
// the CPU has or the one that LATENT_ISA names (portable, avx2, avx512; never one it lacks). Any
// thread. Results agree bit for bit on one level, within rounding between levels.
#ifndef LATENT_CORE_BASE_ISA_H_
#define LATENT_CORE_BASE_ISA_H_

#include <string_view>

namespace latent {

enum class Isa { kPortable, kAvx2, kAvx512 };

// Whether this CPU and its operating system have the level: kAvx2 is AVX2, FMA and F16C, kAvx512 is
// these with AVX-512 F, BW, DQ and VL.
bool CpuHas(Isa level);
// The level in use.
Isa ActiveIsa();
// Its name: "portable", "avx2" or "avx512".
std::string_view IsaName();

}  // namespace latent

#endif  // LATENT_CORE_BASE_ISA_H_

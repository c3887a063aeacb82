// Which instruction-set level the numerical kernels use: decided once a process, from the CPU and
// the environment variable LATENT_ISA (portable or avx2; a level the CPU lacks is not taken).
// Any thread. Results agree bit for bit on one level, within rounding between levels.
#ifndef LATENT_CORE_BASE_ISA_H_
#define LATENT_CORE_BASE_ISA_H_

#include <string_view>

namespace latent {

enum class Isa { kPortable, kAvx2 };

// The level in use.
Isa ActiveIsa();
// "portable" or "avx2" (AVX2 with FMA).
std::string_view IsaName();

}  // namespace latent

#endif  // LATENT_CORE_BASE_ISA_H_

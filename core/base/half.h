// IEEE 754 binary16, as codes and files carry it. Free functions; any thread.
#ifndef LATENT_CORE_BASE_HALF_H_
#define LATENT_CORE_BASE_HALF_H_

#include <cstdint>

namespace latent {

inline constexpr float kGreatestHalf = 65504;
// Nearest binary16, ties to even; from half a step beyond kGreatestHalf on infinity, below 2^-25
// zero.
std::uint16_t ToHalf(float value);
float FromHalf(std::uint16_t half);

}  // namespace latent

#endif  // LATENT_CORE_BASE_HALF_H_

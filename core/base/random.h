// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011,
// doi 10.1145/2063384.2063405). A value is a pure function of (seed, stream, sample, element), so
// noise depends neither on thread count nor on the batch a row is in nor on history; nothing to
// save, nothing to lock. The same bits on every instruction-set level. Not for secrets.
#ifndef LATENT_CORE_BASE_RANDOM_H_
#define LATENT_CORE_BASE_RANDOM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace latent {

// Names one row of random numbers; the element is its index in the row (< 2^34).
struct RandomKey {
  std::uint64_t seed = 0;    // of a job or a call; give each purpose its own, see DeriveSeed
  std::uint32_t stream = 0;  // epoch, draw number or tensor number
  std::uint64_t sample = 0;  // row number in the dataset or request
};

// The bijection itself: ten rounds over a 128-bit counter under a 64-bit key.
std::array<std::uint32_t, 4> Philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

// A seed for one purpose (corruption, latent draws, shuffles, ...) so that streams never meet.
std::uint64_t DeriveSeed(std::uint64_t seed, std::uint64_t purpose);

// 64 well-mixed bits of a number under a seed; splits rows into parts by their number.
std::uint64_t Hash64(std::uint64_t seed, std::uint64_t value);

// 32 uniform bits of one element.
std::uint32_t RandomBits(const RandomKey& key, std::uint64_t element);
// Uniform in [0, 1), a multiple of 2^-24; the same as FillUniform's entry `element`.
float UniformAt(const RandomKey& key, std::uint64_t element);
// Standard normal; the same as FillNormal's entry `element`.
float NormalAt(const RandomKey& key, std::uint64_t element);

// values[i] = UniformAt(key, i). The double overloads widen the same floats.
void FillUniform(const RandomKey& key, std::span<float> values);
void FillUniform(const RandomKey& key, std::span<double> values);
// values[i] = NormalAt(key, i): Box-Muller, |value| <= 6.7.
void FillNormal(const RandomKey& key, std::span<float> values);
void FillNormal(const RandomKey& key, std::span<double> values);

// Fills order with a uniformly drawn permutation of 0 .. order.size() - 1 (Fisher-Yates, without
// modulo bias). Depends on (seed, stream) and the size alone; order.size() < 2^32.
void FillPermutation(std::uint64_t seed, std::uint32_t stream, std::span<std::uint32_t> order);

}  // namespace latent

#endif  // LATENT_CORE_BASE_RANDOM_H_

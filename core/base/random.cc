#include "core/base/random.h"

#include <algorithm>
#include <utility>

#include "core/base/isa.h"
#include "core/base/random_kernel.h"

namespace latent {
namespace {

using random_kernel::kGroup;
using random_kernel::kLanes;
using random_kernel::Row;

// Streams of RandomKey count epochs and tensors from 0, so the last ones are free for these.
constexpr std::uint32_t kSeedStream = 0xFFFFFFFF;
constexpr std::uint32_t kHashStream = 0xFFFFFFFE;
constexpr std::uint64_t kPermutationSample = ~std::uint64_t{0};

constexpr std::uint32_t Low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t High(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}

Row RowOf(const RandomKey& key) {
  return {{Low(key.seed), High(key.seed)}, {Low(key.sample), High(key.sample), key.stream}};
}

std::uint64_t Mix(std::uint64_t seed, std::uint64_t value, std::uint32_t stream) {
  const auto words = Philox4x32({0, Low(value), High(value), stream}, {Low(seed), High(seed)});
  return words[0] | std::uint64_t{words[1]} << 32;
}

void FillGroups(const Row& row, bool normal, std::uint32_t first, std::size_t groups,
                float* values) {
#if defined(__x86_64__)
  if (ActiveIsa() != Isa::kPortable) {
    (normal ? random_kernel::NormalAvx2 : random_kernel::UniformAvx2)(row, first, groups, values);
    return;
  }
#endif
  (normal ? random_kernel::NormalPortable : random_kernel::UniformPortable)(row, first, groups,
                                                                            values);
}

void FillFloats(const RandomKey& key, bool normal, std::span<float> values) {
  const Row row = RowOf(key);
  const std::size_t whole = values.size() / kGroup;
  FillGroups(row, normal, 0, whole, values.data());
  if (const std::size_t rest = values.size() % kGroup; rest != 0) {
    float group[kGroup];
    FillGroups(row, normal, static_cast<std::uint32_t>(whole), 1, group);
    std::copy_n(group, rest, values.data() + whole * kGroup);
  }
}

void FillDoubles(const RandomKey& key, bool normal, std::span<double> values) {
  const Row row = RowOf(key);
  float group[kGroup];
  for (std::size_t i = 0; i < values.size(); i += kGroup) {
    FillGroups(row, normal, static_cast<std::uint32_t>(i / kGroup), 1, group);
    std::copy_n(group, std::min(kGroup, values.size() - i), values.data() + i);
  }
}

}  // namespace

std::array<std::uint32_t, 4> Philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {High(b) ^ counter[1] ^ key[0], Low(b), High(a) ^ counter[3] ^ key[1], Low(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

std::uint64_t DeriveSeed(std::uint64_t seed, std::uint64_t purpose) {
  return Mix(seed, purpose, kSeedStream);
}

std::uint64_t Hash64(std::uint64_t seed, std::uint64_t value) {
  return Mix(seed, value, kHashStream);
}

std::uint32_t RandomBits(const RandomKey& key, std::uint64_t element) {
  const Row row = RowOf(key);
  const auto block = static_cast<std::uint32_t>(element / kGroup * kLanes + element % kLanes);
  return Philox4x32({block, row.counter[0], row.counter[1], row.counter[2]},
                    {row.key[0], row.key[1]})[element % kGroup / kLanes];
}

float UniformAt(const RandomKey& key, std::uint64_t element) {
  return static_cast<float>(RandomBits(key, element) >> 8) * 0x1p-24f;
}

float NormalAt(const RandomKey& key, std::uint64_t element) {
  float group[kGroup];
  FillGroups(RowOf(key), true, static_cast<std::uint32_t>(element / kGroup), 1, group);
  return group[element % kGroup];
}

void FillUniform(const RandomKey& key, std::span<float> values) { FillFloats(key, false, values); }
void FillUniform(const RandomKey& key, std::span<double> values) {
  FillDoubles(key, false, values);
}
void FillNormal(const RandomKey& key, std::span<float> values) { FillFloats(key, true, values); }
void FillNormal(const RandomKey& key, std::span<double> values) { FillDoubles(key, true, values); }

void FillPermutation(std::uint64_t seed, std::uint32_t stream, std::span<std::uint32_t> order) {
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  const RandomKey key{seed, stream, kPermutationSample};
  std::uint64_t element = 0;
  for (std::size_t i = order.size(); i > 1; --i) {
    // Lemire's bounded draw (arXiv 1805.10941): products whose low half falls below 2^32 mod i are
    // drawn again, so every position is equally likely.
    const auto bound = static_cast<std::uint32_t>(i);
    const std::uint32_t reject = (0u - bound) % bound;
    std::uint64_t product;
    do {
      product = std::uint64_t{RandomBits(key, element++)} * bound;
    } while (Low(product) < reject);
    std::swap(order[i - 1], order[High(product)]);
  }
}

}  // namespace latent

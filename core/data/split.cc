#include "core/data/split.h"

#include <algorithm>
#include <cmath>

namespace latent {
namespace {

// Finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit numbers.
std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::uint64_t Share(std::uint64_t rows, double fraction) {
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(rows) * fraction));
}

}  // namespace

std::uint64_t SplitHash(std::uint64_t seed, std::uint64_t row) { return Mix(Mix(seed) + row + 1); }

std::vector<v1::Part> SplitRows(std::uint64_t rows, const SplitOptions& options) {
  std::vector<v1::Part> parts(rows, v1::PART_TRAIN);
  if (rows == 0) return parts;
  const std::uint64_t test = std::min(Share(rows, options.test_fraction), rows - 1);
  const std::uint64_t validation = std::min(
      {Share(rows - test, options.validation_fraction), rows - test - 1, kMaxSplitValidationRows});
  // The hash is a bijection of the row number, so that a bound on it picks an exact count.
  std::vector<std::uint64_t> hashes(rows);
  for (std::uint64_t row = 0; row < rows; ++row) hashes[row] = SplitHash(options.seed, row);
  const auto bound = [&hashes](std::uint64_t rank) {
    const auto nth = hashes.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(hashes.begin(), nth, hashes.end());
    return *nth;
  };
  const std::uint64_t test_bound = bound(test);
  const std::uint64_t validation_bound = bound(test + validation);
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::uint64_t hash = SplitHash(options.seed, row);
    if (hash < test_bound) {
      parts[row] = v1::PART_TEST;
    } else if (hash < validation_bound) {
      parts[row] = v1::PART_VALIDATION;
    }
  }
  return parts;
}

}  // namespace latent

// Which rows of TRAIN are set aside as TEST and VALIDATION where no file brings those parts.
// Pure functions; any thread.
#ifndef LATENT_CORE_DATA_SPLIT_H_
#define LATENT_CORE_DATA_SPLIT_H_

#include <cstdint>
#include <vector>

#include "latent/v1/spec.pb.h"

namespace latent {

struct SplitOptions {
  double test_fraction = 0.1;        // share of all rows, 0 to 0.9
  double validation_fraction = 0.1;  // share of the rest, 0 to 0.9; at most 10000 rows
  std::uint64_t seed = 0;
};

inline constexpr std::uint64_t kMaxSplitValidationRows = 10'000;

// Hash of a row's number that the split orders rows by: the SplitMix64 mix of
// (mix(seed) + row + 1). Never changes: stored datasets depend on it.
std::uint64_t SplitHash(std::uint64_t seed, std::uint64_t row);

// The part of each of `rows` rows. Rows are put in order of (SplitHash, row); the first
// round(rows * test_fraction) are TEST, the next round(rest * validation_fraction) VALIDATION, the
// others TRAIN, of which at least one is left. A fraction of 0 sets none aside.
std::vector<v1::Part> SplitRows(std::uint64_t rows, const SplitOptions& options);

}  // namespace latent

#endif  // LATENT_CORE_DATA_SPLIT_H_

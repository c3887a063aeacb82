// Seeded orders of rows, and rows gathered into batches. Free functions; any thread.
#ifndef LATENT_CORE_DATA_BATCHES_H_
#define LATENT_CORE_DATA_BATCHES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "core/nn/matrix.h"

namespace latent {

// A permutation of 0 ... rows - 1 that depends on (seed, epoch, rows) alone. rows < 2^32.
std::vector<std::uint32_t> EpochOrder(std::uint64_t seed, std::uint64_t epoch, std::size_t rows);

// batch row i = rows row order[i]. Shapes: batch [order.size() x rows.columns].
void GatherRows(MatrixView<const float> rows, std::span<const std::uint32_t> order,
                MatrixView<float> batch);

}  // namespace latent

#endif  // LATENT_CORE_DATA_BATCHES_H_

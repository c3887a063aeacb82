// The item-item map that minimises |X - X B|^2 + ridge |B|^2 with a zero diagonal (arXiv
// 1905.03375): B = I - P diag(1 / P_jj), P the inverse of X'X + ridge I, in float64. Pure but for
// the pool; one call at a time.
#ifndef LATENT_CORE_TRAIN_EASE_H_
#define LATENT_CORE_TRAIN_EASE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "core/base/thread_pool.h"
#include "core/model/item_map.h"
#include "core/nn/leading_eigen.h"
#include "core/nn/rows_view.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// Bytes that SolveEase holds at once for rows of that many columns, the rows not counted.
std::uint64_t EaseBytes(std::uint64_t columns);

// `spec` as a plan of solver ease has it; `ridge` > 0; at least one row, in dataset units. Sparse
// rows are never made dense. Ends soon with the error of `check` (any thread, often).
absl::StatusOr<std::unique_ptr<ItemMap>> SolveEase(const v1::ModelSpec& spec, double ridge,
                                                   const RowsView& rows, ThreadPool& pool,
                                                   CheckGoesOn check);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_EASE_H_

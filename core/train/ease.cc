#include "core/train/ease.h"

#include <span>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "core/model/column_statistics.h"
#include "core/nn/linalg.h"

namespace latent {
namespace {

// Adds the products of a row's cells that are not 0 to the lower triangle.
void AddProducts(const RowsView::SparseRow& row, DoubleMatrix& gram) {
  for (std::size_t i = 0; i < row.indices.size(); ++i) {
    const auto x = static_cast<double>(row.values[i]);
    double* const out = gram.cells.data() + row.indices[i] * gram.columns;
    for (std::size_t j = 0; j <= i; ++j)
      out[row.indices[j]] += x * static_cast<double>(row.values[j]);
  }
}

// X'X + ridge I; the lower triangle.
absl::StatusOr<DoubleMatrix> RidgedGram(const RowsView& rows, double ridge, CheckGoesOn check) {
  DoubleMatrix gram(rows.columns, rows.columns);
  std::vector<std::uint32_t> indices;
  std::vector<float> values;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    LATENT_RETURN_IF_ERROR(check());
    if (rows.sparse()) {
      AddProducts(rows.sparse_row(r), gram);
      continue;
    }
    indices.clear();
    values.clear();
    const std::span<const float> row = rows.dense().row(r);
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (row[c] == 0) continue;
      indices.push_back(static_cast<std::uint32_t>(c));
      values.push_back(row[c]);
    }
    AddProducts({indices, values}, gram);
  }
  for (std::size_t c = 0; c < rows.columns; ++c) gram(c, c) += ridge;
  return gram;
}

}  // namespace

std::uint64_t EaseBytes(std::uint64_t columns) {
  // The Gram matrix, and the weights three times: in the model, as tensors and as a file's bytes.
  return columns * columns * (sizeof(double) + 3 * sizeof(float));
}

absl::StatusOr<std::unique_ptr<ItemMap>> SolveEase(const v1::ModelSpec& spec, double ridge,
                                                   const RowsView& rows, ThreadPool& pool,
                                                   CheckGoesOn check) {
  const std::size_t n = rows.columns;
  LATENT_ASSIGN_OR_RETURN(DoubleMatrix gram, RidgedGram(rows, ridge, check));
  AlignedBuffer weights(n * n);
  LATENT_RETURN_IF_ERROR(InvertPositiveDefinite(
      gram, &pool, check, [&](std::size_t first, MatrixView<const double> inverse) {
        for (std::size_t r = 0; r < inverse.rows; ++r) {
          const std::size_t to = first + r;
          const double diagonal = inverse(r, to);
          for (std::size_t from = 0; from < n; ++from) {
            weights.data()[from * n + to] =
                from == to ? 0.0F : static_cast<float>(-inverse(r, from) / diagonal);
          }
        }
      }));
  return std::make_unique<ItemMap>(spec, ComputeColumnStatistics(rows), std::move(weights));
}

}  // namespace latent

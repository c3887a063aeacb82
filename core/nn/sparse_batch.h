// A batch of sparse rows between two layers: its cells by row, for the forward product, and by
// column, for the gradient, so that no batch becomes as wide as its columns. Owned by a training
// pass; one thread takes a batch, then threads work on disjoint rows, then on disjoint columns.
// Allocates only when a batch has more cells than any before.
#ifndef LATENT_CORE_NN_SPARSE_BATCH_H_
#define LATENT_CORE_NN_SPARSE_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/nn/gemm.h"
#include "core/nn/matrix.h"
#include "core/nn/rows_view.h"

LATENT_NUMERICS_BEGIN

class SparseBatch {
 public:
  // Makes room for batches of `cells` cells in `rows` rows.
  void Reserve(std::size_t rows, std::size_t columns, std::size_t cells);
  // Takes the cells of the rows that `indices` names.
  void Take(const RowsView& rows, std::span<const std::uint64_t> indices);

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  // A row's cells; values may be written, and Settle must follow.
  std::span<const std::uint32_t> indices(std::size_t r) const {
    return {indices_.data() + starts_[r], starts_[r + 1] - starts_[r]};
  }
  std::span<Real> values(std::size_t r) {
    return {values_.data() + starts_[r], starts_[r + 1] - starts_[r]};
  }
  // Leaves out, for the forward product, the row's cells that are now 0.
  void Settle(std::size_t r);
  // The cells that are left.
  RowsView::SparseRow settled(std::size_t r) const {
    return {{kept_indices_.data() + starts_[r], kept_[r]},
            {kept_values_.data() + starts_[r], kept_[r]}};
  }

  // out = the sum over the batch's rows, in row order, of cell (r, column) times dy's row r.
  // Returns false, out being left alone, if the column is 0 in all rows. One column a call.
  bool ColumnGradient(std::size_t column, ConstMatrix dy, std::span<Real> out) const;

 private:
  struct Cell {
    std::uint32_t row;
    std::uint32_t place;  // into values_
  };
  std::size_t rows_ = 0, columns_ = 0;
  std::vector<std::size_t> starts_;     // by row
  std::vector<std::uint32_t> indices_;  // by row, rising
  std::vector<Real> values_;            // likewise
  std::vector<std::uint32_t> kept_indices_, kept_;
  std::vector<Real> kept_values_;
  std::vector<std::uint32_t> column_starts_;  // cells of column c: [c] .. [c + 1]
  std::vector<Cell> cells_;                   // by column, rows rising
};

// y = start + x W for one row of cells that are not 0; `start` has one number a column of W. The
// bits are those of GemmNn on the same row with its zeros, but for the sign of a 0. No activation.
void SparseRowForward(const RowsView::SparseRow& x, ConstMatrix weights,
                      std::span<const Real> start, std::span<Real> y);
// Likewise for rows first .. first + y.rows - 1 of a batch, out of packed weights.
void SparseRowsForward(std::span<const RowsView::SparseRow> x, const PackedMatrix& weights,
                       std::span<const Real> start, Matrix y);

// Finds the cells that are not 0 in rows that are stored whole. Keeps its room from call to call.
class ZeroSkipper {
 public:
  // Looks at the rows of x from the first on, as long as each has at most `most` such cells, and
  // returns theirs; they live until the next call.
  std::span<const RowsView::SparseRow> Find(ConstMatrix x, std::size_t most);

 private:
  std::vector<std::uint32_t> indices_;
  std::vector<Real> values_;
  std::vector<RowsView::SparseRow> rows_;
};

// The greatest of at least one cell; unspecified if one is NaN.
Real Greatest(std::span<const Real> cells);

// Cells that the `count` rows of most cells have together: what a batch may need.
std::size_t MostCells(const RowsView& rows, std::size_t count);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_SPARSE_BATCH_H_

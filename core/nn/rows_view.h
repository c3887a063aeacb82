// Rows that are stored with every cell (some of them perhaps without a value) or as compressed
// sparse rows (CSR), seen alike. A view: it
// owns nothing and lives no longer than what it looks at; copies are cheap; any thread. Sparse rows
// become dense a few at a time, in memory of the reader's. Not its job: products of sparse rows.
#ifndef LATENT_CORE_NN_ROWS_VIEW_H_
#define LATENT_CORE_NN_ROWS_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/nn/labelled_rows.h"
#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// The cells that are not 0: those of row r stand at row_offsets[r] .. row_offsets[r + 1] - 1 of
// `indices` (columns, rising within a row, below `columns`) and `values`.
struct SparseRows {
  const std::uint64_t* row_offsets = nullptr;
  const std::uint32_t* indices = nullptr;
  const Real* values = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
};

class RowsView {
 public:
  // One row's cells that are not 0.
  struct SparseRow {
    std::span<const std::uint32_t> indices;
    std::span<const Real> values;
  };

  RowsView() = default;
  // Whoever takes rows takes a matrix.
  RowsView(ConstMatrix dense)  // NOLINT(google-explicit-constructor)
      : rows(dense.rows), columns(dense.columns), dense_(dense) {}
  RowsView(Matrix dense) : RowsView(ConstMatrix(dense)) {}  // NOLINT(google-explicit-constructor)
  RowsView(const Real* cells, std::size_t row_count, std::size_t column_count)
      : RowsView(ConstMatrix(cells, row_count, column_count)) {}
  explicit RowsView(const SparseRows& sparse)
      : rows(sparse.rows), columns(sparse.columns), sparse_(sparse) {}

  std::size_t rows = 0;
  std::size_t columns = 0;

  bool sparse() const { return sparse_.row_offsets != nullptr; }
  // All cells; of dense rows only.
  ConstMatrix dense() const;
  // Of sparse rows only.
  SparseRow sparse_row(std::size_t r) const;

  // One cell; of sparse rows by search, for tests and tools.
  Real operator()(std::size_t r, std::size_t c) const;
  // The same dense rows, but NaN in every cell whose bit is set in `bits`: the lowest bit first,
  // every row begins with a byte. Such rows are not one matrix: dense() is not for them.
  RowsView WithMissing(const std::uint8_t* bits) const;
  // The same rows with a label each; Read then gives them with the rows.
  RowsView WithLabels(std::span<const std::int32_t> labels) const;
  // Of every row; none unless given.
  LabelView labels() const { return labels_; }

  // Row r: its own cells where they are stored, else written to `scratch` ([columns] entries).
  std::span<const Real> row(std::size_t r, std::span<Real> scratch) const;
  // Writes row r to `out` ([columns] entries).
  void CopyRow(std::size_t r, std::span<Real> out) const;
  // Rows first .. first + count - 1 as a matrix: a slice of dense rows, else in `scratch`, which
  // grows as needed and must live as long as the result is used.
  LabelledRows Read(std::size_t first, std::size_t count, std::vector<Real>& scratch) const;
  // Writes the rows named by `indices`, in that order, to `out` [indices.size() x columns].
  void Gather(std::span<const std::uint64_t> indices, Matrix out) const;

  // Rows first .. first + count - 1.
  RowsView slice_rows(std::size_t first, std::size_t count) const;
  // Rows 0, step, 2 step, ...; step >= 1.
  RowsView EveryNth(std::size_t step) const;

 private:
  // Whether rows stand in memory as they are seen.
  bool as_stored() const { return !sparse() && missing_ == nullptr; }
  bool IsMissing(std::size_t r, std::size_t c) const {
    return missing_ != nullptr && (missing_[r * missing_stride_ + c / 8] >> c % 8 & 1) != 0;
  }

  ConstMatrix dense_;
  const std::uint8_t* missing_ = nullptr;  // of dense rows
  std::size_t missing_stride_ = 0;
  SparseRows sparse_;
  LabelView labels_;
  std::size_t step_ = 1;  // of sparse rows: row r of the view is row r * step_ of sparse_
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_ROWS_VIEW_H_

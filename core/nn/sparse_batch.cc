#include "core/nn/sparse_batch.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <functional>

#include "core/nn/sparse_kernels.h"

LATENT_NUMERICS_BEGIN

void SparseBatch::Reserve(std::size_t rows, std::size_t columns, std::size_t cells) {
  rows_ = 0;
  columns_ = columns;
  starts_.resize(rows + 1);
  kept_.resize(rows);
  column_starts_.resize(columns + 2);
  for (std::vector<std::uint32_t>* numbers : {&indices_, &kept_indices_}) numbers->resize(cells);
  for (std::vector<Real>* numbers : {&values_, &kept_values_}) numbers->resize(cells);
  cells_.resize(cells);
}

void SparseBatch::Take(const RowsView& rows, std::span<const std::uint64_t> indices) {
  assert(rows.sparse() && rows.columns == columns_ && indices.size() < starts_.size());
  rows_ = indices.size();
  std::size_t cells = 0;
  for (std::size_t r = 0; r < rows_; ++r) {
    starts_[r] = cells;
    cells += rows.sparse_row(indices[r]).indices.size();
  }
  starts_[rows_] = cells;
  if (cells > cells_.size()) {
    for (std::vector<std::uint32_t>* numbers : {&indices_, &kept_indices_}) numbers->resize(cells);
    for (std::vector<Real>* numbers : {&values_, &kept_values_}) numbers->resize(cells);
    cells_.resize(cells);
  }
  // Counted two places on, so that what is filled in one place on ends where the next begins.
  std::fill(column_starts_.begin(), column_starts_.end(), 0u);
  for (std::size_t r = 0; r < rows_; ++r) {
    const RowsView::SparseRow row = rows.sparse_row(indices[r]);
    std::copy(row.indices.begin(), row.indices.end(), indices_.data() + starts_[r]);
    std::copy(row.values.begin(), row.values.end(), values_.data() + starts_[r]);
    for (const std::uint32_t column : row.indices) ++column_starts_[column + 2];
  }
  for (std::size_t c = 2; c < column_starts_.size(); ++c) {
    column_starts_[c] += column_starts_[c - 1];
  }
  for (std::size_t r = 0; r < rows_; ++r) {
    for (std::size_t e = starts_[r]; e < starts_[r + 1]; ++e) {
      cells_[column_starts_[indices_[e] + 1]++] = {static_cast<std::uint32_t>(r),
                                                   static_cast<std::uint32_t>(e)};
    }
  }
}

void SparseBatch::Settle(std::size_t r) {
  std::uint32_t kept = 0;
  std::uint32_t* const to = kept_indices_.data() + starts_[r];
  Real* const values = kept_values_.data() + starts_[r];
  for (std::size_t e = starts_[r]; e < starts_[r + 1]; ++e) {
    to[kept] = indices_[e];
    values[kept] = values_[e];
    kept += values_[e] != 0 ? 1 : 0;
  }
  kept_[r] = kept;
}

bool SparseBatch::ColumnGradient(std::size_t column, ConstMatrix dy, std::span<Real> out) const {
  // The cells of a column are to the rows of dy what those of a row are to the rows of W.
  constexpr std::size_t kTogether = 64;
  std::array<std::uint32_t, kTogether> rows;
  std::array<Real, kTogether> values;
  kernels::GatherCall call{.weights = {dy.data, dy.stride, PackedMatrix::kPanelColumns},
                           .indices = rows.data(),
                           .values = values.data(),
                           .count = 0,
                           .start = nullptr,
                           .c = out.data(),
                           .first = 0,
                           .n = out.size()};
  const auto run = [&] {
    kernels::ActiveSparse().gather(call);
    call.start = call.c;
    call.count = 0;
  };
  for (std::uint32_t i = column_starts_[column]; i < column_starts_[column + 1]; ++i) {
    const Real value = values_[cells_[i].place];
    rows[call.count] = cells_[i].row;
    values[call.count] = value;
    call.count += value != 0 ? 1 : 0;
    if (call.count == kTogether) run();
  }
  if (call.count > 0) run();
  return call.start != nullptr;
}

void SparseRowForward(const RowsView::SparseRow& x, ConstMatrix weights,
                      std::span<const Real> start, std::span<Real> y) {
  assert(start.size() == y.size() && weights.columns == y.size());
  kernels::ActiveSparse().gather(
      {.weights = {weights.data, weights.stride, PackedMatrix::kPanelColumns},
       .indices = x.indices.data(),
       .values = x.values.data(),
       .count = x.indices.size(),
       .start = start.data(),
       .c = y.data(),
       .first = 0,
       .n = y.size()});
}

void SparseRowsForward(std::span<const RowsView::SparseRow> x, const PackedMatrix& weights,
                       std::span<const Real> start, Matrix y) {
  assert(x.size() == y.rows && weights.n() == y.columns && start.size() == y.columns);
  // All rows over some panels, which stay in the cache meanwhile.
  constexpr std::size_t kColumns = 4 * PackedMatrix::kPanelColumns;
  for (std::size_t j = 0; j < y.columns; j += kColumns) {
    for (std::size_t r = 0; r < y.rows; ++r) {
      kernels::ActiveSparse().gather({.weights = {weights.data(), PackedMatrix::kPanelColumns,
                                                  weights.k() * PackedMatrix::kPanelColumns},
                                      .indices = x[r].indices.data(),
                                      .values = x[r].values.data(),
                                      .count = x[r].indices.size(),
                                      .start = start.data(),
                                      .c = y.row(r).data(),
                                      .first = j,
                                      .n = std::min(y.columns, j + kColumns)});
    }
  }
}

std::span<const RowsView::SparseRow> ZeroSkipper::Find(ConstMatrix x, std::size_t most) {
  constexpr std::size_t kTogether = 8;
  rows_.clear();
  if (indices_.size() < x.rows * most) {
    indices_.resize(x.rows * most);
    values_.resize(x.rows * most);
  }
  for (std::size_t r = 0; r < x.rows; ++r) {
    const Real* const cells = x.row(r).data();
    std::uint32_t* const indices = indices_.data() + r * most;
    Real* const values = values_.data() + r * most;
    std::size_t found = 0;
    for (std::size_t c = 0; c < x.columns; c += kTogether) {
      const std::size_t end = std::min(x.columns, c + kTogether);
      bool any = false;
      for (std::size_t i = c; i < end; ++i) any |= cells[i] != 0;  // NaN is not 0
      if (!any) continue;
      for (std::size_t i = c; i < end; ++i) {
        if (cells[i] == 0) continue;
        if (found == most) return rows_;
        indices[found] = static_cast<std::uint32_t>(i);
        values[found++] = cells[i];
      }
    }
    rows_.push_back({{indices, found}, {values, found}});
  }
  return rows_;
}

Real Greatest(std::span<const Real> cells) {
  return kernels::ActiveSparse().greatest(cells.data(), cells.size());
}

std::size_t MostCells(const RowsView& rows, std::size_t count) {
  std::vector<std::size_t> lengths(rows.rows);
  for (std::size_t r = 0; r < rows.rows; ++r) lengths[r] = rows.sparse_row(r).indices.size();
  count = std::min(count, lengths.size());
  std::partial_sort(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(count),
                    lengths.end(), std::greater<>());
  std::size_t cells = 0;
  for (std::size_t i = 0; i < count; ++i) cells += lengths[i];
  return cells;
}

LATENT_NUMERICS_END

#include "core/nn/rows_view.h"

#include <algorithm>
#include <cassert>

LATENT_NUMERICS_BEGIN

ConstMatrix RowsView::dense() const {
  assert(!sparse());
  return dense_;
}

RowsView::SparseRow RowsView::sparse_row(std::size_t r) const {
  assert(sparse() && r < rows);
  const std::uint64_t* const offsets = sparse_.row_offsets + r * step_;
  const auto count = static_cast<std::size_t>(offsets[1] - offsets[0]);
  return {{sparse_.indices + offsets[0], count}, {sparse_.values + offsets[0], count}};
}

Real RowsView::operator()(std::size_t r, std::size_t c) const {
  if (!sparse()) return dense_(r, c);
  const SparseRow cells = sparse_row(r);
  const auto found = std::lower_bound(cells.indices.begin(), cells.indices.end(), c);
  if (found == cells.indices.end() || *found != c) return 0;
  return cells.values[static_cast<std::size_t>(found - cells.indices.begin())];
}

std::span<const Real> RowsView::row(std::size_t r, std::span<Real> scratch) const {
  if (!sparse()) return dense_.row(r);
  CopyRow(r, scratch);
  return scratch.first(columns);
}

void RowsView::CopyRow(std::size_t r, std::span<Real> out) const {
  if (!sparse()) {
    const std::span<const Real> cells = dense_.row(r);
    std::copy(cells.begin(), cells.end(), out.begin());
    return;
  }
  std::fill_n(out.begin(), columns, Real{0});
  const SparseRow cells = sparse_row(r);
  for (std::size_t i = 0; i < cells.indices.size(); ++i) out[cells.indices[i]] = cells.values[i];
}

ConstMatrix RowsView::Read(std::size_t first, std::size_t count, std::vector<Real>& scratch) const {
  if (!sparse()) return dense_.slice_rows(first, count);
  if (scratch.size() < count * columns) scratch.resize(count * columns);
  const Matrix out(scratch.data(), count, columns);
  for (std::size_t r = 0; r < count; ++r) CopyRow(first + r, out.row(r));
  return out;
}

void RowsView::Gather(std::span<const std::uint64_t> indices, Matrix out) const {
  for (std::size_t r = 0; r < indices.size(); ++r) CopyRow(indices[r], out.row(r));
}

RowsView RowsView::slice_rows(std::size_t first, std::size_t count) const {
  assert(first + count <= rows);
  if (!sparse()) return dense_.slice_rows(first, count);
  RowsView slice = *this;
  slice.sparse_.row_offsets += first * step_;
  slice.rows = count;
  return slice;
}

RowsView RowsView::EveryNth(std::size_t step) const {
  const std::size_t count = (rows + step - 1) / step;
  if (!sparse()) return ConstMatrix(dense_.data, count, columns, dense_.stride * step);
  RowsView thinned = *this;
  thinned.step_ *= step;
  thinned.rows = count;
  return thinned;
}

LATENT_NUMERICS_END

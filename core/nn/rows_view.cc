#include "core/nn/rows_view.h"

#include <algorithm>
#include <cassert>
#include <limits>

LATENT_NUMERICS_BEGIN

ConstMatrix RowsView::dense() const {
  assert(as_stored());
  return dense_;
}

RowsView RowsView::WithMissing(const std::uint8_t* bits) const {
  assert(as_stored());
  RowsView view = *this;
  view.missing_ = bits;
  view.missing_stride_ = (columns + 7) / 8;
  return view;
}

RowsView RowsView::WithLabels(std::span<const std::int32_t> labels) const {
  assert(labels.size() == rows);
  RowsView view = *this;
  view.labels_ = labels;
  return view;
}

RowsView::SparseRow RowsView::sparse_row(std::size_t r) const {
  assert(sparse() && r < rows);
  const std::uint64_t* const offsets = sparse_.row_offsets + r * step_;
  const auto count = static_cast<std::size_t>(offsets[1] - offsets[0]);
  return {{sparse_.indices + offsets[0], count}, {sparse_.values + offsets[0], count}};
}

Real RowsView::operator()(std::size_t r, std::size_t c) const {
  if (IsMissing(r, c)) return std::numeric_limits<Real>::quiet_NaN();
  if (!sparse()) return dense_(r, c);
  const SparseRow cells = sparse_row(r);
  const auto found = std::lower_bound(cells.indices.begin(), cells.indices.end(), c);
  if (found == cells.indices.end() || *found != c) return 0;
  return cells.values[static_cast<std::size_t>(found - cells.indices.begin())];
}

std::span<const Real> RowsView::row(std::size_t r, std::span<Real> scratch) const {
  if (as_stored()) return dense_.row(r);
  CopyRow(r, scratch);
  return scratch.first(columns);
}

void RowsView::CopyRow(std::size_t r, std::span<Real> out) const {
  if (!sparse()) {
    const std::span<const Real> cells = dense_.row(r);
    std::copy(cells.begin(), cells.end(), out.begin());
    if (missing_ == nullptr) return;
    for (std::size_t c = 0; c < columns; ++c) {
      if (IsMissing(r, c)) out[c] = std::numeric_limits<Real>::quiet_NaN();
    }
    return;
  }
  std::fill_n(out.begin(), columns, Real{0});
  const SparseRow cells = sparse_row(r);
  for (std::size_t i = 0; i < cells.indices.size(); ++i) out[cells.indices[i]] = cells.values[i];
}

LabelledRows RowsView::Read(std::size_t first, std::size_t count,
                            std::vector<Real>& scratch) const {
  if (as_stored()) return {dense_.slice_rows(first, count), labels_.From(first)};
  if (scratch.size() < count * columns) scratch.resize(count * columns);
  const Matrix out(scratch.data(), count, columns);
  for (std::size_t r = 0; r < count; ++r) CopyRow(first + r, out.row(r));
  return {out, labels_.From(first)};
}

void RowsView::Gather(std::span<const std::uint64_t> indices, Matrix out) const {
  for (std::size_t r = 0; r < indices.size(); ++r) CopyRow(indices[r], out.row(r));
}

RowsView RowsView::slice_rows(std::size_t first, std::size_t count) const {
  assert(first + count <= rows);
  RowsView slice = *this;
  slice.rows = count;
  slice.labels_ = labels_.From(first);
  if (sparse()) {
    slice.sparse_.row_offsets += first * step_;
  } else {
    slice.dense_ = dense_.slice_rows(first, count);
    if (missing_ != nullptr) slice.missing_ += first * missing_stride_;
  }
  return slice;
}

RowsView RowsView::EveryNth(std::size_t step) const {
  const std::size_t count = (rows + step - 1) / step;
  RowsView thinned = *this;
  thinned.rows = count;
  thinned.labels_ = labels_.EveryNth(step);
  if (sparse()) {
    thinned.step_ *= step;
  } else {
    thinned.dense_ = ConstMatrix(dense_.data, count, columns, dense_.stride * step);
    thinned.missing_stride_ *= step;
  }
  return thinned;
}

LATENT_NUMERICS_END

#include "core/model/column_statistics.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <limits>
#include <span>

LATENT_NUMERICS_BEGIN
namespace {

// Least, greatest and sum so far of each column, and how many cells have a value. Comparisons with
// NaN are false, so that it is neither least nor greatest.
void AddRow(std::span<const Real> row, ColumnStatistics& s, std::vector<std::size_t>& known) {
  for (std::size_t c = 0; c < row.size(); ++c) {
    const auto x = static_cast<double>(row[c]);
    const bool has_value = x == x;
    s.mean[c] += has_value ? x : 0;
    known[c] += has_value ? 1 : 0;
    s.min[c] = x < s.min[c] ? x : s.min[c];
    s.max[c] = x > s.max[c] ? x : s.max[c];
  }
}

// The same of the stored cells alone. Zeros change no sum; a column that has some counts them in
// its range.
void AddSparseRows(const RowsView& rows, ColumnStatistics& s, std::vector<std::size_t>& stored) {
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const RowsView::SparseRow row = rows.sparse_row(r);
    for (std::size_t i = 0; i < row.indices.size(); ++i) {
      const std::size_t c = row.indices[i];
      const auto x = static_cast<double>(row.values[i]);
      s.mean[c] += x;
      const bool first = stored[c]++ == 0;
      s.min[c] = first ? x : std::min(s.min[c], x);
      s.max[c] = first ? x : std::max(s.max[c], x);
    }
  }
  for (std::size_t c = 0; c < rows.columns; ++c) {
    if (stored[c] == rows.rows) continue;
    s.min[c] = std::min(s.min[c], 0.0);
    s.max[c] = std::max(s.max[c], 0.0);
  }
}

void AddDeviations(std::span<const Real> row, ColumnStatistics& s) {
  for (std::size_t c = 0; c < row.size(); ++c) {
    const double d = static_cast<double>(row[c]) - s.mean[c];
    s.variance[c] += d == d ? d * d : 0;
  }
}

// Cells that are not stored deviate by the mean.
void AddSparseDeviations(const RowsView& rows, const std::vector<std::size_t>& stored,
                         ColumnStatistics& s) {
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const RowsView::SparseRow row = rows.sparse_row(r);
    for (std::size_t i = 0; i < row.indices.size(); ++i) {
      const double d = static_cast<double>(row.values[i]) - s.mean[row.indices[i]];
      s.variance[row.indices[i]] += d * d;
    }
  }
  for (std::size_t c = 0; c < rows.columns; ++c) {
    s.variance[c] += static_cast<double>(rows.rows - stored[c]) * s.mean[c] * s.mean[c];
  }
}

}  // namespace

ColumnStatistics ComputeColumnStatistics(const RowsView& rows) {
  assert(rows.rows > 0);
  const std::size_t n = rows.columns;
  ColumnStatistics s;
  s.rows = rows.rows;
  s.mean.assign(n, 0);
  s.variance.assign(n, 0);
  s.min.assign(n, rows.sparse() ? 0 : std::numeric_limits<double>::infinity());
  s.max.assign(n, rows.sparse() ? 0 : -std::numeric_limits<double>::infinity());
  std::vector<std::size_t> stored(rows.sparse() ? n : 0), known(n, rows.sparse() ? rows.rows : 0);
  std::vector<Real> scratch(n);
  if (rows.sparse()) {
    AddSparseRows(rows, s, stored);
  } else {
    for (std::size_t r = 0; r < rows.rows; ++r) AddRow(rows.row(r, scratch), s, known);
  }
  for (std::size_t c = 0; c < n; ++c) {
    if (known[c] == 0) s.min[c] = s.max[c] = 0;
    s.mean[c] /= static_cast<double>(std::max<std::size_t>(known[c], 1));
    // A constant column's mean is its value, free of the sum's rounding.
    if (s.min[c] == s.max[c]) s.mean[c] = s.min[c];
  }
  if (rows.sparse()) {
    AddSparseDeviations(rows, stored, s);
  } else {
    for (std::size_t r = 0; r < rows.rows; ++r) AddDeviations(rows.row(r, scratch), s);
  }
  for (std::size_t c = 0; c < n; ++c) {
    s.variance[c] /= static_cast<double>(std::max<std::size_t>(known[c], 1));
  }
  return s;
}

LATENT_NUMERICS_END

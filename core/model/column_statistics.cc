#include "core/model/column_statistics.h"

#include <algorithm>
#include <cassert>

LATENT_NUMERICS_BEGIN

ColumnStatistics ComputeColumnStatistics(ConstMatrix rows) {
  assert(rows.rows > 0);
  const std::size_t n = rows.columns;
  ColumnStatistics s;
  s.rows = rows.rows;
  s.mean.assign(n, 0);
  s.variance.assign(n, 0);
  s.min.assign(rows.row(0).begin(), rows.row(0).end());
  s.max = s.min;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const std::span<const Real> row = rows.row(r);
    for (std::size_t c = 0; c < n; ++c) {
      const auto x = static_cast<double>(row[c]);
      s.mean[c] += x;
      s.min[c] = std::min(s.min[c], x);
      s.max[c] = std::max(s.max[c], x);
    }
  }
  for (std::size_t c = 0; c < n; ++c) {
    s.mean[c] /= static_cast<double>(rows.rows);
    // A constant column's mean is its value, free of the sum's rounding.
    if (s.min[c] == s.max[c]) s.mean[c] = s.min[c];
  }
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const std::span<const Real> row = rows.row(r);
    for (std::size_t c = 0; c < n; ++c) {
      const double d = static_cast<double>(row[c]) - s.mean[c];
      s.variance[c] += d * d;
    }
  }
  for (double& v : s.variance) v /= static_cast<double>(rows.rows);
  return s;
}

LATENT_NUMERICS_END

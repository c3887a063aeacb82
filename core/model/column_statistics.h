// What a fresh model needs to know of the training rows, column by column, in float64.
// A value; the function is pure.
#ifndef LATENT_CORE_MODEL_COLUMN_STATISTICS_H_
#define LATENT_CORE_MODEL_COLUMN_STATISTICS_H_

#include <cstddef>
#include <vector>

#include "core/nn/rows_view.h"

LATENT_NUMERICS_BEGIN

struct ColumnStatistics {
  std::size_t rows = 0;
  // One entry a column, dataset units; variance is divided by the number of rows. Cells without a
  // value (NaN) are left out; a column without any value is 0 throughout.
  std::vector<double> min, max, mean, variance;
};

// Two passes (mean, then squared deviations), rows in order. `rows` holds at least one row. Of
// sparse rows only the stored cells are read; minimum, maximum and mean have the same bits as those
// of the same rows stored densely, the variance differs by rounding.
ColumnStatistics ComputeColumnStatistics(const RowsView& rows);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_COLUMN_STATISTICS_H_

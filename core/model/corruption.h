// Noise on a scaled row: Gaussian, masking, dropout, salt and pepper. Each cell's noise is a pure
// function of its key and column, so it depends on neither batch nor thread. A level of 0 touches
// no bit. Immutable once made; any thread.
#ifndef LATENT_CORE_MODEL_CORRUPTION_H_
#define LATENT_CORE_MODEL_CORRUPTION_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "core/base/random.h"
#include "core/model/column_statistics.h"
#include "core/model/scaling.h"
#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// INVALID_ARGUMENT unless a kind is set and its level is finite and in range.
absl::Status CheckCorruption(const v1::Corruption& corruption);

// What a salt-and-pepper cell is set to: its column's extremes over the training rows, scaled
// units.
struct CellExtremes {
  CellExtremes(const ColumnStatistics& statistics, const ColumnScaling& scaling);
  std::vector<Real> least, greatest;
};

// Whether CorruptRow changes anything: whether a model is trained with noise.
bool ChangesRows(const v1::Corruption& corruption);
// Adds the noise to a row's cells that are not 0, at `columns`: of masking and dropout, which leave
// the others at 0. The same bits.
void CorruptCells(const v1::Corruption& corruption, const RandomKey& key,
                  std::span<const std::uint32_t> columns, std::span<Real> cells);
// Adds the noise to one row in place. `noise` is scratch of the row's size.
void CorruptRow(const v1::Corruption& corruption, const CellExtremes& extremes,
                const RandomKey& key, std::span<Real> row, std::span<Real> noise);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_CORRUPTION_H_

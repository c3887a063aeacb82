// The map from dataset units to the units that the network sees: column by column, invertible,
// scaled = (x - shift) / scale; or row by row, x / |x|, which has no inverse. Fitted once, then
// immutable; any thread.
#ifndef LATENT_CORE_MODEL_SCALING_H_
#define LATENT_CORE_MODEL_SCALING_H_

#include <cstddef>
#include <span>
#include <vector>

#include "core/model/column_statistics.h"
#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

class ColumnScaling {
 public:
  // A constant column has scale 1: it maps to 0. Uses the statistics rounded to Real, as a file
  // keeps them, so that a loaded model scales to the bit as the saved one did.
  ColumnScaling(const v1::Scaling& spec, const ColumnStatistics& statistics);

  // Takes columns out of the map: they stay as they are.
  void LeaveAsIs(std::size_t first, std::size_t count);

  // Whether both maps leave every cell as it is.
  bool identity() const { return shift_.empty() && !by_row_; }
  // If not, what the decoder is compared with, and what it answers, stays in dataset units, and so
  // do noise levels of a request: only the encoder sees scaled rows.
  bool invertible() const { return !by_row_; }
  // Dataset units to scaled ones; `out` may be `in`.
  void Apply(std::span<const Real> in, std::span<Real> out) const;
  // From the likelihood's units to dataset units: back again, or nothing to do.
  void Invert(std::span<const Real> in, std::span<Real> out) const;
  // Dataset units to the likelihood's: Apply where it is invertible, else as they are.
  void ApplyToTarget(std::span<const Real> in, std::span<Real> out) const;
  // Factor from the likelihood's units to dataset units of a column.
  Real scale(std::size_t column) const { return shift_.empty() ? Real{1} : scale_[column]; }
  Real shift(std::size_t column) const { return shift_.empty() ? Real{0} : shift_[column]; }

 private:
  bool by_row_;
  std::vector<Real> shift_, scale_;  // empty for the identity
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_SCALING_H_

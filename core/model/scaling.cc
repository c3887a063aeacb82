#include "core/model/scaling.h"

#include <algorithm>
#include <cmath>

LATENT_NUMERICS_BEGIN

namespace {

void Copy(std::span<const Real> in, std::span<Real> out) {
  if (in.data() != out.data()) std::copy(in.begin(), in.end(), out.begin());
}

// A row of zeros has no direction and stays.
void DivideByNorm(std::span<const Real> in, std::span<Real> out) {
  double squares = 0;
  for (const Real x : in) squares += static_cast<double>(x) * static_cast<double>(x);
  const double factor = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (std::size_t c = 0; c < in.size(); ++c) {
    out[c] = static_cast<Real>(static_cast<double>(in[c]) * factor);
  }
}

}  // namespace

ColumnScaling::ColumnScaling(const v1::Scaling& spec, const ColumnStatistics& statistics)
    : by_row_(spec.has_l2_row()) {
  if (!spec.has_min_max() && !spec.has_standardise()) return;
  for (std::size_t c = 0; c < statistics.mean.size(); ++c) {
    const auto min = static_cast<Real>(statistics.min[c]);
    const auto max = static_cast<Real>(statistics.max[c]);
    const auto mean = static_cast<Real>(statistics.mean[c]);
    const auto deviation = static_cast<Real>(std::sqrt(statistics.variance[c]));
    const Real scale = spec.has_min_max() ? max - min : deviation;
    shift_.push_back(spec.has_min_max() ? min : mean);
    scale_.push_back(scale > 0 ? scale : Real{1});
  }
}

void ColumnScaling::LeaveAsIs(std::size_t first, std::size_t count) {
  if (shift_.empty()) return;
  for (std::size_t c = first; c < first + count; ++c) {
    shift_[c] = 0;
    scale_[c] = 1;
  }
}

void ColumnScaling::Apply(std::span<const Real> in, std::span<Real> out) const {
  if (by_row_) return DivideByNorm(in, out);
  if (shift_.empty()) return Copy(in, out);
  for (std::size_t c = 0; c < in.size(); ++c) out[c] = (in[c] - shift_[c]) / scale_[c];
}

void ColumnScaling::Invert(std::span<const Real> in, std::span<Real> out) const {
  if (shift_.empty()) return Copy(in, out);
  for (std::size_t c = 0; c < in.size(); ++c) out[c] = in[c] * scale_[c] + shift_[c];
}

void ColumnScaling::ApplyToTarget(std::span<const Real> in, std::span<Real> out) const {
  if (by_row_) return Copy(in, out);
  Apply(in, out);
}

LATENT_NUMERICS_END

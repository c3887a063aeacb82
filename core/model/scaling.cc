#include "core/model/scaling.h"

#include <algorithm>
#include <cmath>

LATENT_NUMERICS_BEGIN

ColumnScaling::ColumnScaling(const v1::Scaling& spec, const ColumnStatistics& statistics) {
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

void ColumnScaling::Apply(std::span<const Real> in, std::span<Real> out) const {
  if (identity()) {
    if (in.data() != out.data()) std::copy(in.begin(), in.end(), out.begin());
    return;
  }
  for (std::size_t c = 0; c < in.size(); ++c) out[c] = (in[c] - shift_[c]) / scale_[c];
}

void ColumnScaling::Invert(std::span<const Real> in, std::span<Real> out) const {
  if (identity()) {
    if (in.data() != out.data()) std::copy(in.begin(), in.end(), out.begin());
    return;
  }
  for (std::size_t c = 0; c < in.size(); ++c) out[c] = in[c] * scale_[c] + shift_[c];
}

LATENT_NUMERICS_END

#include "core/model/penalty.h"

#include <cmath>

LATENT_NUMERICS_BEGIN
namespace {

double WeightOf(const v1::ActivityPenalty& spec, std::size_t layer) {
  const int index = static_cast<int>(layer);
  return spec.per_layer_size() > index ? spec.per_layer(index) : spec.weight();
}

}  // namespace

std::vector<LayerPenalty> PenaltiesOf(const v1::Penalties& spec, std::size_t layers) {
  std::vector<LayerPenalty> penalties(layers);
  for (std::size_t i = 0; i < layers; ++i) {
    penalties[i] = {.l1 = WeightOf(spec.l1(), i), .l2 = WeightOf(spec.l2(), i)};
  }
  return penalties;
}

PenaltySums ChargeActivity(const LayerPenalty& penalty, std::span<const Real> activations,
                           Real scale, std::span<Real> gradient) {
  const Real slope1 = static_cast<Real>(penalty.l1) * scale;
  const Real slope2 = static_cast<Real>(2 * penalty.l2) * scale;
  double absolute = 0;
  double squares = 0;
  for (std::size_t i = 0; i < activations.size(); ++i) {
    const Real h = activations[i];
    const auto wide = static_cast<double>(h);
    absolute += std::abs(wide);
    squares += wide * wide;
    const Real sign = h > 0 ? Real{1} : (h < 0 ? Real{-1} : Real{0});
    gradient[i] = slope1 * sign + slope2 * h;
  }
  return {.l1 = penalty.l1 * absolute, .l2 = penalty.l2 * squares};
}

void NormaliseVectors(Matrix weights, bool by_column) {
  const std::size_t vectors = by_column ? weights.columns : weights.rows;
  const std::size_t length = by_column ? weights.rows : weights.columns;
  const std::size_t step = by_column ? weights.stride : 1;
  for (std::size_t v = 0; v < vectors; ++v) {
    Real* const first = weights.data + (by_column ? v : v * weights.stride);
    double squares = 0;
    for (std::size_t i = 0; i < length; ++i) {
      const auto w = static_cast<double>(first[i * step]);
      squares += w * w;
    }
    if (!(squares > 0)) continue;
    const double factor = 1 / std::sqrt(squares);
    for (std::size_t i = 0; i < length; ++i) {
      first[i * step] = static_cast<Real>(static_cast<double>(first[i * step]) * factor);
    }
  }
}

LATENT_NUMERICS_END

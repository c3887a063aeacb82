// Activity penalties l1 sum|h| + l2 sum h^2 on hidden layers and the code, and the unit-norm
// constraint that keeps a decoder from evading them. Pure functions; any thread on disjoint rows.
#ifndef LATENT_CORE_MODEL_PENALTY_H_
#define LATENT_CORE_MODEL_PENALTY_H_

#include <cstddef>
#include <span>
#include <vector>

#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// Weights of one layer's penalties.
struct LayerPenalty {
  double l1 = 0, l2 = 0;
  bool active() const { return l1 != 0 || l2 != 0; }
};

// One entry for each of `layers` penalised layers: encoder hidden layers, code, decoder hidden
// layers.
std::vector<LayerPenalty> PenaltiesOf(const v1::Penalties& spec, std::size_t layers);

// Weighted sums over one row of activations.
struct PenaltySums {
  double l1 = 0, l2 = 0;
};
// gradient = scale * d penalty / d h (0 at h = 0), overwriting it.
PenaltySums ChargeActivity(const LayerPenalty& penalty, std::span<const Real> activations,
                           Real scale, std::span<Real> gradient);

// Scales each row (or, with `by_column`, each column) of `weights` to unit Euclidean norm; one that
// is all zero stays.
void NormaliseVectors(Matrix weights, bool by_column);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_PENALTY_H_

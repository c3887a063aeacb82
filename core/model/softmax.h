// A choice among columns, given by logits: what the multinomial likelihood makes of a whole row and
// the mixed one of each categorical run. Free functions; any thread.
#ifndef LATENT_CORE_MODEL_SOFTMAX_H_
#define LATENT_CORE_MODEL_SOFTMAX_H_

#include <cstdint>
#include <span>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// -sum_c target_c log softmax(logits)_c in nats, shifted by the greatest logit so that nothing
// overflows. If not empty: gradient = scale * its derivative by the logits (may be the same span as
// `logits`), and cells = the term of each cell. At least one logit.
double SoftmaxNats(std::span<const Real> logits, std::span<const Real> target, Real scale,
                   std::span<Real> gradient, std::span<Real> cells);
// Likewise of a row's cells that are not 0, at `columns`; `gradient` is not empty. The same bits.
double SparseSoftmaxNats(std::span<const Real> logits, std::span<const std::uint32_t> columns,
                         std::span<const Real> target, Real scale, std::span<Real> gradient);
// Logits to probabilities, in place.
void Softmax(std::span<Real> logits);
// Probabilities to a draw from them, in place: one cell is 1, the others 0. `uniform` in [0, 1).
void DrawOneHot(double uniform, std::span<Real> probabilities);
// The logit of a share of training rows; one that no row has counts as one in a million.
Real LogitOfShare(double share);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_SOFTMAX_H_

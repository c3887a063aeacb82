// First weights, drawn by counter: entry (r, c) of tensor t depends on (seed, t, r, c) alone. Pure.
#ifndef LATENT_CORE_NN_INIT_H_
#define LATENT_CORE_NN_INIT_H_

#include <cstdint>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// Uniform in +-sqrt(6 / (inputs + outputs)); weights: [inputs x outputs]. For identity, tanh and
// sigmoid layers (Glorot and Bengio, AISTATS 2010).
void GlorotUniform(std::uint64_t seed, std::uint32_t tensor, Matrix weights);
// Normal with variance 2 / inputs; weights: [inputs x outputs]. For ReLU layers and
// their smooth kin (arXiv 1502.01852).
void HeNormal(std::uint64_t seed, std::uint32_t tensor, Matrix weights);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_INIT_H_

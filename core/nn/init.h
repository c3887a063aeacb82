// First weights, drawn by counter: entry (r, c) of tensor t depends on (seed, t, r, c) alone. Pure.
#ifndef LATENT_CORE_NN_INIT_H_
#define LATENT_CORE_NN_INIT_H_

#include <cstdint>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// How many inputs an output sums over and how many outputs an input reaches, where that is not the
// weights' rows and columns: in place of these below.
struct Fans {
  double inputs = 1, outputs = 1;
};

// Uniform in +-sqrt(6 / (inputs + outputs)); weights: [inputs x outputs]. For identity, tanh and
// sigmoid layers (Glorot and Bengio, AISTATS 2010).
void GlorotUniform(std::uint64_t seed, std::uint32_t tensor, Matrix weights);
void GlorotUniform(std::uint64_t seed, std::uint32_t tensor, const Fans& fans, Matrix weights);
// Normal with variance 2 / inputs; weights: [inputs x outputs]. For ReLU layers and
// their smooth kin (arXiv 1502.01852).
void HeNormal(std::uint64_t seed, std::uint32_t tensor, Matrix weights);
void HeNormal(std::uint64_t seed, std::uint32_t tensor, const Fans& fans, Matrix weights);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_INIT_H_

#include "core/nn/init.h"

#include <cmath>
#include <cstddef>

#include "core/base/random.h"

LATENT_NUMERICS_BEGIN

void GlorotUniform(std::uint64_t seed, std::uint32_t tensor, Matrix weights) {
  GlorotUniform(seed, tensor,
                {.inputs = static_cast<double>(weights.rows),
                 .outputs = static_cast<double>(weights.columns)},
                weights);
}

void GlorotUniform(std::uint64_t seed, std::uint32_t tensor, const Fans& fans, Matrix weights) {
  const auto limit = static_cast<Real>(std::sqrt(6.0 / (fans.inputs + fans.outputs)));
  for (std::size_t r = 0; r < weights.rows; ++r) {
    FillUniform({seed, tensor, r}, weights.row(r));
    for (Real& w : weights.row(r)) w = limit * (2 * w - 1);
  }
}

void HeNormal(std::uint64_t seed, std::uint32_t tensor, Matrix weights) {
  HeNormal(seed, tensor, Fans{.inputs = static_cast<double>(weights.rows)}, weights);
}

void HeNormal(std::uint64_t seed, std::uint32_t tensor, const Fans& fans, Matrix weights) {
  const auto deviation = static_cast<Real>(std::sqrt(2.0 / fans.inputs));
  for (std::size_t r = 0; r < weights.rows; ++r) {
    FillNormal({seed, tensor, r}, weights.row(r));
    for (Real& w : weights.row(r)) w *= deviation;
  }
}

LATENT_NUMERICS_END

#include <span>

#include "core/model/composed_autoencoder.h"
#include "core/model/composed_parts.h"
#include "core/model/penalty.h"

LATENT_NUMERICS_BEGIN

void ComposedAutoencoder::Initialise(std::uint64_t seed) {
  Parts& parts = *parts_;
  ParameterSet& parameters = parts.parameters;
  const Network& network = parts.network;
  const std::uint64_t weights_seed = SeedFor(RandomPurpose::kWeights, seed);
  for (const NetworkLayer& layer : network.encoder) DrawWeights(layer, weights_seed, parameters);
  network.latent->Initialise(weights_seed, parameters);
  for (const NetworkLayer& layer : network.decoder) DrawWeights(layer, weights_seed, parameters);
  // The decoder starts at the mean row, whatever the code.
  const std::span<Real> bias = parameters.span(network.decoder.back().bias);
  for (std::size_t c = 0; c < bias.size(); ++c) {
    const double scaled = (parts.statistics.mean[c] - static_cast<double>(parts.scaling.shift(c))) /
                          static_cast<double>(parts.scaling.scale(c));
    bias[c] = parts.likelihood->OutputBias(scaled);
  }
  parts.likelihood->InitialiseLearned(parameters);
  parts.ApplyUnitNorm();
  parts.PackAll();
}

LATENT_NUMERICS_END

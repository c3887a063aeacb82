#include <span>
#include <vector>

#include "core/model/composed_autoencoder.h"
#include "core/model/composed_parts.h"
#include "core/model/penalty.h"

LATENT_NUMERICS_BEGIN
namespace {

// A top-k encoder starts as the transposed decoder where the shapes allow it, and sees rows as
// their differences from the mean where it reads them itself.
void StartAsDecoder(const Network& network, std::span<const Real> mean, ParameterSet& parameters) {
  const NetworkLayer& code = network.latent->code();
  const NetworkLayer& decoder = network.decoder.front();
  const Matrix weights = parameters.matrix(code.weight);
  if (!decoder.transposed && decoder.outputs == code.inputs) {
    const Matrix back = parameters.matrix(decoder.weight);
    for (std::size_t i = 0; i < weights.rows; ++i) {
      for (std::size_t j = 0; j < weights.columns; ++j) weights(i, j) = back(j, i);
    }
  }
  if (!network.encoder.empty()) return;
  const std::span<Real> bias = parameters.span(code.bias);
  for (std::size_t j = 0; j < bias.size(); ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      sum += static_cast<double>(weights(i, j)) * static_cast<double>(mean[i]);
    }
    bias[j] = static_cast<Real>(-sum);
  }
}

}  // namespace

void ComposedAutoencoder::Initialise(std::uint64_t seed) {
  Parts& parts = *parts_;
  ParameterSet& parameters = parts.parameters;
  const Network& network = parts.network;
  const std::uint64_t weights_seed = SeedFor(RandomPurpose::kWeights, seed);
  for (const NetworkLayer& layer : network.encoder) DrawWeights(layer, weights_seed, parameters);
  network.latent->Initialise(weights_seed, parameters);
  for (const NetworkLayer& layer : network.decoder) DrawWeights(layer, weights_seed, parameters);
  // The decoder starts at the mean row, whatever the code.
  // The biases of a convolution stand for all cells of a channel.
  const std::span<Real> bias = parameters.span(network.decoder.back().bias);
  std::vector<Real> mean(columns());
  std::vector<double> sums(bias.size());
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double scaled = (parts.statistics.mean[c] - static_cast<double>(parts.scaling.shift(c))) /
                          static_cast<double>(parts.scaling.scale(c));
    sums[c % bias.size()] += scaled;
    mean[c] = static_cast<Real>(scaled);
  }
  const double shared = static_cast<double>(mean.size()) / static_cast<double>(bias.size());
  for (std::size_t i = 0; i < bias.size(); ++i) {
    bias[i] = parts.likelihood->OutputBias(i, sums[i] / shared);
  }
  parts.likelihood->InitialiseLearned(parameters);
  parts.ApplyUnitNorm();
  if (parts.spec.latent().has_top_k()) StartAsDecoder(network, mean, parameters);
  parts.PackAll();
}

LATENT_NUMERICS_END

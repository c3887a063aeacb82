#include <algorithm>
#include <cmath>
#include <span>

#include "core/model/composed_autoencoder.h"
#include "core/model/composed_parts.h"
#include "core/model/penalty.h"
#include "core/nn/init.h"
#include "core/nn/optimizer.h"

LATENT_NUMERICS_BEGIN
namespace {

constexpr Real kLogVarianceGain = static_cast<Real>(0.1);
constexpr double kLeastMean = 0.001;

void DrawWeights(const NetworkLayer& layer, std::uint64_t seed, ParameterSet& parameters) {
  if (layer.transposed) return;
  const bool rectified =
      layer.activation == Activation::kRelu || layer.activation == Activation::kLeakyRelu;
  const auto tensor = static_cast<std::uint32_t>(layer.weight);
  const Matrix weights = parameters.matrix(layer.weight);
  if (rectified) {
    HeNormal(seed, tensor, weights);
  } else {
    GlorotUniform(seed, tensor, weights);
  }
}

// Where the decoder starts: at the mean row, whatever the code.
Real OutputBias(double scaled_mean, bool bernoulli) {
  if (!bernoulli) return static_cast<Real>(scaled_mean);
  const double p = std::clamp(scaled_mean, kLeastMean, 1 - kLeastMean);
  return static_cast<Real>(std::log(p / (1 - p)));
}

}  // namespace

void ComposedAutoencoder::Initialise(std::uint64_t seed) {
  Parts& parts = *parts_;
  ParameterSet& parameters = parts.parameters;
  const Network& network = parts.network;
  const std::uint64_t weights_seed = SeedFor(RandomPurpose::kWeights, seed);
  for (const NetworkLayer& layer : network.encoder) DrawWeights(layer, weights_seed, parameters);
  DrawWeights(network.code, weights_seed, parameters);
  if (network.log_variance) {
    DrawWeights(*network.log_variance, weights_seed, parameters);
    Scale(kLogVarianceGain, parameters.span(network.log_variance->weight));
  }
  for (const NetworkLayer& layer : network.decoder) DrawWeights(layer, weights_seed, parameters);
  const std::span<Real> bias = parameters.span(network.decoder.back().bias);
  for (std::size_t c = 0; c < bias.size(); ++c) {
    const double scaled = (parts.statistics.mean[c] - static_cast<double>(parts.scaling.shift(c))) /
                          static_cast<double>(parts.scaling.scale(c));
    bias[c] = OutputBias(scaled, parts.spec.likelihood().has_bernoulli());
  }
  if (parts.log_variance) {
    parameters.span(*parts.log_variance)[0] =
        static_cast<Real>(RowLikelihood::InitialLogVariance(parts.spec.likelihood()));
  }
  parts.ApplyUnitNorm();
  parts.PackAll();
}

LATENT_NUMERICS_END

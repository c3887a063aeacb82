#include "core/model/layer.h"

#include <utility>

#include "core/nn/init.h"

LATENT_NUMERICS_BEGIN

NetworkLayer AddLayer(std::string name, std::size_t inputs, std::size_t outputs,
                      Activation activation, ParameterSet* parameters,
                      const NetworkLayer* partner) {
  NetworkLayer layer{
      .name = std::move(name), .inputs = inputs, .outputs = outputs, .activation = activation};
  layer.transposed = partner != nullptr;
  layer.weight = layer.transposed ? partner->weight
                                  : parameters->Add(layer.name + ".weight", inputs, outputs, true);
  layer.bias = parameters->Add(layer.name + ".bias", outputs, 1, false);
  return layer;
}

Activation ActivationOf(v1::Activation activation) {
  switch (activation) {
    case v1::ACTIVATION_RELU:
      return Activation::kRelu;
    case v1::ACTIVATION_LEAKY_RELU:
      return Activation::kLeakyRelu;
    case v1::ACTIVATION_TANH:
      return Activation::kTanh;
    case v1::ACTIVATION_SIGMOID:
      return Activation::kSigmoid;
    default:  // protobuf enums are open
      return Activation::kIdentity;
  }
}

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

void RunLayer(const NetworkLayer& layer, const ParameterSet& parameters,
              const std::vector<DensePacked>& packed, ConstMatrix x, Matrix y) {
  const DensePacked& weights = packed[layer.weight];
  DenseForward(x, layer.transposed ? weights.backward : weights.forward,
               parameters.span(layer.bias), layer.activation, y);
}

LATENT_NUMERICS_END

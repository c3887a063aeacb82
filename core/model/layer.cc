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
    case v1::ACTIVATION_ELU:
      return Activation::kElu;
    case v1::ACTIVATION_SILU:
      return Activation::kSilu;
    case v1::ACTIVATION_SOFTPLUS:
      return Activation::kSoftplus;
    default:  // protobuf enums are open
      return Activation::kIdentity;
  }
}

void DrawWeights(const NetworkLayer& layer, std::uint64_t seed, ParameterSet& parameters) {
  if (layer.transposed) return;
  const Activation f = layer.activation;
  const bool rectified = f == Activation::kRelu || f == Activation::kLeakyRelu ||
                         f == Activation::kElu || f == Activation::kSilu ||
                         f == Activation::kSoftplus;
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
  RunAffine(layer, parameters, packed, x, y, layer.activation);
}

void RunAffine(const NetworkLayer& layer, const ParameterSet& parameters,
               const std::vector<DensePacked>& packed, ConstMatrix x, Matrix y,
               Activation activation) {
  const DensePacked& weights = packed[layer.weight];
  DenseForward(x, layer.transposed ? weights.backward : weights.forward,
               parameters.span(layer.bias), activation, y);
}

LATENT_NUMERICS_END

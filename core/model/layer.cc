#include "core/model/layer.h"

#include <cassert>
#include <utility>

#include "core/model/image_layers.h"
#include "core/model/sparse_layer.h"
#include "core/nn/init.h"

LATENT_NUMERICS_BEGIN
namespace {

void AddLabelBias(std::size_t classes, ParameterSet* parameters, NetworkLayer& layer) {
  if (classes == 0) return;
  const std::size_t biases = parameters->segment(layer.bias).rows;
  layer.label_bias = parameters->Add(layer.name + ".label_bias", classes, biases, false);
}

}  // namespace

NetworkLayer AddLayer(std::string name, LayerInput input, std::size_t outputs,
                      Activation activation, ParameterSet* parameters,
                      const NetworkLayer* partner) {
  NetworkLayer layer{
      .name = std::move(name), .inputs = input.width, .outputs = outputs, .activation = activation};
  layer.transposed = layer.borrowed = partner != nullptr;
  layer.weight = layer.borrowed
                     ? partner->weight
                     : parameters->Add(layer.name + ".weight", input.width, outputs, true);
  layer.bias = parameters->Add(layer.name + ".bias", outputs, 1, false);
  AddLabelBias(input.classes, parameters, layer);
  return layer;
}

NetworkLayer AddConvolution(std::string name, const v1::Layer& spec, std::size_t classes,
                            ParameterSet* parameters, const NetworkLayer* partner) {
  const Convolution shape = ShapeOf(spec);
  NetworkLayer layer{.name = std::move(name),
                     .inputs = shape.image_cells(),
                     .outputs = shape.map_cells(),
                     .activation = ActivationOf(ConvolutionOf(spec).activation())};
  layer.transposed = spec.has_transposed_convolution();
  if (layer.transposed) std::swap(layer.inputs, layer.outputs);
  layer.borrowed = partner != nullptr;
  layer.convolution = shape;
  layer.weight = layer.borrowed ? partner->weight
                                : parameters->Add(layer.name + ".weight", shape.patch(),
                                                  shape.map_channels, true);
  layer.bias = parameters->Add(layer.name + ".bias",
                               layer.transposed ? shape.channels : shape.map_channels, 1, false);
  AddLabelBias(classes, parameters, layer);
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
  if (layer.borrowed) return;
  const Activation f = layer.activation;
  const bool rectified = f == Activation::kRelu || f == Activation::kLeakyRelu ||
                         f == Activation::kElu || f == Activation::kSilu ||
                         f == Activation::kSoftplus;
  const auto tensor = static_cast<std::uint32_t>(layer.weight);
  const Matrix weights = parameters.matrix(layer.weight);
  Fans fans{.inputs = static_cast<double>(layer.inputs),
            .outputs = static_cast<double>(layer.outputs)};
  if (layer.convolution) {
    fans = layer.transposed ? layer.convolution->ImageFans() : layer.convolution->MapFans();
  }
  if (rectified) {
    HeNormal(seed, tensor, fans, weights);
  } else {
    GlorotUniform(seed, tensor, fans, weights);
  }
}

void LayerRunner::operator()(const NetworkLayer& layer, ConstMatrix x, Matrix y) const {
  if (skipper == nullptr) {
    RunLayer(layer, parameters, packed, x, y, {.rows = classes});
  } else {
    RunLayerSkippingZeros(layer, parameters, packed, x, y, classes, *skipper);
  }
}

void RunLayer(const NetworkLayer& layer, const ParameterSet& parameters,
              const std::vector<DensePacked>& packed, ConstMatrix x, Matrix y, RowClasses classes) {
  RunAffine(layer, parameters, packed, x, y, classes, layer.activation);
}

void AddLabelBiases(const NetworkLayer& layer, const ParameterSet& parameters, RowClasses classes,
                    Matrix y) {
  if (!layer.label_bias) return;
  const ConstMatrix table = parameters.matrix(*layer.label_bias);
  assert(y.rows == classes.rows.size() * classes.factor);
  for (std::size_t r = 0; r < y.rows; ++r) {
    const std::span<const Real> biases = table.row(classes.rows[r / classes.factor]);
    const std::span<Real> row = y.row(r);
    // Of convolutions all places share a class's biases.
    for (std::size_t place = 0; place < row.size(); place += biases.size()) {
      for (std::size_t i = 0; i < biases.size(); ++i) row[place + i] += biases[i];
    }
  }
}

void RunAffine(const NetworkLayer& layer, const ParameterSet& parameters,
               const std::vector<DensePacked>& packed, ConstMatrix x, Matrix y, RowClasses classes,
               Activation activation) {
  const Activation last = activation;
  if (layer.label_bias) activation = Activation::kIdentity;  // applied when all is added up
  const PackedMatrix& weights =
      layer.transposed ? packed[layer.weight].backward : packed[layer.weight].forward;
  const std::span<const Real> bias = parameters.span(layer.bias);
  if (!layer.convolution) {
    DenseForward(x, weights, bias, activation, y);
  } else if (layer.transposed) {
    TransposedForward(*layer.convolution, x, weights, bias, activation, y);
  } else {
    ConvolutionForward(*layer.convolution, x, weights, bias, activation, y);
  }
  if (!layer.label_bias) return;
  AddLabelBiases(layer, parameters, classes, y);
  Activate(last, y);
}

LATENT_NUMERICS_END

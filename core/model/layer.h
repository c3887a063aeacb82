// One layer of a model: its name, shape and place in a ParameterSet, and how to run it.
// Immutable once made; any thread. Not its job: gradients (layer_pass.h).
#ifndef LATENT_CORE_MODEL_LAYER_H_
#define LATENT_CORE_MODEL_LAYER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/model/condition.h"
#include "core/model/parameters.h"
#include "core/nn/activation.h"
#include "core/nn/convolution.h"
#include "core/nn/dense.h"
#include "core/nn/matrix.h"
#include "core/nn/sparse_batch.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// y = f(x W + b), or f(x Wᵀ + b) where a tied decoder layer borrows its encoder layer's W. Of
// convolutions W is [patch x map channels] and the product one for each place of the map; the
// transposed ones use Wᵀ, whoever owns W.
struct NetworkLayer {
  std::string name;  // e.g. "encoder.0"; its parameters are name.weight and name.bias
  std::size_t inputs = 0, outputs = 0;
  Activation activation = Activation::kIdentity;
  std::size_t weight = 0;  // segment [inputs x outputs], if borrowed [outputs x inputs]
  std::size_t bias = 0;    // segment
  bool transposed = false;
  bool borrowed = false;  // the weights are another layer's
  std::optional<Convolution> convolution = {};
  // Segment [classes x biases]: what a row's class adds to the biases, where the layer reads
  // labels.
  std::optional<std::size_t> label_bias = {};

  // The side of the layer that W's columns stand for, as a matrix with one row for each place: how
  // many places a row has, and what a place has. Of dense layers the row is the one place.
  std::size_t places() const { return convolution ? convolution->positions() : 1; }
  std::size_t narrow() const {
    if (convolution) return convolution->map_channels;
    return transposed ? inputs : outputs;
  }
};

// A layer with its own weights, or those of `partner`; adds its segments to `parameters`.
NetworkLayer AddLayer(std::string name, LayerInput input, std::size_t outputs,
                      Activation activation, ParameterSet* parameters,
                      const NetworkLayer* partner = nullptr);

// Likewise for a convolution or its transpose in which FindProblem (image_layers.h) finds nothing.
// `classes` as in LayerInput.
NetworkLayer AddConvolution(std::string name, const v1::Layer& spec, std::size_t classes,
                            ParameterSet* parameters, const NetworkLayer* partner = nullptr);

// The function that a spec names; identity for what CheckArchitecture refuses.
Activation ActivationOf(v1::Activation activation);

// First weights: He before ReLU and its kin, else Glorot uniform, drawn by seed and weight number;
// borrowed ones and biases are left alone.
void DrawWeights(const NetworkLayer& layer, std::uint64_t seed, ParameterSet& parameters);

// Runs one layer over the rows of x. `packed` is indexed by weight segment; `classes` are those of
// the rows, read by layers with a label_bias alone.
void RunLayer(const NetworkLayer& layer, const ParameterSet& parameters,
              const std::vector<DensePacked>& packed, ConstMatrix x, Matrix y, RowClasses classes);
// Likewise with another function than the layer's own.
void RunAffine(const NetworkLayer& layer, const ParameterSet& parameters,
               const std::vector<DensePacked>& packed, ConstMatrix x, Matrix y, RowClasses classes,
               Activation activation = Activation::kIdentity);

// Adds each row's label_bias, if the layer has one, to outputs that wait for their function.
void AddLabelBiases(const NetworkLayer& layer, const ParameterSet& parameters, RowClasses classes,
                    Matrix y);

// RunLayer with a model's parameters, over rows of some classes; with `skipper`
// RunLayerSkippingZeros (sparse_layer.h).
struct LayerRunner {
  const ParameterSet& parameters;
  const std::vector<DensePacked>& packed;
  std::span<const std::uint32_t> classes = {};
  ZeroSkipper* skipper = nullptr;

  void operator()(const NetworkLayer& layer, ConstMatrix x, Matrix y) const;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_LAYER_H_

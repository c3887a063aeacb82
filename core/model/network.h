// The dense layers that a spec describes, as names, shapes and places in a ParameterSet, and how to
// run one. Immutable once built; any thread. Not its job: gradients (training_pass.h).
#ifndef LATENT_CORE_MODEL_NETWORK_H_
#define LATENT_CORE_MODEL_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/model/parameters.h"
#include "core/nn/activation.h"
#include "core/nn/dense.h"
#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// y = f(x W + b), or f(x Wᵀ + b) where a tied decoder layer borrows its encoder layer's W.
struct NetworkLayer {
  std::string name;  // e.g. "encoder.0"; its parameters are name.weight and name.bias
  std::size_t inputs = 0, outputs = 0;
  Activation activation = Activation::kIdentity;
  std::size_t weight = 0;  // segment [inputs x outputs], if borrowed [outputs x inputs]
  std::size_t bias = 0;    // segment
  bool transposed = false;
};

struct Network {
  std::vector<NetworkLayer> encoder;         // hidden layers, row side first
  NetworkLayer code;                         // the code, or mu of a Gaussian latent
  std::optional<NetworkLayer> log_variance;  // Gaussian latents only; the same input as `code`
  std::vector<NetworkLayer> decoder;         // hidden layers, then the likelihood's parameters

  // Layers that activity penalties charge: hidden ones and the code.
  std::size_t penalised() const { return encoder.size() + decoder.size(); }
};

// INVALID_ARGUMENT unless the architecture is resolved (kinds and widths given, no automatic
// likelihood) and its parts fit together.
absl::Status CheckArchitecture(const v1::ModelSpec& spec, std::size_t columns);
// The layers of a spec that passed CheckArchitecture; adds their segments to `parameters`. A spec
// without decoder gets the encoder mirrored.
Network BuildNetwork(const v1::ModelSpec& spec, std::size_t columns, ParameterSet* parameters);
// Trainable numbers that such a model has.
std::uint64_t CountParameters(const v1::ModelSpec& spec, std::size_t columns);

// Runs one layer over the rows of x. `packed` is indexed by weight segment.
void RunLayer(const NetworkLayer& layer, const ParameterSet& parameters,
              const std::vector<DensePacked>& packed, ConstMatrix x, Matrix y);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_NETWORK_H_

// The layers that a spec describes, from the row to the likelihood's parameters. Immutable once
// built; any thread. Not its job: gradients (training_pass.h).
#ifndef LATENT_CORE_MODEL_NETWORK_H_
#define LATENT_CORE_MODEL_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "core/model/latent_part.h"
#include "core/model/layer.h"
#include "core/model/parameters.h"
#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

struct Network {
  std::vector<NetworkLayer> encoder;  // hidden layers, row side first
  std::unique_ptr<LatentPart> latent;
  std::vector<NetworkLayer> decoder;  // hidden layers, then the likelihood's parameters

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

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_NETWORK_H_

// The compositions that have names: one table, one row each. A preset says only what makes it what
// it is; core/train/plan fills the rest from the data. Built once, never changed; any thread.
#ifndef LATENT_CORE_MODEL_PRESETS_H_
#define LATENT_CORE_MODEL_PRESETS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "latent/v1/spec.pb.h"

namespace latent {

struct Preset {
  std::string name;
  std::string description;  // one sentence
  v1::ModelSpec architecture;
  v1::TrainingSpec training;
  // Where neither preset nor request gives latent.dim: `code_per_column` times the columns, at
  // least 1 and at most `code_limit`.
  double code_per_column = 0.5;
  std::uint32_t code_limit = 32;
  // Where neither gives the encoder: one tanh layer of `hidden_per_column` times the columns, at
  // most `hidden_limit`; 0 means DefaultEncoder.
  double hidden_per_column = 0;
  std::uint32_t hidden_limit = 0;
};

// All of them, in the order in which they are shown.
std::span<const Preset> Presets();
// The preset of that name, or null.
const Preset* FindPreset(std::string_view name);

// Code entries for rows of `columns` cells if nobody says how many.
std::uint32_t DefaultLatentDim(const Preset& preset, std::uint32_t columns);
// Hidden layers from row to code if nobody lists any: ReLU, narrowing, wider for wider rows; or the
// preset's one layer.
v1::Network DefaultEncoder(const Preset& preset, std::uint32_t columns);

}  // namespace latent

#endif  // LATENT_CORE_MODEL_PRESETS_H_

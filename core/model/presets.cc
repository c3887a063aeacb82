#include "core/model/presets.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

#include "google/protobuf/text_format.h"

namespace latent {
namespace {

struct Row {
  const char* name;
  const char* description;
  const char* architecture;  // text format
  const char* training;      // text format
  double code_per_column;
  std::uint32_t code_limit;
  double hidden_per_column = 0;
  std::uint32_t hidden_limit = 0;
};

// Thrice the usual rate: on Fashion-MNIST it leaves `plain` an eighth less error and `vae` 1.6 nats
// fewer by as many passes.
constexpr char kGradient[] = "solver { gradient { schedule { learning_rate: 0.003 } } }";

// For rows that say which of many items were chosen, and how often.
#define LATENT_IMPLICIT_FEEDBACK \
  "scaling { l2_row {} } corruption { dropout { fraction: 0.5 } } likelihood { multinomial {} } "

// To add a preset, add a row here and a golden plan in tests/data/plans.
constexpr Row kRows[] = {
    {"pca", "Principal components, in closed form: the best linear autoencoder.",
     "scaling { none {} } encoder {} tied_weights: true", "solver { pca {} }", 0.5, 32},
    {"plain", "A deterministic autoencoder: compact codes with the least squared error.", "",
     kGradient, 0.5, 32},
    {"conv", "Convolutions for rows that are images: small kernels that look everywhere alike.",
     "encoder { "
     "  layers { convolution { channels: 16 kernel: 5 stride: 2 activation: ACTIVATION_SILU } } "
     "  layers { convolution { channels: 32 kernel: 5 stride: 2 activation: ACTIVATION_SILU } } "
     "  layers { dense { units: 256 activation: ACTIVATION_SILU } } }",
     "solver { gradient { batch_size: 32 schedule { learning_rate: 0.002 } } }", 0.5, 32},
    {"denoising", "Learns to undo Gaussian noise: codes and reconstructions that ignore it.",
     "corruption { gaussian { sigma: 0.3 } }", kGradient, 0.5, 32},
    {"sparse", "A wide ReLU code of which an L1 penalty leaves few entries active in a row.",
     "latent { deterministic { activation: ACTIVATION_RELU } } "
     // A charged encoder leans on more code entries; an uncharged decoder scales up in later layers
     // what the charge on the code made smaller.
     "penalties { l1 { weight: 0 code_weight: 0.01 decoder_weight: 0.05 } "
     "            unit_norm_decoder: true }",
     kGradient, 2, 128},
    {"contractive",
     "A wide sigmoid code, by tied weights, that moves little where rows differ little from "
     "others.",
     "encoder {} tied_weights: true "
     "latent { deterministic { activation: ACTIVATION_SIGMOID } } "
     "penalties { contractive { weight: 0.1 } }",
     kGradient, 2, 128},
    {"topk", "A wide code of which exactly the k greatest entries are kept in each row.",
     "encoder {} latent { top_k {} } penalties { unit_norm_decoder: true }", kGradient, 4, 512},
    {"vae", "A variational autoencoder: Gaussian codes that can be sampled.",
     "latent { gaussian {} }", kGradient, 0.5, 32},
    {"beta-vae", "A variational autoencoder with a heavier KL term: fewer, more separate factors.",
     "latent { gaussian {} } objective { elbo { beta: 4 } }", kGradient, 0.5, 32},
    {"iwae", "A variational autoencoder trained on a tighter bound, of five weighted draws a row.",
     "latent { gaussian {} } objective { iwae {} }", kGradient, 0.5, 32},
    {"dlgm",
     "A variational autoencoder with two layers of Gaussian codes, one drawn above the other.",
     "latent { hierarchical {} }", kGradient, 0.75, 48},
    {"cvae",
     "A variational autoencoder told each row's label: codes are left the rest, samples have one.",
     "latent { gaussian {} } condition { label {} }", kGradient, 0.5, 32},
    {"vq-vae",
     "Codes of a few whole numbers, each the place of a vector in a list that is learned.",
     "latent { vector_quantised {} }", kGradient, 1, 64},
    {"wae", "A deterministic autoencoder whose codes are held close to a standard Gaussian.",
     "latent { deterministic {} } objective { mmd {} }", kGradient, 0.5, 32},
    // Widths as published for 20,108 items, 200 and 600-200, and in that proportion below.
    {"mult-dae", "Recommends from implicit feedback: a denoising autoencoder over all items.",
     LATENT_IMPLICIT_FEEDBACK "encoder {} latent { deterministic { activation: ACTIVATION_TANH } }",
     "", 1.0 / 6, 200},
    {"mult-vae", "Recommends from implicit feedback: a variational autoencoder with a light KL.",
     LATENT_IMPLICIT_FEEDBACK "latent { gaussian {} } objective { elbo { beta: 0.2 } }", "",
     1.0 / 20, 200, 1.0 / 6, 600},
    {"ease", "Recommends from implicit feedback in closed form: a linear map from item to item.",
     "scaling { none {} } encoder {} latent { dim: 0 none {} } likelihood { gaussian {} }",
     "solver { ease {} }", 0.5, 32},
    {"table",
     "Numbers and categories side by side: imputes what a row lacks, told from the rest of it.",
     // Cells that are hidden while training look as missing ones do.
     "scaling { standardise {} } corruption { masking { fraction: 0.25 } } likelihood { mixed {} }",
     kGradient, 0.5, 32},
};
#undef LATENT_IMPLICIT_FEEDBACK

template <typename Message>
Message Parse(const char* text) {
  Message message;
  const bool parsed = google::protobuf::TextFormat::ParseFromString(text, &message);
  assert(parsed);
  static_cast<void>(parsed);
  return message;
}

std::vector<Preset> BuildTable() {
  std::vector<Preset> table;
  for (const Row& row : kRows) {
    table.push_back({.name = row.name,
                     .description = row.description,
                     .architecture = Parse<v1::ModelSpec>(row.architecture),
                     .training = Parse<v1::TrainingSpec>(row.training),
                     .code_per_column = row.code_per_column,
                     .code_limit = row.code_limit,
                     .hidden_per_column = row.hidden_per_column,
                     .hidden_limit = row.hidden_limit});
  }
  return table;
}

// `share` of the columns, at least 1 and at most `limit`.
std::uint32_t ShareOf(double share, std::uint32_t columns, std::uint32_t limit) {
  return static_cast<std::uint32_t>(std::clamp<double>(std::floor(share * columns), 1, limit));
}

}  // namespace

std::span<const Preset> Presets() {
  static const std::vector<Preset>& table = *new std::vector<Preset>(BuildTable());
  return table;
}

const Preset* FindPreset(std::string_view name) {
  for (const Preset& preset : Presets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

std::uint32_t DefaultLatentDim(const Preset& preset, std::uint32_t columns) {
  return ShareOf(preset.code_per_column, columns, preset.code_limit);
}

v1::Network DefaultEncoder(const Preset& preset, std::uint32_t columns) {
  v1::Network network;
  if (preset.hidden_limit > 0) {
    v1::DenseLayer* dense = network.add_layers()->mutable_dense();
    dense->set_units(ShareOf(preset.hidden_per_column, columns, preset.hidden_limit));
    dense->set_activation(v1::ACTIVATION_TANH);
    return network;
  }
  // Two layers: the least power of two that is twice the row's width, within 32 and 512, and half.
  std::uint32_t first = 32;
  while (first < 512 && first < 2 * columns) first *= 2;
  for (const std::uint32_t units : {first, first / 2}) {
    v1::DenseLayer* dense = network.add_layers()->mutable_dense();
    dense->set_units(units);
    dense->set_activation(v1::ACTIVATION_RELU);
  }
  return network;
}

}  // namespace latent

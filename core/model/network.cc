#include "core/model/network.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/model/condition.h"
#include "core/model/corruption.h"
#include "core/model/image_layers.h"
#include "core/model/likelihood.h"

LATENT_NUMERICS_BEGIN
namespace {

bool Known(v1::Activation activation) {
  return activation != v1::ACTIVATION_UNSPECIFIED && v1::Activation_IsValid(activation);
}

// The decoder's hidden layers, mirrored from the encoder's unless given.
v1::Network DecoderOf(const v1::ModelSpec& spec) {
  return spec.has_decoder() ? spec.decoder() : MirrorOf(spec.encoder());
}

// A layer that reads `width` numbers.
void CheckLayer(const v1::Layer& layer, std::uint64_t width, const std::string& path,
                FieldErrors& errors) {
  if (IsConvolution(layer)) {
    const LayerProblem problem = FindProblem(layer, width);
    if (problem.description.empty()) return;
    errors.Add(absl::StrCat(path, ".", KindName(layer), ".", problem.field), problem.description);
    return;
  }
  const v1::DenseLayer& dense = layer.dense();
  if (dense.units() < 1) errors.Add(path + ".dense.units", "expected at least 1");
  if (!Known(dense.activation())) errors.Add(path + ".dense.activation", "expected an activation");
}

// Returns the width of what the layers give.
std::uint64_t CheckLayers(const v1::Network& network, std::uint64_t width, const std::string& path,
                          FieldErrors& errors) {
  for (int i = 0; i < network.layers_size(); ++i) {
    CheckLayer(network.layers(i), width, absl::StrCat(path, ".layers[", i, "]"), errors);
    width = OutputsOf(network.layers(i));
  }
  return width;
}

void CheckNetworks(const v1::ModelSpec& spec, std::size_t columns, FieldErrors& errors) {
  CheckLayers(spec.encoder(), columns, "architecture.encoder", errors);
  if (spec.encoder().has_output()) errors.Add("architecture.encoder.output", "expected none");
  if (!spec.has_decoder()) return;  // a mirror has no faults of its own
  const v1::Network& decoder = spec.decoder();
  const std::string path = "architecture.decoder";
  const std::uint64_t width = CheckLayers(decoder, CodeWidth(spec.latent()), path, errors);
  if (!decoder.has_output()) return;
  CheckLayer(decoder.output(), width, path + ".output", errors);
  if (!IsConvolution(decoder.output()) || OutputsOf(decoder.output()) != columns ||
      ConvolutionOf(decoder.output()).activation() != v1::ACTIVATION_IDENTITY) {
    errors.Add(path + ".output", absl::StrCat("expected a convolution to ", columns,
                                              " cells with ACTIVATION_IDENTITY"));
  }
}

void CheckTied(const v1::ModelSpec& spec, FieldErrors& errors) {
  if (!Mirrors(spec.encoder(), DecoderOf(spec))) {
    errors.Add("architecture.tied_weights",
               "the decoder's widths must be the encoder's in reverse; leave the decoder out");
  }
}

void CheckPenalty(const v1::ActivityPenalty& penalty, int layers, const std::string& path,
                  FieldErrors& errors) {
  const int given = penalty.per_layer_size();
  if (given == 0 || given == layers) return;
  errors.Add(path + ".per_layer",
             absl::StrCat("expected one weight for each of ", layers,
                          " layers (encoder hidden, code, decoder hidden), got ", given));
}

void CheckHierarchical(const v1::Latent& latent, FieldErrors& errors) {
  const v1::HierarchicalLatent& levels = latent.hierarchical();
  const std::string path = "architecture.latent.hierarchical.";
  std::uint64_t entries = 0;
  for (const std::uint32_t n : levels.layers()) entries += n;
  if (levels.layers_size() < 2 || entries != latent.dim() ||
      std::count(levels.layers().begin(), levels.layers().end(), 0u) > 0) {
    errors.Add(path + "layers",
               "expected at least 2 layers of at least 1 entry that sum to latent.dim");
  }
  if (levels.hidden_units_size() != levels.layers_size() - 1 ||
      std::count(levels.hidden_units().begin(), levels.hidden_units().end(), 0u) > 0) {
    errors.Add(path + "hidden_units", "expected one number >= 1 between a layer and the next");
  }
  if (!Known(levels.activation())) errors.Add(path + "activation", "expected an activation");
}

void CheckParts(const v1::ModelSpec& spec, std::size_t columns, FieldErrors& errors) {
  const v1::Latent& latent = spec.latent();
  if (latent.dim() < 1) errors.Add("architecture.latent.dim", "expected at least 1");
  if (!IsLatent(latent)) {
    errors.Add("architecture.latent.kind", absl::StrCat("expected ", LatentNames()));
  }
  if (latent.has_deterministic() && !Known(latent.deterministic().activation())) {
    errors.Add("architecture.latent.deterministic.activation", "expected an activation");
  }
  if (latent.has_hierarchical()) CheckHierarchical(latent, errors);
  const v1::Likelihood& likelihood = spec.likelihood();
  if (!IsLikelihood(likelihood)) {
    errors.Add("architecture.likelihood.kind", absl::StrCat("expected ", LikelihoodNames()));
  }
  if (likelihood.gaussian().has_variance() && !(likelihood.gaussian().variance() > 0)) {
    errors.Add("architecture.likelihood.gaussian.variance", "expected a number > 0");
  }
  if (likelihood.mixed().has_variance() && !(likelihood.mixed().variance() > 0)) {
    errors.Add("architecture.likelihood.mixed.variance", "expected a number > 0");
  }
  if (const std::string fault = FaultOfRuns(likelihood.mixed(), columns); !fault.empty()) {
    errors.Add("architecture.likelihood.mixed.categorical", fault);
  }
  if (spec.objective().has_elbo() && !IsVariational(latent)) {
    errors.Add("architecture.objective.elbo", "needs a Gaussian latent; choose latent.gaussian");
  }
  if (spec.objective().has_iwae() && !IsVariational(latent)) {
    errors.Add("architecture.objective.iwae", "needs a Gaussian latent; choose latent.gaussian");
  }
  if (spec.objective().has_mmd() && !latent.has_deterministic()) {
    errors.Add("architecture.objective.mmd",
               "needs a deterministic latent; choose latent.deterministic");
  }
  if (spec.binarise() == v1::BINARISE_DYNAMIC && !likelihood.has_bernoulli()) {
    errors.Add("architecture.binarise",
               "needs a Bernoulli likelihood; choose likelihood.bernoulli");
  }
  const int layers = spec.encoder().layers_size() + 1 + DecoderOf(spec).layers_size();
  CheckPenalty(spec.penalties().l1(), layers, "architecture.penalties.l1", errors);
  CheckPenalty(spec.penalties().l2(), layers, "architecture.penalties.l2", errors);
}

void CheckVectorQuantised(const v1::Latent& latent, FieldErrors& errors) {
  if (!latent.has_vector_quantised()) return;
  const v1::VectorQuantisedLatent& quantised = latent.vector_quantised();
  const std::string path = "architecture.latent.vector_quantised.";
  if (quantised.groups() < 1 || latent.dim() % quantised.groups() != 0) {
    errors.Add(path + "groups", "expected a divisor of latent.dim");
  }
  if (quantised.codebook_size() < 2) errors.Add(path + "codebook_size", "expected at least 2");
  if (!(quantised.decay() >= 0 && quantised.decay() < 1)) {
    errors.Add(path + "decay", "expected 0 <= number < 1");
  }
  if (!(quantised.smoothing() > 0)) errors.Add(path + "smoothing", "expected a number > 0");
  if (quantised.restart_after_rows() < 1) {
    errors.Add(path + "restart_after_rows", "expected at least 1");
  }
}

void CheckTopK(const v1::ModelSpec& spec, FieldErrors& errors) {
  if (!spec.latent().has_top_k()) return;
  const v1::TopKLatent& top_k = spec.latent().top_k();
  const std::string path = "architecture.latent.top_k.";
  if (top_k.k() < 1 || top_k.k() > spec.latent().dim()) {
    errors.Add(path + "k", "expected 1 to latent.dim");
  }
  if (top_k.dead_weight() > 0) {
    const bool linear = DecoderOf(spec).layers_size() == 0 && !DecoderOf(spec).has_output() &&
                        spec.likelihood().has_gaussian() &&
                        !spec.likelihood().gaussian().learned_variance() &&
                        spec.likelihood().gaussian().variance() > 0;
    if (!linear) {
      errors.Add(
          path + "dead_weight",
          "needs a decoder without hidden layers and a gaussian likelihood of fixed variance");
    }
    if (top_k.dead_k() < 1) errors.Add(path + "dead_k", "expected at least 1");
    if (top_k.dead_after_rows() < 1) errors.Add(path + "dead_after_rows", "expected at least 1");
  }
}

void CheckCodePenalties(const v1::ModelSpec& spec, FieldErrors& errors) {
  const v1::KlSparsityPenalty& sparsity = spec.penalties().kl_sparsity();
  if (sparsity.weight() > 0) {
    if (spec.latent().deterministic().activation() != v1::ACTIVATION_SIGMOID) {
      errors.Add("architecture.penalties.kl_sparsity",
                 "needs a deterministic latent with ACTIVATION_SIGMOID");
    }
    if (!(sparsity.target() > 0 && sparsity.target() < 1)) {
      errors.Add("architecture.penalties.kl_sparsity.target", "expected 0 < number < 1");
    }
  }
  if (spec.penalties().contractive().weight() > 0 && !spec.latent().has_deterministic() &&
      !spec.latent().has_gaussian()) {
    errors.Add("architecture.penalties.contractive", "needs a deterministic or gaussian latent");
  }
  if (spec.penalties().contractive().weight() > 0 && HasConvolution(spec.encoder())) {
    errors.Add("architecture.penalties.contractive", "needs an encoder of dense layers");
  }
  const v1::Network decoder = DecoderOf(spec);
  if (spec.penalties().unit_norm_decoder() &&
      IsConvolution(decoder.layers_size() > 0 ? decoder.layers(0) : decoder.output())) {
    errors.Add("architecture.penalties.unit_norm_decoder", "needs a dense first decoder layer");
  }
}

void CheckCondition(const v1::ModelSpec& spec, FieldErrors& errors) {
  if (!IsConditional(spec)) return;
  const std::string fault = FaultOfClasses(spec.condition().label());
  if (!fault.empty()) errors.Add("architecture.condition.label.classes", fault);
}

// The encoder-side layer whose weights decoder layer `index` borrows.
const NetworkLayer& PartnerOf(const Network& network, std::size_t index) {
  return index == 0 ? network.latent->code() : network.encoder[network.encoder.size() - index];
}

}  // namespace

absl::Status CheckArchitecture(const v1::ModelSpec& spec, std::size_t columns) {
  FieldErrors errors;
  if (columns < 1) errors.Add("data.columns", "expected at least 1");
  CheckNetworks(spec, columns, errors);
  CheckParts(spec, columns, errors);
  CheckTopK(spec, errors);
  CheckVectorQuantised(spec.latent(), errors);
  CheckCodePenalties(spec, errors);
  CheckCondition(spec, errors);
  if (spec.tied_weights()) CheckTied(spec, errors);
  if (spec.has_corruption() && spec.corruption().kind_case() != v1::Corruption::KIND_NOT_SET) {
    const absl::Status status = CheckCorruption(spec.corruption());
    for (const ErrorDetails::Field& field : DetailsOf(status).fields) {
      errors.Add("architecture.corruption." + field.path, field.description);
    }
  }
  return errors.ToStatus();
}

Network BuildNetwork(const v1::ModelSpec& spec, std::size_t columns, ParameterSet* parameters) {
  Network network;
  const std::size_t classes = Condition(spec.condition()).classes();
  LayerInput input(columns, classes);
  const auto add = [&](std::string name, const v1::Layer& layer, const NetworkLayer* partner) {
    const LayerInput from = std::exchange(input, static_cast<std::size_t>(OutputsOf(layer)));
    return IsConvolution(layer)
               ? AddConvolution(std::move(name), layer, from.classes, parameters, partner)
               : AddLayer(std::move(name), from, input.width,
                          ActivationOf(layer.dense().activation()), parameters, partner);
  };
  for (const v1::Layer& layer : spec.encoder().layers()) {
    network.encoder.push_back(
        add(absl::StrCat("encoder.", network.encoder.size()), layer, nullptr));
  }
  network.latent = MakeLatent(spec, input, parameters);
  input = {network.latent->decoder_inputs(), classes};
  const v1::Network decoder = DecoderOf(spec);
  const auto add_decoder = [&](std::string name, const v1::Layer& layer) {
    const NetworkLayer* partner =
        spec.tied_weights() ? &PartnerOf(network, network.decoder.size()) : nullptr;
    network.decoder.push_back(add(std::move(name), layer, partner));
  };
  for (const v1::Layer& layer : decoder.layers()) {
    add_decoder(absl::StrCat("decoder.", network.decoder.size()), layer);
  }
  v1::Layer output = decoder.output();
  if (!decoder.has_output()) {
    output.mutable_dense()->set_units(static_cast<std::uint32_t>(columns));
    output.mutable_dense()->set_activation(v1::ACTIVATION_IDENTITY);
  }
  add_decoder("output", output);
  return network;
}

std::uint64_t CountParameters(const v1::ModelSpec& spec, std::size_t columns) {
  if (spec.latent().has_none()) return columns * columns;
  ParameterSet parameters;
  BuildNetwork(spec, columns, &parameters);
  MakeLikelihood(spec.likelihood(), columns, &parameters);
  return parameters.count();
}

LATENT_NUMERICS_END

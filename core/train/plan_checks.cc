#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/model/latent_part.h"
#include "core/train/plan_parts.h"
#include "core/train/plan_range.h"

namespace latent::internal {
namespace {

constexpr std::string_view kArchitecture = "spec.architecture.";

std::string Path(std::string_view field) { return std::string(kArchitecture).append(field); }

bool KnownActivation(v1::Activation activation) { return v1::Activation_IsValid(activation); }

void CheckCorruption(const v1::Corruption& corruption, FieldErrors& errors) {
  switch (corruption.kind_case()) {
    case v1::Corruption::KIND_NOT_SET:
    case v1::Corruption::kNone:
      break;
    case v1::Corruption::kGaussian:
      CheckNotNegative(Path("corruption.gaussian.sigma"), corruption.gaussian().sigma(), errors);
      break;
    case v1::Corruption::kMasking:
      CheckInterval(Path("corruption.masking.fraction"), corruption.masking().fraction(), 0, 1,
                    errors);
      break;
    case v1::Corruption::kDropout:
      CheckDecay(Path("corruption.dropout.fraction"), corruption.dropout().fraction(), errors);
      break;
    case v1::Corruption::kSaltAndPepper:
      CheckInterval(Path("corruption.salt_and_pepper.fraction"),
                    corruption.salt_and_pepper().fraction(), 0, 1, errors);
      break;
  }
}

void CheckLatent(const v1::Latent& latent, FieldErrors& errors) {
  if (latent.has_none()) {
    if (latent.dim() > 0) {
      errors.Add(Path("latent.dim"),
                 absl::StrCat("expected 0 for a model without a code, got ", latent.dim()));
    }
    return;
  }
  CheckCount(Path("latent.dim"), latent.dim(), 1, kMaxUnits, errors);
  if (latent.has_deterministic() && !KnownActivation(latent.deterministic().activation())) {
    errors.Add(Path("latent.deterministic.activation"),
               absl::StrCat("expected a known activation, got number ",
                            static_cast<int>(latent.deterministic().activation())));
  }
}

void CheckHierarchical(const v1::Latent& latent, FieldErrors& errors) {
  if (!latent.has_hierarchical()) return;
  const v1::HierarchicalLatent& levels = latent.hierarchical();
  const std::string path = Path("latent.hierarchical.");
  CheckCount(path + "layers", static_cast<std::uint64_t>(levels.layers_size()), 2, 8, errors);
  std::uint64_t sum = 0;
  for (int i = 0; i < levels.layers_size(); ++i) {
    CheckCount(absl::StrCat(path, "layers[", i, "]"), levels.layers(i), 1, kMaxUnits, errors);
    sum += levels.layers(i);
  }
  if (sum != latent.dim()) {
    errors.Add(path + "layers", absl::StrCat("expected entries that sum to latent.dim, ",
                                             latent.dim(), ", got ", sum, "; leave dim out"));
  }
  if (levels.hidden_units_size() + 1 != levels.layers_size()) {
    errors.Add(path + "hidden_units",
               absl::StrCat("expected one number between a layer and the next, ",
                            levels.layers_size() - 1, ", got ", levels.hidden_units_size()));
  }
  for (int i = 0; i < levels.hidden_units_size(); ++i) {
    CheckCount(absl::StrCat(path, "hidden_units[", i, "]"), levels.hidden_units(i), 1, kMaxUnits,
               errors);
  }
  if (!KnownActivation(levels.activation())) {
    errors.Add(path + "activation", absl::StrCat("expected a known activation, got number ",
                                                 static_cast<int>(levels.activation())));
  }
}

void CheckVectorQuantised(const v1::Latent& latent, FieldErrors& errors) {
  if (!latent.has_vector_quantised()) return;
  const v1::VectorQuantisedLatent& quantised = latent.vector_quantised();
  const std::string path = Path("latent.vector_quantised.");
  if (quantised.groups() < 1 || latent.dim() % quantised.groups() != 0) {
    errors.Add(path + "groups", absl::StrCat("expected a divisor of latent.dim, ", latent.dim(),
                                             ", got ", quantised.groups()));
  }
  CheckCount(path + "codebook_size", quantised.codebook_size(), 2, 65536, errors);
  CheckNotNegative(path + "commitment", quantised.commitment(), errors);
  CheckDecay(path + "decay", quantised.decay(), errors);
  CheckPositive(path + "smoothing", quantised.smoothing(), errors);
  CheckCount(path + "restart_after_rows", quantised.restart_after_rows(), 1, std::uint64_t{1} << 62,
             errors);
}

void CheckBinarise(const v1::ModelSpec& model, FieldErrors& errors) {
  if (!v1::Binarise_IsValid(model.binarise())) {
    errors.Add(Path("binarise"), absl::StrCat("expected a known choice, got number ",
                                              static_cast<int>(model.binarise())));
  } else if (model.binarise() == v1::BINARISE_DYNAMIC && !model.likelihood().has_bernoulli()) {
    errors.Add(Path("binarise"), "draws cells of 0 and 1; use likelihood bernoulli");
  }
}

void CheckTopK(const v1::ModelSpec& model, FieldErrors& errors) {
  if (!model.latent().has_top_k()) return;
  const v1::TopKLatent& top_k = model.latent().top_k();
  const std::string path = Path("latent.top_k.");
  const std::uint64_t dim = std::max(1u, model.latent().dim());
  CheckCount(path + "k", top_k.k(), 1, dim, errors);
  CheckCount(path + "dead_after_rows", top_k.dead_after_rows(), 1, std::uint64_t{1} << 62, errors);
  CheckNotNegative(path + "dead_weight", top_k.dead_weight(), errors);
  if (top_k.k() >= 1 && top_k.k() <= dim) {
    CheckCount(path + "dead_k", top_k.dead_k(), 1, dim, errors);
  }
  if (!(top_k.dead_weight() > 0)) return;
  if (model.decoder().layers_size() > 0 || model.decoder().has_output()) {
    errors.Add(path + "dead_weight",
               absl::StrCat("needs a decoder without hidden layers, got ",
                            model.decoder().layers_size(), "; use 0, or decoder {}"));
  } else if (!model.likelihood().has_gaussian() ||
             model.likelihood().gaussian().learned_variance()) {
    errors.Add(path + "dead_weight",
               "needs a gaussian likelihood of fixed variance; use 0, or likelihood gaussian");
  }
}

void CheckCodePenalties(const v1::ModelSpec& model, FieldErrors& errors) {
  const v1::KlSparsityPenalty& sparsity = model.penalties().kl_sparsity();
  CheckNotNegative(Path("penalties.kl_sparsity.weight"), sparsity.weight(), errors);
  if (!(sparsity.target() > 0 && sparsity.target() < 1)) {
    errors.Add(Path("penalties.kl_sparsity.target"),
               absl::StrCat("expected 0 < value < 1, got ", sparsity.target()));
  }
  const v1::Latent& latent = model.latent();
  if (sparsity.weight() > 0 && latent.deterministic().activation() != v1::ACTIVATION_SIGMOID) {
    errors.Add(Path("penalties.kl_sparsity"),
               "needs a code within (0, 1); use latent deterministic with ACTIVATION_SIGMOID, or "
               "penalties l1 for other codes");
  }
  CheckNotNegative(Path("penalties.contractive.weight"), model.penalties().contractive().weight(),
                   errors);
  if (model.penalties().contractive().weight() > 0 && !latent.has_deterministic() &&
      !latent.has_gaussian()) {
    errors.Add(Path("penalties.contractive"),
               "needs one layer that makes the whole code; use latent deterministic or gaussian");
  }
}

void CheckMultinomial(const v1::ModelSpec& model, const DatasetInfo& data, FieldErrors& errors) {
  const std::uint32_t sampled = model.likelihood().multinomial().sampled_columns();
  CheckCount(Path("likelihood.multinomial.sampled_columns"), sampled, 0, kMaxUnits, errors);
  if (sampled > 0) {
    CheckStaysSparse(Path("likelihood.multinomial.sampled_columns"), "0", model, data, errors);
    if (model.decoder().has_output()) {
      errors.Add(Path("likelihood.multinomial.sampled_columns"),
                 "needs a dense last layer; use 0, or leave decoder.output out");
    }
    if (model.condition().has_label() && model.decoder().layers_size() == 0) {
      errors.Add(
          Path("likelihood.multinomial.sampled_columns"),
          "needs a last layer that reads no labels; use 0, or give the decoder a hidden layer");
    }
  }
  if (model.scaling().has_standardise()) {
    errors.Add(Path("likelihood.multinomial"),
               "expected rows that are not negative, but standardised rows are; use scaling l2_row "
               "or none");
  } else if (data.train_min < 0 && !model.scaling().has_min_max()) {
    errors.Add(Path("likelihood.multinomial"),
               absl::StrCat("expected training rows of counts or weights >= 0, got ",
                            data.train_min, "; use scaling min_max or a gaussian likelihood"));
  }
}

void CheckMixed(const v1::ModelSpec& model, const DatasetInfo& data, FieldErrors& errors) {
  const v1::MixedLikelihood& mixed = model.likelihood().mixed();
  const std::string path = Path("likelihood.mixed");
  CheckPositive(path + ".variance", mixed.variance(), errors);
  const v1::MixedLikelihood expected = CategoricalColumns(data);
  const auto same = [](const v1::ColumnRun& a, const v1::ColumnRun& b) {
    return a.first() == b.first() && a.count() == b.count();
  };
  if (!std::equal(mixed.categorical().begin(), mixed.categorical().end(),
                  expected.categorical().begin(), expected.categorical().end(), same)) {
    errors.Add(path + ".categorical",
               absl::StrCat("expected the dataset's ", expected.categorical_size(),
                            " categorical columns, got others; leave it out"));
  }
  if (model.scaling().has_l2_row()) {
    errors.Add(path,
               "scales numbers by column and categories not at all, but l2_row scales whole "
               "rows; use scaling standardise");
  }
}

void CheckLikelihood(const v1::ModelSpec& model, const DatasetInfo& data, FieldErrors& errors) {
  if (model.likelihood().has_mixed()) return CheckMixed(model, data, errors);
  if (model.likelihood().has_gaussian()) {
    CheckPositive(Path("likelihood.gaussian.variance"), model.likelihood().gaussian().variance(),
                  errors);
    return;
  }
  if (model.likelihood().has_multinomial()) return CheckMultinomial(model, data, errors);
  if (!model.likelihood().has_bernoulli() || model.scaling().has_min_max()) return;
  if (model.scaling().has_standardise()) {
    errors.Add(Path("likelihood.bernoulli"),
               "expected rows within [0, 1], but standardised rows leave it; use scaling none or "
               "min_max, or a gaussian likelihood");
  } else if (data.train_min < 0 || data.train_max > 1) {
    errors.Add(Path("likelihood.bernoulli"),
               absl::StrCat("expected training rows within [0, 1], got ", data.train_min, " to ",
                            data.train_max, "; use scaling min_max or a gaussian likelihood"));
  }
}

void CheckElbo(const v1::ElboObjective& elbo, FieldErrors& errors) {
  CheckCount(Path("objective.elbo.draws"), elbo.draws(), 1, 64, errors);
  CheckNotNegative(Path("objective.elbo.beta"), elbo.beta(), errors);
  CheckInterval(Path("objective.elbo.warm_up_fraction"), elbo.warm_up_fraction(), 0, 1, errors);
  CheckNotNegative(Path("objective.elbo.free_bits"), elbo.free_bits(), errors);
  CheckNotNegative(Path("objective.elbo.capacity"), elbo.capacity(), errors);
  CheckNotNegative(Path("objective.elbo.capacity_weight"), elbo.capacity_weight(), errors);
}

void CheckObjective(const v1::ModelSpec& model, FieldErrors& errors) {
  const v1::Objective& objective = model.objective();
  const bool gaussian = IsVariational(model.latent());
  const auto need_gaussian = [&](const char* name) {
    if (gaussian) return;
    errors.Add(Path(std::string("objective.") + name),
               "needs a gaussian latent, got a deterministic one; use objective reconstruction or "
               "latent gaussian");
  };
  switch (objective.kind_case()) {
    case v1::Objective::KIND_NOT_SET:
      break;
    case v1::Objective::kReconstruction:
      if (!gaussian) break;
      errors.Add(Path("objective.reconstruction"),
                 "a gaussian latent needs objective elbo (elbo.beta 0 charges no KL)");
      break;
    case v1::Objective::kElbo:
      need_gaussian("elbo");
      CheckElbo(objective.elbo(), errors);
      break;
    case v1::Objective::kIwae:
      need_gaussian("iwae");
      CheckCount(Path("objective.iwae.draws"), objective.iwae().draws(), 1, 64, errors);
      break;
    case v1::Objective::kMmd:
      if (!model.latent().has_deterministic()) {
        errors.Add(Path("objective.mmd"), "needs a deterministic latent; use latent deterministic");
      }
      CheckNotNegative(Path("objective.mmd.weight"), objective.mmd().weight(), errors);
      break;
  }
}

void CheckPenalty(std::string_view name, const v1::ActivityPenalty& penalty, int layers,
                  FieldErrors& errors) {
  const std::string path = Path("penalties.") + std::string(name);
  CheckNotNegative(path + ".weight", penalty.weight(), errors);
  for (const auto& [field, weight] : {std::pair{".code_weight", penalty.code_weight()},
                                      std::pair{".decoder_weight", penalty.decoder_weight()}}) {
    if (weight != penalty.weight()) CheckNotNegative(path + field, weight, errors);
  }
  if (penalty.per_layer_size() != layers) {
    errors.Add(path + ".per_layer", absl::StrCat("expected ", layers,
                                                 " weights (encoder hidden layers, code, decoder "
                                                 "hidden layers), got ",
                                                 penalty.per_layer_size()));
  }
  for (int i = 0; i < penalty.per_layer_size(); ++i) {
    const double weight = penalty.per_layer(i);
    const bool reported = weight == penalty.weight() || weight == penalty.code_weight() ||
                          weight == penalty.decoder_weight();
    if (reported) continue;
    CheckNotNegative(absl::StrCat(path, ".per_layer[", i, "]"), weight, errors);
  }
}

}  // namespace

void CheckArchitecture(const v1::ModelSpec& model, const DatasetInfo& data, FieldErrors& errors) {
  CheckCorruption(model.corruption(), errors);
  CheckNetworks(model, data, errors);
  CheckLatent(model.latent(), errors);
  CheckHierarchical(model.latent(), errors);
  CheckVectorQuantised(model.latent(), errors);
  CheckBinarise(model, errors);
  CheckTopK(model, errors);
  CheckCodePenalties(model, errors);
  CheckLikelihood(model, data, errors);
  CheckObjective(model, errors);
  CheckCondition(model.condition(), data, errors);
  const int layers = model.encoder().layers_size() + 1 + model.decoder().layers_size();
  CheckPenalty("l1", model.penalties().l1(), layers, errors);
  CheckPenalty("l2", model.penalties().l2(), layers, errors);
}

}  // namespace latent::internal

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/nn/principal.h"
#include "core/train/plan_parts.h"
#include "core/train/plan_range.h"

namespace latent::internal {
namespace {

bool AnyWeight(const v1::ActivityPenalty& penalty) {
  return std::any_of(penalty.per_layer().begin(), penalty.per_layer().end(),
                     [](double weight) { return weight != 0; });
}

void CheckPca(const v1::ModelSpec& model, const DatasetInfo& data, FieldErrors& errors) {
  const auto refuse = [&](const char* field, const std::string& expected) {
    errors.Add(std::string("spec.architecture.") + field,
               "the closed form pca " + expected + ", or choose training.solver.gradient");
  };
  if (model.encoder().layers_size() > 0) {
    refuse("encoder.layers", absl::StrCat("has no hidden layers, got ",
                                          model.encoder().layers_size(), "; leave them out"));
  }
  if (model.decoder().layers_size() > 0) {
    refuse("decoder.layers", absl::StrCat("has no hidden layers, got ",
                                          model.decoder().layers_size(), "; leave them out"));
  }
  if (model.decoder().has_output()) refuse("decoder.output", "has a dense output; leave it out");
  if (model.scaling().has_l2_row()) refuse("scaling", "scales columns, not rows; use none");
  if (!model.corruption().has_none()) refuse("corruption", "knows no corruption; use none");
  if (!model.latent().has_deterministic()) {
    refuse("latent", "has a deterministic code; use latent deterministic");
  } else if (model.latent().deterministic().activation() != v1::ACTIVATION_IDENTITY) {
    refuse("latent.deterministic.activation", "has an identity code; use ACTIVATION_IDENTITY");
  }
  // Another latent's objective follows from the latent, which has been refused.
  if (model.latent().has_deterministic() && !model.objective().has_reconstruction()) {
    refuse("objective", "minimises the reconstruction alone; use objective reconstruction");
  }
  if (model.latent().dim() > data.columns) {
    refuse("latent.dim", absl::StrCat("has at most one component a column, ", data.columns,
                                      ", got ", model.latent().dim()));
  }
  const std::uint64_t rows = data.rows(v1::PART_TRAIN);
  if (model.latent().dim() <= data.columns &&
      !CanFitPrincipalAxes(rows, data.columns, model.latent().dim())) {
    refuse("latent.dim",
           absl::StrCat("has at most ", kMaxLeading, " components of more than ", kMaxWholeEigen,
                        " rows and columns (here ", rows, " and ", data.columns, "), got ",
                        model.latent().dim(), "; use a smaller dim"));
  }
  if (!model.likelihood().has_gaussian()) {
    refuse("likelihood", "has a gaussian likelihood; use gaussian or auto");
  } else if (model.likelihood().gaussian().learned_variance()) {
    refuse("likelihood.gaussian.learned_variance", "has a fixed variance; use false");
  }
  if (model.condition().has_label()) refuse("condition", "reads no labels; use none");
  if (AnyWeight(model.penalties().l1())) refuse("penalties.l1", "knows no penalties; leave it out");
  if (model.penalties().kl_sparsity().weight() > 0) {
    refuse("penalties.kl_sparsity", "knows no penalties; leave it out");
  }
  if (model.penalties().contractive().weight() > 0) {
    refuse("penalties.contractive", "knows no penalties; leave it out");
  }
  if (AnyWeight(model.penalties().l2())) refuse("penalties.l2", "knows no penalties; leave it out");
}

void CheckEase(const v1::ModelSpec& model, const v1::EaseSolver& solver, FieldErrors& errors) {
  CheckPositive("spec.training.solver.ease.ridge", solver.ridge(), errors);
  const auto refuse = [&](const char* field, const char* expected) {
    errors.Add(std::string("spec.architecture.") + field,
               absl::StrCat("the closed form ease ", expected,
                            ", or choose another preset, e.g. mult-dae"));
  };
  if (!model.latent().has_none()) refuse("latent", "has no code; use latent none");
  if (model.encoder().layers_size() > 0) refuse("encoder.layers", "has no layers; leave them out");
  if (model.decoder().layers_size() > 0) refuse("decoder.layers", "has no layers; leave them out");
  if (model.decoder().has_output()) refuse("decoder.output", "has no layers; leave it out");
  if (!model.scaling().has_none()) refuse("scaling", "takes rows as they are; use none");
  if (!model.corruption().has_none()) refuse("corruption", "knows no corruption; use none");
  const v1::GaussianLikelihood& likelihood = model.likelihood().gaussian();
  if (!model.likelihood().has_gaussian() || likelihood.learned_variance() ||
      likelihood.variance() != 1) {
    refuse("likelihood", "minimises squared error; use gaussian with variance 1, or auto");
  }
  if (model.condition().has_label()) refuse("condition", "reads no labels; use none");
  if (AnyWeight(model.penalties().l1())) refuse("penalties.l1", "knows no penalties; leave it out");
  if (AnyWeight(model.penalties().l2())) refuse("penalties.l2", "knows no penalties; leave it out");
}

}  // namespace

void CheckSolver(const v1::Solver& solver, const v1::ModelSpec& model, const DatasetInfo& data,
                 FieldErrors& errors) {
  if (solver.has_pca()) return CheckPca(model, data, errors);
  if (solver.has_ease()) return CheckEase(model, solver.ease(), errors);
  if (solver.gradient().optimizer().adam().lazy()) {
    CheckStaysSparse("spec.training.solver.gradient.optimizer.adam.lazy", "false", model, data,
                     errors);
  }
  if (!model.latent().has_none()) return;
  errors.Add("spec.architecture.latent.none",
             "a model without a code is found in closed form; choose training.solver.ease, or "
             "latent deterministic or gaussian");
}

}  // namespace latent::internal

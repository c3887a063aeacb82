#include <algorithm>

#include "core/model/corruption.h"
#include "core/model/latent_part.h"
#include "core/train/plan_parts.h"

namespace latent::internal {
namespace {

// Sets an optional field that is not set.
#define LATENT_DEFAULT(message, field, value) \
  if (!(message).has_##field()) (message).set_##field(value)

bool InUnitInterval(const DatasetInfo& data) { return data.train_min >= 0 && data.train_max <= 1; }

void FillCorruption(v1::Corruption& corruption) {
  switch (corruption.kind_case()) {
    case v1::Corruption::KIND_NOT_SET:
      corruption.mutable_none();
      break;
    case v1::Corruption::kNone:
      break;
    case v1::Corruption::kGaussian:
      LATENT_DEFAULT(*corruption.mutable_gaussian(), sigma, 0.3);
      break;
    case v1::Corruption::kMasking:
      LATENT_DEFAULT(*corruption.mutable_masking(), fraction, 0.25);
      break;
    case v1::Corruption::kDropout:
      LATENT_DEFAULT(*corruption.mutable_dropout(), fraction, 0.25);
      break;
    case v1::Corruption::kSaltAndPepper:
      LATENT_DEFAULT(*corruption.mutable_salt_and_pepper(), fraction, 0.25);
      break;
  }
}

void FillHierarchical(v1::Latent& latent) {
  v1::HierarchicalLatent& levels = *latent.mutable_hierarchical();
  if (levels.layers_size() == 0) {
    const std::uint32_t upper = std::max(1u, latent.dim() / 3);
    levels.add_layers(latent.dim() - std::min(latent.dim(), upper));
    levels.add_layers(upper);
  }
  for (int i = 0; levels.hidden_units_size() + 1 < levels.layers_size(); ++i) {
    levels.add_hidden_units(std::clamp(4 * levels.layers(i), 32u, 512u));
  }
  if (levels.activation() == v1::ACTIVATION_UNSPECIFIED) {
    levels.set_activation(v1::ACTIVATION_TANH);
  }
}

// Groups of about four entries, each a byte's worth of vectors where the rows suffice to find them.
void FillVectorQuantised(const DatasetInfo& data, v1::Latent& latent) {
  v1::VectorQuantisedLatent& quantised = *latent.mutable_vector_quantised();
  const std::uint64_t rows = data.rows(v1::PART_TRAIN);
  std::uint32_t groups = std::max(1u, latent.dim() / 4);
  while (latent.dim() % groups != 0) --groups;
  LATENT_DEFAULT(quantised, groups, groups);
  std::uint32_t size = 16;
  while (size < 256 && size <= rows / 16) size *= 2;
  LATENT_DEFAULT(quantised, codebook_size, size);
  LATENT_DEFAULT(quantised, commitment, 0.25);
  LATENT_DEFAULT(quantised, decay, 0.99);
  LATENT_DEFAULT(quantised, smoothing, 1e-5);
  LATENT_DEFAULT(quantised, restart_after_rows, std::clamp<std::uint64_t>(rows, 1, 5000));
}

// The code's entries where they are not given: as many as the hierarchy's layers have, or as suits
// the row; two at least where layers share them.
std::uint32_t DimOf(const Preset& preset, const DatasetInfo& data, const v1::Latent& latent) {
  if (latent.has_none()) return 0;
  const std::uint32_t usual = DefaultLatentDim(preset, data.columns);
  if (latent.has_vector_quantised()) {
    // So that groups of four entries, or as many as are asked for, come out even.
    const std::uint32_t groups = latent.vector_quantised().groups();
    const std::uint32_t unit = groups > 0 ? std::min(groups, 65536u) : 4;
    return std::max(1u, usual / unit) * unit;
  }
  if (!latent.has_hierarchical()) return usual;
  std::uint32_t sum = 0;
  for (const std::uint32_t n : latent.hierarchical().layers()) sum += n;
  return sum > 0 ? sum : std::max(2u, usual);
}

bool IsOpen(const v1::Likelihood& likelihood) {
  return likelihood.kind_case() == v1::Likelihood::KIND_NOT_SET || likelihood.has_auto_();
}

// Whether rows are such that numbers alone do not say what they hold.
bool IsTable(const DatasetInfo& data) {
  return std::any_of(
      data.column_groups.begin(), data.column_groups.end(), [](const v1::ColumnGroup& group) {
        return group.kind() == v1::COLUMN_KIND_CATEGORICAL || group.missing_share() > 0;
      });
}

// Settles whether the likelihood is mixed; what it is else depends on the other parts. Solvers in
// closed form know squared errors alone.
void ChooseMixed(const DatasetInfo& data, const v1::Solver& solver, v1::ModelSpec& model) {
  if (!IsOpen(model.likelihood()) || solver.has_pca() || solver.has_ease() || !IsTable(data))
    return;
  const bool variational = IsVariational(model.latent());
  model.mutable_likelihood()->mutable_mixed()->set_learned_variance(variational);
}

void FillLikelihood(const DatasetInfo& data, const v1::ModelSpec& model, v1::Likelihood& out) {
  if (IsOpen(out)) {
    const bool variational = IsVariational(model.latent());
    if (variational && InUnitInterval(data) && !model.scaling().has_standardise()) {
      out.mutable_bernoulli();
    } else {
      out.mutable_gaussian()->set_learned_variance(variational);
    }
  }
  if (out.has_gaussian()) {
    LATENT_DEFAULT(*out.mutable_gaussian(), learned_variance, false);
    LATENT_DEFAULT(*out.mutable_gaussian(), variance, 1);
  }
  if (out.has_multinomial()) LATENT_DEFAULT(*out.mutable_multinomial(), sampled_columns, 0);
  if (out.has_mixed()) {
    v1::MixedLikelihood& mixed = *out.mutable_mixed();
    LATENT_DEFAULT(mixed, learned_variance, false);
    LATENT_DEFAULT(mixed, variance, 1);
    if (mixed.categorical().empty()) mixed.MergeFrom(CategoricalColumns(data));
  }
}

// What entries that do not live are trained on needs the residual as the decoder's last layer gives
// it.
void FillTopK(const DatasetInfo& data, const v1::ModelSpec& model, v1::Latent& latent) {
  v1::TopKLatent& top_k = *latent.mutable_top_k();
  LATENT_DEFAULT(top_k, k, std::max(1u, latent.dim() / 16));
  LATENT_DEFAULT(top_k, relu, true);
  LATENT_DEFAULT(top_k, dead_after_rows, std::max<std::uint64_t>(1, data.rows(v1::PART_TRAIN)));
  const bool linear = model.decoder().layers_size() == 0 && !model.decoder().has_output() &&
                      model.likelihood().has_gaussian() &&
                      !model.likelihood().gaussian().learned_variance();
  LATENT_DEFAULT(top_k, dead_weight, linear ? 1.0 / 32 : 0.0);
  const std::uint64_t twice = 2 * std::uint64_t{top_k.k()};
  LATENT_DEFAULT(top_k, dead_k,
                 static_cast<std::uint32_t>(std::min<std::uint64_t>(twice, latent.dim())));
}

void FillObjective(bool variational, v1::Objective& objective) {
  if (objective.kind_case() == v1::Objective::KIND_NOT_SET) {
    if (variational) {
      objective.mutable_elbo();
    } else {
      objective.mutable_reconstruction();
    }
  }
  if (objective.has_iwae()) LATENT_DEFAULT(*objective.mutable_iwae(), draws, 5);
  if (objective.has_mmd()) LATENT_DEFAULT(*objective.mutable_mmd(), weight, 10);
  if (!objective.has_elbo()) return;
  v1::ElboObjective& elbo = *objective.mutable_elbo();
  LATENT_DEFAULT(elbo, draws, 1);
  LATENT_DEFAULT(elbo, beta, 1);
  LATENT_DEFAULT(elbo, warm_up_fraction, 1.0 / 3);
  LATENT_DEFAULT(elbo, free_bits, 0);
  LATENT_DEFAULT(elbo, capacity, 0);
  LATENT_DEFAULT(elbo, capacity_weight, 100);
}

// A plan always lists one weight a layer, whichever way the request gave them.
void FillPenalty(int layers, int code_layer, v1::ActivityPenalty& penalty) {
  LATENT_DEFAULT(penalty, weight, 0);
  LATENT_DEFAULT(penalty, code_weight, penalty.weight());
  LATENT_DEFAULT(penalty, decoder_weight, penalty.weight());
  if (penalty.per_layer_size() > 0) return;
  for (int i = 0; i < layers; ++i) {
    penalty.add_per_layer(i < code_layer    ? penalty.weight()
                          : i == code_layer ? penalty.code_weight()
                                            : penalty.decoder_weight());
  }
}

// Training needs some thousands of updates, whatever the number of rows: few rows are seen often
// and in small batches.
std::uint32_t DefaultBatch(std::uint64_t rows) { return rows < 10'000 ? 32 : 128; }
std::uint32_t DefaultEpochs(std::uint64_t rows, std::uint32_t batch) {
  const std::uint64_t an_epoch = std::max<std::uint64_t>(1, (rows + batch - 1) / batch);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(8000 / an_epoch, 20, 200));
}

void FillOptimizer(v1::Optimizer& optimizer) {
  if (optimizer.has_sgd()) {
    v1::SgdOptimizer& sgd = *optimizer.mutable_sgd();
    LATENT_DEFAULT(sgd, momentum, 0.9);
    LATENT_DEFAULT(sgd, nesterov, false);
    LATENT_DEFAULT(sgd, weight_decay, 1e-5);
    return;
  }
  v1::AdamOptimizer& adam = *optimizer.mutable_adam();
  LATENT_DEFAULT(adam, beta1, 0.9);
  LATENT_DEFAULT(adam, beta2, 0.999);
  LATENT_DEFAULT(adam, epsilon, 1e-8);
  LATENT_DEFAULT(adam, weight_decay, 1e-5);
  LATENT_DEFAULT(adam, lazy, false);
}

void FillSchedule(v1::Schedule& schedule) {
  LATENT_DEFAULT(schedule, learning_rate, 1e-3);
  LATENT_DEFAULT(schedule, warm_up_fraction, 0.05);
  if (schedule.kind_case() == v1::Schedule::KIND_NOT_SET) schedule.mutable_cosine();
  if (schedule.has_cosine()) LATENT_DEFAULT(*schedule.mutable_cosine(), final_fraction, 0.01);
  if (schedule.has_plateau()) {
    LATENT_DEFAULT(*schedule.mutable_plateau(), factor, 0.5);
    LATENT_DEFAULT(*schedule.mutable_plateau(), patience, 5);
  }
}

void FillGradient(const DatasetInfo& data, const v1::ModelSpec& model, v1::GradientSolver& solver) {
  const bool variational = IsVariational(model.latent());
  const std::uint64_t rows = data.rows(v1::PART_TRAIN);
  LATENT_DEFAULT(solver, batch_size, DefaultBatch(rows));
  // Fresh noise in every epoch is fresh data: twice as many epochs still gain.
  LATENT_DEFAULT(solver, epochs,
                 DefaultEpochs(rows, std::max(1u, solver.batch_size())) *
                     (ChangesRows(model.corruption()) ? 2 : 1));
  // Adam bounds its own steps; plain descent on errors summed over many cells may leap.
  const bool leaps = variational || solver.optimizer().has_sgd();
  LATENT_DEFAULT(solver, clip_norm, leaps ? 5 : 0);
  LATENT_DEFAULT(solver, shuffle, true);
  FillOptimizer(*solver.mutable_optimizer());
  FillSchedule(*solver.mutable_schedule());
  v1::EarlyStopping& stopping = *solver.mutable_early_stopping();
  LATENT_DEFAULT(stopping, enabled, data.rows(v1::PART_VALIDATION) > 0);
  LATENT_DEFAULT(stopping, patience, 20);
}

}  // namespace

v1::MixedLikelihood CategoricalColumns(const DatasetInfo& data) {
  v1::MixedLikelihood mixed;
  for (const v1::ColumnGroup& group : data.column_groups) {
    if (group.kind() != v1::COLUMN_KIND_CATEGORICAL) continue;
    v1::ColumnRun& run = *mixed.add_categorical();
    run.set_first(group.first());
    run.set_count(group.count());
  }
  return mixed;
}

void FillArchitecture(const Preset& preset, const DatasetInfo& data, const v1::Solver& solver,
                      v1::ModelSpec& model) {
  ChooseMixed(data, solver, model);
  v1::Scaling& scaling = *model.mutable_scaling();
  if (scaling.kind_case() == v1::Scaling::KIND_NOT_SET) {
    // Gradient descent wants columns of like size; rows in [0, 1] already have it, but for the
    // numbers of tables, which may lie anywhere within.
    if (InUnitInterval(data) && !model.likelihood().has_mixed()) {
      scaling.mutable_none();
    } else {
      scaling.mutable_standardise();
    }
  }
  FillCorruption(*model.mutable_corruption());
  FillNetworks(preset, data, model);
  LATENT_DEFAULT(model, tied_weights, false);
  v1::Latent& latent = *model.mutable_latent();
  LATENT_DEFAULT(latent, dim, DimOf(preset, data, latent));
  if (latent.kind_case() == v1::Latent::KIND_NOT_SET) latent.mutable_deterministic();
  if (latent.has_deterministic() &&
      latent.deterministic().activation() == v1::ACTIVATION_UNSPECIFIED) {
    latent.mutable_deterministic()->set_activation(v1::ACTIVATION_IDENTITY);
  }
  if (latent.has_hierarchical()) FillHierarchical(latent);
  if (latent.has_vector_quantised()) FillVectorQuantised(data, latent);
  FillLikelihood(data, model, *model.mutable_likelihood());
  if (latent.has_top_k()) FillTopK(data, model, latent);
  FillObjective(IsVariational(latent), *model.mutable_objective());
  FillCondition(data, *model.mutable_condition());
  v1::Penalties& penalties = *model.mutable_penalties();
  const int code_layer = model.encoder().layers_size();
  const int penalised = model.encoder().layers_size() + 1 + model.decoder().layers_size();
  FillPenalty(penalised, code_layer, *penalties.mutable_l1());
  FillPenalty(penalised, code_layer, *penalties.mutable_l2());
  LATENT_DEFAULT(penalties, unit_norm_decoder, false);
  LATENT_DEFAULT(*penalties.mutable_kl_sparsity(), weight, 0);
  LATENT_DEFAULT(*penalties.mutable_kl_sparsity(), target, 0.05);
  LATENT_DEFAULT(*penalties.mutable_contractive(), weight, 0);
  if (model.binarise() == v1::BINARISE_UNSPECIFIED) model.set_binarise(v1::BINARISE_NONE);
}

void FillTraining(const DatasetInfo& data, const v1::ModelSpec& model,
                  const PlanEnvironment& environment, v1::TrainingSpec& training) {
  v1::Solver& solver = *training.mutable_solver();
  if (solver.has_ease()) {
    LATENT_DEFAULT(*solver.mutable_ease(), ridge, 200);
  } else if (!solver.has_pca()) {
    FillGradient(data, model, *solver.mutable_gradient());
  }
  LATENT_DEFAULT(training, seed, 0);
  LATENT_DEFAULT(training, threads, environment.default_threads);
  LATENT_DEFAULT(training, max_duration_seconds, 86400);
  LATENT_DEFAULT(training, checkpoint_interval_seconds, 30);
  LATENT_DEFAULT(training, anomaly_quantile, 0.99);
  FillSampler(model.latent(), *training.mutable_sampler());
  v1::EvaluationSpec& evaluation = *training.mutable_evaluation();
  LATENT_DEFAULT(evaluation, importance_draws, 50);
  LATENT_DEFAULT(evaluation, importance_rows, 2000);
}

void FillPublish(const PlanEnvironment& environment, v1::PublishSpec& publish) {
  // An unspecified policy is a choice that only the registry can make: first version or not.
  LATENT_DEFAULT(publish, policy, v1::PUBLISH_POLICY_UNSPECIFIED);
  LATENT_DEFAULT(publish, metric, "validation_objective");
  if (publish.aliases_size() == 0) publish.add_aliases("production");
  LATENT_DEFAULT(publish, allow_schema_change, false);
  LATENT_DEFAULT(publish, keep_optimizer_state, false);
  const auto direction = environment.metric_direction
                             ? environment.metric_direction(publish.metric())
                             : MetricDirection::kLower;
  // Of others the request must say it.
  if (direction && *direction != MetricDirection::kNone) {
    LATENT_DEFAULT(publish, metric_higher_is_better, *direction == MetricDirection::kHigher);
  }
}

#undef LATENT_DEFAULT

}  // namespace latent::internal

#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/context.h"
#include "client/cli/parse.h"
#include "client/cli/train_flags.h"
#include "core/base/status.h"

namespace latent::cli {
namespace {

absl::Status ReadConfig(const std::string& path, v1::TrainJobSpec* spec) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("--config: cannot read ", path));
  const std::string json{std::istreambuf_iterator<char>(file), {}};
  return FromJson(json, path, spec);
}

absl::StatusOr<v1::Activation> ParseActivation(const std::string& flag, const std::string& name) {
  v1::Activation activation;
  const std::string constant =
      absl::StrCat("ACTIVATION_", absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{"-", "_"}})));
  if (!v1::Activation_Parse(constant, &activation) || activation == v1::ACTIVATION_UNSPECIFIED) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, ": expected relu, leaky-relu, elu, silu, softplus, tanh, sigmoid or identity, got \"",
        name, "\""));
  }
  return activation;
}

absl::Status SetLayers(const TrainFlags& flags, v1::ModelSpec* model) {
  if (flags.activation && !flags.hidden) {
    return absl::InvalidArgumentError("--activation: needs --hidden, whose layers it is for");
  }
  if (flags.hidden) {
    const std::string widths = *flags.hidden == "none" ? "" : *flags.hidden;
    LATENT_ASSIGN_OR_RETURN(const auto units, ParseCounts("--hidden", widths));
    v1::Network* encoder = model->mutable_encoder();
    encoder->clear_layers();
    // A decoder of the configuration would no longer mirror it.
    model->clear_decoder();
    for (const std::uint32_t width : units) {
      v1::DenseLayer* dense = encoder->add_layers()->mutable_dense();
      dense->set_units(width);
      if (!flags.activation) continue;
      LATENT_ASSIGN_OR_RETURN(const auto f, ParseActivation("--activation", *flags.activation));
      dense->set_activation(f);
    }
  }
  if (flags.code_activation) {
    LATENT_ASSIGN_OR_RETURN(const auto f,
                            ParseActivation("--code-activation", *flags.code_activation));
    model->mutable_latent()->mutable_deterministic()->set_activation(f);
  }
  if (flags.k) model->mutable_latent()->mutable_top_k()->set_k(*flags.k);
  const auto quantised = [model] { return model->mutable_latent()->mutable_vector_quantised(); };
  if (flags.groups) quantised()->set_groups(*flags.groups);
  if (flags.codebook_size) quantised()->set_codebook_size(*flags.codebook_size);
  if (flags.latent_dim) model->mutable_latent()->set_dim(*flags.latent_dim);
  if (flags.tied) model->set_tied_weights(*flags.tied);
  return absl::OkStatus();
}

absl::Status SetScaling(const std::string& text, v1::Scaling* scaling) {
  LATENT_ASSIGN_OR_RETURN(
      const auto parsed,
      ParseKind("--scaling", text, {"none", "min-max", "standardise", "l2-row"}));
  if (parsed.Is("none")) scaling->mutable_none();
  if (parsed.Is("min-max")) scaling->mutable_min_max();
  if (parsed.Is("standardise")) scaling->mutable_standardise();
  if (parsed.Is("l2-row")) scaling->mutable_l2_row();
  return absl::OkStatus();
}

absl::Status SetCorruption(const std::string& text, v1::Corruption* corruption) {
  LATENT_ASSIGN_OR_RETURN(const auto parsed,
                          ParseKind("--corruption", text,
                                    {"none", "gaussian", "masking", "salt-and-pepper", "dropout"}));
  if (parsed.Is("none")) {
    corruption->mutable_none();
  } else if (parsed.Is("gaussian")) {
    v1::GaussianCorruption* gaussian = corruption->mutable_gaussian();
    if (parsed.has_level) gaussian->set_sigma(parsed.level);
  } else if (parsed.Is("masking")) {
    v1::MaskingCorruption* masking = corruption->mutable_masking();
    if (parsed.has_level) masking->set_fraction(parsed.level);
  } else if (parsed.Is("dropout")) {
    v1::DropoutCorruption* dropout = corruption->mutable_dropout();
    if (parsed.has_level) dropout->set_fraction(parsed.level);
  } else {
    v1::SaltAndPepperCorruption* salt = corruption->mutable_salt_and_pepper();
    if (parsed.has_level) salt->set_fraction(parsed.level);
  }
  return absl::OkStatus();
}

absl::Status SetLikelihood(const std::string& text, v1::Likelihood* likelihood) {
  LATENT_ASSIGN_OR_RETURN(const auto parsed,
                          ParseKind("--likelihood", text,
                                    {"auto", "bernoulli", "multinomial", "gaussian",
                                     "gaussian-learned", "mixed", "mixed-learned"}));
  if (parsed.Is("auto")) {
    likelihood->mutable_auto_();
  } else if (parsed.Is("bernoulli")) {
    likelihood->mutable_bernoulli();
  } else if (parsed.Is("multinomial")) {
    v1::MultinomialLikelihood* multinomial = likelihood->mutable_multinomial();
    if (parsed.has_level) {
      if (!(parsed.level >= 0 && parsed.level <= 65536)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "--likelihood multinomial:COLUMNS: expected 0 to 65536, got ", parsed.level));
      }
      multinomial->set_sampled_columns(static_cast<std::uint32_t>(parsed.level));
    }
  } else if (parsed.Is("mixed") || parsed.Is("mixed-learned")) {
    v1::MixedLikelihood* mixed = likelihood->mutable_mixed();
    mixed->set_learned_variance(parsed.Is("mixed-learned"));
    if (parsed.has_level) mixed->set_variance(parsed.level);
  } else {
    v1::GaussianLikelihood* gaussian = likelihood->mutable_gaussian();
    gaussian->set_learned_variance(parsed.Is("gaussian-learned"));
    if (parsed.has_level) gaussian->set_variance(parsed.level);
  }
  return absl::OkStatus();
}

absl::Status SetPenalty(const std::string& flag, const std::optional<double>& weight,
                        const std::string& per_layer, v1::ActivityPenalty* penalty) {
  if (weight && !per_layer.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": give either one weight or ", flag, "-per-layer"));
  }
  penalty->Clear();
  if (weight) penalty->set_weight(*weight);
  LATENT_ASSIGN_OR_RETURN(const auto weights, ParseNumbers(flag + "-per-layer", per_layer));
  penalty->mutable_per_layer()->Assign(weights.begin(), weights.end());
  return absl::OkStatus();
}

absl::Status SetModel(const TrainFlags& flags, v1::ModelSpec* model) {
  LATENT_RETURN_IF_ERROR(SetLayers(flags, model));
  if (!flags.scaling.empty()) {
    LATENT_RETURN_IF_ERROR(SetScaling(flags.scaling, model->mutable_scaling()));
  }
  if (!flags.condition.empty()) {
    LATENT_ASSIGN_OR_RETURN(const auto parsed,
                            ParseKind("--condition", flags.condition, {"none", "label"}));
    if (parsed.Is("none")) model->mutable_condition()->mutable_none();
    if (parsed.Is("label")) model->mutable_condition()->mutable_label();
  }
  if (!flags.corruption.empty()) {
    LATENT_RETURN_IF_ERROR(SetCorruption(flags.corruption, model->mutable_corruption()));
  }
  if (!flags.likelihood.empty()) {
    LATENT_RETURN_IF_ERROR(SetLikelihood(flags.likelihood, model->mutable_likelihood()));
  }
  const auto elbo = [model] { return model->mutable_objective()->mutable_elbo(); };
  if (flags.beta) elbo()->set_beta(*flags.beta);
  if (flags.kl_warm_up) elbo()->set_warm_up_fraction(*flags.kl_warm_up);
  if (flags.free_bits) elbo()->set_free_bits(*flags.free_bits);
  if (flags.capacity) elbo()->set_capacity(*flags.capacity);
  if (flags.mmd_weight) model->mutable_objective()->mutable_mmd()->set_weight(*flags.mmd_weight);
  if (!flags.binarise.empty()) {
    model->set_binarise(flags.binarise == "dynamic" ? v1::BINARISE_DYNAMIC : v1::BINARISE_NONE);
  }
  if (flags.draws && (flags.preset == "iwae" || model->objective().has_iwae())) {
    model->mutable_objective()->mutable_iwae()->set_draws(*flags.draws);
  } else if (flags.draws) {
    elbo()->set_draws(*flags.draws);
  }
  if (flags.l1 || !flags.l1_per_layer.empty()) {
    LATENT_RETURN_IF_ERROR(
        SetPenalty("--l1", flags.l1, flags.l1_per_layer, model->mutable_penalties()->mutable_l1()));
  }
  if ((flags.l1_code || flags.l1_decoder) && !flags.l1_per_layer.empty()) {
    return absl::InvalidArgumentError(
        "--l1-per-layer: give either it or --l1-code and --l1-decoder");
  }
  const auto l1 = [model] { return model->mutable_penalties()->mutable_l1(); };
  if (flags.l1_code) l1()->set_code_weight(*flags.l1_code);
  if (flags.l1_decoder) l1()->set_decoder_weight(*flags.l1_decoder);
  if (flags.l2 || !flags.l2_per_layer.empty()) {
    LATENT_RETURN_IF_ERROR(
        SetPenalty("--l2", flags.l2, flags.l2_per_layer, model->mutable_penalties()->mutable_l2()));
  }
  const auto penalties = [model] { return model->mutable_penalties(); };
  if (flags.kl_sparsity) penalties()->mutable_kl_sparsity()->set_weight(*flags.kl_sparsity);
  if (flags.rho) penalties()->mutable_kl_sparsity()->set_target(*flags.rho);
  if (flags.contractive) penalties()->mutable_contractive()->set_weight(*flags.contractive);
  if (flags.unit_norm_decoder) {
    model->mutable_penalties()->set_unit_norm_decoder(*flags.unit_norm_decoder);
  }
  return absl::OkStatus();
}

absl::Status SetOptimizer(const TrainFlags& flags, v1::GradientSolver* gradient) {
  if (!flags.optimizer.empty()) {
    LATENT_ASSIGN_OR_RETURN(
        const auto parsed,
        ParseKind("--optimizer", flags.optimizer, {"adam", "adam-lazy", "sgd", "sgd-nesterov"}));
    if (parsed.Is("adam") || parsed.Is("adam-lazy")) {
      v1::AdamOptimizer* adam = gradient->mutable_optimizer()->mutable_adam();
      if (parsed.Is("adam-lazy")) adam->set_lazy(true);
    } else {
      v1::SgdOptimizer* sgd = gradient->mutable_optimizer()->mutable_sgd();
      sgd->set_nesterov(parsed.Is("sgd-nesterov"));
      if (parsed.has_level) sgd->set_momentum(parsed.level);
    }
  }
  if (!flags.weight_decay) return absl::OkStatus();
  v1::Optimizer* optimizer = gradient->mutable_optimizer();
  if (optimizer->has_sgd()) {
    optimizer->mutable_sgd()->set_weight_decay(*flags.weight_decay);
  } else {
    optimizer->mutable_adam()->set_weight_decay(*flags.weight_decay);
  }
  return absl::OkStatus();
}

absl::Status SetSolver(const TrainFlags& flags, v1::TrainingSpec* training) {
  const auto gradient = [training] { return training->mutable_solver()->mutable_gradient(); };
  const auto schedule = [gradient] { return gradient()->mutable_schedule(); };
  if (flags.epochs) gradient()->set_epochs(*flags.epochs);
  if (flags.batch_size) gradient()->set_batch_size(*flags.batch_size);
  if (flags.learning_rate) schedule()->set_learning_rate(*flags.learning_rate);
  if (flags.warm_up) schedule()->set_warm_up_fraction(*flags.warm_up);
  if (!flags.schedule.empty()) {
    LATENT_ASSIGN_OR_RETURN(const auto parsed, ParseKind("--schedule", flags.schedule,
                                                         {"cosine", "constant", "plateau"}));
    if (parsed.Is("constant")) schedule()->mutable_constant();
    if (parsed.Is("cosine")) schedule()->mutable_cosine();
    if (parsed.Is("plateau")) {
      v1::PlateauSchedule* plateau = schedule()->mutable_plateau();
      if (parsed.has_level) plateau->set_factor(parsed.level);
    }
  }
  if (!flags.optimizer.empty() || flags.weight_decay) {
    LATENT_RETURN_IF_ERROR(SetOptimizer(flags, gradient()));
  }
  if (flags.clip_norm) gradient()->set_clip_norm(*flags.clip_norm);
  if (flags.patience) gradient()->mutable_early_stopping()->set_patience(*flags.patience);
  if (flags.early_stopping) {
    gradient()->mutable_early_stopping()->set_enabled(*flags.early_stopping);
  }
  if (flags.shuffle) gradient()->set_shuffle(*flags.shuffle);
  return absl::OkStatus();
}

absl::Status SetOptimizerState(const TrainFlags& flags, v1::TrainingSpec* training) {
  if (!flags.optimizer_state) return absl::OkStatus();
  if (!training->has_warm_start()) {
    return absl::InvalidArgumentError(
        "--optimizer-state: needs --warm-start, whose version keeps it");
  }
  training->mutable_warm_start()->set_optimizer_state(*flags.optimizer_state);
  return absl::OkStatus();
}

absl::Status SetWarmStart(const TrainFlags& flags, v1::TrainingSpec* training) {
  if (!flags.warm_start.empty()) {
    v1::WarmStart* start = training->mutable_warm_start();
    const std::size_t at = flags.warm_start.find('@');
    start->set_model(flags.warm_start.substr(0, at));
    start->clear_choice();
    if (at != std::string::npos) {
      const std::string choice = flags.warm_start.substr(at + 1);
      std::uint64_t version = 0;
      if (absl::SimpleAtoi(choice, &version)) {
        start->set_version(version);
      } else {
        start->set_alias(choice);
      }
    }
  }
  if (!flags.keep_latent_space) return absl::OkStatus();
  if (!training->has_warm_start()) {
    return absl::InvalidArgumentError(
        "--keep-latent-space: needs --warm-start, whose latent space it keeps");
  }
  training->mutable_warm_start()->set_keep_latent_space(*flags.keep_latent_space);
  return absl::OkStatus();
}

absl::Status SetSampler(const std::string& text, v1::SamplerSpec* sampler) {
  LATENT_ASSIGN_OR_RETURN(const auto parsed,
                          ParseKind("--sampler", text, {"automatic", "gaussian", "mixture"}));
  if (parsed.Is("automatic")) sampler->mutable_automatic();
  if (parsed.Is("gaussian")) sampler->mutable_gaussian();
  if (!parsed.Is("mixture")) return absl::OkStatus();
  v1::MixtureSampler* mixture = sampler->mutable_mixture();
  if (!parsed.has_level) return absl::OkStatus();
  if (!(parsed.level >= 1 && parsed.level <= 64) ||
      parsed.level != static_cast<std::uint32_t>(parsed.level)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--sampler: expected mixture:1 to mixture:64, got ", text));
  }
  mixture->set_max_components(static_cast<std::uint32_t>(parsed.level));
  return absl::OkStatus();
}

absl::Status SetTraining(const TrainFlags& flags, v1::TrainingSpec* training) {
  LATENT_RETURN_IF_ERROR(SetSolver(flags, training));
  LATENT_RETURN_IF_ERROR(SetWarmStart(flags, training));
  LATENT_RETURN_IF_ERROR(SetOptimizerState(flags, training));
  if (flags.ridge) training->mutable_solver()->mutable_ease()->set_ridge(*flags.ridge);
  v1::EvaluationSpec evaluation = training->evaluation();
  if (flags.importance_draws) evaluation.set_importance_draws(*flags.importance_draws);
  if (flags.importance_rows) evaluation.set_importance_rows(*flags.importance_rows);
  if (evaluation.ByteSizeLong() > 0) *training->mutable_evaluation() = evaluation;
  if (!flags.sampler.empty()) {
    LATENT_RETURN_IF_ERROR(SetSampler(flags.sampler, training->mutable_sampler()));
  }
  if (flags.seed) training->set_seed(*flags.seed);
  if (flags.threads) training->set_threads(*flags.threads);
  if (flags.max_duration) training->set_max_duration_seconds(*flags.max_duration);
  if (flags.checkpoint_interval) {
    training->set_checkpoint_interval_seconds(*flags.checkpoint_interval);
  }
  if (flags.anomaly_quantile) training->set_anomaly_quantile(*flags.anomaly_quantile);
  return absl::OkStatus();
}

void SetPublish(const TrainFlags& flags, v1::PublishSpec* publish) {
  if (flags.publish == "always") publish->set_policy(v1::PUBLISH_POLICY_ALWAYS);
  if (flags.publish == "never") publish->set_policy(v1::PUBLISH_POLICY_NEVER);
  if (flags.publish == "if-better") publish->set_policy(v1::PUBLISH_POLICY_IF_BETTER);
  if (!flags.publish_metric.empty()) publish->set_metric(flags.publish_metric);
  if (!flags.publish_direction.empty()) {
    publish->set_metric_higher_is_better(flags.publish_direction == "higher");
  }
  if (flags.publish_bound) publish->set_bound(*flags.publish_bound);
  if (!flags.aliases.empty()) {
    publish->mutable_aliases()->Assign(flags.aliases.begin(), flags.aliases.end());
  }
  if (flags.allow_schema_change) {
    publish->set_allow_schema_change(*flags.allow_schema_change);
  }
  if (flags.keep_optimizer_state) publish->set_keep_optimizer_state(*flags.keep_optimizer_state);
}

}  // namespace

absl::StatusOr<v1::TrainJobSpec> BuildTrainJobSpec(const TrainFlags& flags) {
  v1::TrainJobSpec spec;
  if (!flags.config.empty()) LATENT_RETURN_IF_ERROR(ReadConfig(flags.config, &spec));
  spec.set_model(flags.model);
  if (!flags.dataset.empty()) spec.set_dataset(flags.dataset);
  if (!flags.preset.empty()) spec.set_preset(flags.preset);
  if (!flags.description.empty()) spec.set_description(flags.description);
  if (spec.dataset().empty()) {
    return absl::InvalidArgumentError("--dataset: expected the name of a dataset, got none");
  }
  LATENT_ASSIGN_OR_RETURN(const auto labels, ParseLabels(flags.labels));
  for (const auto& [key, value] : labels) (*spec.mutable_labels())[key] = value;

  v1::ModelSpec architecture = spec.architecture();
  LATENT_RETURN_IF_ERROR(SetModel(flags, &architecture));
  if (architecture.ByteSizeLong() > 0) *spec.mutable_architecture() = architecture;
  v1::TrainingSpec training = spec.training();
  LATENT_RETURN_IF_ERROR(SetTraining(flags, &training));
  if (training.ByteSizeLong() > 0) *spec.mutable_training() = training;
  v1::PublishSpec publish = spec.publish();
  SetPublish(flags, &publish);
  if (publish.ByteSizeLong() > 0) *spec.mutable_publish() = publish;
  return spec;
}

}  // namespace latent::cli

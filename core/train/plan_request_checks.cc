#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/ids.h"
#include "core/train/plan_parts.h"
#include "core/train/plan_range.h"

namespace latent::internal {
namespace {

constexpr int kMaxLabels = 32;
constexpr std::size_t kMaxLabelBytes = 128;
constexpr std::size_t kMaxDescriptionBytes = 4096;
constexpr int kMaxAliases = 16;

void CheckBytes(std::string_view path, std::string_view what, std::size_t bytes, std::size_t limit,
                FieldErrors& errors) {
  if (bytes <= limit) return;
  errors.Add(path, absl::StrCat(absl::string_view(what.data(), what.size()), " of at most ", limit,
                                " bytes expected, got ", bytes));
}

void CheckOptimizer(const std::string& path, const v1::Optimizer& optimizer, FieldErrors& errors) {
  if (optimizer.has_sgd()) {
    CheckDecay(path + "sgd.momentum", optimizer.sgd().momentum(), errors);
    CheckNotNegative(path + "sgd.weight_decay", optimizer.sgd().weight_decay(), errors);
    if (optimizer.sgd().nesterov() && optimizer.sgd().momentum() == 0) {
      errors.Add(path + "sgd.nesterov", "needs momentum > 0, got 0; set one of the two otherwise");
    }
    return;
  }
  const v1::AdamOptimizer& adam = optimizer.adam();
  CheckDecay(path + "adam.beta1", adam.beta1(), errors);
  CheckDecay(path + "adam.beta2", adam.beta2(), errors);
  CheckPositive(path + "adam.epsilon", adam.epsilon(), errors);
  CheckNotNegative(path + "adam.weight_decay", adam.weight_decay(), errors);
}

void CheckSchedule(const std::string& path, const v1::Schedule& schedule, const DatasetInfo& data,
                   FieldErrors& errors) {
  CheckPositive(path + "learning_rate", schedule.learning_rate(), errors);
  CheckInterval(path + "warm_up_fraction", schedule.warm_up_fraction(), 0, 1, errors);
  if (schedule.has_cosine()) {
    CheckInterval(path + "cosine.final_fraction", schedule.cosine().final_fraction(), 0, 1, errors);
  }
  if (!schedule.has_plateau()) return;
  const double factor = schedule.plateau().factor();
  if (!(factor > 0 && factor < 1)) {
    errors.Add(path + "plateau.factor", absl::StrCat("expected 0 < value < 1, got ", factor));
  }
  CheckCount(path + "plateau.patience", schedule.plateau().patience(), 1, 10000, errors);
  if (data.rows(v1::PART_VALIDATION) == 0) {
    errors.Add(path + "plateau",
               "needs VALIDATION rows, the dataset has none; use cosine or another split");
  }
}

void CheckGradient(const v1::GradientSolver& solver, const DatasetInfo& data, FieldErrors& errors) {
  const std::string path = "spec.training.solver.gradient.";
  CheckCount(path + "epochs", solver.epochs(), 1, 10000, errors);
  CheckCount(path + "batch_size", solver.batch_size(), 1, 65536, errors);
  CheckNotNegative(path + "clip_norm", solver.clip_norm(), errors);
  CheckOptimizer(path + "optimizer.", solver.optimizer(), errors);
  CheckSchedule(path + "schedule.", solver.schedule(), data, errors);
  const v1::EarlyStopping& stopping = solver.early_stopping();
  CheckCount(path + "early_stopping.patience", stopping.patience(), 1, 10000, errors);
  if (stopping.enabled() && data.rows(v1::PART_VALIDATION) == 0) {
    errors.Add(path + "early_stopping.enabled",
               "needs VALIDATION rows, the dataset has none; use false or another split");
  }
}

}  // namespace

void CheckRequest(const v1::TrainJobSpec& request, FieldErrors& errors) {
  CheckId("spec.model", request.model(), errors);
  CheckId("spec.dataset", request.dataset(), errors);
  if (request.training().has_warm_start()) {
    CheckId("spec.training.warm_start.model", request.training().warm_start().model(), errors);
  }
  if (request.labels_size() > kMaxLabels) {
    errors.Add("spec.labels", absl::StrCat("expected at most ", kMaxLabels, " labels, got ",
                                           request.labels_size()));
  }
  for (const auto& [key, value] : request.labels()) {
    const std::string path = absl::StrCat("spec.labels[\"", key.substr(0, kMaxLabelBytes), "\"]");
    CheckBytes(path, "a key", key.size(), kMaxLabelBytes, errors);
    CheckBytes(path, "a value", value.size(), kMaxLabelBytes, errors);
  }
  CheckBytes("spec.description", "a text", request.description().size(), kMaxDescriptionBytes,
             errors);
  // Filled plans list the weights of every layer, so only the request shows both.
  for (const auto& [name, penalty] : {std::pair{"l1", &request.architecture().penalties().l1()},
                                      std::pair{"l2", &request.architecture().penalties().l2()}}) {
    const bool by_role =
        penalty->has_weight() || penalty->has_code_weight() || penalty->has_decoder_weight();
    if (by_role && penalty->per_layer_size() > 0) {
      errors.Add(absl::StrCat("spec.architecture.penalties.", name),
                 "expected either weight, code_weight and decoder_weight or per_layer, got both; "
                 "leave one "
                 "out");
    }
  }
}

void CheckTraining(const v1::TrainingSpec& training, const DatasetInfo& data, FieldErrors& errors) {
  if (data.rows(v1::PART_TRAIN) == 0) {
    errors.Add("spec.dataset", "expected a dataset with TRAIN rows, got none");
  }
  if (training.solver().has_gradient()) {
    CheckGradient(training.solver().gradient(), data, errors);
  }
  CheckCount("spec.training.threads", training.threads(), 1, 64, errors);
  CheckPositive("spec.training.max_duration_seconds", training.max_duration_seconds(), errors);
  CheckPositive("spec.training.checkpoint_interval_seconds", training.checkpoint_interval_seconds(),
                errors);
  const double quantile = training.anomaly_quantile();
  if (!(quantile > 0 && quantile < 1)) {
    errors.Add("spec.training.anomaly_quantile",
               absl::StrCat("expected 0 < value < 1, got ", quantile));
  }
  CheckCount("spec.training.evaluation.importance_draws", training.evaluation().importance_draws(),
             0, 100000, errors);
}

void CheckPublishMetric(const v1::PublishSpec& publish, const PlanEnvironment& environment,
                        FieldErrors& errors) {
  if (!environment.metric_direction) return;
  const auto direction = environment.metric_direction(publish.metric());
  if (!direction) {
    errors.Add("spec.publish.metric",
               absl::StrCat("expected a name of the metric table, got ", Quoted(publish.metric())));
    return;
  }
  const std::string field = "spec.publish.metric_higher_is_better";
  if (*direction == MetricDirection::kNone) {
    if (publish.has_metric_higher_is_better()) return;
    errors.Add(field, absl::StrCat("expected true or false, since ", Quoted(publish.metric()),
                                   " does not say which way is better"));
  } else if (publish.metric_higher_is_better() != (*direction == MetricDirection::kHigher)) {
    errors.Add(field, absl::StrCat("expected nothing, or what the metric table says of ",
                                   Quoted(publish.metric()), ", got the opposite"));
  }
}

void CheckPublish(const v1::PublishSpec& publish, const PlanEnvironment& environment,
                  FieldErrors& errors) {
  if (!v1::PublishPolicy_IsValid(publish.policy())) {
    errors.Add("spec.publish.policy", absl::StrCat("expected a known policy, got number ",
                                                   static_cast<int>(publish.policy())));
  }
  CheckPublishMetric(publish, environment, errors);
  if (publish.has_bound() && !std::isfinite(publish.bound())) {
    errors.Add("spec.publish.bound",
               absl::StrCat("expected a finite number, got ", publish.bound()));
  }
  if (publish.aliases_size() > kMaxAliases) {
    errors.Add("spec.publish.aliases", absl::StrCat("expected at most ", kMaxAliases,
                                                    " aliases, got ", publish.aliases_size()));
  }
  std::set<std::string> seen;
  for (int i = 0; i < publish.aliases_size(); ++i) {
    const std::string path = absl::StrCat("spec.publish.aliases[", i, "]");
    CheckId(path, publish.aliases(i), errors);
    if (!seen.insert(publish.aliases(i)).second) {
      errors.Add(path,
                 absl::StrCat("expected each alias once, got \"", publish.aliases(i), "\" again"));
    }
  }
}

}  // namespace latent::internal

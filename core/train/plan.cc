#include "core/train/plan.h"

#include <cassert>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/model/network.h"
#include "core/train/plan_json.h"
#include "core/train/plan_parts.h"
#include "core/train/spec_merge.h"

namespace latent {
namespace {

// A weight for all layers and weights for each exclude one another, so the request's choice must
// also remove the preset's; a weight alone means every layer, the code included.
void MergePenalty(const v1::ActivityPenalty& over, v1::ActivityPenalty& base) {
  if (over.has_weight() || over.has_code_weight() || over.has_decoder_weight()) {
    base.clear_per_layer();
  }
  if (over.has_weight() || over.per_layer_size() > 0) {
    base.clear_code_weight();
    base.clear_decoder_weight();
  }
  if (over.per_layer_size() > 0) base.clear_weight();
}

void MergeArchitecture(const v1::ModelSpec& over, v1::ModelSpec& base) {
  if (over.penalties().has_l1()) {
    MergePenalty(over.penalties().l1(), *base.mutable_penalties()->mutable_l1());
  }
  if (over.penalties().has_l2()) {
    MergePenalty(over.penalties().l2(), *base.mutable_penalties()->mutable_l2());
  }
  MergeSpec(over, base);
}

const Preset* ChoosePreset(const v1::TrainJobSpec& request, const WarmSource* source,
                           FieldErrors& errors) {
  const Preset* preset = FindPreset(request.preset());
  if (request.preset().empty() && source != nullptr) preset = FindPreset(source->plan.preset());
  if (request.preset().empty() && preset == nullptr) preset = FindPreset("plain");
  if (preset == nullptr) {
    const std::string names =
        absl::StrJoin(Presets(), ", ", [](std::string* out, const Preset& p) { *out += p.name; });
    errors.Add("spec.preset",
               absl::StrCat("expected one of ", names, ", got \"", request.preset(), "\""));
  }
  return preset;
}

std::uint64_t CountUpdates(const v1::TrainingPlan& plan) {
  if (!plan.training().solver().has_gradient()) return 0;
  const v1::GradientSolver& solver = plan.training().solver().gradient();
  const std::uint64_t batch = solver.batch_size();
  return solver.epochs() * ((plan.data().train_rows() + batch - 1) / batch);
}

absl::Status CheckMemory(const v1::TrainingPlan& plan, std::uint64_t limit) {
  if (plan.training_bytes() <= limit) return absl::OkStatus();
  if (plan.training().solver().has_ease()) {
    return InvalidField(
        "spec.training.solver.ease",
        absl::StrCat("the closed form for ", plan.data().columns(), " columns would need ",
                     plan.training_bytes(), " bytes, the limit is ", limit,
                     "; leave out rare columns, or use preset mult-dae"));
  }
  return InvalidField(
      "spec.architecture",
      absl::StrCat("training would hold about ", plan.training_bytes() >> 20, " MiB (",
                   plan.parameters(), " parameters), the limit is ", limit >> 20,
                   " MiB; use narrower layers, a smaller batch or a smaller dataset"));
}

}  // namespace

absl::Status CheckSpec(const v1::TrainJobSpec& request, const PlanEnvironment& environment) {
  FieldErrors errors;
  internal::CheckRequest(request, errors);
  ChoosePreset(request, nullptr, errors);
  v1::PublishSpec publish = request.publish();
  internal::FillPublish(environment, publish);
  internal::CheckPublish(publish, environment, errors);
  return errors.ToStatus();
}

absl::StatusOr<v1::TrainingPlan> Resolve(const v1::TrainJobSpec& request, const DatasetInfo& data,
                                         const PlanEnvironment& environment,
                                         const WarmSource* source) {
  FieldErrors errors;
  internal::CheckRequest(request, errors);
  const Preset* preset = ChoosePreset(request, source, errors);
  if (preset == nullptr) return errors.ToStatus();
  if (request.training().has_warm_start() && source == nullptr) {
    return InvalidField("spec.training.warm_start", "expected the version that it names");
  }

  v1::TrainingPlan plan;
  plan.set_format_version(kPlanFormatVersion);
  plan.set_model(request.model());
  plan.set_preset(preset->name);
  plan.set_description(request.description());
  *plan.mutable_labels() = request.labels();
  *plan.mutable_data() = SchemaOf(data);
  *plan.mutable_architecture() = preset->architecture;
  if (source != nullptr) {
    internal::BeginWithSource(*source, *preset, request.architecture(),
                              *plan.mutable_architecture());
  }
  MergeArchitecture(request.architecture(), *plan.mutable_architecture());
  *plan.mutable_training() = preset->training;
  MergeSpec(request.training(), *plan.mutable_training());
  *plan.mutable_publish() = request.publish();

  if (source != nullptr) {
    internal::FillWarmStart(*source, *plan.mutable_architecture(),
                            *plan.mutable_training()->mutable_warm_start());
  }
  internal::FillArchitecture(*preset, data, plan.training().solver(), *plan.mutable_architecture());
  internal::FillTraining(data, plan.architecture(), environment, *plan.mutable_training());
  internal::FillPublish(environment, *plan.mutable_publish());

  if (source != nullptr) internal::CheckWarmStart(plan, *source, data, errors);
  internal::CheckArchitecture(plan.architecture(), data, errors);
  internal::CheckTraining(plan.training(), data, errors);
  internal::CheckSolver(plan.training().solver(), plan.architecture(), data, errors);
  internal::CheckSampler(plan.training().sampler(), plan.architecture().latent(), errors);
  internal::CheckPublish(plan.publish(), environment, errors);
  if (plan.publish().keep_optimizer_state() && !plan.training().solver().has_gradient()) {
    errors.Add("spec.publish.keep_optimizer_state",
               "a closed form has no optimiser; use false, or choose training.solver.gradient");
  }
  LATENT_RETURN_IF_ERROR(errors.ToStatus());

  plan.set_parameters(CountParameters(plan.architecture(), data.columns));
  plan.set_total_updates(CountUpdates(plan));
  plan.set_training_bytes(internal::EstimateTrainingBytes(plan));
  LATENT_RETURN_IF_ERROR(CheckMemory(plan, environment.training_memory_bytes));
  return plan;
}

v1::TrainingPlan ResolveForDisplay(const Preset& preset, std::uint32_t default_threads) {
  DatasetInfo images;
  images.name = "images";
  images.columns = 784;
  images.row_shape = {28, 28, 1};
  images.part_rows = {0, 54000, 6000, 10000};
  images.max = images.train_max = 1;
  images.has_labels = true;
  images.part_labels.fill({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  v1::TrainJobSpec request;
  request.set_model("images");
  request.set_dataset("images");
  request.set_preset(preset.name);
  const auto plan = Resolve(request, images, {.default_threads = default_threads});
  assert(plan.ok());
  return *plan;
}

}  // namespace latent

// The steps of Resolve, apart so that each stays readable. Internal to core/train.
#ifndef LATENT_CORE_TRAIN_PLAN_PARTS_H_
#define LATENT_CORE_TRAIN_PLAN_PARTS_H_

#include <cstdint>
#include <string_view>

#include "core/base/status.h"
#include "core/data/dataset.h"
#include "core/model/presets.h"
#include "core/train/plan.h"
#include "latent/v1/spec.pb.h"

namespace latent::internal {

// The dataset's categorical columns, as a mixed likelihood lists them.
v1::MixedLikelihood CategoricalColumns(const DatasetInfo& data);

// Sets every field that is not set. Never fails; nonsense stays for the checks to find.
void FillArchitecture(const Preset& preset, const DatasetInfo& data, const v1::Solver& solver,
                      v1::ModelSpec& model);
// Of it: encoder and decoder.
void FillNetworks(const Preset& preset, const DatasetInfo& data, v1::ModelSpec& model);
void FillTraining(const DatasetInfo& data, const v1::ModelSpec& model,
                  const PlanEnvironment& environment, v1::TrainingSpec& training);
// Of the condition: the classes, from the dataset's labels.
void FillCondition(const DatasetInfo& data, v1::Condition& condition);
void FillSampler(const v1::Latent& latent, v1::SamplerSpec& sampler);
void FillPublish(const PlanEnvironment& environment, v1::PublishSpec& publish);

// Of a warm start: the preset's architecture with what it leaves open as the version has it; before
// the request is merged over it. Then, before the rest is filled, what follows from the start.
void BeginWithSource(const WarmSource& source, const Preset& preset, const v1::ModelSpec& request,
                     v1::ModelSpec& model);
void FillWarmStart(const WarmSource& source, v1::ModelSpec& model, v1::WarmStart& start);

// One error for each bad field of the filled plan.
void CheckRequest(const v1::TrainJobSpec& request, FieldErrors& errors);
void CheckArchitecture(const v1::ModelSpec& model, const DatasetInfo& data, FieldErrors& errors);
// Of it: encoder and decoder, and what asks for layers of some kind.
void CheckNetworks(const v1::ModelSpec& model, const DatasetInfo& data, FieldErrors& errors);
// Of it: whether the dataset has the labels that the condition is about.
void CheckCondition(const v1::Condition& condition, const DatasetInfo& data, FieldErrors& errors);
void CheckTraining(const v1::TrainingSpec& training, const DatasetInfo& data, FieldErrors& errors);
void CheckSampler(const v1::SamplerSpec& sampler, const v1::Latent& latent, FieldErrors& errors);
void CheckPublish(const v1::PublishSpec& publish, const PlanEnvironment& environment,
                  FieldErrors& errors);
// What the weights of a warm start ask of the plan.
void CheckWarmStart(const v1::TrainingPlan& plan, const WarmSource& source, const DatasetInfo& data,
                    FieldErrors& errors);
// One error for `path` unless training reads sparse rows as they are, see sparse_layer.h; `instead`
// is the field's value that needs no such thing.
void CheckStaysSparse(std::string_view path, std::string_view instead, const v1::ModelSpec& model,
                      const DatasetInfo& data, FieldErrors& errors);
// What the solver asks of the rest.
void CheckSolver(const v1::Solver& solver, const v1::ModelSpec& model, const DatasetInfo& data,
                 FieldErrors& errors);

// Bytes that a job holds at once: dataset, and what training (weights and their companions,
// activations, or the closed form's matrices) or else evaluation and sampler need beside it.
std::uint64_t EstimateTrainingBytes(const v1::TrainingPlan& plan);

}  // namespace latent::internal

#endif  // LATENT_CORE_TRAIN_PLAN_PARTS_H_

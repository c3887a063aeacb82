// From a plan (and fitted parts) to a model, and between a model and its tensors.
#ifndef LATENT_CORE_MODEL_MODEL_IO_H_
#define LATENT_CORE_MODEL_MODEL_IO_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/model/autoencoder.h"
#include "core/model/column_statistics.h"
#include "core/model/composed_autoencoder.h"
#include "core/model/model_file.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// A fresh model: the plan's parts fitted to the training rows that `statistics` describe, weights
// drawn by the plan's seed. INVALID_ARGUMENT if the plan's architecture is not resolved or does not
// fit together.
absl::StatusOr<std::unique_ptr<ComposedAutoencoder>> CreateModel(
    const v1::TrainingPlan& plan, const ColumnStatistics& statistics);

// Weights, scaling, column means and extremes, and whatever else the model needs to answer; not the
// sampler (core/model/sampler.h adds its own tensors under "sampler.").
TensorFile ToTensors(const Autoencoder& model);
// The same model for training to go on with; the plan's latent must have a code. As FromTensors.
absl::StatusOr<std::unique_ptr<ComposedAutoencoder>> ComposedFromTensors(
    const v1::TrainingPlan& plan, const TensorFile& tensors);
// The model to answer with: it holds its weights once, packed, and nothing of `tensors`.
// FAILED_PRECONDITION if tensors are missing, of another shape, or not finite.
absl::StatusOr<std::unique_ptr<Autoencoder>> FromTensors(const v1::TrainingPlan& plan,
                                                         const TensorViews& tensors);
absl::StatusOr<std::unique_ptr<Autoencoder>> FromTensors(const v1::TrainingPlan& plan,
                                                         const TensorFile& tensors);

}  // namespace latent

#endif  // LATENT_CORE_MODEL_MODEL_IO_H_

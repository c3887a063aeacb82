// What an optimiser remembers of a run, and its tensors: named and shaped as the weights that each
// belongs to, under "optimizer.first_moment." and "optimizer.second_moment.", so that they outlive
// a change of how weights lie in memory. Values and pure functions; any thread.
#ifndef LATENT_CORE_TRAIN_OPTIMIZER_STATE_H_
#define LATENT_CORE_TRAIN_OPTIMIZER_STATE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/autoencoder.h"
#include "core/model/model_file.h"
#include "latent/v1/spec.pb.h"

namespace latent {

struct OptimizerState {
  // As long as the model's parameters, padding included.
  std::vector<float> first_moment;   // or velocity
  std::vector<float> second_moment;  // empty without Adam
  std::uint64_t updates = 0;         // behind the moments, those of earlier runs included
};

// `model` is the one that `state` belongs to, as `plan` made it.
absl::StatusOr<TensorFile> OptimizerToTensors(const v1::TrainingPlan& plan,
                                              const Autoencoder& model,
                                              const OptimizerState& state);
// `tensors` hold the state beside the weights that a warm start begins with. FAILED_PRECONDITION if
// any are missing, of another shape, or not finite.
absl::StatusOr<OptimizerState> OptimizerFromTensors(const v1::TrainingPlan& plan,
                                                    const TensorFile& tensors);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_OPTIMIZER_STATE_H_

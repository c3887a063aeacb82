// The one place that validates and completes a request for training. Pure functions; any thread.
// Not its job: training (trainer), where plans are stored (core/store).
#ifndef LATENT_CORE_TRAIN_PLAN_H_
#define LATENT_CORE_TRAIN_PLAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/presets.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// Which way a metric is better.
enum class MetricDirection { kHigher, kLower, kNone };

// What the server brings to a plan.
struct PlanEnvironment {
  std::uint32_t default_threads = 1;
  std::uint64_t training_memory_bytes = 8ull << 30;  // a plan that needs more is refused
  // Of a metric by its name; nullopt if there is none. Null accepts every name as of kLower.
  std::function<std::optional<MetricDirection>(std::string_view)> metric_direction = {};
};

// The version that a warm start names.
struct WarmSource {
  std::string model;
  std::uint64_t version = 0;
  v1::TrainingPlan plan;
};

// What can be said against a request before its dataset is known: names, texts, preset, publishing.
// INVALID_ARGUMENT as Resolve, which checks all this too.
absl::Status CheckSpec(const v1::TrainJobSpec& request, const PlanEnvironment& environment);

// Expands the preset, merges the request over it (a set scalar replaces, a set message merges, a
// repeated field replaces whole), fills every default and checks everything that can be known
// before training. INVALID_ARGUMENT with one field violation per bad field, paths as in
// CreateTrainJobRequest ("spec.architecture.latent.dim").
//
// A request with training.warm_start needs `source`, the version that it names: preset and
// architecture are that version's as far as the request leaves them open, and what its weights
// depend on must be.
absl::StatusOr<v1::TrainingPlan> Resolve(const v1::TrainJobSpec& request, const DatasetInfo& data,
                                         const PlanEnvironment& environment,
                                         const WarmSource* source = nullptr);

// What a preset comes to for images of 28 x 28 cells in [0, 1] with labels 0 to 9: what
// GetServerInfo shows.
v1::TrainingPlan ResolveForDisplay(const Preset& preset, std::uint32_t default_threads);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_PLAN_H_

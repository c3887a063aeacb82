// One run of mini-batch gradient descent: model, moments, order and all the counters, and the step
// that threads share. Everything between two steps can become a checkpoint. Used by one thread at a
// time; owned by Train. Not its job: scheduling classes (training_thread), what steps compute
// (core/model/training_pass).
#ifndef LATENT_CORE_TRAIN_GRADIENT_RUN_H_
#define LATENT_CORE_TRAIN_GRADIENT_RUN_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/thread_pool.h"
#include "core/data/dataset.h"
#include "core/model/composed_autoencoder.h"
#include "core/model/training_pass.h"
#include "core/train/checkpoint.h"
#include "core/train/optimizer_state.h"
#include "core/train/progress_meter.h"
#include "core/train/trainer.h"
#include "core/train/validation.h"

namespace latent {

class GradientRun {
 public:
  // Starts at the first update, with what `optimizer` remembers if it is given, or where
  // `checkpoint` was taken. `plan`, `data` and `callbacks` must outlive this.
  static absl::StatusOr<std::unique_ptr<GradientRun>> Start(
      const v1::TrainingPlan& plan, const Dataset& data, const std::string& checkpoint,
      const TrainCallbacks& callbacks, std::unique_ptr<ComposedAutoencoder> model,
      std::optional<OptimizerState> optimizer);

  // Trains until the end, or until `pause` is true, between two updates. Errors as those of Train.
  absl::Status Continue(const std::atomic<bool>& pause, std::stop_token stop);
  bool done() const { return state_.end != RunEnd::kNot; }
  // Once done: the model with its best weights, the last report and the reason, and the optimiser's
  // state if the plan keeps it.
  absl::StatusOr<TrainResult> Finish();

 private:
  using Clock = std::chrono::steady_clock;

  GradientRun(const v1::TrainingPlan& plan, const Dataset& data, const TrainCallbacks& callbacks,
              std::unique_ptr<ComposedAutoencoder> model);

  absl::Status Step(ThreadPool& pool);
  void StepOnThread(std::size_t thread, ThreadPool& pool);
  void UpdateAndPack(std::span<const ParameterRange> ranges, double gradient_scale);
  void UpdateSgd(std::span<const ParameterRange> ranges, double gradient_scale);
  void UpdateAdam(std::span<const ParameterRange> ranges, double gradient_scale);
  void AddLoss(const BatchLoss& loss, std::size_t rows);
  absl::Status EndEpoch(ThreadPool& pool);
  absl::Status ObserveStart(ThreadPool& pool);
  absl::Status ObserveValidation(ThreadPool& pool);
  absl::Status NotFinite(std::uint64_t update, const std::string& where) const;
  absl::Status HandOutCheckpoint();
  void DrawOrder();
  void Report(bool epoch_end);
  v1::TrainProgress Progress() const;
  bool OutOfTime() const;
  double ElapsedSeconds() const;
  std::span<Real> weights() { return model_->parameters().values(); }

  const v1::TrainingPlan& plan_;
  const v1::GradientSolver& solver_;
  const TrainCallbacks& callbacks_;
  const RowsView rows_;
  std::unique_ptr<ComposedAutoencoder> model_;
  TrainingPass pass_;
  ValidationPass validation_;
  const bool has_validation_;
  std::uint64_t earlier_updates_ = 0;  // behind the moments that a warm start began with
  bool observes_start_ = false;        // a warm start's first weights may be its best

  // `weights` stays empty here but for the moment of a checkpoint: the model holds them.
  Checkpoint state_;
  std::vector<std::uint64_t> order_;  // of the running epoch
  std::vector<std::uint32_t> drawn_;  // where it is drawn
  std::vector<double> norm_blocks_;
  double gradient_norm_ = 0;
  double learning_rate_ = 0;
  ProgressMeter meter_;
  Clock::time_point resumed_at_;
  Clock::time_point checkpoint_at_;
};

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_GRADIENT_RUN_H_

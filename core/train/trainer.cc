#include "core/train/trainer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/base/thread_pool.h"
#include "core/model/column_statistics.h"
#include "core/model/model_io.h"
#include "core/train/closed_form.h"
#include "core/train/ease.h"
#include "core/train/fits.h"
#include "core/train/gradient_run.h"
#include "core/train/optimizer_state.h"
#include "core/train/training_thread.h"
#include "core/train/validation.h"

namespace latent {
namespace {

absl::Status CheckDataset(const v1::TrainingPlan& plan, const Dataset& data) {
  const DatasetInfo& info = data.info();
  if (info.content_hash == plan.data().content_hash() && info.columns == plan.data().columns() &&
      info.rows(v1::PART_TRAIN) == plan.data().train_rows() && plan.data().train_rows() > 0) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "DATASET_CHANGED",
                   absl::StrCat("the plan is for dataset ", plan.data().dataset(), " with hash ",
                                plan.data().content_hash(), ", got ", info.name, " with hash ",
                                info.content_hash));
}

// The objective of a model without draws, in pieces between which it can be stopped.
absl::StatusOr<double> MeanLoss(const RowsView& rows, const Autoencoder& model, ThreadPool& pool,
                                CheckGoesOn check) {
  constexpr std::size_t kPieceRows = 4096;
  double sum = 0;
  for (std::size_t first = 0; first < rows.rows; first += kPieceRows) {
    LATENT_RETURN_IF_ERROR(check());
    const std::size_t count = std::min(kPieceRows, rows.rows - first);
    sum += ValidationPass(rows.slice_rows(first, count)).Objective(model, 0, pool) *
           static_cast<double>(count);
  }
  return sum / static_cast<double>(rows.rows);
}

bool InClosedForm(const v1::Solver& solver) { return solver.has_pca() || solver.has_ease(); }

absl::StatusOr<std::unique_ptr<Autoencoder>> Solve(const v1::TrainingPlan& plan,
                                                   const RowsView& rows, ThreadPool& pool,
                                                   CheckGoesOn check) {
  LATENT_RETURN_IF_ERROR(check());
  if (plan.training().solver().has_ease()) {
    return SolveEase(plan.architecture(), plan.training().solver().ease().ridge(), rows, pool,
                     check);
  }
  LATENT_ASSIGN_OR_RETURN(std::unique_ptr<ComposedAutoencoder> model,
                          CreateModel(plan, ComputeColumnStatistics(rows)));
  LATENT_RETURN_IF_ERROR(SolvePca(rows, pool, *model, check));
  return model;
}

absl::StatusOr<TrainResult> TrainClosedForm(const v1::TrainingPlan& plan, const Dataset& data,
                                            const TrainCallbacks& callbacks,
                                            const std::stop_token& stop) {
  ThreadPool pool(plan.training().threads());
  const auto start = std::chrono::steady_clock::now();
  const std::chrono::duration<double> most(plan.training().max_duration_seconds());
  const auto check = [&]() -> absl::Status {
    if (stop.stop_requested()) return absl::CancelledError("training was stopped");
    if (std::chrono::steady_clock::now() - start < most) return absl::OkStatus();
    return MakeError(absl::StatusCode::kDeadlineExceeded, "MAX_DURATION",
                     absl::StrCat("the closed form took longer than max_duration_seconds, ",
                                  most.count(), ", and has no result before its end; allow more"));
  };
  LATENT_ASSIGN_OR_RETURN(std::unique_ptr<Autoencoder> model,
                          Solve(plan, data.rows(v1::PART_TRAIN), pool, check));
  TrainResult result;
  result.ended_because = "closed form";
  v1::TrainProgress& progress = result.progress;
  progress.set_epoch(1);
  progress.set_epochs(1);
  LATENT_ASSIGN_OR_RETURN(const double loss,
                          MeanLoss(data.rows(v1::PART_TRAIN), *model, pool, check));
  if (!std::isfinite(loss)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_FINITE",
                     "the closed form gave a loss that is NaN or infinite; scale the data");
  }
  progress.set_train_loss(loss);
  v1::LossTerm* term = progress.add_terms();
  term->set_name("reconstruction");
  term->set_value(loss);
  if (data.rows(v1::PART_VALIDATION).rows > 0) {
    LATENT_ASSIGN_OR_RETURN(const double validation,
                            MeanLoss(data.rows(v1::PART_VALIDATION), *model, pool, check));
    progress.set_validation_loss(validation);
    progress.set_best_validation_loss(validation);
  }
  if (callbacks.on_progress) callbacks.on_progress(progress, true);
  result.model = std::move(model);
  return result;
}

// The model of a warm start: the version's weights, scaling and column statistics, in the new
// plan's architecture.
absl::StatusOr<std::unique_ptr<ComposedAutoencoder>> Continued(const v1::TrainingPlan& plan,
                                                               const TensorFile* start,
                                                               const Dataset& data,
                                                               CheckGoesOn check) {
  if (start == nullptr) {
    return absl::FailedPreconditionError(
        "the plan begins with a version's weights, but none were given");
  }
  LATENT_ASSIGN_OR_RETURN(std::unique_ptr<ComposedAutoencoder> model,
                          ComposedFromTensors(plan, *start));
  constexpr v1::Part kParts[] = {v1::PART_TRAIN, v1::PART_VALIDATION};
  LATENT_RETURN_IF_ERROR(CheckTargetsOf(*model, data, kParts, check));
  return model;
}

// Steps that must not disturb who answers calls; in order, each on a thread of its class.
class Training {
 public:
  Training(const v1::TrainingPlan& plan, const Dataset& data, const std::string& checkpoint,
           const TrainCallbacks& callbacks, std::stop_token stop, const TensorFile* start)
      : plan_(plan),
        data_(data),
        checkpoint_(checkpoint),
        callbacks_(callbacks),
        stop_(stop),
        start_(start) {}

  // Goes on until the result is there or `pause` is true.
  void Run(const std::atomic<bool>& pause) {
    absl::StatusOr<std::optional<TrainResult>> step = Advance(pause);
    if (!step.ok()) {
      result_ = step.status();
    } else if (step->has_value()) {
      result_ = *std::move(*step);
    }
  }
  bool done() const { return result_.has_value(); }
  absl::StatusOr<TrainResult> TakeResult() { return *std::move(result_); }

 private:
  absl::StatusOr<std::optional<TrainResult>> Advance(const std::atomic<bool>& pause) {
    if (run_ == nullptr) {
      if (InClosedForm(plan_.training().solver())) {
        LATENT_ASSIGN_OR_RETURN(TrainResult result,
                                TrainClosedForm(plan_, data_, callbacks_, stop_));
        return std::optional(std::move(result));
      }
      LATENT_ASSIGN_OR_RETURN(std::unique_ptr<ComposedAutoencoder> model, FirstModel());
      std::optional<OptimizerState> optimizer;
      if (plan_.training().warm_start().optimizer_state()) {
        LATENT_ASSIGN_OR_RETURN(optimizer, OptimizerFromTensors(plan_, *start_));
      }
      LATENT_ASSIGN_OR_RETURN(run_, GradientRun::Start(plan_, data_, checkpoint_, callbacks_,
                                                       std::move(model), std::move(optimizer)));
    }
    LATENT_RETURN_IF_ERROR(run_->Continue(pause, stop_));
    if (!run_->done()) return std::optional<TrainResult>();
    LATENT_ASSIGN_OR_RETURN(TrainResult result, run_->Finish());
    return std::optional(std::move(result));
  }

  absl::StatusOr<std::unique_ptr<ComposedAutoencoder>> FirstModel() const {
    if (plan_.training().has_warm_start()) {
      return Continued(plan_, start_, data_, [this] {
        return stop_.stop_requested() ? absl::CancelledError("training was stopped")
                                      : absl::OkStatus();
      });
    }
    return CreateModel(
        plan_, ComputeColumnStatistics(RowsFor(plan_.architecture(), data_, v1::PART_TRAIN)));
  }

  const v1::TrainingPlan& plan_;
  const Dataset& data_;
  const std::string& checkpoint_;
  const TrainCallbacks& callbacks_;
  const std::stop_token stop_;
  const TensorFile* const start_;
  std::unique_ptr<GradientRun> run_;
  std::optional<absl::StatusOr<TrainResult>> result_;
};

}  // namespace

absl::StatusOr<TrainResult> Train(const v1::TrainingPlan& plan, const Dataset& data,
                                  const std::string& checkpoint, TrainingPriority priority,
                                  const TrainCallbacks& callbacks, std::stop_token stop,
                                  const TensorFile* start) {
  LATENT_RETURN_IF_ERROR(CheckDataset(plan, data));
  Training training(plan, data, checkpoint, callbacks, stop, start);
  ThreadClass thread_class =
      priority == TrainingPriority::kBackground ? ThreadClass::kIdle : ThreadClass::kNormal;
  while (!training.done()) {
    // An idle-class thread that starves goes on as a nice one. It cannot be promoted without
    // privileges, hence a new thread.
    std::atomic<bool> starved = false;
    RunTrainingThread(
        thread_class, [&] { training.Run(starved); },
        [&] { starved = thread_class == ThreadClass::kIdle; });
    if (starved) thread_class = ThreadClass::kNice;
  }
  return training.TakeResult();
}

}  // namespace latent

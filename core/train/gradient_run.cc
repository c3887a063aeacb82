#include "core/train/gradient_run.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status.h"
#include "core/nn/optimizer.h"
#include "core/nn/sparse_batch.h"
#include "core/train/schedule.h"

namespace latent {
namespace {

// Keys of the random numbers that the trainer itself draws; part of every model's meaning.
constexpr std::uint64_t kOrderPurpose = 0x6f72646572;

std::size_t BatchRows(const v1::TrainingPlan& plan) {
  return static_cast<std::size_t>(std::min<std::uint64_t>(
      plan.training().solver().gradient().batch_size(), plan.data().train_rows()));
}

// The most cells that a batch may have; 0 of dense rows.
std::size_t SparseCells(const RowsView& rows, std::size_t batch) {
  return rows.sparse() ? std::max<std::size_t>(1, MostCells(rows, batch)) : 0;
}

bool AllFinite(std::span<const Real> numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](Real x) { return std::isfinite(x); });
}

}  // namespace

GradientRun::GradientRun(const v1::TrainingPlan& plan, const Dataset& data,
                         const TrainCallbacks& callbacks,
                         std::unique_ptr<ComposedAutoencoder> model)
    : plan_(plan),
      solver_(plan.training().solver().gradient()),
      callbacks_(callbacks),
      rows_(RowsFor(plan.architecture(), data, v1::PART_TRAIN)),
      model_(std::move(model)),
      pass_(model_.get(), BatchRows(plan), plan.training().threads(),
            plan.training().warm_start().keep_latent_space(), SparseCells(rows_, BatchRows(plan))),
      validation_(RowsFor(plan.architecture(), data, v1::PART_VALIDATION)),
      has_validation_(data.rows(v1::PART_VALIDATION).rows > 0),
      norm_blocks_(NormBlocks(weights().size())),
      meter_(Clock::now()),
      resumed_at_(Clock::now()),
      checkpoint_at_(Clock::now()) {
  state_.first_moment.resize(weights().size());
  if (!solver_.optimizer().has_sgd()) state_.second_moment.resize(weights().size());
}

absl::StatusOr<std::unique_ptr<GradientRun>> GradientRun::Start(
    const v1::TrainingPlan& plan, const Dataset& data, const std::string& checkpoint,
    const TrainCallbacks& callbacks, std::unique_ptr<ComposedAutoencoder> model,
    std::optional<OptimizerState> optimizer) {
  std::unique_ptr<GradientRun> run(new GradientRun(plan, data, callbacks, std::move(model)));
  if (optimizer) {
    run->earlier_updates_ = optimizer->updates;
    run->state_.first_moment = std::move(optimizer->first_moment);
    run->state_.second_moment = std::move(optimizer->second_moment);
  }
  if (!checkpoint.empty()) {
    LATENT_ASSIGN_OR_RETURN(run->state_, ParseCheckpoint(checkpoint, plan, run->weights().size()));
    std::copy(run->state_.weights.begin(), run->state_.weights.end(), run->weights().begin());
    run->state_.weights.clear();
    const std::span<std::uint64_t> counters = run->pass_.counters();
    if (run->state_.counters.size() != counters.size()) {
      return MakeError(absl::StatusCode::kDataLoss, "CHECKPOINT_CORRUPT",
                       absl::StrCat("expected a checkpoint of ", counters.size(), " counters, got ",
                                    run->state_.counters.size()));
    }
    std::copy(run->state_.counters.begin(), run->state_.counters.end(), counters.begin());
    run->model_->RefreshPacked();
  }
  run->observes_start_ =
      checkpoint.empty() && plan.training().has_warm_start() && run->has_validation_;
  run->DrawOrder();
  return run;
}

absl::Status GradientRun::Continue(const std::atomic<bool>& pause, std::stop_token stop) {
  ThreadPool pool(plan_.training().threads());
  pool.Run([&](std::size_t thread) { pass_.RefreshPacked(thread); });
  if (std::exchange(observes_start_, false)) LATENT_RETURN_IF_ERROR(ObserveStart(pool));
  while (!done()) {
    if (stop.stop_requested()) {
      LATENT_RETURN_IF_ERROR(HandOutCheckpoint());
      return absl::CancelledError("training was stopped after a checkpoint");
    }
    if (pause) return absl::OkStatus();
    LATENT_RETURN_IF_ERROR(Step(pool));
    const bool epoch_is_over = state_.cursor == rows_.rows;
    const bool out_of_time = OutOfTime();
    if (epoch_is_over || out_of_time) LATENT_RETURN_IF_ERROR(EndEpoch(pool));
    if (out_of_time && !done()) state_.end = RunEnd::kMaxDuration;
    const Clock::time_point now = Clock::now();
    const std::chrono::duration<double> since = now - checkpoint_at_;
    if (done() || since.count() >= plan_.training().checkpoint_interval_seconds()) {
      LATENT_RETURN_IF_ERROR(HandOutCheckpoint());
    }
    if (!epoch_is_over && meter_.Due(now)) Report(false);
  }
  return absl::OkStatus();
}

absl::Status GradientRun::Step(ThreadPool& pool) {
  const std::size_t count =
      std::min<std::size_t>(BatchRows(plan_), rows_.rows - static_cast<std::size_t>(state_.cursor));
  const std::uint64_t update = state_.step + 1;
  Batch batch;
  batch.rows = rows_;
  batch.indices = std::span(order_).subspan(static_cast<std::size_t>(state_.cursor), count);
  batch.seed = plan_.training().seed();
  batch.epoch = state_.epoch;
  batch.update = update;
  if (plan_.architecture().objective().has_elbo()) {
    const v1::ElboObjective& elbo = plan_.architecture().objective().elbo();
    batch.beta = KlWeight(elbo, update, plan_.total_updates());
    batch.capacity = Capacity(elbo, update, plan_.total_updates());
  }
  learning_rate_ =
      state_.plateau.share * LearningRate(solver_.schedule(), update, plan_.total_updates());
  pass_.Begin(batch);
  pool.Run([&](std::size_t thread) { StepOnThread(thread, pool); });

  const BatchLoss loss = pass_.Loss();
  if (!std::isfinite(loss.total) || !std::isfinite(gradient_norm_)) {
    return NotFinite(update, pass_.FindNotFinite());
  }
  AddLoss(loss, count);
  ++state_.step;
  state_.cursor += count;
  meter_.AddRows(count);
  return absl::OkStatus();
}

void GradientRun::StepOnThread(std::size_t thread, ThreadPool& pool) {
  const std::size_t count =
      std::min<std::size_t>(BatchRows(plan_), rows_.rows - static_cast<std::size_t>(state_.cursor));
  const auto [first, own] = Share(count, pool.threads(), thread);
  for (std::size_t phase = 0; phase < pass_.phases(); ++phase) {
    pass_.RunPhase(phase, thread, first, own);
    pool.Barrier();
  }
  // All threads see the same loss and norm, so all of them leave before the weights are spoilt,
  // which would hide where the trouble began.
  if (!std::isfinite(pass_.Loss().total)) return;
  const std::span<const ParameterRange> ranges = pass_.ranges(thread);
  if (solver_.clip_norm() == 0) {
    // Each gradient is used while it is still in the cache, and so are the weights.
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      pass_.Gradient(ranges[i]);
      UpdateAndPack(ranges.subspan(i, 1), 1);
    }
  } else {
    for (const ParameterRange& range : ranges) pass_.Gradient(range);
    pool.Barrier();
    const auto [block, blocks] = Share(norm_blocks_.size(), pool.threads(), thread);
    SumSquares(pass_.gradient(), block, std::span(norm_blocks_).subspan(block, blocks));
    pool.Barrier();
    const double norm = NormOf(norm_blocks_);
    if (thread == 0) gradient_norm_ = norm;
    if (!std::isfinite(norm)) return;
    const double scale = ClipScale(norm, solver_.clip_norm());
    for (std::size_t i = 0; i < ranges.size(); ++i) UpdateAndPack(ranges.subspan(i, 1), scale);
  }
  if (pass_.packs_ranges()) return;
  pool.Barrier();
  if (pass_.has_constraints()) {
    pass_.ApplyConstraints(thread);
    pool.Barrier();
  }
  pass_.RefreshPacked(thread);
}

void GradientRun::UpdateAndPack(std::span<const ParameterRange> ranges, double gradient_scale) {
  if (solver_.optimizer().has_sgd()) {
    UpdateSgd(ranges, gradient_scale);
  } else {
    UpdateAdam(ranges, gradient_scale);
  }
  if (!pass_.packs_ranges()) return;
  for (const ParameterRange& range : ranges) pass_.PackRange(range);
}

void GradientRun::UpdateSgd(std::span<const ParameterRange> ranges, double gradient_scale) {
  const v1::SgdOptimizer& sgd = solver_.optimizer().sgd();
  SgdUpdate update{.learning_rate = learning_rate_,
                   .momentum = sgd.momentum(),
                   .nesterov = sgd.nesterov(),
                   .gradient_scale = gradient_scale};
  for (const ParameterRange& range : ranges) {
    const bool decays = model_->parameters().segment(range.segment).matrix;
    update.weight_decay = decays ? sgd.weight_decay() : 0;
    ApplySgd(update,
             {.weights = weights().subspan(range.offset, range.size),
              .gradients = pass_.gradient().subspan(range.offset, range.size),
              .velocity = std::span(state_.first_moment).subspan(range.offset, range.size)});
  }
}

void GradientRun::UpdateAdam(std::span<const ParameterRange> ranges, double gradient_scale) {
  const v1::AdamOptimizer& adam = solver_.optimizer().adam();
  AdamUpdate update;
  update.learning_rate = learning_rate_;
  update.beta1 = adam.beta1();
  update.beta2 = adam.beta2();
  update.epsilon = adam.epsilon();
  update.step = earlier_updates_ + state_.step + 1;
  update.gradient_scale = gradient_scale;
  for (const ParameterRange& range : ranges) {
    const bool decays = model_->parameters().segment(range.segment).matrix;
    update.weight_decay = decays ? adam.weight_decay() : 0;
    const AdamState state = {
        .weights = weights().subspan(range.offset, range.size),
        .gradients = pass_.gradient().subspan(range.offset, range.size),
        .first_moment = std::span(state_.first_moment).subspan(range.offset, range.size),
        .second_moment = std::span(state_.second_moment).subspan(range.offset, range.size)};
    const std::span<const std::uint8_t> touched = pass_.touched(range);
    if (adam.lazy() && !touched.empty()) {
      ApplyAdamToRows(update, touched, state);
    } else {
      ApplyAdam(update, state);
    }
  }
}

void GradientRun::AddLoss(const BatchLoss& loss, std::size_t rows) {
  const double n = static_cast<double>(rows);
  EpochSums& sums = state_.sums;
  sums.rows += rows;
  sums.total += n * loss.total;
  sums.reconstruction += n * loss.reconstruction;
  sums.kl += n * loss.kl;
  sums.l1 += n * loss.l1;
  sums.l2 += n * loss.l2;
  sums.kl_sparsity += n * loss.kl_sparsity;
  sums.contractive += n * loss.contractive;
  sums.dead += n * loss.dead;
}

absl::Status GradientRun::EndEpoch(ThreadPool& pool) {
  if (!AllFinite(weights())) return NotFinite(state_.step, pass_.FindNotFinite());
  if (has_validation_) LATENT_RETURN_IF_ERROR(ObserveValidation(pool));
  if (state_.cursor == rows_.rows) {
    state_.last_sums = std::exchange(state_.sums, {});
    state_.cursor = 0;
    ++state_.epoch;
    if (state_.epoch == solver_.epochs()) {
      state_.end = RunEnd::kAllEpochs;
    } else {
      DrawOrder();
    }
  }
  if (!done() && state_.stopping.ShouldStop(solver_.early_stopping())) {
    state_.end = RunEnd::kEarlyStopping;
  }
  Report(true);
  return absl::OkStatus();
}

absl::Status GradientRun::ObserveStart(ThreadPool& pool) {
  const double objective = validation_.Objective(*model_, plan_.training().seed(), pool);
  if (!std::isfinite(objective)) return NotFinite(0, "term validation objective");
  state_.stopping.Observe(objective);
  state_.best_weights.assign(weights().begin(), weights().end());
  return absl::OkStatus();
}

absl::Status GradientRun::ObserveValidation(ThreadPool& pool) {
  pool.Run([&](std::size_t thread) { pass_.RefreshServing(thread); });
  const double objective = validation_.Objective(*model_, plan_.training().seed(), pool);
  if (!std::isfinite(objective)) return NotFinite(state_.step, "term validation objective");
  state_.validation = objective;
  // While the KL term is still growing, the least objective is not that of the model asked for.
  const v1::Objective& asked = plan_.architecture().objective();
  const bool warm =
      !asked.has_elbo() ||
      state_.step >= WarmUpUpdates(asked.elbo().warm_up_fraction(), plan_.total_updates());
  if (!warm) return absl::OkStatus();
  const bool best = state_.stopping.Observe(objective);
  if (best) state_.best_weights.assign(weights().begin(), weights().end());
  if (solver_.schedule().has_plateau()) {
    state_.plateau.Observe(solver_.schedule().plateau(), best);
  }
  return absl::OkStatus();
}

absl::Status GradientRun::NotFinite(std::uint64_t update, const std::string& where) const {
  ErrorDetails details;
  details.reason = "NOT_FINITE";
  details.metadata["step"] = absl::StrCat(update);
  details.metadata["epoch"] = absl::StrCat(state_.epoch + 1);
  details.metadata["where"] = where;
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("training met a number that is NaN or infinite at update ", update, " of epoch ",
                   state_.epoch + 1, ": ", where.empty() ? "the loss" : where,
                   "; lower training.solver.gradient.schedule.learning_rate, set clip_norm, or "
                   "scale the data"),
      std::move(details));
}

absl::Status GradientRun::HandOutCheckpoint() {
  checkpoint_at_ = Clock::now();
  // Weights that are beyond use must not replace the last good checkpoint.
  if (!AllFinite(weights())) return NotFinite(state_.step, pass_.FindNotFinite());
  if (!callbacks_.on_checkpoint) return absl::OkStatus();
  state_.weights.assign(weights().begin(), weights().end());
  state_.counters.assign(pass_.counters().begin(), pass_.counters().end());
  const double earlier = std::exchange(state_.elapsed_seconds, ElapsedSeconds());
  callbacks_.on_checkpoint(SerializeCheckpoint(state_, plan_));
  state_.elapsed_seconds = earlier;
  return absl::OkStatus();
}

void GradientRun::DrawOrder() {
  drawn_.resize(rows_.rows);
  for (std::uint32_t i = 0; i < drawn_.size(); ++i) drawn_[i] = i;
  if (solver_.shuffle()) {
    FillPermutation(DeriveSeed(plan_.training().seed(), kOrderPurpose),
                    static_cast<std::uint32_t>(state_.epoch), drawn_);
  }
  order_.assign(drawn_.begin(), drawn_.end());
}

bool GradientRun::OutOfTime() const {
  return ElapsedSeconds() >= plan_.training().max_duration_seconds();
}

double GradientRun::ElapsedSeconds() const {
  return state_.elapsed_seconds + std::chrono::duration<double>(Clock::now() - resumed_at_).count();
}

void GradientRun::Report(bool epoch_end) {
  meter_.Reported(Clock::now());
  if (callbacks_.on_progress) callbacks_.on_progress(Progress(), epoch_end);
}

v1::TrainProgress GradientRun::Progress() const {
  const EpochSums& sums = state_.sums.rows > 0 ? state_.sums : state_.last_sums;
  const double n = static_cast<double>(std::max<std::uint64_t>(1, sums.rows));
  BatchLoss mean;
  mean.total = sums.total / n;
  mean.reconstruction = sums.reconstruction / n;
  mean.kl = sums.kl / n;
  mean.l1 = sums.l1 / n;
  mean.l2 = sums.l2 / n;
  mean.kl_sparsity = sums.kl_sparsity / n;
  mean.contractive = sums.contractive / n;
  mean.dead = sums.dead / n;

  v1::TrainProgress progress;
  progress.set_epoch(static_cast<std::uint32_t>(state_.epoch));
  progress.set_epochs(solver_.epochs());
  progress.set_step(state_.step);
  progress.set_steps(plan_.total_updates());
  progress.set_train_loss(mean.total);
  for (const NamedTerm& term : pass_.Terms(mean)) {
    v1::LossTerm* out = progress.add_terms();
    out->set_name(std::string(term.name));
    out->set_value(term.value);
  }
  if (state_.validation) progress.set_validation_loss(*state_.validation);
  if (state_.stopping.best) progress.set_best_validation_loss(*state_.stopping.best);
  const double rate = meter_.RowsPerSecond(Clock::now());
  const double rows_left =
      static_cast<double>(rows_.rows) * static_cast<double>(solver_.epochs() - state_.epoch) -
      static_cast<double>(state_.cursor);
  progress.set_samples_per_second(rate);
  progress.set_eta_seconds(rate > 0 && !done() ? rows_left / rate : 0);
  progress.set_gradient_norm(gradient_norm_);
  progress.set_learning_rate(learning_rate_);
  if (const auto perplexity = pass_.CodebookPerplexity()) {
    progress.set_codebook_perplexity(*perplexity);
  }
  return progress;
}

absl::StatusOr<TrainResult> GradientRun::Finish() {
  if (!state_.best_weights.empty()) {
    std::copy(state_.best_weights.begin(), state_.best_weights.end(), weights().begin());
  }
  model_->RefreshPacked();
  TrainResult result;
  result.progress = Progress();
  switch (state_.end) {
    case RunEnd::kNot:
    case RunEnd::kAllEpochs:
      result.ended_because = "all epochs";
      break;
    case RunEnd::kEarlyStopping:
      result.ended_because =
          absl::StrCat("early stopping after ", state_.epoch, " epochs, ",
                       state_.stopping.epochs_since_best, " without improvement");
      break;
    case RunEnd::kMaxDuration:
      result.ended_because = "max_duration";
      break;
  }
  if (plan_.publish().keep_optimizer_state()) {
    LATENT_ASSIGN_OR_RETURN(result.optimizer, OptimizerToTensors(plan_, *model_,
                                                                 {std::move(state_.first_moment),
                                                                  std::move(state_.second_moment),
                                                                  earlier_updates_ + state_.step}));
  }
  result.model = std::move(model_);
  return result;
}

}  // namespace latent

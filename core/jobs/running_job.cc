#include "core/jobs/running_job.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/durable_file.h"
#include "core/base/status.h"
#include "core/jobs/catch_thrown.h"
#include "core/jobs/publisher.h"
#include "core/train/fit_sampler.h"
#include "core/train/fits.h"
#include "core/train/training_thread.h"

namespace latent {
RunningJob::RunningJob(const RunnerParts* parts, const RunnerOptions* options, JobStatsBox* stats,
                       JobRecord job)
    : parts_(*parts),
      options_(*options),
      stats_(*stats),
      job_(std::move(job)),
      run_{job_.id, job_.attempt} {}

void RunningJob::RequestStop(StopReason reason) {
  StopReason before = reason_.load();
  while (before != StopReason::kCancel && !reason_.compare_exchange_weak(before, reason)) {
  }
  stop_.request_stop();
}

absl::Status RunningJob::CheckStop() const {
  return stop_.stop_requested() ? absl::CancelledError("stopped") : absl::OkStatus();
}

absl::Status RunningJob::Execute() {
  stats_.Update([&](JobStats& stats) {
    stats.running = true;
    stats.model = job_.plan.model();
    stats.training_loss = job_.progress.train_loss();
    stats.samples_per_second = 0;
    stats.last_checkpoint_time_us = 0;
  });
  absl::Status ended = End(CatchThrown([&] { return RunPhases(); }));
  stats_.Update([](JobStats& stats) {
    stats.running = false;
    stats.model.clear();
    stats.samples_per_second = 0;
    stats.last_checkpoint_time_us = 0;
  });
  return ended;
}

absl::Status RunningJob::RunPhases() {
  LATENT_ASSIGN_OR_RETURN(const std::shared_ptr<const Dataset> data,
                          parts_.load_dataset(job_.plan.data()));
  LATENT_ASSIGN_OR_RETURN(const LoadedCheckpoint checkpoint,
                          LoadCheckpoint(*parts_.state, *parts_.jobs, job_.id));
  LATENT_RETURN_IF_ERROR(CheckStop());
  if (job_.evaluated_version != 0) return EvaluateVersion(*data);
  std::string from = checkpoint.bytes.empty()
                         ? "training from the start"
                         : absl::StrCat("training from step ", checkpoint.step);
  if (!checkpoint.note.empty()) absl::StrAppend(&from, "; ", checkpoint.note);
  LATENT_RETURN_IF_ERROR(parts_.jobs->SetPhase(run_, v1::JOB_PHASE_TRAINING, from));
  LATENT_ASSIGN_OR_RETURN(std::optional<TensorFile> start, ReadStart());
  LATENT_ASSIGN_OR_RETURN(TrainResult result,
                          TrainFrom(*data, checkpoint, start ? &*start : nullptr));
  start.reset();

  LATENT_RETURN_IF_ERROR(CheckStop());
  LATENT_RETURN_IF_ERROR(parts_.jobs->SetPhase(
      run_, v1::JOB_PHASE_EVALUATING, absl::StrCat("training ended: ", result.ended_because)));
  LATENT_ASSIGN_OR_RETURN(const VersionContent content, EvaluateResult(std::move(result), *data));

  LATENT_RETURN_IF_ERROR(CheckStop());
  LATENT_RETURN_IF_ERROR(parts_.jobs->SetPhase(run_, v1::JOB_PHASE_PUBLISHING, "evaluated"));
  return Publisher(parts_, options_, job_, content, *data, stop_.get_token()).Publish();
}

absl::Status RunningJob::EvaluateVersion(const Dataset& data) {
  const std::uint64_t number = job_.evaluated_version;
  LATENT_ASSIGN_OR_RETURN(
      const auto version,
      parts_.registry->Get()->Resolve(job_.plan.model(), {.version = number, .alias = ""}));
  LATENT_RETURN_IF_ERROR(parts_.registry->VerifyVersion(*version));
  LATENT_ASSIGN_OR_RETURN(const VersionContent content, ReadVersion(version->dir));
  LATENT_RETURN_IF_ERROR(CheckStop());
  LATENT_RETURN_IF_ERROR(parts_.jobs->SetPhase(
      run_, v1::JOB_PHASE_EVALUATING,
      absl::StrCat("evaluating version ", number, " on ", job_.plan.data().dataset())));
  constexpr v1::Part kParts[] = {v1::PART_TRAIN, v1::PART_VALIDATION, v1::PART_TEST};
  absl::StatusOr<std::vector<v1::Metric>> metrics;
  RunTrainingThread(
      EvaluationThreadClass(),
      [&] {
        const absl::Status known =
            CheckTargetsOf(*content.model, data, kParts, [this] { return CheckStop(); });
        if (!known.ok()) {
          metrics = known;
          return;
        }
        metrics = parts_.compute_metrics(*content.model, job_.plan, data,
                                         content.evaluation.code_scales, stop_.get_token());
      },
      [] {});
  LATENT_RETURN_IF_ERROR(metrics.status());
  LATENT_RETURN_IF_ERROR(CheckStop());
  return parts_.jobs->Succeed(
      run_, {0, absl::StrCat("evaluated version ", number, "; nothing is published"),
             *std::move(metrics)});
}

absl::StatusOr<std::optional<TensorFile>> RunningJob::ReadStart() const {
  if (!job_.plan.training().has_warm_start()) return std::optional<TensorFile>();
  const v1::WarmStart& named = job_.plan.training().warm_start();
  const auto read = [&]() -> absl::StatusOr<TensorFile> {
    LATENT_ASSIGN_OR_RETURN(
        const auto version,
        parts_.registry->Get()->Resolve(named.model(), {.version = named.version(), .alias = ""}));
    LATENT_ASSIGN_OR_RETURN(const std::string bytes,
                            parts_.registry->ReadArtifact(*version, kWeightsFile));
    LATENT_ASSIGN_OR_RETURN(TensorFile tensors, ParseTensors(bytes));
    if (!named.optimizer_state()) return tensors;
    LATENT_ASSIGN_OR_RETURN(const std::string state,
                            parts_.registry->ReadArtifact(*version, kOptimizerFile));
    LATENT_ASSIGN_OR_RETURN(TensorFile optimizer, ParseTensors(state));
    tensors.tensors.merge(optimizer.tensors);
    tensors.metadata.merge(optimizer.metadata);
    return tensors;
  };
  absl::StatusOr<TensorFile> tensors = read();
  if (!tensors.ok()) return Annotate(tensors.status(), "warm start");
  return std::optional(*std::move(tensors));
}

absl::StatusOr<TrainResult> RunningJob::TrainFrom(const Dataset& data,
                                                  const LoadedCheckpoint& checkpoint,
                                                  const TensorFile* start) {
  TrainMailbox mailbox(checkpoint.step);
  TrainCallbacks callbacks;
  callbacks.on_progress = [&](const v1::TrainProgress& progress, bool epoch_end) {
    mailbox.PutProgress(progress, epoch_end);
  };
  callbacks.on_checkpoint = [&](std::string bytes) { mailbox.PutCheckpoint(std::move(bytes)); };
  const std::jthread trainer([&] {
    mailbox.PutResult(CatchThrown([&] {
      return parts_.train(job_.plan, data, checkpoint.bytes, options_.priority, callbacks,
                          stop_.get_token(), start);
    }));
  });
  absl::Status lost;
  for (;;) {
    TrainMailbox::Mail mail = mailbox.Take();
    if (lost.ok()) lost = CatchThrown([&] { return HandleMail(mail); });
    // Nobody wants what another attempt has taken over; wait for the trainer to notice.
    if (!lost.ok()) stop_.request_stop();
    if (!mail.result) continue;
    LATENT_RETURN_IF_ERROR(lost);
    return *std::move(mail.result);
  }
}

absl::Status RunningJob::HandleMail(TrainMailbox::Mail& mail) {
  const auto run_is_lost = [](const absl::Status& status) {
    return DetailsOf(status).reason == "JOB_RUN_LOST";
  };
  // Checkpoint first: an epoch that is shown shall not be trained again if that can be helped.
  if (mail.checkpoint) {
    absl::Status status = WriteCheckpoint(*parts_.state, *parts_.jobs, run_, mail.checkpoint->bytes,
                                          mail.checkpoint->step, options_.checkpoints_kept);
    if (run_is_lost(status)) return status;
    // A full disk costs the checkpoint, not the job; the one before it still stands.
    const std::int64_t now = ToUnixMicros(parts_.clock->WallNow());
    stats_.Update([&](JobStats& stats) {
      ++(status.ok() ? stats.checkpoints : stats.checkpoint_failures);
      if (status.ok()) stats.last_checkpoint_time_us = now;
    });
  }
  absl::Status status = parts_.jobs->RecordEpochs(run_, mail.epochs);
  if (run_is_lost(status)) return status;
  if (mail.step) parts_.jobs->ShowStep(run_, *mail.step);
  const v1::TrainProgress* newest =
      mail.step ? &*mail.step : (mail.epochs.empty() ? nullptr : &mail.epochs.back());
  stats_.Update([&](JobStats& stats) {
    stats.epochs += mail.epochs.size();
    if (newest == nullptr) return;
    stats.training_loss = newest->train_loss();
    stats.samples_per_second = newest->samples_per_second();
  });
  return absl::OkStatus();
}

// Heavy work gives way to the threads that answer calls, as training does; nice rather than idle,
// since what starves here could not be taken up by another thread.
ThreadClass RunningJob::EvaluationThreadClass() const {
  return options_.priority == TrainingPriority::kBackground ? ThreadClass::kNice
                                                            : ThreadClass::kNormal;
}

absl::StatusOr<VersionContent> RunningJob::EvaluateResult(TrainResult result, const Dataset& data) {
  VersionContent content;
  content.plan = job_.plan;
  absl::Status status;
  RunTrainingThread(
      EvaluationThreadClass(), [&] { status = Measure(*result.model, data, content); }, [] {});
  LATENT_RETURN_IF_ERROR(status);
  content.model = std::move(result.model);
  content.optimizer = std::move(result.optimizer);
  return content;
}

absl::Status RunningJob::Measure(const Autoencoder& model, const Dataset& data,
                                 VersionContent& content) const {
  LATENT_ASSIGN_OR_RETURN(content.evaluation,
                          parts_.evaluate(model, job_.plan, data, stop_.get_token()));
  LATENT_ASSIGN_OR_RETURN(SamplerResult fitted,
                          FitSampler(job_.plan, model, data, [this] { return CheckStop(); }));
  content.sampler = std::move(fitted.sampler);
  content.evaluation.metrics.insert(content.evaluation.metrics.end(), fitted.metrics.begin(),
                                    fitted.metrics.end());
  return absl::OkStatus();
}

absl::Status RunningJob::End(const absl::Status& outcome) {
  bool files_needed = false;
  absl::Status ended;
  if (DetailsOf(outcome).reason == "JOB_RUN_LOST") return absl::OkStatus();
  if (!outcome.ok()) {
    switch (reason_.load()) {
      case StopReason::kCancel:
        ended = parts_.jobs->Stopped(run_);
        break;
      case StopReason::kServerStops:
        files_needed = true;
        ended = parts_.jobs->Requeue(run_);
        break;
      case StopReason::kNone:
        // The last good checkpoint stays for whoever wants to know more.
        files_needed = true;
        ended = parts_.jobs->Fail(run_, std::string(outcome.message()));
        break;
    }
  }
  LATENT_RETURN_IF_ERROR(ended);
  // What is left behind here goes when the job is deleted.
  if (!files_needed) RemoveTree(parts_.state->job_dir(job_.id)).IgnoreError();
  return absl::OkStatus();
}

}  // namespace latent

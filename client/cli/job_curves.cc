#include "client/cli/job_curves.h"

#include <chrono>
#include <map>
#include <string>

namespace latent::cli {

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

absl::StatusOr<std::vector<v1::JobEvent>> StoredEvents(Context& context, const v1::TrainJob& job) {
  v1::WatchTrainJobRequest request;
  request.set_job_id(job.id());
  CallOptions call = context.Call();
  if (!HasEnded(job.state())) call.timeout = std::chrono::seconds(2);
  std::vector<v1::JobEvent> events;
  const absl::Status status = context.client().WatchTrainJob(
      request,
      [&events](const v1::JobEvent& event) {
        if (event.stored()) events.push_back(event);
        return event.stored();  // a live event comes after all stored ones
      },
      call);
  const bool ran_out = !HasEnded(job.state()) && absl::IsDeadlineExceeded(status);
  if (!status.ok() && !ran_out) return status;
  return events;
}

std::vector<CurvePlot> LossPlots(const std::vector<v1::JobEvent>& events) {
  Curve train{.name = "training loss"}, validation{.name = "validation objective"};
  std::map<std::string, Curve> terms;
  std::uint32_t last_epoch = 0;
  for (const v1::JobEvent& event : events) {
    const v1::TrainProgress& progress = event.progress();
    if (progress.epoch() <= last_epoch) continue;
    last_epoch = progress.epoch();
    const double epoch = progress.epoch();
    train.points.push_back({epoch, progress.train_loss()});
    if (progress.has_validation_loss()) {
      validation.points.push_back({epoch, progress.validation_loss()});
    }
    for (const v1::LossTerm& term : progress.terms()) {
      terms[term.name()].name = term.name();
      terms[term.name()].points.push_back({epoch, term.value()});
    }
  }
  std::vector<CurvePlot> plots;
  if (train.points.empty()) return plots;
  plots.push_back({.x_label = "epoch", .y_label = "nats a row", .curves = {train}});
  if (!validation.points.empty()) plots[0].curves.push_back(validation);
  if (terms.size() < 2) return plots;
  plots.push_back(
      {.title = "Terms of the training loss", .x_label = "epoch", .y_label = "nats a row"});
  for (const auto& [name, curve] : terms) plots[1].curves.push_back(curve);
  return plots;
}

}  // namespace latent::cli

#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/job_curves.h"
#include "client/cli/verb.h"
#include "client/cli/watch_job.h"
#include "client/render/text.h"
#include "core/base/status.h"
#include "core/picture/plots.h"
#include "core/picture/png.h"

namespace latent::cli {
namespace {

struct JobFlags {
  std::string job, model, state, image;
};

std::string ProgressCell(const v1::TrainJob& job) {
  if (job.has_queue_position()) return absl::StrCat("place ", job.queue_position(), " in queue");
  const v1::TrainProgress& progress = job.progress();
  if (progress.steps() == 0) return "";
  std::string text = absl::StrCat("epoch ", progress.epoch(), "/", progress.epochs());
  if (job.state() == v1::JOB_STATE_RUNNING) {
    absl::StrAppend(&text, ", ", FormatDuration(progress.eta_seconds()), " left");
  }
  return text;
}

absl::Status ListJobs(Context& context, const JobFlags& flags) {
  v1::ListTrainJobsRequest request;
  request.set_model(flags.model);
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  if (!flags.state.empty()) {
    v1::JobState_Parse(absl::StrCat("JOB_STATE_", absl::AsciiStrToUpper(flags.state)), &state);
  }
  request.set_state(state);
  LATENT_ASSIGN_OR_RETURN(const auto all,
                          AllPages(context, &Client::ListTrainJobs, std::move(request)));
  Table table({"id", "model", "preset", "dataset", "state", "progress", "version", "created"});
  for (const v1::TrainJob& job : all.jobs()) {
    table.AddRow({job.id(), job.plan().model(), job.plan().preset(), job.plan().data().dataset(),
                  ShortName(job.state()), ProgressCell(job),
                  job.published_version() > 0 ? absl::StrCat(job.published_version()) : "",
                  FormatTime(job.create_time())});
  }
  context.Print(table, all);
  return absl::OkStatus();
}

absl::Status DrawLosses(Context& context, const v1::TrainJob& job, const std::string& path) {
  const auto events = StoredEvents(context, job);
  if (!events.ok()) return events.status();
  std::vector<CurvePlot> plots = LossPlots(*events);
  if (plots.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", job.id(), " has no finished epoch to draw; closed-form solutions have none"));
  }
  plots[0].title = absl::StrCat(job.plan().model(), ": losses of job ", job.id());
  const auto canvas = DrawCurves(plots);
  if (!canvas.ok()) return canvas.status();
  return WritePng(*canvas, path);
}

absl::Status ShowJob(Context& context, const JobFlags& flags) {
  v1::GetTrainJobRequest request;
  request.set_job_id(flags.job);
  const auto response = context.client().GetTrainJob(request, context.Call());
  if (!response.ok()) return response.status();
  PrintJob(context, response->job());
  if (flags.image.empty()) return absl::OkStatus();
  return DrawLosses(context, response->job(), flags.image);
}

absl::Status WatchJobCommand(Context& context, const JobFlags& flags) {
  const auto job = WatchToTheEnd(context, flags.job);
  if (!job.ok()) return job.status();
  PrintJob(context, *job);
  return StatusOfEndedJob(*job);
}

absl::Status CancelJob(Context& context, const JobFlags& flags) {
  v1::CancelTrainJobRequest request;
  request.set_job_id(flags.job);
  const auto response = context.client().CancelTrainJob(request, context.Call());
  if (!response.ok()) return response.status();
  context.Print(DescribeJob(response->job()), response->job());
  return absl::OkStatus();
}

absl::Status DeleteJob(Context& context, const JobFlags& flags) {
  v1::DeleteTrainJobRequest request;
  request.set_job_id(flags.job);
  const auto response = context.client().DeleteTrainJob(request, context.Call());
  if (response.ok()) context.Note(absl::StrCat("deleted job ", flags.job));
  return response.status();
}

}  // namespace

void AddJobs(CLI::App& app, Context& context) {
  CLI::App* jobs = app.add_subcommand("jobs", "List, show, watch, cancel and delete train jobs");
  jobs->require_subcommand(1);
  auto flags = std::make_shared<JobFlags>();
  const auto add = [&](const char* name, const char* text, bool takes_job,
                       absl::Status (*run)(Context&, const JobFlags&)) {
    CLI::App* command = jobs->add_subcommand(name, text);
    if (takes_job) command->add_option("JOB", flags->job, "Id of the job")->required();
    OnCommand(*command, context, flags, run);
    return command;
  };
  CLI::App* list = add("list", "List jobs, newest first", false, ListJobs);
  list->add_option("--model", flags->model, "Only jobs of this model");
  list->add_option("--state", flags->state, "Only jobs in this state")
      ->check(
          CLI::IsMember({"queued", "running", "cancelling", "succeeded", "failed", "cancelled"}));
  CLI::App* show = add("show", "Describe a job", true, ShowJob);
  show->add_option("--image", flags->image, "PNG file for its loss curves");
  show->footer("Example:\n  latent jobs show JOB --image losses.png");
  add("watch", "Follow a job to its end; exit code 1 if it does not succeed", true,
      WatchJobCommand);
  add("cancel", "Ask a job to stop", true, CancelJob);
  add("delete", "Delete an ended job; the version it published stays", true, DeleteJob);
}

}  // namespace latent::cli

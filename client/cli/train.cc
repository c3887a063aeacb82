#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/train_flags.h"
#include "client/cli/verb.h"
#include "client/cli/watch_job.h"

namespace latent::cli {
namespace {

struct Options {
  TrainFlags flags;
  bool dry_run = false, watch = false;
};

absl::Status RunTrain(Context& context, const Options& options) {
  const auto spec = BuildTrainJobSpec(options.flags);
  if (!spec.ok()) return spec.status();
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = *spec;
  request.set_validate_only(options.dry_run);
  const auto created = context.client().CreateTrainJob(request, context.Call());
  if (!created.ok()) return created.status();
  const v1::TrainJob& job = created->job();
  if (options.dry_run) {
    context.Print(DescribePlan(job.plan()), job.plan());
    context.Note("nothing was submitted; the same command without --dry-run trains this");
    return absl::OkStatus();
  }
  if (!options.watch) {
    context.Print(DescribeJob(job), job);
    context.Note(absl::StrCat("follow it with: latent jobs watch ", job.id()));
    return absl::OkStatus();
  }
  context.Note(absl::StrCat("job ", job.id()));
  const auto ended = WatchToTheEnd(context, job.id());
  if (!ended.ok()) {
    context.Note(absl::StrCat("job ", job.id(), " goes on; latent jobs watch ", job.id(),
                              " or latent jobs cancel ", job.id()));
    return ended.status();
  }
  PrintJob(context, *ended);
  return StatusOfEndedJob(*ended);
}

}  // namespace

void AddTrain(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("train", "Submit a train job");
  auto options = std::make_shared<Options>();
  AddTrainOptions(*command, options->flags);
  CLI::Option* dry_run = command->add_flag(
      "--dry-run", options->dry_run, "Show what would be trained, with every default, and stop");
  command->add_flag("--watch", options->watch, "Follow the job to its end")->excludes(dry_run);
  command->footer(
      "Examples:\n"
      "  latent train faces --dataset faces --preset vae --latent-dim 64 --watch\n"
      "  latent train codes --dataset d --preset sparse --l1-per-layer 0,0,0.01,0,0\n"
      "  latent train clean --dataset d --preset denoising --corruption masking:0.5 --dry-run");
  OnCommand(*command, context, options, RunTrain);
}

}  // namespace latent::cli

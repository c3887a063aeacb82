#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/watch_job.h"

namespace latent::cli {
namespace {

struct EvaluateFlags {
  std::string model, alias, dataset;
  std::uint64_t version = 0;
  bool watch = false;
};

absl::Status RunEvaluate(Context& context, const EvaluateFlags& flags) {
  v1::CreateEvaluationJobRequest request;
  request.set_model(flags.model);
  if (flags.version > 0) request.set_version(flags.version);
  if (!flags.alias.empty()) request.set_alias(flags.alias);
  request.set_dataset(flags.dataset);
  const auto created = context.client().CreateEvaluationJob(request, context.Call());
  if (!created.ok()) return created.status();
  const v1::TrainJob& job = created->job();
  if (!flags.watch) {
    context.Print(DescribeJob(job), job);
    context.Note(absl::StrCat("its figures, once it has ended: latent jobs show ", job.id()));
    return absl::OkStatus();
  }
  context.Note(absl::StrCat("job ", job.id()));
  const auto ended = WatchToTheEnd(context, job.id());
  if (!ended.ok()) return ended.status();
  PrintJob(context, *ended);
  return StatusOfEndedJob(*ended);
}

}  // namespace

void AddEvaluate(CLI::App& app, Context& context) {
  CLI::App* command =
      app.add_subcommand("evaluate", "Compute a version's figures on another dataset");
  auto flags = std::make_shared<EvaluateFlags>();
  command->add_option("MODEL", flags->model, "Name of the model")->required();
  command->add_option("--dataset", flags->dataset, "A READY dataset of the same width")->required();
  CLI::Option* version =
      command->add_option("--version", flags->version, "Version (default: production, or newest)");
  command->add_option("--alias", flags->alias, "The version that an alias names")
      ->excludes(version);
  command->add_flag("--watch", flags->watch, "Follow the job to its end and show its figures");
  command->footer("Example:\n  latent evaluate faces --dataset faces-2025 --watch");
  command->callback([&context, flags] {
    context.command = [&context, flags] { return RunEvaluate(context, *flags); };
  });
}

}  // namespace latent::cli

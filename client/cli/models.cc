#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/artifact.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/parse.h"
#include "client/cli/report.h"
#include "client/cli/row_source.h"
#include "client/cli/verb.h"
#include "client/render/text.h"
#include "core/base/status.h"

namespace latent::cli {
namespace {

struct RegistryFlags {
  RowFlags rows;
  std::string model, alias, artifact, output, pictures;
  std::uint64_t version = 0;
  std::optional<std::uint64_t> expected_version;
  std::optional<std::string> description;
  std::optional<std::uint32_t> keep_last;
  std::vector<std::string> labels;
};

std::string AliasesText(const v1::Model& model) {
  std::vector<std::string> texts;
  for (const v1::Alias& alias : model.aliases()) {
    texts.push_back(absl::StrCat(alias.name(), "=", alias.version()));
  }
  return absl::StrJoin(texts, ", ");
}

Table DescribeModel(const v1::Model& model) {
  Table table({"field", "value"});
  table.AddRow({"name", model.name()});
  if (!model.description().empty()) table.AddRow({"description", model.description()});
  const std::map<std::string, std::string> labels(model.labels().begin(), model.labels().end());
  for (const auto& [key, value] : labels) table.AddRow({"label " + key, value});
  table.AddRow({"aliases", AliasesText(model)});
  table.AddRow({"newest_version", absl::StrCat(model.newest_version())});
  table.AddRow({"versions", absl::StrCat(model.version_count())});
  table.AddRow({"keep_last", absl::StrCat(model.keep_last())});
  table.AddRow({"created", FormatTime(model.create_time())});
  return table;
}

absl::StatusOr<v1::ModelVersion> FetchVersion(Context& context, const RegistryFlags& flags) {
  v1::GetModelVersionRequest request;
  request.set_model(flags.model);
  if (flags.version > 0) request.set_version(flags.version);
  if (!flags.alias.empty()) request.set_alias(flags.alias);
  auto response = context.client().GetModelVersion(request, context.Call());
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_version());
}

absl::Status RunList(Context& context, const RegistryFlags&) {
  LATENT_ASSIGN_OR_RETURN(const auto all, AllPages(context, &Client::ListModels, {}));
  Table table({"name", "newest", "versions", "aliases", "created", "description"});
  for (const v1::Model& model : all.models()) {
    table.AddRow({model.name(), absl::StrCat(model.newest_version()),
                  absl::StrCat(model.version_count()), AliasesText(model),
                  FormatTime(model.create_time()), Shorten(model.description(), 40)});
  }
  context.Print(table, all);
  return absl::OkStatus();
}

absl::Status RunShow(Context& context, const RegistryFlags& flags) {
  const auto version = FetchVersion(context, flags);
  if (!version.ok()) return version.status();
  context.Print(DescribeVersion(*version), *version);
  if (context.format != OutputFormat::kTable || version->metrics_size() == 0) {
    return absl::OkStatus();
  }
  WriteOut("\n");
  context.Print(DescribeMetrics(version->metrics()), *version);
  return absl::OkStatus();
}

absl::Status RunMetrics(Context& context, const RegistryFlags& flags) {
  const auto version = FetchVersion(context, flags);
  if (!version.ok()) return version.status();
  context.Print(DescribeMetrics(version->metrics()), *version);
  return absl::OkStatus();
}

absl::Status RunPlan(Context& context, const RegistryFlags& flags) {
  const auto version = FetchVersion(context, flags);
  if (!version.ok()) return version.status();
  context.Print(DescribePlan(version->plan()), version->plan());
  return absl::OkStatus();
}

absl::Status RunVersions(Context& context, const RegistryFlags& flags) {
  v1::ListModelVersionsRequest request;
  request.set_model(flags.model);
  LATENT_ASSIGN_OR_RETURN(const auto all,
                          AllPages(context, &Client::ListModelVersions, std::move(request)));
  Table table({"version", "aliases", "preset", "layers", "latent space", "dataset", "job", "size",
               "created"});
  for (const v1::ModelVersion& version : all.versions()) {
    table.AddRow({absl::StrCat(version.version()), absl::StrJoin(version.aliases(), ", "),
                  version.plan().preset(), FormatLayers(version.plan()), version.latent_space_id(),
                  version.plan().data().dataset(), version.lineage().job_id(),
                  BytesCell(version.bytes()), FormatTime(version.create_time())});
  }
  context.Print(table, all);
  return absl::OkStatus();
}

// Prints the model that a change has left.
template <typename Response>
absl::Status PrintChanged(Context& context, const absl::StatusOr<Response>& response) {
  if (!response.ok()) return response.status();
  context.Print(DescribeModel(response->model()), response->model());
  return absl::OkStatus();
}

absl::Status RunSetAlias(Context& context, const RegistryFlags& flags) {
  v1::SetAliasRequest request;
  request.set_model(flags.model);
  request.set_alias(flags.alias);
  request.set_version(flags.version);
  if (flags.expected_version) request.set_expected_current_version(*flags.expected_version);
  return PrintChanged(context, context.client().SetAlias(request, context.Call()));
}

absl::Status RunDeleteAlias(Context& context, const RegistryFlags& flags) {
  v1::DeleteAliasRequest request;
  request.set_model(flags.model);
  request.set_alias(flags.alias);
  return PrintChanged(context, context.client().DeleteAlias(request, context.Call()));
}

absl::Status RunUpdate(Context& context, const RegistryFlags& flags) {
  v1::UpdateModelRequest request;
  request.set_model(flags.model);
  if (flags.description) request.set_description(*flags.description);
  if (flags.keep_last) request.set_keep_last(*flags.keep_last);
  if (!flags.labels.empty()) {
    std::vector<std::string> pairs = flags.labels;
    if (pairs == std::vector<std::string>{"none"}) pairs.clear();
    const auto labels = ParseLabels(pairs);
    if (!labels.ok()) return labels.status();
    request.set_replace_labels(true);
    for (const auto& [key, value] : *labels) (*request.mutable_labels())[key] = value;
  }
  return PrintChanged(context, context.client().UpdateModel(request, context.Call()));
}

absl::Status RunDelete(Context& context, const RegistryFlags& flags) {
  if (flags.version > 0) {
    v1::DeleteModelVersionRequest request;
    request.set_model(flags.model);
    request.set_version(flags.version);
    const auto response = context.client().DeleteModelVersion(request, context.Call());
    if (response.ok()) {
      context.Note(absl::StrCat("deleted version ", flags.version, " of ", flags.model));
    }
    return response.status();
  }
  v1::DeleteModelRequest request;
  request.set_model(flags.model);
  const auto response = context.client().DeleteModel(request, context.Call());
  if (response.ok()) context.Note(absl::StrCat("deleted model ", flags.model));
  return response.status();
}

absl::Status RunArtifact(Context& context, const RegistryFlags& flags) {
  const auto version = FetchVersion(context, flags);
  if (!version.ok()) return version.status();
  if (!flags.artifact.empty())
    return FetchArtifact(context, *version, flags.artifact, flags.output);
  Table table({"name", "size", "sha256"});
  for (const v1::Artifact& artifact : version->artifacts()) {
    table.AddRow({artifact.name(), BytesCell(artifact.size()), artifact.sha256()});
  }
  context.Print(table, *version);
  return absl::OkStatus();
}

absl::Status RunReport(Context& context, const RegistryFlags& flags) {
  const auto version = FetchVersion(context, flags);
  if (!version.ok()) return version.status();
  const std::string path = flags.output.empty()
                               ? absl::StrCat(flags.model, "-", version->version(), ".html")
                               : flags.output;
  absl::Status written = WriteReport(context, *version, flags.rows, path, flags.pictures);
  if (written.ok()) context.Note(absl::StrCat("wrote ", path));
  return written;
}

// Adds subcommands that share one set of flags.
class Verbs {
 public:
  using Run = absl::Status (*)(Context&, const RegistryFlags&);
  Verbs(Context& context, std::shared_ptr<RegistryFlags> flags)
      : context_(context), flags_(std::move(flags)) {}

  CLI::App* Add(CLI::App& parent, const char* name, const char* text, bool takes_model, Run run) {
    CLI::App* command = parent.add_subcommand(name, text);
    if (takes_model) command->add_option("MODEL", flags_->model, "Name of the model")->required();
    OnCommand(*command, context_, flags_, run);
    return command;
  }
  void AddChoice(CLI::App& command) {
    CLI::Option* version = command.add_option("--version", flags_->version,
                                              "Version (default: production, or newest)");
    command.add_option("--alias", flags_->alias, "The version that an alias names")
        ->excludes(version);
  }

 private:
  Context& context_;
  std::shared_ptr<RegistryFlags> flags_;
};

void AddAlias(CLI::App& models, Verbs& verbs, RegistryFlags& flags) {
  CLI::App* alias = models.add_subcommand("alias", "Point aliases at versions");
  alias->require_subcommand(1);
  CLI::App* set = verbs.Add(*alias, "set", "Point an alias at a version", true, RunSetAlias);
  set->add_option("ALIAS", flags.alias, "Name of the alias")->required();
  set->add_option("VERSION", flags.version, "Version it shall name")->required();
  set->add_option("--expected-current-version", flags.expected_version,
                  "Only if the alias names this version now (0: if it does not exist)");
  set->footer(
      "Example:\n  latent models alias set faces production 3 --expected-current-version 2");
  CLI::App* erase = verbs.Add(*alias, "delete", "Remove an alias", true, RunDeleteAlias);
  erase->add_option("ALIAS", flags.alias, "Name of the alias")->required();
}

}  // namespace

void AddModels(CLI::App& app, Context& context) {
  CLI::App* models = app.add_subcommand("models", "List, describe, change and delete models");
  models->require_subcommand(1);
  auto flags = std::make_shared<RegistryFlags>();
  Verbs verbs(context, flags);
  verbs.Add(*models, "list", "List models", false, RunList);
  verbs.AddChoice(*verbs.Add(*models, "show", "Describe a model's version", true, RunShow));
  verbs.AddChoice(*verbs.Add(*models, "metrics", "Figures of a version", true, RunMetrics));
  verbs.AddChoice(*verbs.Add(*models, "plan", "How a version was trained", true, RunPlan));
  verbs.Add(*models, "versions", "List a model's versions, newest first", true, RunVersions);
  AddAlias(*models, verbs, *flags);
  CLI::App* update =
      verbs.Add(*models, "update", "Change what is said of a model", true, RunUpdate);
  update->add_option("--description", flags->description, "New description");
  update->add_option("--keep-last", flags->keep_last, "Newest versions that are kept");
  update->add_option("--label", flags->labels, "KEY=VALUE, replacing all labels; or none")
      ->allow_extra_args(false);
  CLI::App* erase = verbs.Add(*models, "delete", "Delete a model with all versions, or one version",
                              true, RunDelete);
  erase->add_option("--version", flags->version, "Only this version");
  CLI::App* report =
      verbs.Add(*models, "report", "Write a page of figures and pictures", true, RunReport);
  report->add_option("--output", flags->output, "HTML file (default: MODEL-VERSION.html)");
  report->add_option("--pictures", flags->pictures, "Folder for the pictures as PNG files, too");
  verbs.AddChoice(*report);
  AddRowOptions(*report, flags->rows);
  report->footer(
      "Rows for the pictures come from the training dataset's TEST rows unless --dataset or "
      "--input\nnames others. Rows of a file need labels if the version is conditional: "
      "--label-column,\n--labels or --label.\nExample:\n  latent models report faces --output "
      "faces.html");
  CLI::App* artifact =
      verbs.Add(*models, "artifact", "Fetch a file of a version, or list them", true, RunArtifact);
  artifact->add_option("NAME", flags->artifact, "Name of the file, e.g. model.safetensors");
  artifact->add_option("--output", flags->output, "Where it goes (default: stdout)");
  verbs.AddChoice(*artifact);
  artifact->footer(
      "Example:\n  latent models artifact faces model.safetensors --output f.safetensors");
}

}  // namespace latent::cli

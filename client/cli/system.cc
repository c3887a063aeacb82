#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/verb.h"
#include "client/render/text.h"

namespace latent::cli {
namespace {

struct HealthFlags {
  std::string service;
  double wait_seconds = 0;
};

std::string HealthText(Health health) {
  switch (health) {
    case Health::kServing:
      return "SERVING";
    case Health::kNotServing:
      return "NOT_SERVING";
    case Health::kUnknownService:
      return "SERVICE_UNKNOWN";
  }
  return "";
}

absl::Status StatusOfHealth(const std::string& service, Health health) {
  const std::string what = service.empty() ? "the server" : service;
  switch (health) {
    case Health::kServing:
      return absl::OkStatus();
    case Health::kNotServing:
      return absl::UnavailableError(absl::StrCat(what, " is not serving"));
    case Health::kUnknownService:
      return absl::NotFoundError(absl::StrCat(what, " is not known to the server"));
  }
  return absl::OkStatus();
}

absl::Status RunHealth(Context& context, const HealthFlags& flags) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(flags.wait_seconds);
  while (true) {
    const auto health = context.client().CheckHealth(flags.service, context.Call());
    absl::Status status = health.ok() ? StatusOfHealth(flags.service, *health) : health.status();
    const bool again = !status.ok() && absl::IsUnavailable(status) && Clock::now() < end;
    if (!again) {
      if (!health.ok()) return status;
      Table table({"service", "health"});
      table.AddRow({flags.service.empty() ? "(all)" : flags.service, HealthText(*health)});
      context.Print(
          table, nlohmann::json{{"service", flags.service}, {"health", HealthText(*health)}}.dump(
                     -1, ' ', false, nlohmann::json::error_handler_t::replace) +
                     "\n");
      return status;
    }
    if (context.stop.stop_requested()) return absl::CancelledError("interrupted");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

Table DescribeServer(const v1::GetServerInfoResponse& info) {
  const v1::Limits& limits = info.limits();
  Table table({"field", "value"});
  table.AddRow({"version", info.version()});
  table.AddRow({"revision", info.revision()});
  table.AddRow({"uptime", DurationCell(static_cast<double>(info.uptime().seconds()))});
  table.AddRow({"kernels", info.isa()});
  table.AddRow({"event_loops", absl::StrCat(info.event_loops())});
  table.AddRow({"io_threads", absl::StrCat(info.io_threads())});
  table.AddRow({"training_threads", absl::StrCat(info.training_threads())});
  table.AddRow({"formats", absl::StrJoin(info.formats(), ", ")});
  table.AddRow({"rows a request", CountCell(limits.rows_per_request())});
  table.AddRow({"columns a row", CountCell(limits.columns())});
  table.AddRow({"cells a request", CountCell(limits.cells_per_request())});
  table.AddRow({"message", BytesCell(limits.message_bytes())});
  table.AddRow({"rows in flight", CountCell(limits.rows_in_flight())});
  table.AddRow({"queued jobs", CountCell(limits.queued_jobs())});
  table.AddRow({"upload chunk", BytesCell(limits.upload_chunk_bytes())});
  table.AddRow({"dataset files", BytesCell(limits.dataset_bytes())});
  return table;
}

absl::Status RunInfo(Context& context, const std::string& preset) {
  const auto info = context.client().GetServerInfo({}, context.Call());
  if (!info.ok()) return info.status();
  if (!preset.empty()) {
    for (const v1::PresetInfo& candidate : info->presets()) {
      if (candidate.name() != preset) continue;
      Table table({"field", "value"});
      AddFields(candidate, "", &table);
      context.Print(table, candidate);
      return absl::OkStatus();
    }
    return absl::NotFoundError(absl::StrCat("the server has no preset \"", preset, "\""));
  }
  context.Print(DescribeServer(*info), *info);
  if (context.format != OutputFormat::kTable) return absl::OkStatus();
  WriteOut("\n");
  Table presets({"preset", "what it is"});
  for (const v1::PresetInfo& candidate : info->presets()) {
    presets.AddRow({candidate.name(), candidate.description()});
  }
  context.Print(presets, *info);
  return absl::OkStatus();
}

}  // namespace

void AddSystem(CLI::App& app, Context& context) {
  CLI::App* health = app.add_subcommand("health", "Whether the server takes calls (exit code 0)");
  auto flags = std::make_shared<HealthFlags>();
  health->add_option("--service", flags->service,
                     "One service, e.g. latent.v1.InferenceService (default: all)");
  health->add_option("--wait", flags->wait_seconds, "Seconds to wait for it")
      ->check(CLI::Range(0.0, 86400.0));
  health->footer("Example:\n  latent health --wait 30 && latent models list");
  OnCommand(*health, context, flags, RunHealth);
  CLI::App* info = app.add_subcommand("info", "Version, limits, threads and presets of the server");
  auto preset = std::make_shared<std::string>();
  info->add_option("--preset", *preset, "Show one preset with its defaults");
  OnCommand(*info, context, preset, RunInfo);
}

}  // namespace latent::cli

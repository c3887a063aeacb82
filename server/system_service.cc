#include "server/system_service.h"

#include "core/base/isa.h"
#include "core/model/presets.h"
#include "core/train/plan.h"
#include "server/version.h"

namespace latent {
namespace {

constexpr std::uint64_t kMib = 1 << 20;

void FillLimits(const RequestLimits& limits, v1::Limits* out) {
  out->set_rows_per_request(limits.rows);
  out->set_columns(limits.columns);
  out->set_cells_per_request(limits.cells);
  out->set_message_bytes(limits.message_mib * kMib);
  out->set_queued_jobs(limits.queued_jobs);
  out->set_upload_chunk_bytes(kMib);
  out->set_dataset_bytes(limits.dataset_mib * kMib);
  out->set_rows_in_flight(limits.rows_in_flight);
}

}  // namespace

SystemServiceHandler::SystemServiceHandler(const Config& config) {
  info_.set_version(kVersion);
  info_.set_revision(kRevision);
  info_.set_isa(std::string(IsaName()));
  FillLimits(config.limits, info_.mutable_limits());
  info_.set_event_loops(static_cast<std::uint32_t>(config.loops));
  info_.set_io_threads(static_cast<std::uint32_t>(config.io_threads));
  info_.set_training_threads(static_cast<std::uint32_t>(config.train_threads));
  for (const char* format :
       {"IDX", "CSV", "NPY", "LIBSVM", "PAIRS", "NPZ", "PNG-ZIP", "SAFETENSORS"})
    info_.add_formats(format);
  for (const Preset& preset : Presets()) {
    const v1::TrainingPlan plan =
        ResolveForDisplay(preset, static_cast<std::uint32_t>(config.train_threads));
    v1::PresetInfo* out = info_.add_presets();
    out->set_name(preset.name);
    out->set_description(preset.description);
    *out->mutable_architecture() = plan.architecture();
    *out->mutable_training() = plan.training();
  }
}

void SystemServiceHandler::Bind(Router& router) {
  router.Inline<v1::SystemService>(
      &service_, "GetServerInfo", &v1::SystemService::AsyncService::RequestGetServerInfo,
      [this](const v1::GetServerInfoRequest&, v1::GetServerInfoResponse* response) {
        return GetServerInfo(response);
      },
      {.before_ready = true});
}

absl::Status SystemServiceHandler::GetServerInfo(v1::GetServerInfoResponse* response) const {
  *response = info_;
  const auto up = std::chrono::steady_clock::now() - start_;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(up);
  response->mutable_uptime()->set_seconds(seconds.count());
  response->mutable_uptime()->set_nanos(static_cast<std::int32_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(up - seconds).count()));
  return absl::OkStatus();
}

}  // namespace latent

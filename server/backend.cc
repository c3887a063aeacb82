#include "server/backend.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "core/eval/metric_table.h"
#include "server/logging.h"
#include "server/version.h"

namespace latent {

namespace {

// What a row in flight is taken to hold, of an eighth of the budget at most.
constexpr std::uint64_t kBytesOfRow = 4096;

Backend::Memory MemoryOf(const Config& config) {
  const std::uint64_t budget = config.memory_budget_mib << 20;
  return {.budget = budget,
          .training = 0,
          .rows = std::min(budget / 8, config.limits.rows_in_flight * kBytesOfRow)};
}

WeightFormat WeightsOf(const Config& config) {
  if (config.serving_weights == "float16") return WeightFormat::kFloat16;
  return config.serving_weights == "int8" ? WeightFormat::kInt8 : WeightFormat::kFloat32;
}

}  // namespace

Backend::Backend(Config config, IoExecutor* loader)
    : config_(std::move(config)), loader_(loader), memory_(MemoryOf(config_)) {
  // A job may hold no more than half of it: whatever trains, versions can be loaded.
  plan_environment_.training_memory_bytes = memory_.budget / 2;
  plan_environment_.metric_direction = [](std::string_view name) -> std::optional<MetricDirection> {
    const MetricDefinition* metric = FindMetricDefinition(name);
    if (metric == nullptr) return std::nullopt;
    if (metric->better == Better::kNeither) return MetricDirection::kNone;
    return metric->better == Better::kHigher ? MetricDirection::kHigher : MetricDirection::kLower;
  };
  plan_environment_.default_threads = static_cast<std::uint32_t>(config_.train_threads);
}

Backend::~Backend() { StopJobs(); }

absl::Status Backend::Open() {
  LATENT_RETURN_IF_ERROR(OpenStore());
  MakeCache();
  ReportDamage();
  MakeRunner();
  // One thread loads in order: when this has run, every alias target has been loaded or tried.
  cache_->OnSnapshot(store_->registry().Get());
  LATENT_RETURN_IF_ERROR(OnLoader([] { return absl::OkStatus(); }));
  runner_->Start();
  maintenance_ = std::jthread([this](const std::stop_token& stop) { Maintain(stop); });
  return absl::OkStatus();
}

void Backend::StopJobs() {
  if (runner_ != nullptr) runner_->Stop();
  maintenance_.request_stop();
  MutexLock lock(&mutex_);
  wake_.NotifyAll();
}

void Backend::Maintain(const std::stop_token& stop) {
  const absl::Status checked =
      store_->registry().CheckFiles([&stop] { return stop.stop_requested(); });
  if (!checked.ok()) Log(Severity::kWarning, "check of files", {{"error", checked.ToString()}});
  for (;;) {
    const auto next = std::chrono::steady_clock::now() + std::chrono::hours(1);
    {
      MutexLock lock(&mutex_);
      while (!stop.stop_requested() && wake_.WaitUntil(&mutex_, next)) {
      }
    }
    if (stop.stop_requested()) return;
    const absl::Status status = store_->Maintain();
    if (!status.ok()) Log(Severity::kWarning, "maintenance", {{"error", status.ToString()}});
  }
}

absl::Status Backend::OpenStore() {
  std::vector<std::string> notes;
  const absl::Status opened = Recover(&notes);
  // Before the error: it may be about what the notes tell.
  for (const std::string& note : notes) Log(Severity::kWarning, "recovered", {{"note", note}});
  LATENT_RETURN_IF_ERROR(opened);
  store_->datasets().SetUsersOf(&JobStore::UsersOfDataset);
  store_->registry().SetUsersOf(&JobStore::UsersOfModel);
  store_->registry().SetUsersOfVersion(&JobStore::UsersOfVersion);
  return absl::OkStatus();
}

absl::Status Backend::Recover(std::vector<std::string>* notes) {
  Store::Options options;
  options.path = config_.state_dir;
  options.schemas = {JobStore::DatabaseSchema()};
  options.datasets.max_dataset_bytes = config_.limits.dataset_mib << 20;
  LATENT_ASSIGN_OR_RETURN(store_, Store::Open(std::move(options), notes));
  jobs_ = std::make_unique<JobStore>(&store_->dir(), &store_->db(), &store_->clock(),
                                     JobStore::Options{.max_queued = config_.limits.queued_jobs});
  return jobs_->Recover(notes);
}

void Backend::MakeCache() {
  Registry& registry = store_->registry();
  cache_ = std::make_unique<ModelCache>(
      ModelCache::Options{.budget_bytes = memory_.budget,
                          .reserved = [this] { return memory_.rows + training_bytes_.load(); },
                          .weights = WeightsOf(config_)},
      [&registry](const VersionInfo& version) { return registry.VerifyVersion(version); },
      [loader = loader_](std::function<void()> work) {
        // Refused only after the last call has ended, when nobody waits for a model any more.
        loader->Submit(std::move(work)).IgnoreError();
      });
  registry.SetPreloader([this](const VersionInfo& version) {
    return OnLoader([&] { return cache_->Preload(version); });
  });
  registry.Subscribe([this, &registry] {
    cache_->OnSnapshot(registry.Get());
    ReportDamage();
  });
}

absl::Status Backend::OnLoader(const std::function<absl::Status()>& work) {
  std::promise<absl::Status> done;
  LATENT_RETURN_IF_ERROR(loader_->Submit([&] { done.set_value(work()); }));
  return done.get_future().get();
}

void Backend::ReportDamage() {
  const auto snapshot = store_->registry().Get();
  for (const auto& [name, model] : snapshot->models) {
    for (const auto& [number, version] : model->versions) {
      if (version->damage.empty()) continue;
      {
        MutexLock lock(&mutex_);
        if (!reported_.insert({name, number}).second) continue;
      }
      Log(Severity::kWarning, "damaged version",
          {{"model", name},
           {"version", static_cast<double>(number)},
           {"why", version->damage},
           {"action", "its files are in quarantine/; publish or alias another version"}});
    }
  }
}

void Backend::MakeRunner() {
  RunnerParts parts;
  parts.jobs = jobs_.get();
  parts.registry = &store_->registry();
  parts.state = &store_->dir();
  parts.clock = &store_->clock();
  parts.load_dataset =
      [this](const v1::DatasetSchema& schema) -> absl::StatusOr<std::shared_ptr<const Dataset>> {
    LATENT_ASSIGN_OR_RETURN(auto dataset, store_->datasets().OpenRows(schema.dataset()));
    if (dataset->info().content_hash == schema.content_hash()) return dataset;
    return MakeError(absl::StatusCode::kFailedPrecondition, "DATASET_CHANGED",
                     "the dataset of this name is not the one the job was submitted for");
  };
  parts.reserve = [this](std::uint64_t bytes) {
    training_bytes_.store(bytes);
    cache_->MakeRoom();
  };
  RunnerOptions options;
  options.priority = config_.train_priority == "normal" ? TrainingPriority::kNormal
                                                        : TrainingPriority::kBackground;
  options.code_revision = kRevision;
  runner_ = std::make_unique<Runner>(std::move(parts), options);
}

}  // namespace latent

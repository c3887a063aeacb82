#include "server/backend_metrics.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/durable_file.h"
#include "core/jobs/job.h"

namespace latent {
namespace {

// Series by model or version at most; a registry may hold many more models than are served.
constexpr std::size_t kMaxModelSeries = 100;
// Measuring walks the directory: not at every scrape.
constexpr std::chrono::seconds kUsageAge{30};

template <std::size_t N>
std::vector<double> Bounds(const std::array<double, N>& bounds) {
  return {bounds.begin(), bounds.end()};
}

template <std::size_t N>
std::vector<std::uint64_t> Counts(const std::array<std::uint64_t, N>& counts) {
  return {counts.begin(), counts.end()};
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

void CollectJobs(Backend& backend, Scrape& scrape) {
  if (const auto counts = backend.jobs().CountByState(); counts.ok()) {
    for (int state = v1::JOB_STATE_QUEUED; state < v1::JobState_ARRAYSIZE; ++state) {
      scrape.Gauge("latent_jobs", "Train jobs by state.",
                   static_cast<double>((*counts)[static_cast<std::size_t>(state)]),
                   {{"state", Lower(JobStateName(static_cast<v1::JobState>(state)))}});
    }
  }
  const JobStats stats = backend.runner().stats();
  scrape.Gauge("latent_training_running", "Whether a train job runs, 0 or 1.",
               stats.running ? 1 : 0);
  if (stats.running) {
    const Scrape::Labels model = {{"model", stats.model}};
    scrape.Gauge("latent_training_loss", "Training loss of the running job, nats a row.",
                 stats.training_loss, model);
    scrape.Gauge("latent_training_samples_per_second", "Rows a second of the running job.",
                 stats.samples_per_second, model);
    if (stats.last_checkpoint_time_us != 0) {
      scrape.Gauge("latent_training_last_checkpoint_timestamp_seconds",
                   "When the running job's last checkpoint was written, Unix time.",
                   static_cast<double>(stats.last_checkpoint_time_us) * 1e-6, model);
    }
  }
  scrape.Counter("latent_training_epochs_total", "Epochs that were finished.",
                 static_cast<double>(stats.epochs));
  scrape.Counter("latent_training_checkpoints_total", "Checkpoints that were written.",
                 static_cast<double>(stats.checkpoints));
  scrape.Counter("latent_training_checkpoint_failures_total",
                 "Checkpoints that could not be written.",
                 static_cast<double>(stats.checkpoint_failures));
}

void CollectModels(Backend& backend, Scrape& scrape) {
  const auto snapshot = backend.store().registry().Get();
  scrape.Gauge("latent_models", "Models in the registry.",
               static_cast<double>(snapshot->models.size()));
  std::size_t versions = 0;
  std::size_t damaged = 0;
  for (const auto& [name, model] : snapshot->models) {
    versions += model->versions.size();
    for (const auto& [number, version] : model->versions)
      damaged += version->damage.empty() ? 0 : 1;
  }
  scrape.Gauge("latent_model_versions", "Versions in the registry.", static_cast<double>(versions));
  scrape.Gauge("latent_model_versions_damaged",
               "Versions whose files were found damaged; they answer no call.",
               static_cast<double>(damaged));
  std::size_t series = 0;
  for (const auto& served : backend.cache().Loaded()) {
    if (++series > kMaxModelSeries) break;
    scrape.Gauge("latent_model_loaded_info", "Always 1; a version that is in memory.", 1,
                 {{"model", served->key().model},
                  {"version", std::to_string(served->key().version)},
                  {"preset", served->plan().preset()}});
  }
  series = 0;
  for (const auto& [name, model] : snapshot->models) {
    for (const auto& [alias, info] : model->aliases) {
      if (++series > kMaxModelSeries) break;
      scrape.Gauge("latent_alias_version", "Version that an alias names.",
                   static_cast<double>(info.version), {{"model", name}, {"alias", alias}});
    }
  }
}

void CollectCache(Backend& backend, Scrape& scrape) {
  const CacheStats stats = backend.cache().stats();
  scrape.Gauge("latent_cache_versions", "Versions in memory.", static_cast<double>(stats.versions));
  scrape.Gauge("latent_cache_bytes", "Bytes they hold.", static_cast<double>(stats.bytes));
  scrape.Gauge("latent_cache_loading", "Loads in flight.", static_cast<double>(stats.loading));
  scrape.Counter("latent_cache_hits_total", "Look-ups that found their version in memory.",
                 static_cast<double>(stats.hits));
  scrape.Counter("latent_cache_misses_total", "Look-ups that did not.",
                 static_cast<double>(stats.misses));
  scrape.Counter("latent_cache_loads_total", "Versions that were loaded.",
                 static_cast<double>(stats.loads));
  scrape.Counter("latent_cache_load_failures_total", "Versions that could not be loaded.",
                 static_cast<double>(stats.load_failures));
  scrape.Counter("latent_cache_evictions_total", "Versions that were let go to make room.",
                 static_cast<double>(stats.evictions));
}

void CollectMemory(const Backend::Memory& memory, Scrape& scrape) {
  scrape.Gauge("latent_memory_budget_bytes", "What loaded versions, training and rows may hold.",
               static_cast<double>(memory.budget));
  const char* const help = "Bytes of the budget that are not for loaded versions.";
  scrape.Gauge("latent_memory_reserved_bytes", help, static_cast<double>(memory.training),
               {{"for", "training"}});
  scrape.Gauge("latent_memory_reserved_bytes", help, static_cast<double>(memory.rows),
               {{"for", "rows"}});
}

void CollectDisk(const StateDir::Usage& usage, bool read_only, Scrape& scrape) {
  const SyncStats syncs = GetSyncStats();
  scrape.Histogram("latent_fsync_seconds", "Seconds of a sync to disk.", Bounds(syncs.kBounds),
                   Counts(syncs.counts), syncs.seconds);
  scrape.Counter("latent_fsync_failures_total", "Syncs that failed.",
                 static_cast<double>(syncs.failures));
  const std::pair<const char*, std::uint64_t> parts[] = {{"database", usage.database},
                                                         {"models", usage.models},
                                                         {"jobs", usage.jobs},
                                                         {"datasets", usage.datasets},
                                                         {"other", usage.other}};
  for (const auto& [part, bytes] : parts) {
    scrape.Gauge("latent_state_bytes", "Bytes of the state directory, by part.",
                 static_cast<double>(bytes), {{"part", part}});
  }
  scrape.Gauge("latent_state_free_bytes", "Bytes that are free on its filesystem.",
               static_cast<double>(usage.free));
  scrape.Gauge("latent_state_read_only",
               "Whether writes are refused after a failed commit, 0 or 1.", read_only ? 1 : 0);
}

}  // namespace

Metrics::Collector BackendCollector(Backend* backend) {
  struct Measured {
    StateDir::Usage usage;
    std::chrono::steady_clock::time_point at{};
  };
  // Scrapes come one after the other.
  return [backend, measured = std::make_shared<Measured>()](Scrape& scrape) {
    const auto now = std::chrono::steady_clock::now();
    if (measured->at.time_since_epoch().count() == 0 || now - measured->at > kUsageAge) {
      *measured = {backend->store().dir().MeasureUsage(), now};
    }
    CollectJobs(*backend, scrape);
    CollectModels(*backend, scrape);
    CollectCache(*backend, scrape);
    CollectMemory(backend->memory(), scrape);
    CollectDisk(measured->usage, backend->store().db().read_only(), scrape);
  };
}

Metrics::Collector InferenceCollector(const InferenceServiceHandler* inference) {
  return [inference](Scrape& scrape) {
    const BatchStats stats = inference->batch_stats();
    scrape.Histogram("latent_batch_rows", "Rows of a forward pass.", Bounds(stats.kRowBounds),
                     Counts(stats.batches_by_rows), static_cast<double>(stats.rows));
    scrape.Histogram("latent_compute_seconds", "Seconds of a forward pass.",
                     Bounds(stats.kSecondBounds), Counts(stats.batches_by_seconds),
                     stats.compute_seconds);
    scrape.Gauge("latent_rows_in_flight", "Rows of calls that have not been answered.",
                 static_cast<double>(inference->rows_in_flight()));
  };
}

}  // namespace latent

#include "server/app.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/backend.h"
#include "server/backend_metrics.h"
#include "server/cpu_budget.h"
#include "server/dataset_service.h"
#include "server/grpc_server.h"
#include "server/health_service.h"
#include "server/inference_service.h"
#include "server/io_executor.h"
#include "server/memory_limit.h"
#include "server/metrics.h"
#include "server/registry_service.h"
#include "server/router.h"
#include "server/system_service.h"
#include "server/training_service.h"
#include "server/version.h"

namespace latent {
namespace {

// The configuration with everything decided that "0" leaves to the machine.
Config InForce(Config config) {
  const CpuBudget budget = MeasureCpuBudget();
  if (config.loops == 0) config.loops = DefaultLoops(budget);
  if (config.train_threads == 0) config.train_threads = DefaultTrainThreads(budget);
  if (config.memory_budget_mib == 0) config.memory_budget_mib = DefaultMemoryBudgetMib();
  // So that it is found in, and cut out of, whatever message names a file below it.
  const auto path = std::filesystem::absolute(config.state_dir).lexically_normal();
  config.state_dir = (path.has_filename() ? path : path.parent_path()).string();
  return config;
}

// Whole or not at all, so that who waits for the file never reads half of it.
absl::Status WritePortFile(const std::string& path, int port, int metrics_port) {
  const std::string temporary = path + ".new";
  std::ofstream out(temporary);
  out << port << "\n" << metrics_port << "\n";
  out.close();
  if (out && ::rename(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
  ::unlink(temporary.c_str());
  return MakeError(absl::StatusCode::kUnavailable, "BAD_CONFIGURATION",
                   absl::StrCat("cannot write --port-file ", path));
}

}  // namespace

class App::Impl {
 public:
  explicit Impl(Config config)
      : config_(InForce(std::move(config))),
        io_("latent-io", config_.io_threads, static_cast<std::size_t>(config_.io_queue)),
        bulk_("latent-bulk", kBulkThreads, static_cast<std::size_t>(config_.io_queue)),
        compute_("latent-compute", config_.loops, static_cast<std::size_t>(config_.io_queue),
                 kComputeNice),
        loader_("latent-load", 1, std::numeric_limits<std::size_t>::max(), kLoaderNice),
        watch_("latent-watch", 1, std::numeric_limits<std::size_t>::max()),
        backend_(config_, &loader_),
        health_(ServiceNames()),
        system_(config_),
        inference_(config_.limits, &backend_, &bulk_, &compute_, &metrics_.batches()),
        datasets_(&backend_, &bulk_),
        training_(&backend_, &watch_),
        registry_(&backend_, &bulk_) {}
  ~Impl() { Shutdown(); }

  absl::Status Start(const Observer& observer) {
    ConfigureLog(LogFormatOf(config_), LogLevelOf(config_));
    metrics_.AddCollector(ProcessCollector());
    metrics_.AddCollector(ExecutorCollector({{"io", &io_},
                                             {"bulk", &bulk_},
                                             {"compute", &compute_},
                                             {"load", &loader_},
                                             {"watch", &watch_}}));
    metrics_.AddCollector(InferenceCollector(&inference_));
    if (config_.metrics_listen != "off") {
      LATENT_RETURN_IF_ERROR(metrics_.Listen(config_.metrics_listen));
    }
    LATENT_RETURN_IF_ERROR(Listen());
    if (observer) observer(Stage::kListening, port());
    LATENT_RETURN_IF_ERROR(backend_.Open());
    metrics_.AddCollector(BackendCollector(&backend_));
    if (observer) observer(Stage::kWarmed, port());
    environment_.ready.store(true, std::memory_order_release);
    health_.SetServing(true);
    if (!config_.port_file.empty()) {
      LATENT_RETURN_IF_ERROR(WritePortFile(config_.port_file, port(), metrics_port()));
    }
    serving_ = true;
    Log(Severity::kInfo, "serving",
        {{"listen", config_.listen},
         {"port", static_cast<double>(port())},
         {"metrics_port", static_cast<double>(metrics_port())},
         {"version", kVersion},
         {"revision", kRevision}});
    return absl::OkStatus();
  }

  void Shutdown() {
    if (std::exchange(down_, true)) return;
    // What has not come up is only taken apart; why, main says.
    if (serving_) Log(Severity::kInfo, "shutting down", {{"drain_s", config_.drain_seconds}});
    health_.SetServing(false);
    datasets_.Stop();
    // The checkpoint is written while calls in flight end.
    std::jthread jobs([this] { backend_.StopJobs(); });
    server_.DrainCalls(std::chrono::duration<double>(config_.drain_seconds));
    jobs.join();
    // No call is left that would wait for what these run, and none comes.
    for (IoExecutor* executor : {&io_, &bulk_, &compute_, &loader_, &watch_}) executor->Stop();
    server_.JoinLoops();
    metrics_.Close();
    if (serving_) Log(Severity::kInfo, "stopped");
  }

  int port() const { return server_.port(); }
  int metrics_port() const { return metrics_.port(); }
  std::uint64_t rows_in_flight() const { return inference_.rows_in_flight(); }

 private:
  // Parsing of uploads, slices of datasets, artefacts.
  static constexpr int kBulkThreads = 2;
  // Reading and packing a version takes milliseconds of a core: a tenth of a busy one is left to
  // it.
  static constexpr int kLoaderNice = 10;
  // Large requests take what small ones leave, and a tenth of a core that these keep busy.
  static constexpr int kComputeNice = 10;

  static std::vector<std::string> ServiceNames() {
    return {v1::InferenceService::service_full_name(), v1::TrainingService::service_full_name(),
            v1::DatasetService::service_full_name(), v1::RegistryService::service_full_name(),
            v1::SystemService::service_full_name()};
  }

  absl::Status Listen() {
    LATENT_RETURN_IF_ERROR(
        server_.Listen(config_, {health_.service(), system_.service(), inference_.service(),
                                 datasets_.service(), training_.service(), registry_.service()}));
    environment_.hidden_path = config_.state_dir;
    router_ = std::make_unique<Router>(server_.loops(), &io_, &metrics_.rpcs(), &environment_);
    health_.Bind(*router_);
    system_.Bind(*router_);
    inference_.Bind(*router_);
    datasets_.Bind(*router_);
    training_.Bind(*router_);
    registry_.Bind(*router_);
    router_->ArmAll();
    server_.StartLoops();
    return absl::OkStatus();
  }

  const Config config_;
  bool serving_ = false;  // Start has succeeded
  bool down_ = false;
  Metrics metrics_;
  CallEnvironment environment_;
  IoExecutor io_, bulk_, compute_, loader_, watch_;
  Backend backend_;
  HealthService health_;
  SystemServiceHandler system_;
  InferenceServiceHandler inference_;
  DatasetServiceHandler datasets_;
  TrainingServiceHandler training_;
  RegistryServiceHandler registry_;
  std::unique_ptr<Router> router_;
  GrpcServer server_;  // its loops end before what they call
};

absl::StatusOr<std::unique_ptr<App>> App::Start(Config config, const Observer& observer) {
  auto impl = std::make_unique<Impl>(std::move(config));
  LATENT_RETURN_IF_ERROR(impl->Start(observer));
  return std::unique_ptr<App>(new App(std::move(impl)));
}

App::App(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
App::~App() = default;
int App::port() const { return impl_->port(); }
int App::metrics_port() const { return impl_->metrics_port(); }
std::uint64_t App::rows_in_flight() const { return impl_->rows_in_flight(); }
void App::Shutdown() { impl_->Shutdown(); }

}  // namespace latent

#include "server/app.h"

#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/cpu_budget.h"
#include "server/grpc_server.h"
#include "server/health_service.h"
#include "server/io_executor.h"
#include "server/metrics.h"
#include "server/router.h"
#include "server/system_service.h"
#include "server/version.h"

namespace latent {
namespace {

// The configuration with everything decided that "0" leaves to the machine.
Config InForce(Config config) {
  const CpuBudget budget = MeasureCpuBudget();
  if (config.loops == 0) config.loops = DefaultLoops(budget);
  if (config.train_threads == 0) config.train_threads = DefaultTrainThreads(budget);
  return config;
}

// Whole or not at all, so that who waits for the file never reads half of it.
absl::Status WritePortFile(const std::string& path, int port, int metrics_port) {
  const std::string temporary = path + ".new";
  std::ofstream(temporary) << port << "\n" << metrics_port << "\n";
  if (::rename(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write --port-file ", path));
}

}  // namespace

class App::Impl {
 public:
  explicit Impl(Config config)
      : config_(InForce(std::move(config))),
        executor_("latent-io", config_.io_threads, static_cast<std::size_t>(config_.io_queue)),
        health_({v1::SystemService::service_full_name()}),
        system_(config_) {}
  ~Impl() { Shutdown(); }

  absl::Status Start() {
    ConfigureLog(LogFormatOf(config_), LogLevelOf(config_));
    metrics_.AddCollector(ProcessCollector());
    metrics_.AddCollector(ExecutorCollector({{"io", &executor_}}));
    if (config_.metrics_listen != "off") {
      LATENT_RETURN_IF_ERROR(metrics_.Listen(config_.metrics_listen));
    }
    LATENT_RETURN_IF_ERROR(Listen());
    environment_.ready.store(true, std::memory_order_release);
    health_.SetServing(true);
    if (!config_.port_file.empty()) {
      LATENT_RETURN_IF_ERROR(WritePortFile(config_.port_file, port(), metrics_port()));
    }
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
    Log(Severity::kInfo, "shutting down", {{"drain_s", config_.drain_seconds}});
    health_.SetServing(false);
    server_.DrainCalls(std::chrono::duration<double>(config_.drain_seconds));
    executor_.Stop();
    server_.JoinLoops();
    metrics_.Close();
    Log(Severity::kInfo, "stopped");
  }

  int port() const { return server_.port(); }
  int metrics_port() const { return metrics_.port(); }

 private:
  absl::Status Listen() {
    LATENT_RETURN_IF_ERROR(server_.Listen(config_, {health_.service(), system_.service()}));
    router_ =
        std::make_unique<Router>(server_.loops(), &executor_, &metrics_.rpcs(), &environment_);
    health_.Bind(*router_);
    system_.Bind(*router_);
    router_->ArmAll();
    server_.StartLoops();
    return absl::OkStatus();
  }

  const Config config_;
  bool down_ = false;
  Metrics metrics_;
  CallEnvironment environment_;
  IoExecutor executor_;
  HealthService health_;
  SystemServiceHandler system_;
  std::unique_ptr<Router> router_;
  GrpcServer server_;  // its loops end before what they call
};

absl::StatusOr<std::unique_ptr<App>> App::Start(Config config) {
  auto impl = std::make_unique<Impl>(std::move(config));
  LATENT_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<App>(new App(std::move(impl)));
}

App::App(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
App::~App() = default;
int App::port() const { return impl_->port(); }
int App::metrics_port() const { return impl_->metrics_port(); }
void App::Shutdown() { impl_->Shutdown(); }

}  // namespace latent

#include "server/metrics.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/base/isa.h"
#include "core/base/status.h"
#include "server/version.h"

namespace latent {
namespace {

const prometheus::Histogram::BucketBoundaries kShortSeconds = {
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1};
prometheus::Histogram* MakeHistogram(prometheus::Registry& registry, const std::string& name,
                                     const std::string& help,
                                     const prometheus::Histogram::BucketBoundaries& bounds) {
  return &prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
}

BatchMetrics MakeBatchMetrics(prometheus::Registry& registry) {
  auto& dropped = prometheus::BuildCounter()
                      .Name("latent_dropped_total")
                      .Help(
                          "Row calls that were refused, or given up before or between pieces of "
                          "compute, by reason.")
                      .Register(registry);
  return {
      .queue_wait_seconds = MakeHistogram(
          registry, "latent_queue_wait_seconds",
          "Seconds from a row call's arrival to its first forward pass.", kShortSeconds),
      .dropped_deadline = &dropped.Add({{"reason", "deadline"}}),
      .dropped_cancelled = &dropped.Add({{"reason", "cancelled"}}),
      .dropped_overload = &dropped.Add({{"reason", "overload"}}),
      .rows = &prometheus::BuildCounter()
                   .Name("latent_rows_total")
                   .Help("Rows that were answered.")
                   .Register(registry)
                   .Add({}),
  };
}

std::string HostOf(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() >= 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

// Opens a connection and closes it: the HTTP server looks whether it has to stop when one comes,
// and otherwise only every two seconds.
void ConnectOnce(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found) != 0) return;
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    static_cast<void>(::connect(fd, found->ai_addr, found->ai_addrlen));  // coming is all
    ::close(fd);
  }
  ::freeaddrinfo(found);
}

}  // namespace

void BatchMetrics::CountUnwanted(const absl::Status& why) const {
  (absl::IsCancelled(why) ? dropped_cancelled : dropped_deadline)->Increment();
}

prometheus::ClientMetric& Scrape::Sample(const std::string& name, const std::string& help,
                                         prometheus::MetricType type, const Labels& labels) {
  if (families_.empty() || families_.back().name != name) {
    families_.push_back({.name = name, .help = help, .type = type, .metric = {}});
  }
  prometheus::ClientMetric metric;
  for (const auto& [key, value] : labels) metric.label.push_back({key, value});
  families_.back().metric.push_back(std::move(metric));
  return families_.back().metric.back();
}

void Scrape::Gauge(const std::string& name, const std::string& help, double value,
                   const Labels& labels) {
  Sample(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void Scrape::Counter(const std::string& name, const std::string& help, double value,
                     const Labels& labels) {
  Sample(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void Scrape::Histogram(const std::string& name, const std::string& help,
                       const std::vector<double>& bounds, const std::vector<std::uint64_t>& counts,
                       double sum) {
  auto& histogram = Sample(name, help, prometheus::MetricType::Histogram, {}).histogram;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    histogram.sample_count += counts[i];
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({histogram.sample_count, bound});
  }
  histogram.sample_sum = sum;
}

class Metrics::Collectors final : public prometheus::Collectable {
 public:
  void Add(Collector collector) {
    MutexLock lock(&mutex_);
    collectors_.push_back(std::move(collector));
  }
  void Clear() {
    MutexLock lock(&mutex_);
    collectors_.clear();
  }
  std::vector<prometheus::MetricFamily> Collect() const override {
    Scrape scrape;
    MutexLock lock(&mutex_);
    for (const auto& collector : collectors_) collector(scrape);
    return scrape.Take();
  }

 private:
  mutable Mutex mutex_;
  std::vector<Collector> collectors_ ABSL_GUARDED_BY(mutex_);
};

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      collectors_(std::make_shared<Collectors>()),
      rpcs_(*registry_),
      batches_(MakeBatchMetrics(*registry_)) {}

Metrics::~Metrics() { Close(); }

void Metrics::AddCollector(Collector collector) { collectors_->Add(std::move(collector)); }

absl::Status Metrics::Listen(const std::string& address) {
  try {
    // Two threads, and an end to connections that ask for nothing, so that one of those does not
    // keep a scrape from being answered.
    exposer_ = std::make_unique<prometheus::Exposer>(std::vector<std::string>{
        "listening_ports", address, "num_threads", "2", "request_timeout_ms", "5000"});
  } catch (const std::exception&) {  // its text says nothing
    return MakeError(absl::StatusCode::kUnavailable, "CANNOT_LISTEN",
                     absl::StrCat("cannot listen on ", address,
                                  " for /metrics: is the port taken? (--metrics-listen)"));
  }
  exposer_->RegisterCollectable(registry_);
  exposer_->RegisterCollectable(collectors_);
  const auto ports = exposer_->GetListeningPorts();
  port_ = ports.empty() ? 0 : ports.front();
  host_ = HostOf(address);
  return absl::OkStatus();
}

void Metrics::Close() {
  collectors_->Clear();
  if (exposer_ == nullptr) return;
  const std::jthread waker([this](const std::stop_token& stop) {
    // From before the HTTP server was told to stop until it has: one connection may come too early.
    while (!stop.stop_requested()) {
      ConnectOnce(host_, port_);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  exposer_.reset();
}

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
  auto families = registry_->Collect();
  for (auto& family : collectors_->Collect()) families.push_back(std::move(family));
  return families;
}

Metrics::Collector ExecutorCollector(
    std::vector<std::pair<std::string, const IoExecutor*>> executors) {
  return [executors = std::move(executors)](Scrape& scrape) {
    std::vector<std::pair<Scrape::Labels, IoExecutor::Stats>> all;
    for (const auto& [name, executor] : executors) {
      all.push_back({{{"executor", name}}, executor->stats()});
    }
    for (const auto& [labels, stats] : all) {
      scrape.Gauge("latent_executor_queued", "Pieces of work that wait.",
                   static_cast<double>(stats.queued), labels);
    }
    for (const auto& [labels, stats] : all) {
      scrape.Gauge("latent_executor_busy", "Pieces of work that run.",
                   static_cast<double>(stats.busy), labels);
    }
    for (const auto& [labels, stats] : all) {
      scrape.Counter("latent_executor_done_total", "Pieces of work that were done.",
                     static_cast<double>(stats.done), labels);
    }
    for (const auto& [labels, stats] : all) {
      scrape.Counter("latent_executor_refused_total",
                     "Pieces of work that were refused because the queue was full.",
                     static_cast<double>(stats.refused), labels);
    }
    for (const auto& [labels, stats] : all) {
      scrape.Counter("latent_executor_wait_seconds_total", "Seconds that work has waited, summed.",
                     stats.wait_seconds, labels);
    }
  };
}

Metrics::Collector ProcessCollector() {
  const std::chrono::duration<double> started = std::chrono::system_clock::now().time_since_epoch();
  return [started](Scrape& scrape) {
    scrape.Gauge("latent_build_info", "Always 1; the labels say what runs.", 1,
                 {{"version", kVersion}, {"revision", kRevision}, {"isa", std::string(IsaName())}});
    scrape.Gauge("latent_start_time_seconds", "When the server started, Unix time.",
                 started.count());
  };
}

}  // namespace latent

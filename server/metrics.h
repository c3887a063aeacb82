// /metrics: everything an operator can see, on a port of its own. Events are counted as they
// happen; what core counts plainly is read at scrape by collectors. Owned by App. No label is a
// job's id; series of a version go with it.
#ifndef LATENT_SERVER_METRICS_H_
#define LATENT_SERVER_METRICS_H_

#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/base/mutex.h"
#include "server/io_executor.h"
#include "server/rpc_metrics.h"

namespace latent {

// What one scrape collects. Helpers for collectors.
class Scrape {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  // One sample; samples of one name must come one after the other.
  void Gauge(const std::string& name, const std::string& help, double value,
             const Labels& labels = {});
  // `name` ends in "_total".
  void Counter(const std::string& name, const std::string& help, double value,
               const Labels& labels = {});
  // `counts` per bucket, not cumulative, one more than `bounds`.
  void Histogram(const std::string& name, const std::string& help,
                 const std::vector<double>& bounds, const std::vector<std::uint64_t>& counts,
                 double sum);
  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  prometheus::ClientMetric& Sample(const std::string& name, const std::string& help,
                                   prometheus::MetricType type, const Labels& labels);
  std::vector<prometheus::MetricFamily> families_;
};

// How row calls wait and what becomes of them; recorded by the event loops.
struct BatchMetrics {
  prometheus::Histogram* queue_wait_seconds;
  prometheus::Counter* dropped_deadline;
  prometheus::Counter* dropped_cancelled;
  prometheus::Counter* dropped_overload;
  prometheus::Counter* rows;

  // Counts a call that was given up because nobody waits any more (CallBase::StillWanted).
  void CountUnwanted(const absl::Status& why) const;
};

class Metrics {
 public:
  using Collector = std::function<void(Scrape&)>;

  Metrics();
  ~Metrics();
  RpcMetrics& rpcs() { return rpcs_; }
  const BatchMetrics& batches() const { return batches_; }
  // Called at every scrape, on a thread of the HTTP server, until Close.
  void AddCollector(Collector collector);
  // Serves /metrics on host:port. UNAVAILABLE if it cannot be bound.
  absl::Status Listen(const std::string& address);
  int port() const { return port_; }
  // Ends the HTTP server; collectors are not called any more.
  void Close();
  // What a scrape would see.
  std::vector<prometheus::MetricFamily> Collect() const;

 private:
  class Collectors;
  const std::shared_ptr<prometheus::Registry> registry_;
  const std::shared_ptr<Collectors> collectors_;
  RpcMetrics rpcs_;
  BatchMetrics batches_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::string host_;
  int port_ = 0;
};

// Collects the counters of executors, by name.
Metrics::Collector ExecutorCollector(
    std::vector<std::pair<std::string, const IoExecutor*>> executors);
// Version, revision and instruction set; when the process started; syncs of files.
Metrics::Collector ProcessCollector();

}  // namespace latent

#endif  // LATENT_SERVER_METRICS_H_

// Counters and times of every RPC, under the names of go-grpc-prometheus so that ready-made
// dashboards work. Methods are registered at start-up, which bounds the labels. Owned by Metrics;
// recording is safe from any thread.
#ifndef LATENT_SERVER_RPC_METRICS_H_
#define LATENT_SERVER_RPC_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace latent {

// One RPC's series.
class MethodMetrics {
 public:
  void Started() { started_->Increment(); }
  void Received() { received_->Increment(); }
  void Sent() { sent_->Increment(); }
  void Handled(absl::StatusCode code, double seconds);

 private:
  friend class RpcMetrics;
  prometheus::Counter* started_ = nullptr;
  prometheus::Counter* received_ = nullptr;
  prometheus::Counter* sent_ = nullptr;
  prometheus::Histogram* seconds_ = nullptr;
  std::array<prometheus::Counter*, 17> handled_{};  // by status code
};

class RpcMetrics {
 public:
  explicit RpcMetrics(prometheus::Registry& registry);
  // `type` is "unary", "server_stream", "client_stream" or "bidi_stream". The series live as long
  // as this.
  MethodMetrics* Register(const std::string& service, const std::string& method,
                          const std::string& type);

 private:
  prometheus::Family<prometheus::Counter>& started_;
  prometheus::Family<prometheus::Counter>& handled_;
  prometheus::Family<prometheus::Counter>& received_;
  prometheus::Family<prometheus::Counter>& sent_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  std::vector<std::unique_ptr<MethodMetrics>> methods_;
};

}  // namespace latent

#endif  // LATENT_SERVER_RPC_METRICS_H_

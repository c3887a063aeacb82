#include "server/rpc_metrics.h"

#include "server/status_codec.h"

namespace latent {
namespace {

// 50 microseconds (a row that shares a batch) to half a minute (an upload's end).
const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
    0.05,    0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30};

prometheus::Family<prometheus::Counter>& Counters(prometheus::Registry& registry,
                                                  const std::string& name,
                                                  const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

void MethodMetrics::Handled(absl::StatusCode code, double seconds) {
  const auto index = static_cast<std::size_t>(code);
  handled_[index < handled_.size() ? index : 2]->Increment();
  seconds_->Observe(seconds);
}

RpcMetrics::RpcMetrics(prometheus::Registry& registry)
    : started_(Counters(registry, "grpc_server_started_total",
                        "Calls that were started on the server.")),
      handled_(Counters(registry, "grpc_server_handled_total",
                        "Calls that were completed on the server, by status code.")),
      received_(Counters(registry, "grpc_server_msg_received_total",
                         "Messages that were received from clients.")),
      sent_(
          Counters(registry, "grpc_server_msg_sent_total", "Messages that were sent to clients.")),
      seconds_(prometheus::BuildHistogram()
                   .Name("grpc_server_handling_seconds")
                   .Help("Seconds from a call's arrival to its completion.")
                   .Register(registry)) {}

MethodMetrics* RpcMetrics::Register(const std::string& service, const std::string& method,
                                    const std::string& type) {
  const prometheus::Labels labels = {
      {"grpc_type", type}, {"grpc_service", service}, {"grpc_method", method}};
  auto metrics = std::make_unique<MethodMetrics>();
  metrics->started_ = &started_.Add(labels);
  metrics->received_ = &received_.Add(labels);
  metrics->sent_ = &sent_.Add(labels);
  metrics->seconds_ = &seconds_.Add(labels, kSeconds);
  for (std::size_t code = 0; code < metrics->handled_.size(); ++code) {
    prometheus::Labels with_code = labels;
    with_code["grpc_code"] = std::string(CodeName(static_cast<absl::StatusCode>(code)));
    metrics->handled_[code] = &handled_.Add(with_code);
  }
  methods_.push_back(std::move(metrics));
  return methods_.back().get();
}

}  // namespace latent

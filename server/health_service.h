// grpc.health.v1.Health on our own event loops: the library's would bring callback polling threads
// that double the CPU of every request. All services share one state. Owned by App.
#ifndef LATENT_SERVER_HEALTH_SERVICE_H_
#define LATENT_SERVER_HEALTH_SERVICE_H_

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/router.h"

namespace latent {

class HealthService {
 public:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  // Answers for "", "readiness" and the full names in `services`.
  explicit HealthService(std::vector<std::string> services);
  ~HealthService();

  grpc::Service* service() { return &service_; }
  void Bind(Router& router);
  // Any thread; watchers are told.
  void SetServing(bool serving);
  // SERVICE_UNKNOWN for a name that is not ours.
  Status StatusOf(const std::string& service) const;

 private:
  class Watcher;
  using WatchCall =
      ServerStreamCall<grpc::health::v1::HealthCheckRequest, grpc::health::v1::HealthCheckResponse>;

  std::set<std::string> names_;
  std::atomic<bool> serving_{false};
  grpc::health::v1::Health::AsyncService service_;
  std::vector<EventLoop*> loops_;
  // One set a loop, touched by its thread alone.
  std::vector<std::set<Watcher*>> watchers_;
};

}  // namespace latent

#endif  // LATENT_SERVER_HEALTH_SERVICE_H_

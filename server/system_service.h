// SystemService: what the server is and allows. Answers even while the state is recovered. Owned by
// App.
#ifndef LATENT_SERVER_SYSTEM_SERVICE_H_
#define LATENT_SERVER_SYSTEM_SERVICE_H_

#include <chrono>

#include "latent/v1/system_service.grpc.pb.h"
#include "server/config.h"
#include "server/router.h"

namespace latent {

class SystemServiceHandler {
 public:
  // `config` with loops and train_threads as they are in force.
  explicit SystemServiceHandler(const Config& config);
  grpc::Service* service() { return &service_; }
  void Bind(Router& router);

 private:
  absl::Status GetServerInfo(v1::GetServerInfoResponse* response) const;

  v1::GetServerInfoResponse info_;  // all but the uptime
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  v1::SystemService::AsyncService service_;
};

}  // namespace latent

#endif  // LATENT_SERVER_SYSTEM_SERVICE_H_

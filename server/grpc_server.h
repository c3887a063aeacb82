// The gRPC listener and its event loops: builds the server with our limits, and takes it down in
// the one order that works. Owned by App. Not its job: what calls do.
#ifndef LATENT_SERVER_GRPC_SERVER_H_
#define LATENT_SERVER_GRPC_SERVER_H_

#include <grpcpp/server.h>

#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "server/config.h"
#include "server/event_loop.h"

namespace latent {

class GrpcServer {
 public:
  // Listens; requests wait until their calls are armed and StartLoops. UNAVAILABLE if the address
  // cannot be bound.
  absl::Status Listen(const Config& config, const std::vector<grpc::Service*>& services);
  std::vector<EventLoop*> loops() const;
  void StartLoops();
  int port() const { return port_; }

  // No new calls; ends streams; waits until calls have ended, and cancels them at the deadline.
  void DrainCalls(std::chrono::duration<double> limit);
  // After DrainCalls, when nobody posts results any more.
  void JoinLoops();

 private:
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace latent

#endif  // LATENT_SERVER_GRPC_SERVER_H_

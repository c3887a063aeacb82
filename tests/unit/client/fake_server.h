// A server of the real protocol on a loopback port of the system's choice, whose answers a test
// gives. It lives as long as the test; its services are called from gRPC's threads.
#ifndef LATENT_TESTS_UNIT_CLIENT_FAKE_SERVER_H_
#define LATENT_TESTS_UNIT_CLIENT_FAKE_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "client/client.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/status.pb.h"

namespace latent {

class FakeServer {
 public:
  // The services must outlive the server.
  explicit FakeServer(const std::vector<grpc::Service*>& services) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    for (grpc::Service* service : services) builder.RegisterService(service);
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // Options that reach it and retry without long pauses.
  ClientOptions options() const {
    ClientOptions options;
    options.server = address();
    options.first_pause = std::chrono::milliseconds(1);
    return options;
  }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// A gRPC status with details as a real server sends them.
template <typename... Details>
grpc::Status StatusWithDetails(grpc::StatusCode code, const std::string& message,
                               const Details&... details) {
  google::rpc::Status wire;
  wire.set_code(code);
  wire.set_message(message);
  (wire.add_details()->PackFrom(details), ...);
  return {code, message, wire.SerializeAsString()};
}

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_CLIENT_FAKE_SERVER_H_

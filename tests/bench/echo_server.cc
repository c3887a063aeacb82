// What gRPC itself costs: answers Encode with codes of zeros, on one completion queue and one
// thread, computing nothing. Requests, replies, limits and malloc settings are latentd's, so that
// what latentd costs above this is latentd's own. Runs until it is killed.
//
//   echo_server --port-file FILE [--listen 127.0.0.1:0] [--code 32] [--read-bytes N] [--health]
//               [--default-health]
//
// With --read-bytes it reads N bytes from front to back before each answer, as a forward pass reads
// its weights: gRPC then finds its own code and data as cold as it does in a server of models.
#include <absl/synchronization/mutex.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <fstream>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "latent/v1/inference_service.grpc.pb.h"

namespace {

using grpc::health::v1::Health;
using latent::v1::InferenceService;

struct Flags {
  std::string listen = "127.0.0.1:0";
  std::string port_file;
  std::uint32_t code = 32;
  std::size_t read_bytes = 0;
  bool health = false;
  bool default_health = false;
};

// One armed call, used again and again with its messages.
class Call {
 public:
  virtual ~Call() = default;
  virtual void Proceed(bool ok) = 0;
};

template <typename Request, typename Response, typename Arm, typename Answer>
class EchoCall final : public Call {
 public:
  EchoCall(Arm arm, Answer answer) : arm_(arm), answer_(answer) { Begin(); }

  void Proceed(bool ok) override {
    if (ok && !answering_) {
      answering_ = true;
      answer_(request_, response_);
      responder_->Finish(response_, grpc::Status::OK, this);
    } else {
      Begin();
    }
  }

 private:
  void Begin() {
    answering_ = false;
    responder_.reset();
    context_.emplace();
    responder_.emplace(&*context_);
    arm_(&*context_, &request_, &*responder_, this);
  }

  const Arm arm_;
  const Answer answer_;
  bool answering_ = false;
  std::optional<grpc::ServerContext> context_;
  Request request_;
  Response response_;
  std::optional<grpc::ServerAsyncResponseWriter<Response>> responder_;
};

class EchoServer {
 public:
  explicit EchoServer(const Flags& flags)
      : code_(flags.code), weights_(flags.read_bytes / sizeof(float), 1.0f) {
    grpc::EnableDefaultHealthCheckService(flags.default_health);
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(17 << 20);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 128);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(flags.listen, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&inference_);
    if (flags.health) builder.RegisterService(&health_);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return;
    for (int i = 0; i < kArmed; ++i) ArmEncode();
    for (int i = 0; i < kArmedHealth && flags.health; ++i) ArmHealth();
  }

  bool listening() const { return server_ != nullptr; }
  int port() const { return port_; }

  void Run() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) static_cast<Call*>(tag)->Proceed(ok);
  }

 private:
  static constexpr int kArmed = 256, kArmedHealth = 4;

  template <typename Request, typename Response, typename Arm, typename Answer>
  void Add(Arm arm, Answer answer) {
    calls_.push_back(std::make_unique<EchoCall<Request, Response, Arm, Answer>>(arm, answer));
  }

  void ArmEncode() {
    using latent::v1::EncodeRequest, latent::v1::EncodeResponse;
    Add<EncodeRequest, EncodeResponse>(
        [this](auto* context, auto* request, auto* responder, void* tag) {
          inference_.RequestEncode(context, request, responder, queue_.get(), queue_.get(), tag);
        },
        [this](const EncodeRequest& request, EncodeResponse& response) {
          ReadWeights();
          const auto& dense = request.rows().dense();
          const std::size_t rows =
              dense.data().size() / sizeof(float) / std::max<std::size_t>(1, dense.columns());
          auto& answered = *response.mutable_answered_by();
          answered.set_model(request.model().model());
          answered.set_version(1);
          answered.set_latent_space_id("0123456789abcdef");
          auto& codes = *response.mutable_codes()->mutable_dense();
          codes.set_columns(code_);
          codes.mutable_data()->assign(rows * code_ * sizeof(float), '\0');
        });
  }

  void ReadWeights() {
    constexpr std::size_t kLanes = 64;  // sums enough to wait for memory alone
    std::array<float, kLanes> sums{};
    for (std::size_t i = 0; i + kLanes <= weights_.size(); i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += weights_[i + lane];
    }
    read_ = std::accumulate(sums.begin(), sums.end(), 0.0f);
  }

  void ArmHealth() {
    using grpc::health::v1::HealthCheckRequest, grpc::health::v1::HealthCheckResponse;
    Add<HealthCheckRequest, HealthCheckResponse>(
        [this](auto* context, auto* request, auto* responder, void* tag) {
          health_.RequestCheck(context, request, responder, queue_.get(), queue_.get(), tag);
        },
        [](const HealthCheckRequest&, HealthCheckResponse& response) {
          response.set_status(HealthCheckResponse::SERVING);
        });
  }

  const std::uint32_t code_;
  const std::vector<float> weights_;
  volatile float read_ = 0;
  InferenceService::AsyncService inference_;
  Health::AsyncService health_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::deque<std::unique_ptr<Call>> calls_;
};

}  // namespace

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  Flags flags;
  CLI::App app("An echo of Encode that computes nothing");
  app.add_option("--listen", flags.listen, "host:port or unix:path");
  app.add_option("--port-file", flags.port_file, "gets the port")->required();
  app.add_option("--code", flags.code, "entries of a code");
  app.add_option("--read-bytes", flags.read_bytes, "bytes to read before each answer");
  app.add_flag("--health", flags.health, "answer health checks too");
  app.add_flag("--default-health", flags.default_health,
               "let gRPC answer them, by the callback API: what latentd must not do")
      ->excludes("--health");
  CLI11_PARSE(app, argc, argv);
  EchoServer server(flags);
  if (!server.listening()) {
    std::fprintf(stderr, "echo_server: cannot listen on %s\n", flags.listen.c_str());
    return 1;
  }
  std::ofstream(flags.port_file) << server.port() << std::endl;
  server.Run();
}

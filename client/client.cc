#include "client/client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/checksum.h"
#include "client/errors.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "latent/v1/dataset_service.grpc.pb.h"
#include "latent/v1/inference_service.grpc.pb.h"
#include "latent/v1/registry_service.grpc.pb.h"
#include "latent/v1/system_service.grpc.pb.h"
#include "latent/v1/training_service.grpc.pb.h"

namespace latent {
namespace {

// Which calls gRPC itself tries again, and when. Streams are left out: an upload must first ask
// what has arrived, a watch where it stopped.
std::string ServiceConfig(const ClientOptions& options) {
  if (options.attempts < 2) return "{}";
  const double pause = static_cast<double>(options.first_pause.count()) / 1000;
  return absl::StrFormat(
      R"({"methodConfig": [
           {"name": [{"service": "latent.v1.DatasetService", "method": "UploadDataset"},
                     {"service": "latent.v1.TrainingService", "method": "WatchTrainJob"},
                     {"service": "latent.v1.InferenceService", "method": "StreamEncode"}]},
           {"name": [{"service": "latent.v1.DatasetService"},
                     {"service": "latent.v1.TrainingService"},
                     {"service": "latent.v1.RegistryService"},
                     {"service": "latent.v1.InferenceService"},
                     {"service": "latent.v1.SystemService"}],
            "retryPolicy": {"maxAttempts": %d, "initialBackoff": "%.3fs", "maxBackoff": "%.3fs",
                            "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}],
          "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.5}})",
      std::min(options.attempts, 5), std::max(pause, 0.001), std::max(20 * pause, 0.001));
}

std::shared_ptr<grpc::Channel> Connect(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(options.message_bytes);
  arguments.SetMaxSendMessageSize(options.message_bytes);
  arguments.SetServiceConfigJSON(ServiceConfig(options));
  // A server that restarts is found again within a second, not after gRPC's 20.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // Two clients of one process do not share a connection and its back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(options.server, grpc::InsecureChannelCredentials(), arguments);
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return StatusFromWire(static_cast<absl::StatusCode>(status.error_code()), status.error_message(),
                        status.error_details());
}

// A call's context with its deadline; cancelled when stop is requested.
class Call {
 public:
  Call(const ClientOptions& options, const CallOptions& call)
      : cancel_(call.stop, [this] { context_.TryCancel(); }) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          call.timeout.value_or(options.timeout));
  }
  grpc::ClientContext* context() { return &context_; }

 private:
  grpc::ClientContext context_;
  std::stop_callback<std::function<void()>> cancel_;
};

template <typename Request>
concept Mutating = requires(Request request) {
  request.set_request_id(std::string());
};

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Unary(const ClientOptions& options, Stub& stub,
                               grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Response*),
                               Request request, const CallOptions& call_options) {
  if constexpr (Mutating<Request>) {
    if (request.request_id().empty()) request.set_request_id(client_internal::NewRequestId());
  }
  Call call(options, call_options);
  Response response;
  if (absl::Status status = FromGrpc((stub.*method)(call.context(), request, &response));
      !status.ok()) {
    return status;
  }
  return response;
}

}  // namespace

struct Client::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : dataset(channel),
        training(channel),
        registry(channel),
        inference(channel),
        system(channel),
        health(channel) {}
  v1::DatasetService::Stub dataset;
  v1::TrainingService::Stub training;
  v1::RegistryService::Stub registry;
  v1::InferenceService::Stub inference;
  v1::SystemService::Stub system;
  grpc::health::v1::Health::Stub health;
};

Client::Client(ClientOptions options)
    : options_(std::move(options)), stubs_(std::make_unique<Stubs>(Connect(options_))) {}
Client::~Client() = default;

#define LATENT_CLIENT_RPC(Service, stub, name)                                                \
  absl::StatusOr<v1::name##Response> Client::name(v1::name##Request request,                  \
                                                  const CallOptions& call) {                  \
    return Unary(options_, stubs_->stub, &v1::Service::Stub::name, std::move(request), call); \
  }
LATENT_CLIENT_RPC(DatasetService, dataset, CreateDataset)
LATENT_CLIENT_RPC(DatasetService, dataset, FinishDataset)
LATENT_CLIENT_RPC(DatasetService, dataset, GetDataset)
LATENT_CLIENT_RPC(DatasetService, dataset, ListDatasets)
LATENT_CLIENT_RPC(DatasetService, dataset, DeleteDataset)
LATENT_CLIENT_RPC(TrainingService, training, CreateTrainJob)
LATENT_CLIENT_RPC(TrainingService, training, CreateEvaluationJob)
LATENT_CLIENT_RPC(TrainingService, training, GetTrainJob)
LATENT_CLIENT_RPC(TrainingService, training, ListTrainJobs)
LATENT_CLIENT_RPC(TrainingService, training, CancelTrainJob)
LATENT_CLIENT_RPC(TrainingService, training, DeleteTrainJob)
LATENT_CLIENT_RPC(RegistryService, registry, GetModel)
LATENT_CLIENT_RPC(RegistryService, registry, ListModels)
LATENT_CLIENT_RPC(RegistryService, registry, UpdateModel)
LATENT_CLIENT_RPC(RegistryService, registry, GetModelVersion)
LATENT_CLIENT_RPC(RegistryService, registry, ListModelVersions)
LATENT_CLIENT_RPC(RegistryService, registry, SetAlias)
LATENT_CLIENT_RPC(RegistryService, registry, DeleteAlias)
LATENT_CLIENT_RPC(RegistryService, registry, DeleteModelVersion)
LATENT_CLIENT_RPC(RegistryService, registry, DeleteModel)
LATENT_CLIENT_RPC(InferenceService, inference, Encode)
LATENT_CLIENT_RPC(InferenceService, inference, Decode)
LATENT_CLIENT_RPC(InferenceService, inference, Reconstruct)
LATENT_CLIENT_RPC(InferenceService, inference, Denoise)
LATENT_CLIENT_RPC(InferenceService, inference, Sample)
LATENT_CLIENT_RPC(InferenceService, inference, Interpolate)
LATENT_CLIENT_RPC(InferenceService, inference, Score)
LATENT_CLIENT_RPC(InferenceService, inference, Recommend)
LATENT_CLIENT_RPC(SystemService, system, GetServerInfo)
#undef LATENT_CLIENT_RPC

absl::StatusOr<v1::UploadDatasetResponse> Client::UploadDataset(
    const std::function<bool(v1::UploadDatasetRequest*)>& next, const CallOptions& call_options) {
  Call call(options_, call_options);
  v1::UploadDatasetResponse response;
  const auto writer = stubs_->dataset.UploadDataset(call.context(), &response);
  v1::UploadDatasetRequest chunk;
  // A failed write means that the server has ended the call; Finish says why.
  while (next(&chunk) && writer->Write(chunk)) chunk.Clear();
  writer->WritesDone();
  if (absl::Status status = FromGrpc(writer->Finish()); !status.ok()) return status;
  return response;
}

absl::Status Client::StreamEncode(
    const std::function<bool(v1::StreamEncodeRequest*)>& next,
    const std::function<absl::Status(v1::StreamEncodeResponse&)>& on_reply,
    v1::AnsweredBy* answered_by, const CallOptions& call_options) {
  Call call(options_, call_options);
  const auto stream = stubs_->inference.StreamEncode(call.context());
  std::jthread writer([&] {
    v1::StreamEncodeRequest message;
    // A failed write means that the server has ended the call; Finish says why.
    while (next(&message) && stream->Write(message)) message.Clear();
    stream->WritesDone();
  });
  v1::StreamEncodeResponse reply;
  absl::Status refused;
  while (stream->Read(&reply)) {
    if (!refused.ok()) continue;
    if (answered_by != nullptr) *answered_by = reply.answered_by();
    refused = on_reply(reply);
    if (!refused.ok()) call.context()->TryCancel();
  }
  // Of a call that has ended no write waits.
  writer.join();
  const absl::Status status = FromGrpc(stream->Finish());
  return refused.ok() ? status : refused;
}

absl::Status Client::WatchTrainJob(const v1::WatchTrainJobRequest& request,
                                   const std::function<bool(const v1::JobEvent&)>& on_event,
                                   const CallOptions& call_options) {
  Call call(options_, call_options);
  const auto reader = stubs_->training.WatchTrainJob(call.context(), request);
  v1::WatchTrainJobResponse response;
  while (reader->Read(&response)) {
    if (on_event(response.event())) continue;
    call.context()->TryCancel();
    while (reader->Read(&response)) {
    }
    (void)reader->Finish();
    return absl::OkStatus();
  }
  return FromGrpc(reader->Finish());
}

absl::Status Client::GetArtifact(
    const v1::GetArtifactRequest& request,
    const std::function<absl::Status(const v1::GetArtifactResponse&)>& on_piece,
    const CallOptions& call_options) {
  Call call(options_, call_options);
  const auto reader = stubs_->registry.GetArtifact(call.context(), request);
  v1::GetArtifactResponse piece;
  absl::Status refused;
  while (reader->Read(&piece)) {
    if (!refused.ok()) continue;
    refused = on_piece(piece);
    if (!refused.ok()) call.context()->TryCancel();
  }
  const absl::Status status = FromGrpc(reader->Finish());
  return refused.ok() ? status : refused;
}

absl::StatusOr<Health> Client::CheckHealth(const std::string& service, const CallOptions& call) {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  const auto response =
      Unary(options_, stubs_->health, &grpc::health::v1::Health::Stub::Check, request, call);
  if (absl::IsNotFound(response.status())) return Health::kUnknownService;
  if (!response.ok()) return response.status();
  return response->status() == grpc::health::v1::HealthCheckResponse::SERVING ? Health::kServing
                                                                              : Health::kNotServing;
}

}  // namespace latent

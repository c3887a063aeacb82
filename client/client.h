// The caller's side of Latent: one method an RPC, over one connection. Every call has a deadline;
// every mutating call carries a request_id, which stays the same when the call is tried again;
// calls that find the server unreachable are tried again. A Client belongs to its maker and may be
// used by any number of threads at once.
#ifndef LATENT_CLIENT_CLIENT_H_
#define LATENT_CLIENT_CLIENT_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "latent/v1/dataset_service.pb.h"
#include "latent/v1/inference_service.pb.h"
#include "latent/v1/registry_service.pb.h"
#include "latent/v1/system_service.pb.h"
#include "latent/v1/training_service.pb.h"

namespace latent {

struct ClientOptions {
  // Host and port, or any other gRPC target, e.g. "unix:/run/latent.sock".
  std::string server = "127.0.0.1:7700";
  // Deadline of a call that brings none of its own, retries included.
  std::chrono::milliseconds timeout{30'000};
  // Times a call is sent at most while the server answers UNAVAILABLE, 1 to 5.
  int attempts = 5;
  // Pause before the second attempt; doubles from attempt to attempt up to 20 times as much.
  std::chrono::milliseconds first_pause{100};
  // Largest message either way, bytes.
  int message_bytes = 64 << 20;
};

struct CallOptions {
  // Deadline of this call; default: the client's.
  std::optional<std::chrono::milliseconds> timeout = {};
  // Ends the call with CANCELLED as soon as stop is requested.
  std::stop_token stop = {};
};

enum class Health { kServing, kNotServing, kUnknownService };

// Errors are the server's: code, message and details (errors.h). UNAVAILABLE and DEADLINE_EXCEEDED
// may also mean that no server was reached.
class Client {
 public:
  explicit Client(ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const ClientOptions& options() const { return options_; }

// One method an RPC: StatusOr<v1::NAMEResponse> NAME(v1::NAMERequest, CallOptions).
#define LATENT_CLIENT_RPC(name) \
  absl::StatusOr<v1::name##Response> name(v1::name##Request request, const CallOptions& call = {})
  LATENT_CLIENT_RPC(CreateDataset);
  LATENT_CLIENT_RPC(FinishDataset);
  LATENT_CLIENT_RPC(GetDataset);
  LATENT_CLIENT_RPC(ListDatasets);
  LATENT_CLIENT_RPC(DeleteDataset);

  LATENT_CLIENT_RPC(CreateTrainJob);
  LATENT_CLIENT_RPC(CreateEvaluationJob);
  LATENT_CLIENT_RPC(GetTrainJob);
  LATENT_CLIENT_RPC(ListTrainJobs);
  LATENT_CLIENT_RPC(CancelTrainJob);
  LATENT_CLIENT_RPC(DeleteTrainJob);

  LATENT_CLIENT_RPC(GetModel);
  LATENT_CLIENT_RPC(ListModels);
  LATENT_CLIENT_RPC(UpdateModel);
  LATENT_CLIENT_RPC(GetModelVersion);
  LATENT_CLIENT_RPC(ListModelVersions);
  LATENT_CLIENT_RPC(SetAlias);
  LATENT_CLIENT_RPC(DeleteAlias);
  LATENT_CLIENT_RPC(DeleteModelVersion);
  LATENT_CLIENT_RPC(DeleteModel);

  LATENT_CLIENT_RPC(Encode);
  LATENT_CLIENT_RPC(Decode);
  LATENT_CLIENT_RPC(Reconstruct);
  LATENT_CLIENT_RPC(Denoise);
  LATENT_CLIENT_RPC(Sample);
  LATENT_CLIENT_RPC(Interpolate);
  LATENT_CLIENT_RPC(Score);
  LATENT_CLIENT_RPC(Recommend);

  LATENT_CLIENT_RPC(GetServerInfo);
#undef LATENT_CLIENT_RPC

  // Sends what `next` fills in until it returns false. Not tried again; upload.h resumes.
  absl::StatusOr<v1::UploadDatasetResponse> UploadDataset(
      const std::function<bool(v1::UploadDatasetRequest*)>& next, const CallOptions& call = {});
  // Sends what `next` fills in until it returns false, on a thread of its own, and hands over the
  // replies in order; ends early with the error that `on_reply` returns. `answered_by`, unless
  // null, gets what the last reply says. Not tried again; encode_stream.h resumes.
  absl::Status StreamEncode(const std::function<bool(v1::StreamEncodeRequest*)>& next,
                            const std::function<absl::Status(v1::StreamEncodeResponse&)>& on_reply,
                            v1::AnsweredBy* answered_by = nullptr, const CallOptions& call = {});
  // Hands over events until the stream ends or `on_event` returns false (then OK). Not tried again;
  // watch.h resumes.
  absl::Status WatchTrainJob(const v1::WatchTrainJobRequest& request,
                             const std::function<bool(const v1::JobEvent&)>& on_event,
                             const CallOptions& call = {});
  // Hands over the pieces of a file in order; ends early with the error that `on_piece` returns.
  absl::Status GetArtifact(
      const v1::GetArtifactRequest& request,
      const std::function<absl::Status(const v1::GetArtifactResponse&)>& on_piece,
      const CallOptions& call = {});
  // Whether a service ("latent.v1.InferenceService", "" for the whole server) takes calls.
  absl::StatusOr<Health> CheckHealth(const std::string& service, const CallOptions& call = {});

 private:
  struct Stubs;
  ClientOptions options_;
  std::unique_ptr<Stubs> stubs_;
};

}  // namespace latent

#endif  // LATENT_CLIENT_CLIENT_H_

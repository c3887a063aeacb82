// A server in this process on a fresh state directory, and a channel to it.
#ifndef LATENT_TESTS_INTEGRATION_SERVER_FIXTURE_H_
#define LATENT_TESTS_INTEGRATION_SERVER_FIXTURE_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "latent/v1/dataset_service.grpc.pb.h"
#include "latent/v1/inference_service.grpc.pb.h"
#include "latent/v1/registry_service.grpc.pb.h"
#include "latent/v1/system_service.grpc.pb.h"
#include "latent/v1/training_service.grpc.pb.h"
#include "server/app.h"

namespace latent {

// Calls `method` of a stub with a deadline of a minute.
template <typename Stub, typename Request, typename Response>
grpc::Status Call(Stub& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const std::type_identity_t<Request>& request,
                  std::type_identity_t<Response>* response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  return (stub.*method)(&context, request, response);
}

// What the details of an error say.
struct ErrorParts {
  std::string reason;
  std::vector<std::pair<std::string, std::string>> fields;
  std::map<std::string, std::string> metadata;
  bool has_retry = false;
};
ErrorParts PartsOf(const grpc::Status& status);

class ServerTest : public ::testing::Test {
 protected:
  ServerTest();
  ~ServerTest() override;

  // On the same state directory, also after a stop. Further settings go into `config_` before.
  void StartServer(const App::Observer& observer = nullptr);
  // Makes the stubs for a server on this port.
  void Connect(int port);
  void StopServer();
  // The text of /metrics, which is off unless the test turns it on.
  void TurnMetricsOn() { config_.metrics_listen = "127.0.0.1:0"; }
  std::string Scrape() const;
  // Value of one series ("name" or "name{label=\"x\"}") in it; -1 if it is not there.
  static double Value(const std::string& text, const std::string& series);

  // Declares a dataset of one CSV file, "data.csv".
  void Declare(const std::string& name, const std::string& label_column, double value_scale);
  // One stream of one chunk; UploadChunk fills in dataset and file alone.
  grpc::Status Upload(const std::string& name, std::size_t offset, const std::string& bytes);
  grpc::Status UploadChunk(const std::string& name, v1::UploadDatasetRequest chunk);
  // Declares, uploads in two streams and finishes.
  void UploadCsv(const std::string& name, const std::string& bytes, const std::string& label_column,
                 double value_scale = 1);
  void UploadDigits(const std::string& name = "digits");
  // A dataset of `rows` x `columns` pseudo-random cells in [0, 1).
  void UploadRandom(const std::string& name, int rows, int columns);
  // Submits and returns the job's id.
  std::string Submit(const v1::TrainJobSpec& spec);
  // Watches until the job ends; returns it.
  v1::TrainJob WaitForJob(const std::string& id);
  // Trains to the end, expecting success.
  v1::TrainJob Train(const v1::TrainJobSpec& spec);
  static v1::TrainJobSpec Spec(const std::string& model, const std::string& dataset,
                               const std::string& preset, std::uint32_t latent_dim);

  static v1::Rows DenseRows(std::uint32_t columns, const std::vector<float>& cells);
  static std::vector<float> Cells(const v1::DenseRows& rows);
  // The first `count` TEST rows.
  static v1::Rows Slice(const std::string& dataset, std::uint32_t count);

  Config config_;
  std::unique_ptr<App> app_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  std::unique_ptr<v1::InferenceService::Stub> inference_;
  std::unique_ptr<v1::TrainingService::Stub> training_;
  std::unique_ptr<v1::DatasetService::Stub> datasets_;
  std::unique_ptr<v1::RegistryService::Stub> registry_;
  std::unique_ptr<v1::SystemService::Stub> system_;
};

}  // namespace latent

#endif  // LATENT_TESTS_INTEGRATION_SERVER_FIXTURE_H_

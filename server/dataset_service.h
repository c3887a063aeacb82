// DatasetService: converts and calls core/store. Everything blocks and runs on executors; uploads
// are taken a chunk at a time. Owned by App.
#ifndef LATENT_SERVER_DATASET_SERVICE_H_
#define LATENT_SERVER_DATASET_SERVICE_H_

#include <stop_token>

#include "latent/v1/dataset_service.grpc.pb.h"
#include "server/backend.h"
#include "server/router.h"

namespace latent {

class DatasetServiceHandler {
 public:
  // `bulk` runs what takes seconds (parsing), so that the executor of short work stays free.
  DatasetServiceHandler(Backend* backend, IoExecutor* bulk) : backend_(backend), bulk_(bulk) {}
  grpc::Service* service() { return &service_; }
  void Bind(Router& router);
  // Lets parsing in progress end early; its datasets are UPLOADING again.
  void Stop() { stop_.request_stop(); }

 private:
  class Upload;
  absl::Status Create(const v1::CreateDatasetRequest& request, v1::CreateDatasetResponse* response);
  absl::Status Finish(const v1::FinishDatasetRequest& request, v1::FinishDatasetResponse* response);
  absl::Status Get(const v1::GetDatasetRequest& request, v1::GetDatasetResponse* response);
  absl::Status List(const v1::ListDatasetsRequest& request, v1::ListDatasetsResponse* response);
  absl::Status Delete(const v1::DeleteDatasetRequest& request, v1::DeleteDatasetResponse* response);

  Backend* const backend_;
  IoExecutor* const bulk_;
  std::stop_source stop_;
  v1::DatasetService::AsyncService service_;
};

}  // namespace latent

#endif  // LATENT_SERVER_DATASET_SERVICE_H_

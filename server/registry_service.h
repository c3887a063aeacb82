// RegistryService: reads answer from the registry's snapshot and the versions' files, changes go
// through core/store. Owned by App.
#ifndef LATENT_SERVER_REGISTRY_SERVICE_H_
#define LATENT_SERVER_REGISTRY_SERVICE_H_

#include <functional>
#include <string>

#include "latent/v1/registry_service.grpc.pb.h"
#include "server/backend.h"
#include "server/router.h"

namespace latent {

class RegistryServiceHandler {
 public:
  // `bulk` reads artefacts and versions' files.
  RegistryServiceHandler(Backend* backend, IoExecutor* bulk) : backend_(backend), bulk_(bulk) {}
  grpc::Service* service() { return &service_; }
  void Bind(Router& router);

 private:
  void BindChanges(Router& router);
  absl::Status GetModel(const v1::GetModelRequest& request, v1::GetModelResponse* response);
  absl::Status ListModels(const v1::ListModelsRequest& request, v1::ListModelsResponse* response);
  absl::Status GetVersion(const v1::GetModelVersionRequest& request,
                          v1::GetModelVersionResponse* response);
  absl::Status ListVersions(const v1::ListModelVersionsRequest& request,
                            v1::ListModelVersionsResponse* response);
  absl::Status UpdateModel(const v1::UpdateModelRequest& request,
                           v1::UpdateModelResponse* response);
  absl::Status SetAlias(const v1::SetAliasRequest& request, v1::SetAliasResponse* response);
  // With plan and metrics from the version's files; without them if the files are damaged.
  void Describe(const ModelInfo& model, const VersionInfo& version, v1::ModelVersion* out);
  template <typename Request, typename Response>
  absl::Status Change(const char* method, const Request& request, Response* response,
                      const std::function<absl::Status(Registry&, Transaction&)>& change);

  Backend* const backend_;
  IoExecutor* const bulk_;
  v1::RegistryService::AsyncService service_;
};

}  // namespace latent

#endif  // LATENT_SERVER_REGISTRY_SERVICE_H_

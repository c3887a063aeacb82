#include "server/registry_service.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/status.h"
#include "core/train/plan_json.h"
#include "core/train/version_files.h"
#include "server/idempotent.h"
#include "server/resource_convert.h"

namespace latent {
namespace {

constexpr std::uint64_t kPieceBytes = 256 << 10;

using ArtifactCall = ServerStreamCall<v1::GetArtifactRequest, v1::GetArtifactResponse>;

// Makes the entries of one page, which ends by its bytes too; `token` then says where.
template <typename Entries, typename Message, typename Describe>
void FillPage(const Entries& entries, google::protobuf::RepeatedPtrField<Message>* out,
              std::string* token, const Describe& describe) {
  PageBudget budget;
  for (const auto& entry : entries) {
    describe(*entry, out->Add());
    if (!budget.Takes((*out)[out->size() - 1].ByteSizeLong())) {
      out->RemoveLast();
      *token = RegistrySnapshot::TokenAfter(*entries[static_cast<std::size_t>(out->size() - 1)]);
      return;
    }
  }
}

// The lineage's share of the plan.
void SetWarmStart(v1::ModelVersion& version) {
  const v1::WarmStart& start = version.plan().training().warm_start();
  version.mutable_lineage()->set_warm_start_model(start.model());
  version.mutable_lineage()->set_warm_start_version(start.version());
}

// Streams one file: reads a piece on the executor when the last one has gone out.
class ArtifactSource final : public StreamSource {
 public:
  ArtifactSource(Backend* backend, IoExecutor* executor, ArtifactCall* call)
      : shared_(std::make_shared<Shared>()) {
    shared_->backend = backend;
    shared_->executor = executor;
    shared_->loop = &call->loop();
    shared_->call = call;
    shared_->request = call->request();
  }
  ~ArtifactSource() override { shared_->call = nullptr; }

  void Ready() override {
    if (shared_->sent_all) return shared_->call->Finish(absl::OkStatus());
    const absl::Status submitted = shared_->executor->Submit([shared = shared_] {
      auto piece = shared->ReadPiece();
      shared->loop->Post([shared, piece = std::move(piece)] { shared->Send(piece); });
    });
    if (!submitted.ok()) shared_->call->Finish(submitted);
  }
  void Cancelled(const absl::Status&) override {}

 private:
  // Outlives the call while a piece is being read.
  struct Shared {
    Backend* backend;
    IoExecutor* executor;
    EventLoop* loop;
    ArtifactCall* call;  // null after the call has ended; loop only, as all below
    v1::GetArtifactRequest request;
    std::shared_ptr<const VersionInfo> version;
    std::uint64_t offset = 0;
    std::uint64_t total = 0;
    bool sent_all = false;

    absl::StatusOr<std::string> ReadPiece() {
      Registry& registry = backend->store().registry();
      if (version == nullptr) {
        VersionSelector selector;
        selector.version = request.version();
        LATENT_ASSIGN_OR_RETURN(version, registry.Get()->Resolve(request.model(), selector));
        for (const auto& artifact : version->artifacts) {
          if (artifact.name == request.name()) total = artifact.size;
        }
      }
      return registry.ReadArtifact(*version, request.name(), offset, kPieceBytes);
    }
    void Send(const absl::StatusOr<std::string>& piece) {
      if (call == nullptr || call->finished()) return;
      if (!piece.ok()) return call->Finish(piece.status());
      v1::GetArtifactResponse response;
      response.set_data(*piece);
      if (offset == 0) response.set_total_size(total);
      offset += piece->size();
      sent_all = offset >= total || piece->empty();
      call->Write(response);
    }
  };
  const std::shared_ptr<Shared> shared_;
};

}  // namespace

void RegistryServiceHandler::Bind(Router& router) {
  using Service = v1::RegistryService;
  using Async = Service::AsyncService;
  router.Inline<Service>(
      &service_, "GetModel", &Async::RequestGetModel,
      [this](const auto& request, auto* response) { return GetModel(request, response); });
  router.Inline<Service>(
      &service_, "ListModels", &Async::RequestListModels,
      [this](const auto& request, auto* response) { return ListModels(request, response); });
  router.Blocking<Service>(
      &service_, "GetModelVersion", &Async::RequestGetModelVersion,
      [this](const auto& request, auto* response) { return GetVersion(request, response); });
  router.Blocking<Service>(
      &service_, "ListModelVersions", &Async::RequestListModelVersions,
      [this](const auto& request, auto* response) { return ListVersions(request, response); }, {},
      bulk_);
  router.ServerStream<Service>(&service_, "GetArtifact", &Async::RequestGetArtifact,
                               [this](ArtifactCall& call) {
                                 return std::make_unique<ArtifactSource>(backend_, bulk_, &call);
                               });
  BindChanges(router);
}

void RegistryServiceHandler::BindChanges(Router& router) {
  using Service = v1::RegistryService;
  using Async = Service::AsyncService;
  const MethodOptions options{.log_success = true};
  router.Blocking<Service>(
      &service_, "UpdateModel", &Async::RequestUpdateModel,
      [this](const auto& request, auto* response) { return UpdateModel(request, response); },
      options);
  router.Blocking<Service>(
      &service_, "SetAlias", &Async::RequestSetAlias,
      [this](const auto& request, auto* response) { return SetAlias(request, response); }, options);
  router.Blocking<Service>(
      &service_, "DeleteAlias", &Async::RequestDeleteAlias,
      [this](const v1::DeleteAliasRequest& request, v1::DeleteAliasResponse* response) {
        return Change("DeleteAlias", request, response, [&](Registry& registry, Transaction& tx) {
          return registry.DeleteAlias(tx, request.model(), request.alias());
        });
      },
      options);
  router.Blocking<Service>(
      &service_, "DeleteModelVersion", &Async::RequestDeleteModelVersion,
      [this](const v1::DeleteModelVersionRequest& request,
             v1::DeleteModelVersionResponse* response) {
        return Change("DeleteModelVersion", request, response,
                      [&](Registry& registry, Transaction& tx) {
                        return registry.DeleteVersion(tx, request.model(), request.version());
                      });
      },
      options);
  router.Blocking<Service>(
      &service_, "DeleteModel", &Async::RequestDeleteModel,
      [this](const v1::DeleteModelRequest& request, v1::DeleteModelResponse* response) {
        return Change("DeleteModel", request, response, [&](Registry& registry, Transaction& tx) {
          return registry.DeleteModel(tx, request.model());
        });
      },
      options);
}

// One transaction that changes a model; replies that show the model show it as it then is.
template <typename Request, typename Response>
absl::Status RegistryServiceHandler::Change(
    const char* method, const Request& request, Response* response,
    const std::function<absl::Status(Registry&, Transaction&)>& change) {
  return MutateOnce<Request, Response>(
      backend_->store(), method, request, response,
      [&](Transaction& tx, [[maybe_unused]] Response* made) -> absl::Status {
        Registry& registry = backend_->store().registry();
        LATENT_RETURN_IF_ERROR(change(registry, tx));
        if constexpr (requires { made->mutable_model(); }) {
          LATENT_ASSIGN_OR_RETURN(const ModelInfo model, registry.ReadModel(tx, request.model()));
          ToMessage(model, made->mutable_model());
        }
        return absl::OkStatus();
      });
}

absl::Status RegistryServiceHandler::UpdateModel(const v1::UpdateModelRequest& request,
                                                 v1::UpdateModelResponse* response) {
  ModelUpdate update;
  if (request.has_description()) update.description = request.description();
  if (request.replace_labels()) {
    update.labels =
        std::map<std::string, std::string>(request.labels().begin(), request.labels().end());
  }
  if (request.has_keep_last()) update.keep_last = request.keep_last();
  return Change("UpdateModel", request, response, [&](Registry& registry, Transaction& tx) {
    return registry.UpdateModel(tx, request.model(), update);
  });
}

absl::Status RegistryServiceHandler::SetAlias(const v1::SetAliasRequest& request,
                                              v1::SetAliasResponse* response) {
  LATENT_ASSIGN_OR_RETURN(const bool answered,
                          AnsweredBefore(backend_->store(), "SetAlias", request, response));
  if (answered) return absl::OkStatus();
  // Loaded and warmed before anybody can be sent there.
  LATENT_RETURN_IF_ERROR(
      backend_->store().registry().PrepareAlias(request.model(), request.version()));
  std::optional<std::uint64_t> expected;
  if (request.has_expected_current_version()) expected = request.expected_current_version();
  return Change("SetAlias", request, response, [&](Registry& registry, Transaction& tx) {
    return registry.SetAlias(tx, request.model(), request.alias(), request.version(), expected);
  });
}

absl::Status RegistryServiceHandler::GetModel(const v1::GetModelRequest& request,
                                              v1::GetModelResponse* response) {
  LATENT_ASSIGN_OR_RETURN(const auto model,
                          backend_->store().registry().Get()->FindModel(request.model()));
  ToMessage(*model, response->mutable_model());
  return absl::OkStatus();
}

absl::Status RegistryServiceHandler::ListModels(const v1::ListModelsRequest& request,
                                                v1::ListModelsResponse* response) {
  LATENT_ASSIGN_OR_RETURN(const auto page, backend_->store().registry().Get()->ListModels(
                                               {request.page_size(), request.page_token()}));
  response->set_next_page_token(page.next_page_token);
  FillPage(page.models, response->mutable_models(), response->mutable_next_page_token(),
           [](const ModelInfo& model, v1::Model* out) { ToMessage(model, out); });
  return absl::OkStatus();
}

absl::Status RegistryServiceHandler::GetVersion(const v1::GetModelVersionRequest& request,
                                                v1::GetModelVersionResponse* response) {
  const auto snapshot = backend_->store().registry().Get();
  LATENT_ASSIGN_OR_RETURN(const auto model, snapshot->FindModel(request.model()));
  LATENT_ASSIGN_OR_RETURN(const VersionSelector selector, ToSelector(request, ""));
  LATENT_ASSIGN_OR_RETURN(const auto version, model->Resolve(selector));
  Describe(*model, *version, response->mutable_version());
  return absl::OkStatus();
}

absl::Status RegistryServiceHandler::ListVersions(const v1::ListModelVersionsRequest& request,
                                                  v1::ListModelVersionsResponse* response) {
  const auto snapshot = backend_->store().registry().Get();
  LATENT_ASSIGN_OR_RETURN(const auto model, snapshot->FindModel(request.model()));
  LATENT_ASSIGN_OR_RETURN(
      const auto page,
      snapshot->ListVersions(request.model(), {request.page_size(), request.page_token()}));
  response->set_next_page_token(page.next_page_token);
  FillPage(page.versions, response->mutable_versions(), response->mutable_next_page_token(),
           [&](const VersionInfo& version, v1::ModelVersion* out) {
             Describe(*model, version, out);
             out->mutable_plan()->mutable_data()->clear_column_names();
             out->mutable_plan()->mutable_data()->clear_column_groups();
           });
  return absl::OkStatus();
}

void RegistryServiceHandler::Describe(const ModelInfo& model, const VersionInfo& version,
                                      v1::ModelVersion* out) {
  ToMessage(model, version, out);
  if (const auto served = backend_->cache().Find(version.model, version.version)) {
    *out->mutable_plan() = served->plan();
    SetWarmStart(*out);
    out->mutable_metrics()->Assign(served->metrics().begin(), served->metrics().end());
    return;
  }
  Registry& registry = backend_->store().registry();
  if (const auto text = registry.ReadArtifact(version, kPlanFile); text.ok()) {
    if (auto plan = ParsePlan(*text); plan.ok()) *out->mutable_plan() = std::move(*plan);
    SetWarmStart(*out);
  }
  if (const auto text = registry.ReadArtifact(version, kMetricsFile); text.ok()) {
    if (const auto evaluation = ParseEvaluation(*text); evaluation.ok()) {
      out->mutable_metrics()->Assign(evaluation->metrics.begin(), evaluation->metrics.end());
    }
  }
}

}  // namespace latent

#include "server/dataset_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/idempotent.h"
#include "server/resource_convert.h"

namespace latent {
namespace {

constexpr std::size_t kMaxChunkBytes = 1 << 20;

using UploadCall = ClientStreamCall<v1::UploadDatasetRequest, v1::UploadDatasetResponse>;

}  // namespace

// One upload stream: each chunk is written on the executor while no other is read.
class DatasetServiceHandler::Upload final : public StreamSink<v1::UploadDatasetRequest> {
 public:
  Upload(DatasetStore* datasets, IoExecutor* executor, UploadCall* call)
      : datasets_(datasets), executor_(executor), call_(call) {}

  void Message(const v1::UploadDatasetRequest& chunk) override {
    OnExecutor([this, &chunk] { return Write(chunk); }, /*last=*/false);
  }
  void End(const absl::Status& why) override {
    OnExecutor(
        [this, why]() -> absl::Status {
          LATENT_RETURN_IF_ERROR(Flush());
          return why;
        },
        /*last=*/true);
  }

 private:
  // Runs `work` and reads on, or finishes after the last piece or an error.
  template <typename Work>
  void OnExecutor(Work work, bool last) {
    const absl::Status submitted = executor_->Submit([this, work = std::move(work), last] {
      const absl::Status status = Guarded(work);
      // What came before a bad chunk stays, so that the caller can go on from there.
      if (!status.ok() && !last) Flush().IgnoreError();
      call_->loop().Post([call = call_, status, last] {
        if (status.ok() && !last) return call->Next();
        call->Finish(status);
      });
    });
    if (!submitted.ok()) call_->Finish(submitted);
  }

  absl::Status Write(const v1::UploadDatasetRequest& chunk) {
    if (!chunk.dataset().empty() && !dataset_.empty() && chunk.dataset() != dataset_) {
      return InvalidField("dataset", absl::StrCat("expected one dataset a stream (\"", dataset_,
                                                  "\"), got another"));
    }
    if (dataset_.empty()) dataset_ = chunk.dataset();
    if (!chunk.file().empty()) file_ = chunk.file();
    if (dataset_.empty()) return InvalidField("dataset", "expected a name in the first chunk");
    if (file_.empty()) return InvalidField("file", "expected a name in the first chunk");
    if (chunk.data().size() > kMaxChunkBytes) {
      return InvalidField("data", absl::StrCat("expected at most ", kMaxChunkBytes,
                                               " bytes a chunk, got ", chunk.data().size()));
    }
    return datasets_->Append(dataset_, file_, chunk.offset(), chunk.data(), chunk.crc32c());
  }
  absl::Status Flush() {
    if (dataset_.empty()) return InvalidField("dataset", "expected at least one chunk, got none");
    LATENT_ASSIGN_OR_RETURN(const auto files, datasets_->Flush(dataset_));
    call_->response().Clear();
    ToMessage(files, call_->response().mutable_files());
    return absl::OkStatus();
  }

  DatasetStore* const datasets_;
  IoExecutor* const executor_;
  UploadCall* const call_;
  std::string dataset_;
  std::string file_;
};

void DatasetServiceHandler::Bind(Router& router) {
  using Service = v1::DatasetService;
  using Async = Service::AsyncService;
  const MethodOptions changes{.log_success = true};
  router.Blocking<Service>(
      &service_, "CreateDataset", &Async::RequestCreateDataset,
      [this](const auto& request, auto* response) { return Create(request, response); }, changes);
  router.ClientStream<Service>(
      &service_, "UploadDataset", &Async::RequestUploadDataset,
      [this, io = router.executor()](UploadCall& call) {
        return std::make_unique<Upload>(&backend_->store().datasets(), io, &call);
      },
      changes);
  router.Blocking<Service>(
      &service_, "FinishDataset", &Async::RequestFinishDataset,
      [this](const auto& request, auto* response) { return Finish(request, response); }, changes,
      bulk_);
  router.Blocking<Service>(
      &service_, "GetDataset", &Async::RequestGetDataset,
      [this](const auto& request, auto* response) { return Get(request, response); });
  router.Blocking<Service>(
      &service_, "ListDatasets", &Async::RequestListDatasets,
      [this](const auto& request, auto* response) { return List(request, response); });
  router.Blocking<Service>(
      &service_, "DeleteDataset", &Async::RequestDeleteDataset,
      [this](const auto& request, auto* response) { return Delete(request, response); }, changes);
}

absl::Status DatasetServiceHandler::Create(const v1::CreateDatasetRequest& request,
                                           v1::CreateDatasetResponse* response) {
  LATENT_ASSIGN_OR_RETURN(const bool answered,
                          AnsweredBefore(backend_->store(), "CreateDataset", request, response));
  if (answered) return absl::OkStatus();
  LATENT_ASSIGN_OR_RETURN(const ParseRequest parse, ToParseRequest(request.dataset(), "dataset."));
  return MutateOnce<v1::CreateDatasetRequest, v1::CreateDatasetResponse>(
      backend_->store(), "CreateDataset", request, response,
      [&](Transaction& tx, v1::CreateDatasetResponse* made) -> absl::Status {
        LATENT_ASSIGN_OR_RETURN(
            const DatasetRecord record,
            backend_->store().datasets().Create(tx, DeterministicBytes(request.dataset()), parse));
        ToMessage(record, made->mutable_dataset());
        return absl::OkStatus();
      });
}

absl::Status DatasetServiceHandler::Finish(const v1::FinishDatasetRequest& request,
                                           v1::FinishDatasetResponse* response) {
  Store& store = backend_->store();
  LATENT_ASSIGN_OR_RETURN(const bool answered,
                          AnsweredBefore(store, "FinishDataset", request, response));
  if (answered) return absl::OkStatus();
  DatasetStore& datasets = store.datasets();
  LATENT_ASSIGN_OR_RETURN(const DatasetRecord record, datasets.Get(request.dataset()));
  v1::DatasetDeclaration declaration;
  if (!declaration.ParseFromString(record.declaration)) {
    return absl::DataLossError("the dataset's declaration cannot be read");
  }
  LATENT_ASSIGN_OR_RETURN(const ParseRequest parse, ToParseRequest(declaration, "dataset."));
  const auto finished = datasets.Finish(
      request.dataset(), parse, {request.file_sha256().begin(), request.file_sha256().end()},
      stop_.get_token());
  if (absl::IsCancelled(finished.status()) && stop_.stop_requested()) {
    return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                     "the server is shutting down; finish the dataset after it has restarted");
  }
  LATENT_RETURN_IF_ERROR(finished.status());
  // READY and FAILED are final: if the server ends before the answer is on record, a repeated call
  // says the same.
  return MutateOnce<v1::FinishDatasetRequest, v1::FinishDatasetResponse>(
      store, "FinishDataset", request, response,
      [&](Transaction&, v1::FinishDatasetResponse* made) {
        ToMessage(*finished, made->mutable_dataset());
        return absl::OkStatus();
      });
}

absl::Status DatasetServiceHandler::Get(const v1::GetDatasetRequest& request,
                                        v1::GetDatasetResponse* response) {
  LATENT_ASSIGN_OR_RETURN(const DatasetRecord record,
                          backend_->store().datasets().Get(request.dataset()));
  ToMessage(record, response->mutable_dataset());
  return absl::OkStatus();
}

absl::Status DatasetServiceHandler::List(const v1::ListDatasetsRequest& request,
                                         v1::ListDatasetsResponse* response) {
  LATENT_ASSIGN_OR_RETURN(const auto listing, backend_->store().datasets().List(
                                                  {request.page_size(), request.page_token()}));
  for (const DatasetRecord& record : listing.datasets) {
    v1::Dataset* dataset = response->add_datasets();
    ToMessage(record, dataset);
    dataset->mutable_declaration()->clear_label_names();
  }
  response->set_next_page_token(listing.next_page_token);
  return absl::OkStatus();
}

absl::Status DatasetServiceHandler::Delete(const v1::DeleteDatasetRequest& request,
                                           v1::DeleteDatasetResponse* response) {
  return MutateOnce<v1::DeleteDatasetRequest, v1::DeleteDatasetResponse>(
      backend_->store(), "DeleteDataset", request, response,
      [&](Transaction& tx, v1::DeleteDatasetResponse*) {
        return backend_->store().datasets().Delete(tx, request.dataset());
      });
}

}  // namespace latent

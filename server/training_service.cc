#include "server/training_service.h"

#include <functional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/train/plan.h"
#include "core/train/version_files.h"
#include "server/idempotent.h"
#include "server/resource_convert.h"
#include "server/watch_source.h"

namespace latent {
namespace {

absl::Status CheckReady(std::string_view field, const DatasetRecord& dataset) {
  if (dataset.state == DatasetState::kReady) return absl::OkStatus();
  const char* state = dataset.state == DatasetState::kFailed    ? "FAILED"
                      : dataset.state == DatasetState::kParsing ? "PARSING"
                                                                : "UPLOADING";
  return MakeError(absl::StatusCode::kFailedPrecondition, "DATASET_NOT_READY",
                   absl::StrCat(std::string(field), ": expected a READY dataset, \"", dataset.name,
                                "\" is ", state));
}

// Refuses a job if the dataset that it was checked with has gone or been replaced since.
std::function<absl::Status(Transaction&)> SameDataset(std::string_view field,
                                                      DatasetStore& datasets,
                                                      const DatasetRecord& checked) {
  return [field, &datasets, &checked](Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(const DatasetRecord now, datasets.Get(tx, checked.name));
    if (now.info.content_hash == checked.info.content_hash) return CheckReady(field, now);
    return MakeError(absl::StatusCode::kAborted, "DATASET_CHANGED",
                     absl::StrCat(std::string(field),
                                  ": it was replaced while the job was checked; submit again"));
  };
}

// Whether a version of this plan can take the dataset's rows.
absl::Status CheckFits(const v1::TrainingPlan& plan, const DatasetInfo& info) {
  if (info.columns != plan.data().columns()) {
    return InvalidField("dataset",
                        absl::StrCat("expected rows of ", plan.data().columns(),
                                     " cells, as the version takes, got ", info.columns));
  }
  if (plan.architecture().likelihood().has_bernoulli() && (info.min < 0 || info.max > 1) &&
      plan.architecture().scaling().has_none()) {
    return InvalidField("dataset", absl::StrCat("expected cells from 0 to 1, as the version's "
                                                "Bernoulli likelihood needs, got ",
                                                info.min, " to ", info.max));
  }
  return absl::OkStatus();
}

}  // namespace

void TrainingServiceHandler::Bind(Router& router) {
  using Service = v1::TrainingService;
  using Async = Service::AsyncService;
  const MethodOptions changes{.log_success = true};
  router.Blocking<Service>(
      &service_, "CreateTrainJob", &Async::RequestCreateTrainJob,
      [this](const auto& request, auto* response) { return Create(request, response); }, changes);
  router.Blocking<Service>(
      &service_, "CreateEvaluationJob", &Async::RequestCreateEvaluationJob,
      [this](const auto& request, auto* response) { return CreateEvaluation(request, response); },
      changes);
  router.Blocking<Service>(
      &service_, "GetTrainJob", &Async::RequestGetTrainJob,
      [this](const auto& request, auto* response) { return Get(request, response); });
  router.Blocking<Service>(
      &service_, "ListTrainJobs", &Async::RequestListTrainJobs,
      [this](const auto& request, auto* response) { return List(request, response); });
  router.ServerStream<Service>(&service_, "WatchTrainJob", &Async::RequestWatchTrainJob,
                               [this, io = router.executor()](WatchCall& call) {
                                 return MakeWatchSource(&backend_->jobs(), io, &call);
                               });
  router.Blocking<Service>(
      &service_, "CancelTrainJob", &Async::RequestCancelTrainJob,
      [this](const auto& request, auto* response) { return Cancel(request, response); }, changes);
  router.Blocking<Service>(
      &service_, "DeleteTrainJob", &Async::RequestDeleteTrainJob,
      [this](const auto& request, auto* response) { return Delete(request, response); }, changes);
}

absl::Status TrainingServiceHandler::Create(const v1::CreateTrainJobRequest& request,
                                            v1::CreateTrainJobResponse* response) {
  LATENT_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  if (request.spec().dataset().empty()) {
    return InvalidField("spec.dataset", "expected the name of a READY dataset");
  }
  DatasetStore& datasets = backend_->store().datasets();
  LATENT_ASSIGN_OR_RETURN(const DatasetRecord dataset, datasets.Get(request.spec().dataset()));
  LATENT_RETURN_IF_ERROR(CheckReady("spec.dataset", dataset));
  LATENT_ASSIGN_OR_RETURN(const v1::TrainingPlan plan,
                          Resolve(request.spec(), dataset.info, backend_->plan_environment()));
  if (request.validate_only()) {
    *response->mutable_job()->mutable_plan() = plan;
    return absl::OkStatus();
  }
  const RequestKey key("CreateTrainJob", request);
  LATENT_ASSIGN_OR_RETURN(
      const JobRecord job,
      backend_->jobs().Submit(plan, key.call(), SameDataset("spec.dataset", datasets, dataset)));
  ToMessage(job, response->mutable_job());
  return absl::OkStatus();
}

absl::Status TrainingServiceHandler::CreateEvaluation(const v1::CreateEvaluationJobRequest& request,
                                                      v1::CreateEvaluationJobResponse* response) {
  LATENT_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  if (request.model().empty()) return InvalidField("model", "expected a model's name");
  if (request.dataset().empty()) {
    return InvalidField("dataset", "expected the name of a READY dataset");
  }
  VersionSelector choice;
  if (request.has_version()) choice.version = request.version();
  if (request.has_alias()) choice.alias = request.alias();
  LATENT_ASSIGN_OR_RETURN(const auto version,
                          backend_->store().registry().Get()->Resolve(request.model(), choice));
  DatasetStore& datasets = backend_->store().datasets();
  LATENT_ASSIGN_OR_RETURN(const DatasetRecord dataset, datasets.Get(request.dataset()));
  LATENT_RETURN_IF_ERROR(CheckReady("dataset", dataset));
  LATENT_ASSIGN_OR_RETURN(const VersionContent content, ReadVersion(version->dir));
  v1::TrainingPlan plan = content.plan;
  LATENT_RETURN_IF_ERROR(CheckFits(plan, dataset.info));
  *plan.mutable_data() = SchemaOf(dataset.info);
  const RequestKey key("CreateEvaluationJob", request);
  LATENT_ASSIGN_OR_RETURN(const JobRecord job, backend_->jobs().SubmitEvaluation(
                                                   plan, version->version, key.call(),
                                                   SameDataset("dataset", datasets, dataset)));
  ToMessage(job, response->mutable_job());
  return absl::OkStatus();
}

absl::Status TrainingServiceHandler::Get(const v1::GetTrainJobRequest& request,
                                         v1::GetTrainJobResponse* response) {
  LATENT_ASSIGN_OR_RETURN(const JobRecord job, backend_->jobs().Get(request.job_id()));
  ToMessage(job, response->mutable_job());
  return absl::OkStatus();
}

absl::Status TrainingServiceHandler::List(const v1::ListTrainJobsRequest& request,
                                          v1::ListTrainJobsResponse* response) {
  if (!v1::JobState_IsValid(request.state())) {
    return InvalidField("state", absl::StrCat("expected a JobState, got ", request.state()));
  }
  LATENT_ASSIGN_OR_RETURN(const auto page,
                          backend_->jobs().List({request.page_size(), request.page_token()},
                                                request.model(), request.state()));
  for (const JobRecord& job : page.jobs) ToMessage(job, response->add_jobs());
  response->set_next_page_token(page.next_page_token);
  return absl::OkStatus();
}

absl::Status TrainingServiceHandler::Cancel(const v1::CancelTrainJobRequest& request,
                                            v1::CancelTrainJobResponse* response) {
  LATENT_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  const RequestKey key("CancelTrainJob", request);
  LATENT_ASSIGN_OR_RETURN(const JobRecord job,
                          backend_->jobs().Cancel(request.job_id(), key.call()));
  ToMessage(job, response->mutable_job());
  return absl::OkStatus();
}

absl::Status TrainingServiceHandler::Delete(const v1::DeleteTrainJobRequest& request,
                                            v1::DeleteTrainJobResponse*) {
  LATENT_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  const RequestKey key("DeleteTrainJob", request);
  return backend_->jobs().Delete(request.job_id(), key.call());
}

}  // namespace latent

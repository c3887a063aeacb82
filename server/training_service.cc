#include "server/training_service.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/train/fits.h"
#include "core/train/plan.h"
#include "core/train/version_files.h"
#include "server/idempotent.h"
#include "server/resource_convert.h"
#include "server/warm_source.h"
#include "server/watch_source.h"

namespace latent {
namespace {

constexpr char kCreate[] = "CreateTrainJob";
constexpr char kEvaluate[] = "CreateEvaluationJob";

absl::Status CheckReady(const std::string& field, const DatasetRecord& dataset) {
  if (dataset.state == DatasetState::kReady) return absl::OkStatus();
  const char* state = dataset.state == DatasetState::kFailed    ? "FAILED"
                      : dataset.state == DatasetState::kParsing ? "PARSING"
                                                                : "UPLOADING";
  return AtField(
      MakeError(absl::StatusCode::kFailedPrecondition, "DATASET_NOT_READY",
                absl::StrCat("expected a READY dataset, \"", dataset.name, "\" is ", state)),
      field);
}

// The READY dataset that a field names.
absl::StatusOr<DatasetRecord> FindReady(const std::string& field, DatasetStore& datasets,
                                        const std::string& name) {
  auto dataset = datasets.Get(name);
  if (!dataset.ok()) return AtField(dataset.status(), field);
  LATENT_RETURN_IF_ERROR(CheckReady(field, *dataset));
  return dataset;
}

// That the dataset is still what the job was checked with.
absl::Status CheckUnchanged(const std::string& field, const absl::StatusOr<DatasetRecord>& now,
                            const DatasetInfo& checked) {
  if (!now.ok()) return AtField(now.status(), field);
  if (now->info.content_hash == checked.content_hash) return CheckReady(field, *now);
  return MakeError(
      absl::StatusCode::kAborted, "DATASET_CHANGED",
      absl::StrCat(field, ": it was replaced while the job was checked; submit again"));
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
  router.ServerStream<Service>(
      &service_, "WatchTrainJob", &Async::RequestWatchTrainJob,
      [this](WatchCall& call) { return MakeWatchSource(&backend_->jobs(), watch_, &call); });
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
  Store& store = backend_->store();
  if (!request.validate_only()) {
    LATENT_ASSIGN_OR_RETURN(const bool answered, AnsweredBefore(store, kCreate, request, response));
    if (answered) return absl::OkStatus();
  }
  DatasetStore& datasets = store.datasets();
  const std::string field = "spec.dataset";
  const auto found = FindReady(field, datasets, request.spec().dataset());
  if (!found.ok()) {
    // What is wrong with the spec itself is told first, as far as that shows without the dataset.
    LATENT_RETURN_IF_ERROR(CheckSpec(request.spec(), backend_->plan_environment()));
    return found.status();
  }
  const DatasetRecord& dataset = *found;
  // Names first: a model that cannot be called so is not looked for.
  if (request.spec().training().has_warm_start()) {
    LATENT_RETURN_IF_ERROR(CheckSpec(request.spec(), backend_->plan_environment()));
  }
  LATENT_ASSIGN_OR_RETURN(const std::optional<WarmSource> source,
                          FindWarmSource(request.spec(), store.registry()));
  LATENT_ASSIGN_OR_RETURN(const v1::TrainingPlan plan,
                          Resolve(request.spec(), dataset.info, backend_->plan_environment(),
                                  source ? &*source : nullptr));
  if (request.validate_only()) {
    *response->mutable_job()->mutable_plan() = plan;
    return absl::OkStatus();
  }
  return MutateOnce<v1::CreateTrainJobRequest, v1::CreateTrainJobResponse>(
      store, kCreate, request, response,
      [&](Transaction& tx, v1::CreateTrainJobResponse* made) -> absl::Status {
        LATENT_RETURN_IF_ERROR(CheckUnchanged(field, datasets.Get(tx, dataset.name), dataset.info));
        if (source) LATENT_RETURN_IF_ERROR(CheckStillThere(*source, store.registry(), tx));
        LATENT_ASSIGN_OR_RETURN(const JobRecord job, backend_->jobs().Submit(tx, plan));
        ToMessage(job, made->mutable_job());
        return absl::OkStatus();
      });
}

absl::Status TrainingServiceHandler::CreateEvaluation(const v1::CreateEvaluationJobRequest& request,
                                                      v1::CreateEvaluationJobResponse* response) {
  Store& store = backend_->store();
  LATENT_ASSIGN_OR_RETURN(const bool answered, AnsweredBefore(store, kEvaluate, request, response));
  if (answered) return absl::OkStatus();
  FieldErrors errors;
  if (request.model().empty()) errors.Add("model", "expected a model's name");
  if (request.dataset().empty()) errors.Add("dataset", "expected the name of a READY dataset");
  LATENT_RETURN_IF_ERROR(errors.ToStatus());
  LATENT_ASSIGN_OR_RETURN(const VersionSelector choice, ToSelector(request, ""));
  LATENT_ASSIGN_OR_RETURN(const auto version,
                          store.registry().Get()->Resolve(request.model(), choice));
  DatasetStore& datasets = store.datasets();
  const std::string field = "dataset";
  LATENT_ASSIGN_OR_RETURN(const DatasetRecord dataset,
                          FindReady(field, datasets, request.dataset()));
  LATENT_ASSIGN_OR_RETURN(const VersionContent content, ReadVersion(version->dir));
  v1::TrainingPlan plan = content.plan;
  LATENT_RETURN_IF_ERROR(CheckFits(plan, dataset.info));
  *plan.mutable_data() = SchemaOf(dataset.info);
  return MutateOnce<v1::CreateEvaluationJobRequest, v1::CreateEvaluationJobResponse>(
      store, kEvaluate, request, response,
      [&](Transaction& tx, v1::CreateEvaluationJobResponse* made) -> absl::Status {
        LATENT_RETURN_IF_ERROR(CheckUnchanged(field, datasets.Get(tx, dataset.name), dataset.info));
        LATENT_ASSIGN_OR_RETURN(const JobRecord job,
                                backend_->jobs().SubmitEvaluation(tx, plan, version->version));
        ToMessage(job, made->mutable_job());
        return absl::OkStatus();
      });
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
  return MutateOnce<v1::CancelTrainJobRequest, v1::CancelTrainJobResponse>(
      backend_->store(), "CancelTrainJob", request, response,
      [&](Transaction& tx, v1::CancelTrainJobResponse* made) -> absl::Status {
        LATENT_ASSIGN_OR_RETURN(const JobRecord job, backend_->jobs().Cancel(tx, request.job_id()));
        ToMessage(job, made->mutable_job());
        return absl::OkStatus();
      });
}

absl::Status TrainingServiceHandler::Delete(const v1::DeleteTrainJobRequest& request,
                                            v1::DeleteTrainJobResponse* response) {
  return MutateOnce<v1::DeleteTrainJobRequest, v1::DeleteTrainJobResponse>(
      backend_->store(), "DeleteTrainJob", request, response,
      [&](Transaction& tx, v1::DeleteTrainJobResponse*) {
        return backend_->jobs().Delete(tx, request.job_id());
      });
}

}  // namespace latent

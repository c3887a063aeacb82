// TrainingService: converts and calls core/train (plans) and core/jobs. Watches pull events on the
// executor and write them one at a time. Owned by App.
#ifndef LATENT_SERVER_TRAINING_SERVICE_H_
#define LATENT_SERVER_TRAINING_SERVICE_H_

#include "latent/v1/training_service.grpc.pb.h"
#include "server/backend.h"
#include "server/router.h"

namespace latent {

class TrainingServiceHandler {
 public:
  // `watch` reads stored events for watchers; its queue must hold one piece for each stream that is
  // open. Apart from the other work, so that many watchers delay nobody but one another.
  TrainingServiceHandler(Backend* backend, IoExecutor* watch) : backend_(backend), watch_(watch) {}
  grpc::Service* service() { return &service_; }
  void Bind(Router& router);

 private:
  absl::Status Create(const v1::CreateTrainJobRequest& request,
                      v1::CreateTrainJobResponse* response);
  absl::Status CreateEvaluation(const v1::CreateEvaluationJobRequest& request,
                                v1::CreateEvaluationJobResponse* response);
  absl::Status Get(const v1::GetTrainJobRequest& request, v1::GetTrainJobResponse* response);
  absl::Status List(const v1::ListTrainJobsRequest& request, v1::ListTrainJobsResponse* response);
  absl::Status Cancel(const v1::CancelTrainJobRequest& request,
                      v1::CancelTrainJobResponse* response);
  absl::Status Delete(const v1::DeleteTrainJobRequest& request,
                      v1::DeleteTrainJobResponse* response);

  Backend* const backend_;
  IoExecutor* const watch_;
  v1::TrainingService::AsyncService service_;
};

}  // namespace latent

#endif  // LATENT_SERVER_TRAINING_SERVICE_H_

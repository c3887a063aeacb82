// A registry of two models, on two pages.
#ifndef LATENT_TESTS_UNIT_CLIENT_FAKE_REGISTRY_H_
#define LATENT_TESTS_UNIT_CLIENT_FAKE_REGISTRY_H_

#include "latent/v1/registry_service.grpc.pb.h"

namespace latent {

class FakeRegistry : public v1::RegistryService::Service {
 public:
  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override {
    const bool second = request->page_token() == "next";
    v1::Model* model = response->add_models();
    model->set_name(second ? "b" : "a");
    model->set_newest_version(second ? 12 : 3);
    model->set_description(second ? "" : "\x1b[31mred");
    if (!second) response->set_next_page_token("next");
    return grpc::Status::OK;
  }
  // The model "digits" reads labels 3, "three", and 5.
  grpc::Status GetModelVersion(grpc::ServerContext*, const v1::GetModelVersionRequest* request,
                               v1::GetModelVersionResponse* response) override {
    response->mutable_version()->set_model(request->model());
    if (request->model() == "digits") {
      v1::TrainingPlan* plan = response->mutable_version()->mutable_plan();
      v1::LabelCondition* label =
          plan->mutable_architecture()->mutable_condition()->mutable_label();
      v1::LabelClass* three = label->add_classes();
      three->set_label(3);
      three->set_name("three");
      label->add_classes()->set_label(5);
    }
    v1::DatasetSchema* data = response->mutable_version()->mutable_plan()->mutable_data();
    for (const std::uint32_t side : {2u, 1u}) data->add_row_shape(side);
    data->set_train_max(1);
    return grpc::Status::OK;
  }
  grpc::Status SetAlias(grpc::ServerContext*, const v1::SetAliasRequest*,
                        v1::SetAliasResponse*) override {
    return {grpc::StatusCode::ABORTED, "alias production names version 4, expected 3"};
  }
};

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_CLIENT_FAKE_REGISTRY_H_

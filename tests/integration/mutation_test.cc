// Requests with damaged bytes: whatever comes, the server answers with a code that its page of
// errors names, and lives on.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using Clock = std::chrono::steady_clock;

struct Seed {
  std::string method;
  std::shared_ptr<google::protobuf::Message> request;
};

template <typename Request>
Seed SeedOf(const std::string& service, const std::string& method, Request request) {
  return {"/latent.v1." + service + "/" + method, std::make_shared<Request>(std::move(request))};
}

class MutationTest : public ServerTest {
 protected:
  static v1::ModelSelector Model() {
    v1::ModelSelector model;
    model.set_model("m");
    model.set_version(1);
    return model;
  }
  template <typename Request>
  static Request WithRows(std::uint32_t columns) {
    Request request;
    *request.mutable_model() = Model();
    *request.mutable_rows() = DenseRows(columns, std::vector<float>(2 * columns, 0.5f));
    return request;
  }
  static void AddInference(std::vector<Seed>& seeds) {
    auto encode = WithRows<v1::EncodeRequest>(6);
    encode.mutable_sparsify()->set_top_k(1);
    seeds.push_back(SeedOf("InferenceService", "Encode", encode));
    auto sparse = WithRows<v1::EncodeRequest>(6);
    auto* rows = sparse.mutable_rows()->mutable_sparse();
    rows->set_columns(6);
    for (const std::uint32_t offset : {0u, 1u, 2u}) rows->add_row_offsets(offset);
    for (const std::uint32_t index : {3u, 4u}) rows->add_indices(index);
    for (const float value : {0.5f, 0.25f}) rows->add_values(value);
    seeds.push_back(SeedOf("InferenceService", "Encode", sparse));
    v1::DecodeRequest decode;
    *decode.mutable_model() = Model();
    *decode.mutable_codes() = DenseRows(2, {1, 2, 3, 4});
    seeds.push_back(SeedOf("InferenceService", "Decode", decode));
    auto reconstruct = WithRows<v1::ReconstructRequest>(6);
    *reconstruct.mutable_rows() = Slice("data", 3);
    reconstruct.set_include_error(true);
    seeds.push_back(SeedOf("InferenceService", "Reconstruct", reconstruct));
    auto denoise = WithRows<v1::DenoiseRequest>(6);
    denoise.mutable_add_noise()->set_kind(v1::AddNoise::KIND_MASKING);
    denoise.mutable_add_noise()->set_level(0.5);
    seeds.push_back(SeedOf("InferenceService", "Denoise", denoise));
    v1::SampleRequest sample;
    *sample.mutable_model() = Model();
    sample.set_count(3);
    sample.set_seed(7);
    sample.set_temperature(0.5);
    seeds.push_back(SeedOf("InferenceService", "Sample", sample));
    auto interpolate = WithRows<v1::InterpolateRequest>(6);
    interpolate.set_steps(5);
    seeds.push_back(SeedOf("InferenceService", "Interpolate", interpolate));
    auto score = WithRows<v1::ScoreRequest>(6);
    score.set_top_features(2);
    seeds.push_back(SeedOf("InferenceService", "Score", score));
    auto recommend = WithRows<v1::RecommendRequest>(6);
    recommend.set_k(3);
    recommend.add_exclude("1");
    seeds.push_back(SeedOf("InferenceService", "Recommend", recommend));
    recommend.mutable_item_ids()->add_rows()->add_item_ids("2");
    recommend.add_restrict_to("3");
    recommend.set_include_item_embeddings(true);
    seeds.push_back(SeedOf("InferenceService", "Recommend", recommend));
  }
  static void AddTraining(std::vector<Seed>& seeds) {
    v1::CreateTrainJobRequest create;
    *create.mutable_spec() = Spec("m2", "data", "plain", 2);
    create.mutable_spec()->mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(1);
    create.mutable_spec()->mutable_publish()->set_policy(v1::PUBLISH_POLICY_NEVER);
    seeds.push_back(SeedOf("TrainingService", "CreateTrainJob", create));
    create.set_validate_only(true);
    create.mutable_spec()->mutable_architecture()->mutable_encoder()->add_layers();
    seeds.push_back(SeedOf("TrainingService", "CreateTrainJob", create));
    v1::CreateEvaluationJobRequest evaluate;
    evaluate.set_model("m9");
    evaluate.set_version(1);
    evaluate.set_dataset("data");
    seeds.push_back(SeedOf("TrainingService", "CreateEvaluationJob", evaluate));
    v1::GetTrainJobRequest get;
    get.set_job_id("job-1");
    seeds.push_back(SeedOf("TrainingService", "GetTrainJob", get));
    v1::ListTrainJobsRequest list;
    list.set_page_size(3);
    list.set_model("m");
    seeds.push_back(SeedOf("TrainingService", "ListTrainJobs", list));
    v1::CancelTrainJobRequest cancel;
    cancel.set_job_id("job-1");
    cancel.set_request_id("0d9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6d");
    seeds.push_back(SeedOf("TrainingService", "CancelTrainJob", cancel));
    v1::DeleteTrainJobRequest remove;
    remove.set_job_id("job-1");
    seeds.push_back(SeedOf("TrainingService", "DeleteTrainJob", remove));
  }
  static void AddDatasets(std::vector<Seed>& seeds) {
    v1::CreateDatasetRequest create;
    auto* dataset = create.mutable_dataset();
    dataset->set_name("data2");
    dataset->add_files()->set_name("a.csv");
    dataset->mutable_csv()->set_label_column("x");
    dataset->mutable_split()->set_test_fraction(0.25);
    dataset->add_row_shape(6);
    seeds.push_back(SeedOf("DatasetService", "CreateDataset", create));
    v1::FinishDatasetRequest finish;
    finish.set_dataset("data2");
    finish.add_file_sha256(std::string(64, 'a'));
    seeds.push_back(SeedOf("DatasetService", "FinishDataset", finish));
    v1::GetDatasetRequest get;
    get.set_dataset("data");
    seeds.push_back(SeedOf("DatasetService", "GetDataset", get));
    v1::ListDatasetsRequest list;
    list.set_page_token("x");
    seeds.push_back(SeedOf("DatasetService", "ListDatasets", list));
    v1::DeleteDatasetRequest remove;
    remove.set_dataset("data2");
    seeds.push_back(SeedOf("DatasetService", "DeleteDataset", remove));
  }
  static void AddRegistry(std::vector<Seed>& seeds) {
    v1::GetModelRequest get;
    get.set_model("m");
    seeds.push_back(SeedOf("RegistryService", "GetModel", get));
    v1::ListModelsRequest list;
    list.set_page_size(2);
    seeds.push_back(SeedOf("RegistryService", "ListModels", list));
    v1::UpdateModelRequest update;
    update.set_model("m");
    update.set_description("text");
    (*update.mutable_labels())["key"] = "value";
    update.set_keep_last(5);
    seeds.push_back(SeedOf("RegistryService", "UpdateModel", update));
    v1::GetModelVersionRequest version;
    version.set_model("m");
    version.set_alias("production");
    seeds.push_back(SeedOf("RegistryService", "GetModelVersion", version));
    v1::ListModelVersionsRequest versions;
    versions.set_model("m");
    seeds.push_back(SeedOf("RegistryService", "ListModelVersions", versions));
    v1::SetAliasRequest alias;
    alias.set_model("m");
    alias.set_alias("best");
    alias.set_version(1);
    alias.set_expected_current_version(0);
    seeds.push_back(SeedOf("RegistryService", "SetAlias", alias));
    v1::DeleteAliasRequest no_alias;
    no_alias.set_model("m");
    no_alias.set_alias("best");
    seeds.push_back(SeedOf("RegistryService", "DeleteAlias", no_alias));
    v1::DeleteModelVersionRequest no_version;
    no_version.set_model("m");
    no_version.set_version(9);
    seeds.push_back(SeedOf("RegistryService", "DeleteModelVersion", no_version));
    v1::DeleteModelRequest no_model;
    no_model.set_model("m9");
    seeds.push_back(SeedOf("RegistryService", "DeleteModel", no_model));
  }
  static std::vector<Seed> Seeds() {
    std::vector<Seed> seeds;
    AddInference(seeds);
    AddTraining(seeds);
    AddDatasets(seeds);
    AddRegistry(seeds);
    seeds.push_back(SeedOf("SystemService", "GetServerInfo", v1::GetServerInfoRequest()));
    grpc::health::v1::HealthCheckRequest health;
    health.set_service("readiness");
    seeds.push_back({"/grpc.health.v1.Health/Check",
                     std::make_shared<grpc::health::v1::HealthCheckRequest>(health)});
    return seeds;
  }

  // One to four changes: a byte replaced, a bit flipped, bytes inserted, cut or doubled.
  std::string Mutate(std::string bytes) {
    const auto at = [&] { return bytes.empty() ? 0 : random_() % bytes.size(); };
    for (auto changes = 1 + random_() % 4; changes > 0; --changes) {
      switch (random_() % 6) {
        case 0:
          if (!bytes.empty()) bytes[at()] = static_cast<char>(random_());
          break;
        case 1:
          if (!bytes.empty()) bytes[at()] ^= static_cast<char>(1 << random_() % 8);
          break;
        case 2:
          bytes.insert(at(), std::string(1 + random_() % 4, static_cast<char>(random_())));
          break;
        case 3:
          bytes.erase(at(), 1 + random_() % 8);
          break;
        case 4:
          bytes.resize(at());
          break;
        default:
          bytes += bytes.substr(at());
          break;
      }
    }
    return bytes;
  }
  grpc::Status Send(const std::string& method, const std::string& bytes) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    grpc::CompletionQueue queue;
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    auto call = grpc::GenericStub(channel_).PrepareUnaryCall(&context, method, request, &queue);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status;
  }
  // What the server may say: of bytes that are no message gRPC itself says INTERNAL.
  static void ExpectDocumented(const Seed& seed, const std::string& bytes,
                               const grpc::Status& status) {
    if (!seed.request->ParseFromString(bytes)) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
      EXPECT_EQ(status.error_message(), "Unable to parse request");
      return;
    }
    EXPECT_THAT(status.error_code(),
                ::testing::AnyOf(grpc::OK, grpc::INVALID_ARGUMENT, grpc::NOT_FOUND,
                                 grpc::ALREADY_EXISTS, grpc::FAILED_PRECONDITION,
                                 grpc::OUT_OF_RANGE, grpc::ABORTED, grpc::RESOURCE_EXHAUSTED))
        << status.error_message();
    EXPECT_TRUE(status.ok() || !PartsOf(status).reason.empty());
  }

  std::mt19937 random_{20240607};
};

TEST_F(MutationTest, EveryCallSurvivesDamagedBytes) {
  StartServer();
  UploadRandom("data", 60, 6);
  Train(Spec("m", "data", "pca", 2));
  const std::vector<Seed> seeds = Seeds();
  std::vector<std::string> valid;
  for (const Seed& seed : seeds) valid.push_back(seed.request->SerializeAsString());
  const auto end = Clock::now() + std::chrono::seconds(3);
  int calls = 0;
  for (int round = 0; round < 200 && Clock::now() < end; ++round) {
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      const std::string bytes = round == 0 ? valid[i] : Mutate(valid[i]);
      SCOPED_TRACE(::testing::Message() << seeds[i].method << " round " << round << " bytes "
                                        << ::testing::PrintToString(bytes));
      ExpectDocumented(seeds[i], bytes, Send(seeds[i].method, bytes));
      ++calls;
    }
    if (HasFailure()) break;
  }
  RecordProperty("calls", calls);
  v1::GetServerInfoResponse info;
  EXPECT_TRUE(Call(*system_, &v1::SystemService::Stub::GetServerInfo, {}, &info).ok());
}

// A method that nobody lists above would not be tried.
TEST_F(MutationTest, EveryUnaryCallIsTried) {
  std::set<std::string> tried;
  for (const Seed& seed : Seeds()) tried.insert(seed.method);
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const char* name :
       {"latent.v1.InferenceService", "latent.v1.TrainingService", "latent.v1.DatasetService",
        "latent.v1.RegistryService", "latent.v1.SystemService"}) {
    const auto* service = pool->FindServiceByName(name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) {
      const auto* method = service->method(i);
      if (method->client_streaming() || method->server_streaming()) continue;
      EXPECT_TRUE(tried.contains("/" + service->full_name() + "/" + method->name()))
          << method->full_name();
    }
  }
}

}  // namespace
}  // namespace latent

#include <gmock/gmock.h>

#include <functional>
#include <limits>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using ::testing::HasSubstr;
using Inference = v1::InferenceService::Stub;

// One server with one small model for all cases of a table.
class BadInputTest : public ServerTest {
 protected:
  static constexpr int kColumns = 6;
  void SetUp() override {
    StartServer();
    UploadRandom("data", 60, kColumns);
    Train(Spec("m", "data", "pca", 2));
  }
  // The server must still answer after every refusal.
  void TearDown() override {
    v1::EncodeResponse response;
    EXPECT_TRUE(Encode({}, &response).ok());
    EXPECT_EQ(Cells(response.codes().dense()).size(), 2u);
  }
  grpc::Status Encode(const std::function<void(v1::EncodeRequest&)>& change,
                      v1::EncodeResponse* response) {
    v1::EncodeRequest request;
    request.mutable_model()->set_model("m");
    *request.mutable_rows() = DenseRows(kColumns, std::vector<float>(kColumns, 0.5f));
    if (change) change(request);
    return Call(*inference_, &Inference::Encode, request, response);
  }
};

struct BadEncode {
  const char* what;
  std::function<void(v1::EncodeRequest&)> change;
  grpc::StatusCode code;
  const char* field;  // of the violation; "" for none
  const char* message;
};

TEST_F(BadInputTest, EncodeNamesWhatIsWrong) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const auto invalid = grpc::StatusCode::INVALID_ARGUMENT;
  const auto rows = [](std::uint32_t columns, const std::vector<float>& cells) {
    return [=](v1::EncodeRequest& r) { *r.mutable_rows() = DenseRows(columns, cells); };
  };
  const std::vector<BadEncode> cases = {
      {"wrong width", rows(5, std::vector<float>(5)), invalid, "rows",
       "expected rows of 6 cells, as m version 1 takes them, got 5"},
      {"NaN cell", rows(6, {0, 0, 0, 0, 0, 0, 0, nan, 0, 0, 0, 0}), invalid, "rows",
       "expected finite cells, got NaN in row 1, column 1"},
      {"infinite cell", rows(6, {0, 0, 0, 0, 0, inf}), invalid, "rows", "row 0, column 5"},
      {"no rows at all", [](v1::EncodeRequest& r) { r.clear_rows(); }, invalid, "rows",
       "expected dense, sparse or dataset_slice, got none"},
      {"no cells", rows(6, {}), invalid, "rows", "expected 1 to 4096 rows a request, got 0"},
      {"too many rows", rows(1, std::vector<float>(4097)), invalid, "rows",
       "expected 1 to 4096 rows a request, got 4097"},
      {"too many columns", rows(65537, std::vector<float>(65537)), invalid, "rows",
       "expected at most 65536 columns, got 65537"},
      {"ragged bytes", rows(6, {1, 2, 3, 4}), invalid, "rows.dense.data",
       "expected a multiple of 24 bytes"},
      {"falling sparse columns",
       [](v1::EncodeRequest& r) {
         auto* sparse = r.mutable_rows()->mutable_sparse();
         for (const std::uint32_t x : {0u, 2u}) sparse->add_row_offsets(x);
         for (const std::uint32_t x : {3u, 1u}) sparse->add_indices(x);
         for (const float x : {1.f, 2.f}) sparse->add_values(x);
       },
       invalid, "rows.sparse.indices", "got 1 after 3 in row 0"},
      {"no model's name", [](v1::EncodeRequest& r) { r.mutable_model()->clear_model(); }, invalid,
       "model.model", "expected a model's name"},
      {"version 0", [](v1::EncodeRequest& r) { r.mutable_model()->set_version(0); }, invalid,
       "model.version", "expected 1 or more, got 0"},
      {"an alias without a name", [](v1::EncodeRequest& r) { r.mutable_model()->set_alias(""); },
       invalid, "model.alias", "expected an alias's name"},
      {"unknown model", [](v1::EncodeRequest& r) { r.mutable_model()->set_model("nobody"); },
       grpc::StatusCode::NOT_FOUND, "", "nobody"},
      {"unknown version", [](v1::EncodeRequest& r) { r.mutable_model()->set_version(9); },
       grpc::StatusCode::NOT_FOUND, "", "9"},
      {"unknown alias", [](v1::EncodeRequest& r) { r.mutable_model()->set_alias("best"); },
       grpc::StatusCode::NOT_FOUND, "", "best"},
      {"another latent space",
       [](v1::EncodeRequest& r) {
         r.mutable_model()->set_expected_latent_space_id("0123456789abcdef");
       },
       grpc::StatusCode::FAILED_PRECONDITION, "", "has latent space"},
      {"sigma of a deterministic code", [](v1::EncodeRequest& r) { r.set_include_sigma(true); },
       grpc::StatusCode::FAILED_PRECONDITION, "include_sigma", "needs a Gaussian code"},
      {"sparsify by nothing", [](v1::EncodeRequest& r) { r.mutable_sparsify()->set_top_k(0); },
       invalid, "sparsify.top_k", "expected"},
      {"unknown dataset", [](v1::EncodeRequest& r) { *r.mutable_rows() = Slice("nobody", 1); },
       grpc::StatusCode::NOT_FOUND, "", "nobody"},
      {"slice beyond the part",
       [](v1::EncodeRequest& r) { *r.mutable_rows() = Slice("data", 4000); }, invalid,
       "rows.dataset_slice", "expected rows within the part's 6"},
  };
  for (const BadEncode& bad : cases) {
    SCOPED_TRACE(bad.what);
    v1::EncodeResponse response;
    const grpc::Status status = Encode(bad.change, &response);
    EXPECT_EQ(status.error_code(), bad.code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(bad.message));
    const ErrorParts parts = PartsOf(status);
    EXPECT_FALSE(parts.reason.empty());
    if (*bad.field != '\0') {
      ASSERT_EQ(parts.fields.size(), 1u);
      EXPECT_EQ(parts.fields[0].first, bad.field);
    }
  }
}

TEST_F(BadInputTest, ABadSpecGetsOneViolationPerField) {
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = Spec("m", "data", "plain", 2);
  request.mutable_spec()->set_model("No Good");
  auto* gradient = request.mutable_spec()->mutable_training()->mutable_solver()->mutable_gradient();
  gradient->set_epochs(0);
  gradient->set_clip_norm(-1);
  v1::CreateTrainJobResponse response;
  const grpc::Status status =
      Call(*training_, &v1::TrainingService::Stub::CreateTrainJob, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  std::vector<std::string> fields;
  for (const auto& [field, description] : PartsOf(status).fields) fields.push_back(field);
  EXPECT_THAT(fields,
              ::testing::UnorderedElementsAre("spec.model", "spec.training.solver.gradient.epochs",
                                              "spec.training.solver.gradient.clip_norm"));
}

TEST_F(BadInputTest, AnEmptySpecGetsAViolationForEachNameItNeeds) {
  v1::CreateTrainJobResponse response;
  const grpc::Status status =
      Call(*training_, &v1::TrainingService::Stub::CreateTrainJob, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  std::vector<std::string> fields;
  for (const auto& [field, description] : PartsOf(status).fields) fields.push_back(field);
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre("spec.model", "spec.dataset"));
}

TEST_F(BadInputTest, WhatIsWrongWithTheSpecComesBeforeTheMissingDataset) {
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = Spec("../x", "nobody", "zzz", 2);
  request.mutable_spec()->mutable_publish()->set_metric("kl_nats");
  v1::CreateTrainJobResponse response;
  const grpc::Status status =
      Call(*training_, &v1::TrainingService::Stub::CreateTrainJob, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("does not say which way is better"));
  std::vector<std::string> fields;
  for (const auto& [field, description] : PartsOf(status).fields) fields.push_back(field);
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre("spec.model", "spec.preset",
                                                      "spec.publish.metric_higher_is_better"));
}

TEST_F(BadInputTest, AnUnknownPathIsNoStraightLine) {
  v1::InterpolateRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_rows() = DenseRows(kColumns, std::vector<float>(2 * kColumns, 0.5f));
  request.set_path(static_cast<v1::InterpolateRequest::Path>(7));
  v1::InterpolateResponse response;
  const grpc::Status status = Call(*inference_, &Inference::Interpolate, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("path: expected PATH_LERP or PATH_SLERP, got 7"));
}

TEST_F(BadInputTest, ADatasetHoldsNoCodes) {
  v1::DecodeRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_codes() = Slice("data", 1);
  v1::DecodeResponse response;
  const grpc::Status status = Call(*inference_, &Inference::Decode, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_EQ(PartsOf(status).fields.size(), 1u);
  EXPECT_EQ(PartsOf(status).fields[0].first, "codes.dataset_slice");
}

TEST_F(BadInputTest, ACompressedMessageIsRefused) {
  v1::EncodeRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_rows() = DenseRows(kColumns, std::vector<float>(100 * kColumns, 0.5f));
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::EncodeResponse response;
  EXPECT_EQ(inference_->Encode(&context, request, &response).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(BadInputTest, ATrainJobNeedsADatasetThatIsThere) {
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = Spec("m", "nobody", "pca", 2);
  v1::CreateTrainJobResponse response;
  const grpc::Status status =
      Call(*training_, &v1::TrainingService::Stub::CreateTrainJob, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(PartsOf(status).reason, "DATASET_NOT_FOUND");
  ASSERT_EQ(PartsOf(status).fields.size(), 1u);
  EXPECT_EQ(PartsOf(status).fields[0].first, "spec.dataset");
}

TEST_F(BadInputTest, ACorruptFileFailsTheDatasetWithRowAndColumn) {
  Declare("bad", "", 1);
  ASSERT_TRUE(Upload("bad", 0, "1,2\n3,x\n").ok());
  v1::FinishDatasetRequest finish;
  finish.set_dataset("bad");
  v1::FinishDatasetResponse finished;
  ASSERT_TRUE(Call(*datasets_, &v1::DatasetService::Stub::FinishDataset, finish, &finished).ok());
  EXPECT_EQ(finished.dataset().state(), v1::Dataset::STATE_FAILED);
  EXPECT_THAT(finished.dataset().error(), HasSubstr("data.csv: row 2, column 2"));
}

TEST_F(BadInputTest, AWrongChecksumIsDataLoss) {
  Declare("bad", "", 1);
  v1::UploadDatasetRequest chunk;
  chunk.set_data("1,2\n");
  chunk.set_crc32c(1);
  EXPECT_EQ(UploadChunk("bad", chunk).error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST_F(BadInputTest, AGapIsOutOfRangeAndWhatCameStays) {
  Declare("bad", "", 1);
  ASSERT_TRUE(Upload("bad", 0, "1,2\n").ok());
  const grpc::Status status = Upload("bad", 9, "3,4\n");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_THAT(status.error_message(), HasSubstr("4"));
  v1::GetDatasetRequest get;
  get.set_dataset("bad");
  v1::GetDatasetResponse got;
  ASSERT_TRUE(Call(*datasets_, &v1::DatasetService::Stub::GetDataset, get, &got).ok());
  EXPECT_EQ(got.dataset().files(0).committed_bytes(), 4u);
}

TEST_F(BadInputTest, AMessageOverTheLimitIsRefused) {
  v1::EncodeRequest request;
  request.mutable_model()->set_model("m");
  request.mutable_rows()->mutable_dense()->set_data(std::string(18 << 20, '\0'));
  v1::EncodeResponse response;
  EXPECT_EQ(Call(*inference_, &Inference::Encode, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(BadInputTest, AnExpiredDeadlineIsNotComputed) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
  v1::EncodeRequest request;
  v1::EncodeResponse response;
  EXPECT_EQ(inference_->Encode(&context, request, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
}

class OverloadTest : public ServerTest {};

TEST_F(OverloadTest, MoreRowsThanMayBeInFlightAreRefusedWithADelay) {
  // One request alone always fits; the second of two does not.
  config_.limits.rows_in_flight = 1;
  StartServer();
  UploadRandom("data", 60, 6);
  Train(Spec("m", "data", "pca", 2));
  grpc::CompletionQueue queue;
  struct One {
    grpc::ClientContext context;
    v1::EncodeResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::EncodeResponse>> reader;
  };
  v1::EncodeRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_rows() = DenseRows(6, std::vector<float>(6 * 4096, 0.5f));
  std::vector<One> calls(64);
  for (One& call : calls) {
    call.reader = inference_->AsyncEncode(&call.context, request, &queue);
    call.reader->Finish(&call.response, &call.status, &call);
  }
  int refused = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    const One& call = *static_cast<One*>(tag);
    if (call.status.ok()) continue;
    ++refused;
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_TRUE(PartsOf(call.status).has_retry);
    EXPECT_EQ(PartsOf(call.status).reason, "TOO_MANY_ROWS_IN_FLIGHT");
    EXPECT_EQ(call.context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 1u);
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, 64);
}

}  // namespace
}  // namespace latent

// Evaluation jobs and codes in fewer bits, over the wire.
#include <gmock/gmock.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using Training = v1::TrainingService::Stub;
using Inference = v1::InferenceService::Stub;

class EvaluationTest : public ServerTest {
 protected:
  void SetUp() override {
    StartServer();
    UploadDigits();
    Train(Spec("m", "digits", "pca", 8));
  }
  grpc::Status Evaluate(const std::string& dataset, v1::TrainJob* job,
                        const std::string& request_id = "") {
    v1::CreateEvaluationJobRequest request;
    request.set_model("m");
    request.set_dataset(dataset);
    request.set_request_id(request_id);
    v1::CreateEvaluationJobResponse response;
    const grpc::Status status =
        Call(*training_, &Training::CreateEvaluationJob, request, &response);
    *job = response.job();
    return status;
  }
  v1::EncodeResponse Encode(v1::Dtype format, std::uint32_t count) {
    v1::EncodeRequest request;
    request.mutable_model()->set_model("m");
    *request.mutable_rows() = Slice("digits", count);
    request.set_format(format);
    v1::EncodeResponse response;
    const grpc::Status status = Call(*inference_, &Inference::Encode, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  // Mean squared difference of rows decoded from these codes and from float32 ones.
  double Loss(v1::Dtype format) {
    const auto decode = [&](v1::Rows codes) {
      v1::DecodeRequest request;
      request.mutable_model()->set_model("m");
      *request.mutable_codes() = std::move(codes);
      v1::DecodeResponse response;
      const grpc::Status status = Call(*inference_, &Inference::Decode, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      return Cells(response.rows());
    };
    const auto exact = decode(Encode(v1::DTYPE_FLOAT32, 50).codes());
    const auto short_codes = decode(Encode(format, 50).codes());
    double sum = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      sum += std::pow(double{exact[i]} - short_codes[i], 2);
    }
    return sum / static_cast<double>(exact.size());
  }
};

TEST_F(EvaluationTest, FiguresOfAnotherDatasetComeWithTheJob) {
  UploadRandom("noise", 200, 64);
  v1::TrainJob job;
  ASSERT_TRUE(Evaluate("noise", &job).ok());
  EXPECT_EQ(job.evaluation().version(), 1u);
  EXPECT_EQ(job.plan().data().dataset(), "noise");
  job = WaitForJob(job.id());
  ASSERT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.error();
  EXPECT_EQ(job.published_version(), 0u);
  double mse = 0;
  for (const v1::Metric& metric : job.metrics()) {
    if (metric.name() == "test_mse_per_element") mse = metric.value();
  }
  EXPECT_GT(mse, 0.05);  // noise is no digit
}

TEST_F(EvaluationTest, ARepeatedRequestIsTheSameJob) {
  const std::string id = "0d9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6d";
  v1::TrainJob first, again;
  ASSERT_TRUE(Evaluate("digits", &first, id).ok());
  ASSERT_TRUE(Evaluate("digits", &again, id).ok());
  EXPECT_EQ(first.id(), again.id());
}

TEST_F(EvaluationTest, RefusesWhatTheVersionCannotTake) {
  UploadRandom("narrow", 20, 5);
  v1::TrainJob job;
  const grpc::Status narrow = Evaluate("narrow", &job);
  EXPECT_EQ(narrow.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(PartsOf(narrow).fields[0].first, "dataset");
  EXPECT_EQ(Evaluate("nothing", &job).error_code(), grpc::StatusCode::NOT_FOUND);
  v1::CreateEvaluationJobRequest request;
  request.set_model("nobody");
  request.set_dataset("digits");
  v1::CreateEvaluationJobResponse response;
  EXPECT_EQ(Call(*training_, &Training::CreateEvaluationJob, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

// The same number of cells, but other columns: figures of such rows would mean nothing.
TEST_F(EvaluationTest, RefusesOtherColumns) {
  const auto rows = [](const char* header, const char* third) {
    std::string text = absl::StrCat(header, "\n");
    for (int r = 0; r < 40; ++r) {
      const char* const color = r % 3 == 0 ? "red" : r % 3 == 1 ? "green" : third;
      absl::StrAppend(&text, "0.", r % 10, ",", color, ",0.", r % 7, "\n");
    }
    return text;
  };
  UploadCsv("colors", rows("a,color,b", "blue"), "");
  UploadCsv("others", rows("a,color,b", "pink"), "");
  UploadCsv("renamed", rows("x,color,y", "blue"), "");
  UploadRandom("numbers", 40, 5);
  v1::TrainJobSpec spec = Spec("m", "colors", "table", 2);
  spec.mutable_publish()->set_allow_schema_change(true);
  spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(2);
  Train(spec);
  v1::TrainJob job;
  EXPECT_TRUE(Evaluate("colors", &job).ok());
  for (const char* dataset : {"others", "renamed", "numbers"}) {
    const grpc::Status status = Evaluate(dataset, &job);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << dataset;
    ASSERT_EQ(PartsOf(status).fields.size(), 1u) << dataset;
    EXPECT_EQ(PartsOf(status).fields[0].first, "dataset");
  }
}

TEST_F(EvaluationTest, CodesComeInFewerBits) {
  const v1::EncodeResponse whole = Encode(v1::DTYPE_FLOAT32, 10);
  const v1::EncodeResponse bytes = Encode(v1::DTYPE_INT8, 10);
  EXPECT_EQ(whole.codes().dense().data().size(), 10u * 8 * 4);
  EXPECT_EQ(Encode(v1::DTYPE_FLOAT16, 10).codes().dense().data().size(), 10u * 8 * 2);
  ASSERT_EQ(bytes.codes().dense().data().size(), 10u * 8);
  ASSERT_EQ(bytes.code_scale_size(), 8);
  const std::vector<float> exact = Cells(whole.codes().dense());
  for (int i = 0; i < 8; ++i) {
    const auto byte = static_cast<signed char>(bytes.codes().dense().data()[i]);
    const float value = bytes.code_offset(i) + bytes.code_scale(i) * static_cast<float>(byte);
    EXPECT_NEAR(value, exact[i], 0.51f * bytes.code_scale(i));
  }
}

TEST_F(EvaluationTest, DecodesCodesOfFewerBits) {
  EXPECT_LT(Loss(v1::DTYPE_FLOAT16), 1e-7);
  EXPECT_LT(Loss(v1::DTYPE_INT8), 1e-4);
  EXPECT_GT(Loss(v1::DTYPE_INT8), 0);
}

TEST_F(EvaluationTest, RefusesBytesThatAreNoCodes) {
  v1::EncodeRequest request;
  request.mutable_model()->set_model("m");
  request.mutable_rows()->mutable_dense()->set_dtype(v1::DTYPE_INT8);
  request.mutable_rows()->mutable_dense()->set_data(std::string(64, 'x'));
  v1::EncodeResponse response;
  const grpc::Status status = Call(*inference_, &Inference::Encode, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(PartsOf(status).fields[0].first, "rows.dense.dtype");
}

}  // namespace
}  // namespace latent

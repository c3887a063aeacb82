// Vector-quantised codes over the wire: as indices, as vectors, and drawn.
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using Inference = v1::InferenceService::Stub;

constexpr std::uint32_t kGroups = 4, kSize = 32;

class QuantisedTest : public ServerTest {
 protected:
  void SetUp() override {
    StartServer();
    UploadDigits();
    v1::TrainJobSpec spec = Spec("m", "digits", "vq-vae", 16);
    spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(4);
    auto* quantised = spec.mutable_architecture()->mutable_latent()->mutable_vector_quantised();
    quantised->set_groups(kGroups);
    quantised->set_codebook_size(kSize);
    job_ = Train(spec);
  }
  v1::EncodeResponse Encode(v1::Dtype format) {
    v1::EncodeRequest request;
    request.mutable_model()->set_model("m");
    *request.mutable_rows() = Slice("digits", 20);
    request.set_format(format);
    v1::EncodeResponse response;
    const grpc::Status status = Call(*inference_, &Inference::Encode, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  grpc::Status Decode(const v1::Rows& codes, std::vector<float>* cells) {
    v1::DecodeRequest request;
    request.mutable_model()->set_model("m");
    *request.mutable_codes() = codes;
    v1::DecodeResponse response;
    const grpc::Status status = Call(*inference_, &Inference::Decode, request, &response);
    if (status.ok()) *cells = Cells(response.rows());
    return status;
  }
  double Figure(const std::string& name) {
    v1::GetModelVersionRequest request;
    request.set_model("m");
    v1::GetModelVersionResponse response;
    EXPECT_TRUE(
        Call(*registry_, &v1::RegistryService::Stub::GetModelVersion, request, &response).ok());
    for (const v1::Metric& metric : response.version().metrics()) {
      if (metric.name() == name) return metric.value();
    }
    return std::nan("");
  }

  v1::TrainJob job_;
};

TEST_F(QuantisedTest, CodesAreIndicesUnlessVectorsAreAskedFor) {
  const v1::DenseRows indices = Encode(v1::DTYPE_UNSPECIFIED).codes().dense();
  EXPECT_EQ(indices.dtype(), v1::DTYPE_UINT16);
  EXPECT_EQ(indices.columns(), kGroups);
  EXPECT_EQ(indices.data().size(), 20u * kGroups * 2);
  const v1::DenseRows vectors = Encode(v1::DTYPE_FLOAT32).codes().dense();
  EXPECT_EQ(vectors.columns(), 16u);
  std::vector<float> of_indices, of_vectors;
  v1::Rows codes;
  *codes.mutable_dense() = indices;
  ASSERT_TRUE(Decode(codes, &of_indices).ok());
  *codes.mutable_dense() = vectors;
  ASSERT_TRUE(Decode(codes, &of_vectors).ok());
  EXPECT_EQ(of_indices.size(), 20u * 64);
  EXPECT_EQ(of_indices, of_vectors);
}

TEST_F(QuantisedTest, InterpolatesBetweenIndices) {
  v1::InterpolateRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_codes() = Encode(v1::DTYPE_UINT16).codes();
  request.set_steps(3);
  v1::InterpolateResponse response;
  ASSERT_TRUE(Call(*inference_, &Inference::Interpolate, request, &response).ok());
  EXPECT_EQ(Cells(response.codes()).size(), 10u * 3 * 16);
}

TEST_F(QuantisedTest, RefusesWhatIsNoIndex) {
  v1::Rows codes;
  codes.mutable_dense()->set_dtype(v1::DTYPE_UINT16);
  for (const float index : {0.f, 1.f, 2.f, static_cast<float>(kSize)}) {
    codes.mutable_dense()->add_values(index);
  }
  std::vector<float> cells;
  const grpc::Status status = Decode(codes, &cells);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("from 0 to 31, got 32 in row 0, group 3"));
  v1::EncodeRequest encode;
  encode.mutable_model()->set_model("m");
  *encode.mutable_rows() = codes;
  encode.mutable_rows()->mutable_dense()->mutable_values()->Resize(64, 0);
  v1::EncodeResponse response;
  const grpc::Status rows = Call(*inference_, &Inference::Encode, encode, &response);
  EXPECT_EQ(rows.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(PartsOf(rows).fields[0].first, "rows.dense.dtype");
}

TEST_F(QuantisedTest, SamplesAreCodesOfTheCodebook) {
  v1::SampleRequest request;
  request.mutable_model()->set_model("m");
  request.set_count(30);
  request.set_seed(3);
  request.set_include_codes(true);
  v1::SampleResponse response;
  ASSERT_TRUE(Call(*inference_, &Inference::Sample, request, &response).ok());
  const std::vector<float> codes = Cells(response.codes());
  std::set<std::vector<float>> vectors;
  for (std::size_t at = 0; at < codes.size(); at += 4) {
    vectors.insert({codes.begin() + static_cast<std::ptrdiff_t>(at),
                    codes.begin() + static_cast<std::ptrdiff_t>(at + 4)});
  }
  EXPECT_GT(vectors.size(), 2u);
  EXPECT_LE(vectors.size(), kSize);
}

TEST_F(QuantisedTest, TellsHowTheCodebookIsUsed) {
  EXPECT_EQ(Figure("code_bits_indices"), kGroups * 5);
  EXPECT_GT(Figure("codebook_perplexity"), 2);
  EXPECT_LE(Figure("codebook_perplexity"), kSize);
  EXPECT_GE(job_.progress().codebook_perplexity(), 1);
  EXPECT_EQ(job_.progress().terms(1).name(), "commitment");
}

}  // namespace
}  // namespace latent

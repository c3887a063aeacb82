// Labels over the wire: with rows, from a dataset, and as what samples shall be.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using ::testing::HasSubstr;
using Inference = v1::InferenceService::Stub;

class ConditionalTest : public ServerTest {
 protected:
  void SetUp() override {
    StartServer();
    UploadDigits();
    v1::TrainJobSpec spec = Spec("m", "digits", "cvae", 8);
    spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(4);
    Train(spec);
  }
  grpc::Status Encode(const v1::Rows& rows, const std::vector<std::int32_t>& labels,
                      v1::EncodeResponse* response) {
    v1::EncodeRequest request;
    request.mutable_model()->set_model("m");
    *request.mutable_rows() = rows;
    request.mutable_labels()->Assign(labels.begin(), labels.end());
    request.set_include_labels(rows.has_dataset_slice());
    return Call(*inference_, &Inference::Encode, request, response);
  }
  std::vector<float> Sample(const std::vector<std::int32_t>& labels) {
    v1::SampleRequest request;
    request.mutable_model()->set_model("m");
    request.set_count(6);
    request.set_seed(9);
    request.mutable_labels()->Assign(labels.begin(), labels.end());
    v1::SampleResponse response;
    const grpc::Status status = Call(*inference_, &Inference::Sample, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return Cells(response.rows());
  }
};

TEST_F(ConditionalTest, RowsOfADatasetBringTheirLabels) {
  v1::EncodeResponse known, given, other;
  ASSERT_TRUE(Encode(Slice("digits", 20), {}, &known).ok());
  ASSERT_EQ(known.labels_size(), 20);
  const std::vector<std::int32_t> labels(known.labels().begin(), known.labels().end());
  ASSERT_TRUE(Encode(Slice("digits", 20), labels, &given).ok());
  EXPECT_EQ(given.codes().SerializeAsString(), known.codes().SerializeAsString());
  ASSERT_TRUE(Encode(Slice("digits", 20), std::vector<std::int32_t>(20, 3), &other).ok());
  EXPECT_NE(other.codes().SerializeAsString(), known.codes().SerializeAsString());
}

TEST_F(ConditionalTest, SamplesFollowTheirLabels) {
  const auto threes = Sample({3}), mixed = Sample({3, 3, 3, 5, 3, 3});
  EXPECT_EQ(Sample({3, 3, 3, 3, 3, 3}), threes);
  EXPECT_TRUE(std::equal(threes.begin(), threes.begin() + 3 * 64, mixed.begin()));
  EXPECT_FALSE(
      std::equal(threes.begin() + 3 * 64, threes.begin() + 4 * 64, mixed.begin() + 3 * 64));
}

TEST_F(ConditionalTest, WrongLabelsAreRefusedByTheirField) {
  const v1::Rows rows = DenseRows(64, std::vector<float>(128, 0.5f));
  const struct {
    std::vector<std::int32_t> labels;
    const char* message;
  } cases[] = {
      {{},
       "expected a label for each row, 2 in all, as m version 1 reads them, got 0; it knows 0, 1"},
      {{4}, "got 1"},
      {{4, 10}, "got 10 for row 1"},
  };
  for (const auto& c : cases) {
    v1::EncodeResponse response;
    const grpc::Status status = Encode(rows, c.labels, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(c.message));
    ASSERT_EQ(PartsOf(status).fields.size(), 1u);
    EXPECT_EQ(PartsOf(status).fields[0].first, "labels");
  }
}

TEST_F(ConditionalTest, NextVersionOfOtherLabelsDoesNotTakeTheAlias) {
  v1::TrainJobSpec spec = Spec("m", "digits", "vae", 8);
  spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(1);
  const v1::TrainJob job = Train(spec);
  EXPECT_EQ(job.published_version(), 2u);
  EXPECT_THAT(job.publish_decision(), HasSubstr("the condition is none"));
}

}  // namespace
}  // namespace latent

// Versions that read labels, and versions that do not, asked with and without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/status.h"
#include "core/serve/recommend.h"
#include "served_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;
using Labels = std::vector<std::int32_t>;

Cells With(Cells cells, const Labels& labels) {
  cells.labels = labels;
  return cells;
}

// What every operation says of four rows, codes or samples with these labels.
std::vector<absl::Status> AskAll(const ModelPtr& model, const Labels& labels) {
  const Cells rows = With(RandomCells(4, kTestColumns, 3), labels);
  const Cells codes = With(RandomCells(4, kTestDim, 3), labels);
  const OperationLimits limits;
  return {EncodeOperation::Make(model, rows, {}).status(),
          DecodeOperation::Make(model, codes).status(),
          ReconstructOperation::Make(model, rows, {}).status(),
          DenoiseOperation::Make(model, rows, {}).status(),
          SampleOperation::Make(model, {.count = 4, .labels = labels}, limits).status(),
          InterpolateOperation::Make(model, rows, {}, limits).status(),
          InterpolateOperation::Make(model, codes, {.ends_are_codes = true}, limits).status(),
          ScoreOperation::Make(model, rows, {}).status(),
          RecommendOperation::Make(model, rows, {}).status()};
}

void ExpectLabelsRefused(const std::vector<absl::Status>& statuses, const std::string& why) {
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    EXPECT_EQ(statuses[i].code(), absl::StatusCode::kInvalidArgument) << i;
    ASSERT_EQ(DetailsOf(statuses[i]).fields.size(), 1u) << i;
    EXPECT_EQ(DetailsOf(statuses[i]).fields[0].path, "labels") << i;
    EXPECT_THAT(DetailsOf(statuses[i]).fields[0].description, HasSubstr(why)) << i;
  }
}

TEST(ConditionalOperationTest, LabelsAreTakenByEveryCall) {
  for (const absl::Status& status : AskAll(TestModel("cvae"), {1, 1, 0, 0})) {
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(ConditionalOperationTest, LabelsAreAskedForByEveryCall) {
  ExpectLabelsRefused(AskAll(TestModel("cvae"), {}), "it knows 0, 1, 2");
}

TEST(ConditionalOperationTest, OtherNumbersOfLabelsAreRefused) {
  ExpectLabelsRefused(AskAll(TestModel("cvae"), {1, 1, 0}), "4 in all, as toy version 1");
}

TEST(ConditionalOperationTest, UnknownLabelIsRefusedWithTheList) {
  ExpectLabelsRefused(AskAll(TestModel("cvae"), {0, 0, 5, 5}), "knows, 0, 1, 2, got 5 for row 2");
}

TEST(ConditionalOperationTest, OtherVersionsReadNoLabels) {
  for (const absl::Status& status : AskAll(TestModel("vae"), {1, 1, 0, 0})) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(DetailsOf(status).reason, "NOT_CONDITIONAL");
  }
}

TEST(ConditionalOperationTest, NoWayLeadsFromLabelToLabel) {
  const absl::Status status =
      InterpolateOperation::Make(TestModel("cvae"),
                                 With(RandomCells(4, kTestColumns, 3), {1, 1, 0, 2}), {}, {})
          .status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("got 0 and 2 for pair 1"));
}

TEST(ConditionalOperationTest, OneLabelIsForAllSamples) {
  const ModelPtr model = TestModel("cvae");
  const auto sample = [&](const Labels& labels) {
    return RunAlone(SampleOperation::Make(model, {.count = 70, .seed = 4, .labels = labels},
                                          OperationLimits()))
        ->rows()
        .values;
  };
  EXPECT_EQ(sample({2}), sample(Labels(70, 2)));
  EXPECT_NE(sample({2}), sample({1}));
  // Each row follows its own, beyond the rows of one pass.
  Labels mixed(70, 2);
  mixed[69] = 1;
  const auto rows = sample(mixed), twos = sample({2}), ones = sample({1});
  EXPECT_TRUE(std::equal(rows.begin(), rows.end() - kTestColumns, twos.begin()));
  EXPECT_TRUE(std::equal(rows.end() - kTestColumns, rows.end(), ones.end() - kTestColumns));
}

TEST(ConditionalOperationTest, LabelsTravelWithTheRowsOfTheirCall) {
  const ModelPtr model = TestModel("cvae");
  std::vector<std::unique_ptr<ReconstructOperation>> joined;
  std::vector<Operation*> operations;
  std::vector<std::vector<float>> alone;
  for (std::int32_t i = 0; i < 6; ++i) {
    const Cells rows = With(RandomCells(3, kTestColumns, 3), Labels(3, i % 3));
    alone.push_back(RunAlone(ReconstructOperation::Make(model, rows, {}))->reconstruction().values);
    joined.push_back(*ReconstructOperation::Make(model, rows, {}));
    operations.push_back(joined.back().get());
  }
  BatchRunner runner;
  runner.Run(operations);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(joined[i]->reconstruction().values, alone[i]) << i;
  }
  EXPECT_NE(alone[0], alone[1]);
  EXPECT_EQ(alone[0], alone[3]);
}

TEST(ConditionalOperationTest, DenoiseKeepsLabelsBesideAddedNoise) {
  DenoiseOperation::Noise noise;
  noise.corruption.mutable_gaussian()->set_sigma(0.1);
  const Cells rows = With(RandomCells(3, kTestColumns, 3), {0, 1, 2});
  const auto denoised =
      RunAlone(DenoiseOperation::Make(TestModel("cvae"), rows, {.add_noise = noise}));
  EXPECT_EQ(denoised->rows().rows, 3u);
}

TEST(ConditionalOperationTest, ItemsAreEmbeddedUnderOneLabel) {
  const ModelPtr model = TestModel("cvae");
  const auto make = [&](const Labels& labels) {
    return RecommendOperation::Make(
        model, With(RandomCells(2, kTestColumns, 3), labels),
        {.k = 2, .exclude_seen = false, .include_item_embeddings = true});
  };
  EXPECT_EQ(DetailsOf(make({0, 1}).status()).fields.size(), 1u);
  const auto zero = RunAlone(make({0, 0})), one = RunAlone(make({1, 1}));
  EXPECT_FALSE(zero->embeddings().values.empty());
  EXPECT_NE(zero->embeddings().values, one->embeddings().values);
}

}  // namespace
}  // namespace latent

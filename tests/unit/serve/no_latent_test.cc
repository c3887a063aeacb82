// What a model without a code answers, and what it refuses.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/status.h"
#include "served_fixture.h"

namespace latent {
namespace {

void ExpectNoLatent(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(DetailsOf(status).reason, "NO_LATENT");
}

TEST(NoLatentTest, RefusesWhatNeedsACode) {
  const ModelPtr model = TestModel("ease");
  const Cells rows = RandomCells(2, kTestColumns, 7);
  ExpectNoLatent(EncodeOperation::Make(model, rows, {}).status());
  ExpectNoLatent(DecodeOperation::Make(model, Cells(1, 3)).status());
  ExpectNoLatent(SampleOperation::Make(model, {.count = 1}, {}).status());
  ExpectNoLatent(InterpolateOperation::Make(model, rows, {}, {}).status());
  ExpectNoLatent(InterpolateOperation::Make(model, rows, {.ends_are_codes = true}, {}).status());
  ExpectNoLatent(ReconstructOperation::Make(model, rows, {.include_codes = true}).status());
}

TEST(NoLatentTest, ReconstructsAndDenoisesByItsWeights) {
  const ModelPtr model = TestModel("ease");
  const auto& map = dynamic_cast<const ItemMap&>(model->model());
  Cells row(1, kTestColumns);
  row.values[2] = 2;
  const auto answer = RunAlone(ReconstructOperation::Make(model, row, {}));
  for (std::size_t c = 0; c < kTestColumns; ++c) {
    EXPECT_EQ(answer->reconstruction().values[c], 2 * map.weights()(2, c));
  }
  EXPECT_EQ(RunAlone(DenoiseOperation::Make(model, row, {}))->rows().values,
            answer->reconstruction().values);
  EXPECT_EQ(model->latent_space_id(), "");
}

TEST(NoLatentTest, ScoresBySquaredError) {
  const ModelPtr model = TestModel("ease");
  const Cells rows = RandomCells(3, kTestColumns, 7);
  const auto error = RunAlone(ReconstructOperation::Make(model, rows, {.include_error = true}));
  const auto score = RunAlone(ScoreOperation::Make(model, rows, {.top_features = 1}));
  for (std::size_t r = 0; r < 3; ++r) {
    EXPECT_EQ(score->scores()[r].score, error->squared_error()[r]);
    EXPECT_GT(score->scores()[r].top_features[0].nats, 0);
  }
}

TEST(NoLatentTest, GivesARowTheSameBitsAloneAndInABatch) {
  const ModelPtr model = TestModel("ease");
  const Cells rows = RandomCells(5, kTestColumns, 7);
  const Cells all = RunAlone(ReconstructOperation::Make(model, rows, {}))->reconstruction();
  for (std::size_t r = 0; r < 5; ++r) {
    Cells one(1, kTestColumns);
    std::copy_n(rows.view().row(r).begin(), kTestColumns, one.values.begin());
    const Cells alone = RunAlone(ReconstructOperation::Make(model, one, {}))->reconstruction();
    for (std::size_t c = 0; c < kTestColumns; ++c) {
      EXPECT_EQ(alone.values[c], all.view()(r, c));
    }
  }
}

}  // namespace
}  // namespace latent

// Rows that lack cells, to models that take them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/base/status.h"
#include "served_fixture.h"

namespace latent {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

// The second of three rows lacks its cells 2 and 5.
Cells RowsWithHoles() {
  Cells rows = RandomCells(3, kTestColumns, 9);
  rows.view()(1, 2) = kMissing;
  rows.view()(1, 5) = kMissing;
  return rows;
}

void ExpectFinite(const Cells& cells) {
  ASSERT_FALSE(cells.empty());
  for (const float cell : cells.values) EXPECT_TRUE(std::isfinite(cell));
}

TEST(MissingCellsTest, AreAnsweredLikeAllOthers) {
  const ModelPtr model = TestModel("table");
  const auto rebuilt = RunAlone(ReconstructOperation::Make(
      model, RowsWithHoles(), {.include_codes = true, .include_error = true}));
  ExpectFinite(rebuilt->reconstruction());
  ExpectFinite(rebuilt->codes());
  double expected = 0;
  for (std::size_t c = 0; c < kTestColumns; ++c) {
    const double d = rebuilt->reconstruction().view()(1, c) - RowsWithHoles().view()(1, c);
    if (!std::isnan(d)) expected += d * d;
  }
  EXPECT_NEAR(rebuilt->squared_error()[1], expected, 1e-5 * expected);
  ExpectFinite(RunAlone(EncodeOperation::Make(model, RowsWithHoles(), {}))->codes());
}

TEST(MissingCellsTest, DoNotTouchOtherRows) {
  const ModelPtr model = TestModel("table");
  const Cells whole = RandomCells(3, kTestColumns, 9);
  const Cells one =
      RunAlone(ReconstructOperation::Make(model, RowsWithHoles(), {}))->reconstruction();
  const Cells other = RunAlone(ReconstructOperation::Make(model, whole, {}))->reconstruction();
  for (std::size_t c = 0; c < kTestColumns; ++c) {
    EXPECT_EQ(one.view()(0, c), other.view()(0, c));
    EXPECT_EQ(one.view()(2, c), other.view()(2, c));
  }
}

TEST(MissingCellsTest, AreRefusedByOtherModels) {
  const absl::Status status =
      ReconstructOperation::Make(TestModel("plain"), RowsWithHoles(), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("row 1, column 2; a missing cell"));
}

TEST(MissingCellsTest, LeaveInfinitiesRefused) {
  Cells rows = RowsWithHoles();
  rows.values[0] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(ScoreOperation::Make(TestModel("table"), rows, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(MissingCellsTest, AddNothingToAScore) {
  const auto scored =
      RunAlone(ScoreOperation::Make(TestModel("table"), RowsWithHoles(), {.top_features = 12}));
  double sum = 0;
  for (const auto& feature : scored->scores()[1].top_features) {
    sum += feature.nats;
    const bool missing = feature.column == 2 || feature.column == 5;
    EXPECT_EQ(missing, feature.nats == 0);
  }
  EXPECT_NEAR(scored->scores()[1].score, sum, 1e-4);
}

TEST(MissingCellsTest, AreAllThatDenoisingReplacesInTheirRow) {
  const ModelPtr model = TestModel("table");
  const Cells rows = RowsWithHoles();
  const Cells rebuilt = RunAlone(ReconstructOperation::Make(model, rows, {}))->reconstruction();
  const Cells denoised = RunAlone(DenoiseOperation::Make(model, rows, {}))->rows();
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < kTestColumns; ++c) {
      const bool kept = r == 1 && c != 2 && c != 5;
      EXPECT_EQ(denoised.view()(r, c), (kept ? rows : rebuilt).view()(r, c)) << r << ", " << c;
    }
  }
}

TEST(MissingCellsTest, AreTheSameByMaskAndByNan) {
  const ModelPtr model = TestModel("table");
  const Cells whole = RandomCells(3, kTestColumns, 9);
  std::vector<std::uint8_t> mask(whole.values.size());
  mask[kTestColumns + 2] = mask[kTestColumns + 5] = 1;
  const Cells by_mask = RunAlone(DenoiseOperation::Make(model, whole, {.missing = mask}))->rows();
  const Cells by_nan = RunAlone(DenoiseOperation::Make(model, RowsWithHoles(), {}))->rows();
  EXPECT_EQ(by_mask.view()(1, 2), by_nan.view()(1, 2));
  EXPECT_EQ(by_mask.view()(1, 5), by_nan.view()(1, 5));
  EXPECT_EQ(by_mask.view()(0, 0), whole.view()(0, 0));
}

TEST(MissingCellsTest, ComeBackFromNoiseAsTheirMean) {
  const ModelPtr model = TestModel("table");
  DenoiseOperation::Options options;
  options.add_noise.emplace().corruption.mutable_gaussian()->set_sigma(0.1);
  const auto denoised = RunAlone(DenoiseOperation::Make(model, RowsWithHoles(), options));
  ExpectFinite(denoised->rows());
  ExpectFinite(denoised->noisy_rows());
  EXPECT_EQ(denoised->noisy_rows().view()(1, 2), model->model().column_means()[2]);
}

}  // namespace
}  // namespace latent

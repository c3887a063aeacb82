// What controls and labels are judged by: neighbours, the linear probe, ranking figures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/random.h"
#include "core/eval/linear_probe.h"
#include "core/eval/neighbours.h"
#include "core/eval/ranking_curves.h"

namespace latent {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;

std::vector<float> Normal(std::size_t count, std::uint64_t seed) {
  std::vector<float> values(count);
  FillNormal({.seed = seed}, values);
  return values;
}

TEST(NeighboursTest, EqualsDirectDistances) {
  const auto points = Normal(70 * 5, 1), queries = Normal(130 * 5, 2);
  const ConstMatrix from(queries.data(), 130, 5);
  std::size_t visited = 0;
  Neighbours({points.data(), 70, 5}).ForEach(from, [&](std::size_t r, auto squared) {
    EXPECT_EQ(r, visited++);
    for (std::size_t i = 0; i < 70; ++i) {
      double expected = 0;
      for (std::size_t c = 0; c < 5; ++c) {
        expected += std::pow(double{queries[r * 5 + c]} - points[i * 5 + c], 2);
      }
      ASSERT_NEAR(squared[i], expected, 1e-5);
    }
  });
  EXPECT_EQ(visited, 130u);
}

TEST(NeighboursTest, LeavesOutAPointItself) {
  const std::vector<float> line = {0, 1, 3, 7};
  const ConstMatrix points(line.data(), 4, 1);
  const Neighbours neighbours(points);
  EXPECT_THAT(neighbours.NearestDistances(points), Each(DoubleNear(0, 1e-6)));
  EXPECT_THAT(neighbours.NearestDistances(points, true), ::testing::ElementsAre(1, 1, 2, 4));
}

TEST(VoteTest, TakesTheNearestOfEquallyMany) {
  const std::vector<float> squared = {4, 1, 3, 2, 9};
  const std::vector<std::int32_t> labels = {7, 3, 7, 3, 5};
  EXPECT_EQ(Vote(squared, labels, 4), 3);
  EXPECT_EQ(Vote(squared, labels, 5), 3);
  const std::vector<std::int32_t> other = {7, 3, 7, 5, 7};
  EXPECT_EQ(Vote(squared, other, 4), 7);
}

// At the minimum, X^T (p - y) + w = 0, and the biases' errors sum to 0.
TEST(LinearProbeTest, EndsWhereTheGradientVanishes) {
  constexpr std::size_t kRows = 300, kColumns = 4, kClasses = 3;
  const auto cells = Normal(kRows * kColumns, 1), noise = Normal(kRows, 2);
  std::vector<std::uint32_t> classes(kRows);
  for (std::size_t r = 0; r < kRows; ++r) {
    const float x = cells[r * kColumns] + 0.5f * noise[r];
    classes[r] = x < -0.5f ? 0 : (x < 0.5f ? 1 : 2);
  }
  const auto probe = LinearProbe::Fit({cells.data(), kRows, kColumns}, classes, kClasses);
  ASSERT_TRUE(probe.ok());
  const std::vector<double>& w = probe->weights();
  std::vector<double> gradient = w;
  for (std::size_t c = 0; c < kClasses; ++c) gradient[kColumns * kClasses + c] = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    double p[kClasses], sum = 0;
    for (std::size_t c = 0; c < kClasses; ++c) {
      p[c] = w[kColumns * kClasses + c];
      for (std::size_t i = 0; i < kColumns; ++i) {
        p[c] += cells[r * kColumns + i] * w[i * kClasses + c];
      }
      sum += p[c] = std::exp(p[c]);
    }
    for (std::size_t c = 0; c < kClasses; ++c) {
      const double error = p[c] / sum - (classes[r] == c ? 1 : 0);
      for (std::size_t i = 0; i < kColumns; ++i) {
        gradient[i * kClasses + c] += error * cells[r * kColumns + i];
      }
      gradient[kColumns * kClasses + c] += error;
    }
  }
  EXPECT_THAT(gradient, Each(DoubleNear(0, 0.01)));
}

TEST(LinearProbeTest, ReadsWhatIsLinearAndNotWhatIsNot) {
  const auto cells = Normal(2000 * 2, 1);
  std::vector<std::uint32_t> linear(2000), parity(2000);
  for (std::size_t r = 0; r < 2000; ++r) {
    linear[r] = cells[2 * r] + cells[2 * r + 1] > 0.3f ? 1 : 0;
    parity[r] = cells[2 * r] * cells[2 * r + 1] > 0 ? 1 : 0;
  }
  const ConstMatrix rows(cells.data(), 2000, 2);
  const auto share_right = [&](const std::vector<std::uint32_t>& classes) {
    const auto probe = LinearProbe::Fit(rows, classes, 2);
    double right = 0;
    for (std::size_t r = 0; r < 2000; ++r) right += probe->Predict(rows.row(r)) == classes[r];
    return right / 2000;
  };
  EXPECT_GT(share_right(linear), 0.98);
  EXPECT_NEAR(share_right(parity), 0.5, 0.06);
}

TEST(LinearProbeTest, StopsWhenAsked) {
  const std::vector<float> cells = {1, 2};
  const std::vector<std::uint32_t> classes = {0, 1};
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(LinearProbe::Fit({cells.data(), 2, 1}, classes, 2, stop.get_token()).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(AreaUnderRocTest, CountsPairsAndHalvesTies) {
  std::vector<ScoredRow> rows = {{3, true}, {2, false}, {1, true}, {0, false}};
  EXPECT_DOUBLE_EQ(AreaUnderRoc(rows), 0.75);
  std::vector<ScoredRow> equal = {{1, true}, {1, false}, {1, false}};
  EXPECT_DOUBLE_EQ(AreaUnderRoc(equal), 0.5);
}

TEST(AveragePrecisionTest, SumsPrecisionOverRecall) {
  std::vector<ScoredRow> rows = {{3, true}, {2, false}, {1, true}, {0, false}};
  EXPECT_DOUBLE_EQ(AveragePrecision(rows), (1 + 2.0 / 3) / 2);
  std::vector<ScoredRow> equal = {{1, true}, {1, false}, {1, false}, {1, false}};
  EXPECT_DOUBLE_EQ(AveragePrecision(equal), 0.25);
}

}  // namespace
}  // namespace latent

#include "core/model/column_statistics.h"

#include <vector>

#include "gmock/gmock.h"

namespace latent {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::Pointwise;

// 3 x 4; no cell, one, all and two cells of a column are stored.
const std::vector<std::uint64_t> kOffsets = {0, 3, 4, 6};
const std::vector<std::uint32_t> kIndices = {1, 2, 3, 2, 2, 3};
const std::vector<float> kValues = {-5, 0.1f, 3, 0.1f, 0.1f, 4};
const std::vector<float> kCells = {0, -5, 0.1f, 3, 0, 0, 0.1f, 0, 0, 0, 0.1f, 4};

TEST(ColumnStatisticsTest, OfSparseRowsAreThoseOfTheDenseOnes) {
  const auto sparse = ComputeColumnStatistics(
      RowsView(SparseRows{kOffsets.data(), kIndices.data(), kValues.data(), 3, 4}));
  const auto dense = ComputeColumnStatistics({kCells.data(), 3, 4});
  EXPECT_EQ(sparse.mean, dense.mean);
  EXPECT_EQ(sparse.min, dense.min);
  EXPECT_EQ(sparse.max, dense.max);
  EXPECT_THAT(sparse.variance, Pointwise(DoubleEq(), dense.variance));
  EXPECT_EQ(sparse.rows, 3u);
}

TEST(ColumnStatisticsTest, CountZerosThatAreNotStored) {
  const auto statistics = ComputeColumnStatistics(
      RowsView(SparseRows{kOffsets.data(), kIndices.data(), kValues.data(), 3, 4}));
  EXPECT_THAT(statistics.min, ElementsAre(0, -5, 0.1f, 0));
  EXPECT_THAT(statistics.max, ElementsAre(0, 0, 0.1f, 4));
  EXPECT_EQ(statistics.variance[2], 0);
}

}  // namespace
}  // namespace latent

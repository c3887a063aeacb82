#include "core/data/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace latent {
namespace {

std::ptrdiff_t Count(const std::vector<v1::Part>& parts, v1::Part part) {
  return std::count(parts.begin(), parts.end(), part);
}

TEST(SplitRowsTest, SetsExactSharesAside) {
  const auto parts = SplitRows(1797, {});
  EXPECT_EQ(Count(parts, v1::PART_TEST), 180);
  EXPECT_EQ(Count(parts, v1::PART_VALIDATION), 162);
  EXPECT_EQ(Count(parts, v1::PART_TRAIN), 1455);
}

TEST(SplitRowsTest, BoundsValidationRows) {
  const auto parts = SplitRows(200'000, {.test_fraction = 0, .validation_fraction = 0.5});
  EXPECT_EQ(Count(parts, v1::PART_VALIDATION), 10'000);
}

TEST(SplitRowsTest, SetsNothingAsideForFractionsOfZero) {
  const auto parts = SplitRows(100, {.test_fraction = 0, .validation_fraction = 0});
  EXPECT_EQ(Count(parts, v1::PART_TRAIN), 100);
}

TEST(SplitRowsTest, LeavesARowToTrainOn) {
  const SplitOptions most = {.test_fraction = 0.9, .validation_fraction = 0.9};
  for (const std::uint64_t rows : {1, 2, 3, 5}) {
    EXPECT_GE(Count(SplitRows(rows, most), v1::PART_TRAIN), 1) << rows;
  }
}

TEST(SplitRowsTest, DependsOnTheSeed) {
  EXPECT_EQ(SplitRows(1000, {.seed = 1}), SplitRows(1000, {.seed = 1}));
  EXPECT_NE(SplitRows(1000, {.seed = 1}), SplitRows(1000, {.seed = 2}));
}

// Stored datasets were split by these values: they may never change.
TEST(SplitHashTest, KeepsItsValues) {
  EXPECT_EQ(SplitHash(0, 0), 0x5692161D100B05E5u);
  EXPECT_EQ(SplitHash(7, 41), SplitHash(7, 41));
}

TEST(SplitRowsTest, TakesRowsFromEverywhere) {
  const auto parts = SplitRows(10'000, {.test_fraction = 0.5, .validation_fraction = 0});
  const auto first_half = std::count(parts.begin(), parts.begin() + 5000, v1::PART_TEST);
  EXPECT_NEAR(static_cast<double>(first_half), 2500, 150);
}

}  // namespace
}  // namespace latent

#include "core/picture/axes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latent {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

TEST(AxisTest, TicksAreRoundNumbersWithinTheRange) {
  EXPECT_THAT(MakeAxis(0, 10, 6).ticks, ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(
      MakeAxis(0.11, 0.29, 4).ticks,
      ElementsAre(DoubleNear(0.15, 1e-12), DoubleNear(0.2, 1e-12), DoubleNear(0.25, 1e-12)));
}

TEST(AxisTest, LogTicksAreOneTwoFive) {
  EXPECT_THAT(MakeAxis(1, 60, 6, true).ticks, ElementsAre(1, 2, 5, 10, 20, 50));
}

TEST(AxisTest, LogAxisMapsGeometricMiddleToOneHalf) {
  EXPECT_NEAR(MakeAxis(1, 100, 6, true).Share(10), 0.5, 1e-12);
}

TEST(AxisTest, KeepsWholeTicksForCounts) {
  Axis axis = MakeAxis(1, 3, 10);
  EXPECT_GT(axis.ticks.size(), 3u);
  KeepWholeTicks(&axis);
  EXPECT_THAT(axis.ticks, ElementsAre(1, 2, 3));
}

TEST(AxisTest, EqualEndsAreSpreadApart) {
  const Axis axis = MakeAxis(3, 3, 5);
  EXPECT_LT(axis.low, 3);
  EXPECT_GT(axis.high, 3);
  EXPECT_FALSE(axis.ticks.empty());
}

TEST(AxisTest, FormatsTicksBriefly) {
  EXPECT_EQ(FormatTick(0), "0");
  EXPECT_EQ(FormatTick(0.25), "0.25");
  EXPECT_EQ(FormatTick(2e6), "2e+06");
}

}  // namespace
}  // namespace latent

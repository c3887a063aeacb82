#include "core/base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/base/random.h"

namespace latent {
namespace {

TEST(HalfTest, KeepsEveryNumberOfItsOwn) {
  for (std::uint32_t half = 0; half < 0x10000; ++half) {
    const auto bits = static_cast<std::uint16_t>(half);
    const float value = FromHalf(bits);
    if (std::isnan(value)) continue;
    ASSERT_EQ(ToHalf(value), bits) << half;
  }
}

TEST(HalfTest, RoundsToTheNearestEven) {
  EXPECT_EQ(FromHalf(ToHalf(1.0f + 1.0f / 2048)), 1.0f);                // tie, to even
  EXPECT_EQ(FromHalf(ToHalf(1.0f + 3.0f / 2048)), 1.0f + 4.0f / 2048);  // tie, to even
  EXPECT_EQ(FromHalf(ToHalf(1.0f + 1.1f / 2048)), 1.0f + 2.0f / 2048);
  EXPECT_EQ(FromHalf(ToHalf(std::ldexp(1.0f, -25))), 0.0f);
  EXPECT_EQ(FromHalf(ToHalf(std::ldexp(1.5f, -25))), std::ldexp(1.0f, -24));
  EXPECT_EQ(FromHalf(ToHalf(-65504.0f)), -65504.0f);
  EXPECT_EQ(FromHalf(ToHalf(65519.9f)), 65504.0f);
  EXPECT_TRUE(std::isinf(FromHalf(ToHalf(65520.0f))));
  EXPECT_TRUE(std::isnan(FromHalf(ToHalf(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(HalfTest, ErrsByAtMostAPartIn2048) {
  std::vector<float> values(10'000);
  FillNormal({.seed = 1}, values);
  for (const float v : values) ASSERT_NEAR(FromHalf(ToHalf(v)), v, std::abs(v) / 2048);
}

}  // namespace
}  // namespace latent

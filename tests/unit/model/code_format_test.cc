#include "core/model/code_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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

TEST(CodeScalesTest, ErrsByAtMostHalfAStep) {
  std::vector<float> cells(3000);
  FillNormal({.seed = 1}, cells);
  const MatrixView<const float> codes(cells.data(), 1000, 3);
  const CodeScales scales = FitCodeScales(codes);
  std::vector<std::int8_t> quantised(3);
  std::vector<float> back(3);
  for (std::size_t r = 0; r < codes.rows; ++r) {
    QuantiseCode(scales, codes.row(r), quantised);
    DequantiseCode(scales, quantised, back);
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_NEAR(back[i], codes(r, i), 0.5001f * scales.scale[i]);
    }
  }
}

TEST(CodeScalesTest, ClipsWhatLiesOutside) {
  const std::vector<float> fitted = {-1, 5, 1, 5};
  const CodeScales scales = FitCodeScales({fitted.data(), 2, 2});
  std::vector<std::int8_t> quantised(2);
  QuantiseCode(scales, std::vector<float>{-40, 70}, quantised);
  EXPECT_THAT(quantised, ::testing::ElementsAre(-127, 0));
  std::vector<float> back(2);
  DequantiseCode(scales, quantised, back);
  EXPECT_THAT(back, ::testing::ElementsAre(-1, 5));
}

}  // namespace
}  // namespace latent

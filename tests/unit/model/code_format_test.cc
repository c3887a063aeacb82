#include "core/model/code_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.h"

namespace latent {
namespace {

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

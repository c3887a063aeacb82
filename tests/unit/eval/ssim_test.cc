#include "core/eval/ssim.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "core/base/random.h"

namespace latent {
namespace {

std::vector<float> Image(std::size_t cells, std::uint64_t seed) {
  std::vector<float> image(cells);
  FillUniform({.seed = seed}, image);
  return image;
}

// Straight from the definition: one window after the other, in two dimensions.
double DirectSsim(std::size_t height, std::size_t width, const std::vector<float>& a,
                  const std::vector<float>& b, double range) {
  double total = 0, windows = 0, weight_sum = 0;
  std::array<std::array<double, 11>, 11> weights{};
  for (int y = 0; y < 11; ++y) {
    for (int x = 0; x < 11; ++x) {
      weights[y][x] = std::exp(-((y - 5) * (y - 5) + (x - 5) * (x - 5)) / 4.5);
      weight_sum += weights[y][x];
    }
  }
  for (std::size_t top = 0; top + 11 <= height; ++top) {
    for (std::size_t left = 0; left + 11 <= width; ++left) {
      const auto average = [&](const auto& value) {
        double sum = 0;
        for (std::size_t y = 0; y < 11; ++y) {
          for (std::size_t x = 0; x < 11; ++x) {
            sum += weights[y][x] / weight_sum * value((top + y) * width + left + x);
          }
        }
        return sum;
      };
      const double mean_a = average([&](std::size_t i) { return double{a[i]}; });
      const double mean_b = average([&](std::size_t i) { return double{b[i]}; });
      const double var_a = average([&](std::size_t i) { return std::pow(a[i] - mean_a, 2); });
      const double var_b = average([&](std::size_t i) { return std::pow(b[i] - mean_b, 2); });
      const double cov = average([&](std::size_t i) { return (a[i] - mean_a) * (b[i] - mean_b); });
      const double c1 = std::pow(0.01 * range, 2), c2 = std::pow(0.03 * range, 2);
      total += (2 * mean_a * mean_b + c1) * (2 * cov + c2) /
               ((mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2));
      ++windows;
    }
  }
  return total / windows;
}

TEST(SsimTest, EqualsTheDefinition) {
  const auto a = Image(17 * 23, 1);
  auto b = Image(17 * 23, 2);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = 0.7f * a[i] + 0.3f * b[i];
  EXPECT_NEAR(Ssim({17, 23, 1}, a, b, 1), DirectSsim(17, 23, a, b, 1), 1e-12);
  EXPECT_NEAR(Ssim({17, 23, 1}, a, b, 4), DirectSsim(17, 23, a, b, 4), 1e-12);
}

TEST(SsimTest, AveragesChannels) {
  const auto one = Image(11 * 12, 1), two = Image(11 * 12, 2), other = Image(11 * 12, 3);
  std::vector<float> a, b;
  for (std::size_t i = 0; i < one.size(); ++i) {
    a.insert(a.end(), {one[i], two[i]});
    b.insert(b.end(), {other[i], two[i]});
  }
  const double expected = (DirectSsim(11, 12, one, other, 1) + 1) / 2;
  EXPECT_NEAR(Ssim({11, 12, 2}, a, b, 1), expected, 1e-12);
}

TEST(SsimTest, IsOneForEqualImages) {
  const auto image = Image(28 * 28, 1);
  EXPECT_NEAR(Ssim({28, 28, 1}, image, image, 1), 1, 1e-12);
}

TEST(SsimTest, NeedsAnImageOfAWindow) {
  EXPECT_TRUE(SsimShapeOf(std::array<std::uint32_t, 3>{28, 11, 3}));
  EXPECT_TRUE(SsimShapeOf(std::array<std::uint32_t, 2>{11, 11}));
  EXPECT_FALSE(SsimShapeOf(std::array<std::uint32_t, 2>{10, 11}));
  EXPECT_FALSE(SsimShapeOf(std::array<std::uint32_t, 3>{28, 28, 5}));
  EXPECT_FALSE(SsimShapeOf(std::array<std::uint32_t, 1>{784}));
}

}  // namespace
}  // namespace latent

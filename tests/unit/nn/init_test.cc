#include "core/nn/init.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace latent {
namespace {

double Variance(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += double{v} * double{v};
  return sum / static_cast<double>(values.size());
}

TEST(InitTest, GlorotIsUniformInItsLimits) {
  std::vector<float> w(300 * 200);
  GlorotUniform(1, 0, {w.data(), 300, 200});
  const double limit = std::sqrt(6.0 / 500);
  const auto [low, high] = std::minmax_element(w.begin(), w.end());
  EXPECT_GE(*low, -limit * 1.000001);
  EXPECT_LE(*high, limit * 1.000001);
  EXPECT_NEAR(Variance(w), limit * limit / 3, 0.02 * limit * limit);
}

TEST(InitTest, HeHasTheVarianceOfItsInputs) {
  std::vector<float> w(300 * 200);
  HeNormal(1, 0, {w.data(), 300, 200});
  EXPECT_NEAR(Variance(w), 2.0 / 300, 0.03 * 2 / 300);
}

TEST(InitTest, DependsOnSeedAndTensor) {
  std::vector<float> a(12), b(12), c(12), d(12);
  HeNormal(1, 0, {a.data(), 3, 4});
  HeNormal(1, 0, {b.data(), 3, 4});
  HeNormal(2, 0, {c.data(), 3, 4});
  HeNormal(1, 1, {d.data(), 3, 4});
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_NE(a, d);
}

}  // namespace
}  // namespace latent

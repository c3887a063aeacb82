#include "core/nn/optimizer.h"

#include <cmath>
#include <vector>

#include "core/base/random.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

struct Parameters {
  explicit Parameters(std::size_t count) : w(count), m(count), v(count), g(count) {
    FillNormal({1, 0, 0}, w);
  }
  AdamState Slice(std::size_t first, std::size_t count) {
    return {.weights = std::span(w).subspan(first, count),
            .gradients = std::span<const float>(g).subspan(first, count),
            .first_moment = std::span(m).subspan(first, count),
            .second_moment = std::span(v).subspan(first, count)};
  }
  std::vector<float> w, m, v, g;
};

// Twenty updates against the published formulas in double.
TEST(AdamTest, FollowsTheFormulas) {
  constexpr std::size_t kCount = 37;
  Parameters p(kCount);
  std::vector<double> w(p.w.begin(), p.w.end()), m(kCount), v(kCount);
  for (std::uint32_t step = 1; step <= 20; ++step) {
    FillNormal({2, step, 0}, p.g);
    AdamUpdate update;
    update.learning_rate = 0.01;
    update.weight_decay = 0.1;
    update.step = step;
    update.gradient_scale = 0.5;
    ApplyAdam(update, p.Slice(0, kCount));
    for (std::size_t i = 0; i < kCount; ++i) {
      const double g = 0.5 * double{p.g[i]};
      w[i] -= 0.01 * 0.1 * w[i];
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      w[i] -= 0.01 * (m[i] / (1 - std::pow(0.9, step))) /
              (std::sqrt(v[i] / (1 - std::pow(0.999, step))) + 1e-8);
    }
  }
  // Decay and step are taken off together in float: lr^2 decay a step apart at most.
  for (std::size_t i = 0; i < kCount; ++i) EXPECT_NEAR(p.w[i], w[i], 2e-5) << i;
}

TEST(AdamTest, FirstStepIsTheLearningRate) {
  Parameters p(3);
  p.w = {1, 1, 1};
  p.g = {1e-3f, -5, 0};
  ApplyAdam({.learning_rate = 0.25}, p.Slice(0, 3));
  EXPECT_NEAR(p.w[0], 0.75, 1e-4);
  EXPECT_NEAR(p.w[1], 1.25, 1e-6);
  EXPECT_EQ(p.w[2], 1);
}

TEST(AdamTest, HasTheSameBitsInAnySplit) {
  Parameters whole(1001), split(1001);
  FillNormal({2, 0, 0}, whole.g);
  split.g = whole.g;
  const AdamUpdate update{.weight_decay = 1e-3, .step = 3};
  ApplyAdam(update, whole.Slice(0, 1001));
  for (std::size_t first = 0, count = 1; first < 1001; first += count, ++count) {
    if (first + count > 1001) count = 1001 - first;
    ApplyAdam(update, split.Slice(first, count));
  }
  EXPECT_EQ(whole.w, split.w);
  EXPECT_EQ(whole.m, split.m);
  EXPECT_EQ(whole.v, split.v);
}

// Twenty updates against the formulas in double.
TEST(SgdTest, FollowsTheFormulas) {
  constexpr std::size_t kCount = 37;
  for (const bool nesterov : {false, true}) {
    Parameters p(kCount);
    std::vector<double> w(p.w.begin(), p.w.end()), v(kCount);
    for (std::uint32_t step = 1; step <= 20; ++step) {
      FillNormal({2, step, 0}, p.g);
      ApplySgd({.learning_rate = 0.01,
                .momentum = 0.8,
                .nesterov = nesterov,
                .weight_decay = 0.1,
                .gradient_scale = 0.5},
               {.weights = p.w, .gradients = p.g, .velocity = p.v});
      for (std::size_t i = 0; i < kCount; ++i) {
        const double g = 0.5 * double{p.g[i]};
        v[i] = 0.8 * v[i] + g;
        w[i] -= 0.01 * (nesterov ? g + 0.8 * v[i] : v[i]) + 0.01 * 0.1 * w[i];
      }
    }
    for (std::size_t i = 0; i < kCount; ++i) EXPECT_NEAR(p.w[i], w[i], 1e-5) << i;
  }
}

TEST(SgdTest, WithoutMomentumIsGradientDescent) {
  std::vector<float> w = {1, 2}, g = {0.5f, -4}, v(2);
  ApplySgd({.learning_rate = 0.25, .momentum = 0}, {.weights = w, .gradients = g, .velocity = v});
  EXPECT_EQ(w, (std::vector<float>{0.875f, 3}));
}

TEST(SgdTest, HasTheSameBitsInAnySplit) {
  Parameters whole(1001), split(1001);
  FillNormal({2, 0, 0}, whole.g);
  split.g = whole.g;
  const SgdUpdate update{.nesterov = true, .weight_decay = 1e-3};
  ApplySgd(update, {.weights = whole.w, .gradients = whole.g, .velocity = whole.v});
  for (std::size_t first = 0, count = 1; first < 1001; first += count, ++count) {
    if (first + count > 1001) count = 1001 - first;
    ApplySgd(update, {.weights = std::span(split.w).subspan(first, count),
                      .gradients = std::span(split.g).subspan(first, count),
                      .velocity = std::span(split.v).subspan(first, count)});
  }
  EXPECT_EQ(whole.w, split.w);
  EXPECT_EQ(whole.v, split.v);
}

TEST(NormTest, IsTheRootOfTheSumOfSquaresInAnySplit) {
  std::vector<float> gradient(3 * kNormBlock + 77);
  FillNormal({1, 0, 0}, gradient);
  double expected = 0;
  for (const float g : gradient) expected += double{g} * double{g};
  std::vector<double> together(NormBlocks(gradient.size())), apart(together.size());
  SumSquares(gradient, 0, together);
  for (std::size_t i = 0; i < apart.size(); ++i) {
    SumSquares(gradient, i, std::span(apart).subspan(i, 1));
  }
  EXPECT_EQ(together.size(), 4u);
  EXPECT_EQ(together, apart);
  EXPECT_NEAR(NormOf(together), std::sqrt(expected), 1e-12 * std::sqrt(expected));
}

TEST(NormTest, ShowsWhatIsNotFinite) {
  std::vector<float> gradient(100, 1.0f);
  std::vector<double> partial(1);
  gradient[99] = NAN;
  SumSquares(gradient, 0, partial);
  EXPECT_TRUE(std::isnan(NormOf(partial)));
  gradient[99] = INFINITY;
  SumSquares(gradient, 0, partial);
  EXPECT_TRUE(std::isinf(NormOf(partial)));
}

TEST(ClipScaleTest, ShrinksOnlyWhatIsTooLong) {
  EXPECT_EQ(ClipScale(10, 5), 0.5);
  EXPECT_EQ(ClipScale(4, 5), 1);
  EXPECT_EQ(ClipScale(1e9, 0), 1);
}

}  // namespace
}  // namespace latent

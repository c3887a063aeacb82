#include "core/nn/activation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/base/isa.h"
#include "core/base/random.h"
#include "core/nn/kernels.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

using SpanFunction = void (*)(std::span<const float>, std::span<float>);

struct Case {
  const char* name;
  SpanFunction function;
  double (*exact)(double);
  float low, high;   // where the bound holds
  double tolerance;  // relative
};

double ExactSilu(double x) { return x / (1 + std::exp(-x)); }
double ExactSoftplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

const Case kCases[] = {
    {"Exp", Exp, [](double x) { return std::exp(x); }, -87.3f, 88.7f, 2e-7},
    {"Log", Log, [](double x) { return std::log(x); }, 1e-37f, 3e38f, 2e-7},
    {"LogNearOne", Log, [](double x) { return std::log(x); }, 0.5f, 2.0f, 2e-7},
    {"Tanh", Tanh, [](double x) { return std::tanh(x); }, -12, 12, 3e-7},
    {"TanhNearZero", Tanh, [](double x) { return std::tanh(x); }, -0.7f, 0.7f, 3e-7},
    {"Sigmoid", Sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -87, 87, 3e-7},
    {"Softplus", Softplus, ExactSoftplus, -87, 100, 3e-7},
    {"Elu", Elu, [](double x) { return x > 0 ? x : std::expm1(x); }, -80, 10, 5e-7},
    {"EluNearZero", Elu, [](double x) { return x > 0 ? x : std::expm1(x); }, -0.1f, 0.1f, 5e-7},
    {"Silu", Silu, ExactSilu, -87, 87, 4e-7},
    {"LogSigmoid", LogSigmoid, [](double x) { return -ExactSoftplus(-x); }, -100, 87, 3e-7},
};

class ElementwiseTest : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Functions, ElementwiseTest, ::testing::ValuesIn(kCases),
                         [](const auto& row) { return row.param.name; });

TEST_P(ElementwiseTest, IsWithinItsBound) {
  const Case& row = GetParam();
  std::vector<float> x(200'003), y(x.size());
  FillUniform({1, 0, 0}, x);
  for (float& v : x) v = row.low + (row.high - row.low) * v;
  x[0] = row.low, x[1] = row.high, x[2] = (row.low + row.high) / 2;
  row.function(x, y);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = row.exact(double{x[i]});
    ASSERT_LE(std::abs(y[i] - exact), row.tolerance * std::abs(exact)) << "x = " << x[i];
  }
}

TEST_P(ElementwiseTest, HasNoOtherPathForTails) {
  const Case& row = GetParam();
  std::vector<float> x(300), whole(300), part(300);
  FillUniform({2, 0, 0}, x);
  for (float& v : x) v = row.low + (row.high - row.low) * v;
  row.function(x, whole);
  for (std::size_t first = 0; first < 70; ++first) {
    for (const std::size_t count : {1u, 2u, 3u, 5u, 8u, 13u, 64u, 65u, 200u}) {
      row.function(std::span(x).subspan(first, count), std::span(part).first(count));
      ASSERT_TRUE(std::equal(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(count),
                             whole.begin() + static_cast<std::ptrdiff_t>(first)))
          << first << " + " << count;
    }
  }
}

TEST_P(ElementwiseTest, WorksInPlace) {
  std::vector<float> x(77), y(77);
  FillUniform({3, 0, 0}, x);
  GetParam().function(x, y);
  GetParam().function(x, x);
  EXPECT_EQ(x, y);
}

float Of(SpanFunction function, float x) {
  float y = 0;
  function({&x, 1}, {&y, 1});
  return y;
}

TEST(ElementwiseLimitsTest, HoldAtTheEnds) {
  EXPECT_EQ(Of(Exp, 0), 1.0f);
  EXPECT_EQ(Of(Exp, 89), kInf);
  EXPECT_EQ(Of(Exp, kInf), kInf);
  EXPECT_EQ(Of(Exp, -88), 0.0f);
  EXPECT_EQ(Of(Exp, -kInf), 0.0f);
  EXPECT_EQ(Of(Log, 1), 0.0f);
  EXPECT_EQ(Of(Log, 0), -kInf);
  EXPECT_EQ(Of(Log, kInf), kInf);
  EXPECT_NEAR(Of(Log, 1e-40f), std::log(double{1e-40f}), 2e-5);
  EXPECT_TRUE(std::isnan(Of(Log, -1)));
  EXPECT_EQ(Of(Tanh, 1000), 1.0f);
  EXPECT_EQ(Of(Tanh, -kInf), -1.0f);
  EXPECT_EQ(Of(Tanh, 0), 0.0f);
  EXPECT_EQ(Of(Sigmoid, 1000), 1.0f);
  EXPECT_EQ(Of(Sigmoid, -1000), 0.0f);
  EXPECT_EQ(Of(Softplus, 1000), 1000.0f);
  EXPECT_EQ(Of(Softplus, -1000), 0.0f);
  EXPECT_EQ(Of(Elu, 1000), 1000.0f);
  EXPECT_EQ(Of(Elu, -kInf), -1.0f);
  EXPECT_EQ(Of(Elu, 0), 0.0f);
  EXPECT_EQ(Of(Silu, 1000), 1000.0f);
  EXPECT_EQ(Of(Silu, -1000), 0.0f);
}

TEST(ElementwiseLimitsTest, NotANumberStays) {
  for (const SpanFunction function : {Exp, Log, Tanh, Sigmoid, Softplus, LogSigmoid, Elu, Silu}) {
    EXPECT_TRUE(std::isnan(Of(function, NAN)));
  }
}

TEST(BernoulliNatsTest, EqualsTheFormula) {
  std::vector<float> logits(101), targets(101), gradient(101), cells(101);
  FillNormal({1, 0, 0}, logits);
  FillUniform({2, 0, 0}, targets);
  for (float& l : logits) l *= 5;
  const double nats = BernoulliNats(logits, targets, 0.5f, gradient, cells);
  double expected = 0;
  for (std::size_t i = 0; i < 101; ++i) {
    const double l = logits[i], t = targets[i];
    const double term = ExactSoftplus(l) - t * l;
    expected += term;
    EXPECT_NEAR(cells[i], term, 3e-7 * std::max(term, 1.0));
    EXPECT_NEAR(gradient[i], 0.5 * (1 / (1 + std::exp(-l)) - t), 1e-7);
  }
  EXPECT_NEAR(nats, expected, 1e-7 * expected);
}

TEST(BernoulliNatsTest, IsFiniteAtHugeLogits) {
  struct Row {
    float logit, target, nats, gradient;
  };
  for (const Row& row :
       {Row{1000, 1, 0, 0}, Row{1000, 0, 1000, 1}, Row{-1000, 0, 0, 0}, Row{-1000, 1, 1000, -1},
        Row{1000, 0.25f, 750, 0.75f}, Row{0, 0.5f, 0.69314718f, 0}}) {
    float gradient = 0;
    const double nats = BernoulliNats({&row.logit, 1}, {&row.target, 1}, 1, {&gradient, 1});
    EXPECT_NEAR(nats, row.nats, 1e-7) << row.logit << ' ' << row.target;
    EXPECT_NEAR(gradient, row.gradient, 1e-7) << row.logit << ' ' << row.target;
  }
}

TEST(BernoulliNatsTest, KeepsTheSmallEndOfACertainCell) {
  const float logit = 30, target = 1;
  EXPECT_NEAR(BernoulliNats({&logit, 1}, {&target, 1}, 1, {}) / std::log1p(std::exp(-30.0)), 1,
              1e-6);
}

TEST(BernoulliNatsTest, MayWriteOverItsLogits) {
  std::vector<float> logits(100), targets(100), gradient(100);
  FillNormal({1, 0, 0}, logits);
  FillUniform({2, 0, 0}, targets);
  const double apart = BernoulliNats(logits, targets, 1, gradient);
  EXPECT_EQ(BernoulliNats(logits, targets, 1, logits), apart);
  EXPECT_EQ(logits, gradient);
}

TEST(SquaredErrorTest, EqualsTheFormula) {
  std::vector<float> predictions(131), targets(131), gradient(131);
  FillNormal({1, 0, 0}, predictions);
  FillNormal({2, 0, 0}, targets);
  const double error = SquaredError(predictions, targets, 2, gradient);
  double expected = 0;
  for (std::size_t i = 0; i < 131; ++i) {
    const float difference = predictions[i] - targets[i];
    expected += double{difference} * double{difference};
    EXPECT_EQ(gradient[i], 2 * difference);
  }
  EXPECT_NEAR(error, expected, 1e-12 * expected);
}

TEST(SumTest, AddsInDouble) {
  std::vector<float> cells(1000, 1e-3f);
  cells[500] = 1e8f;
  EXPECT_NEAR(Sum(cells), 1e8 + 999 * double{1e-3f}, 1e-6);
}

TEST(ActivateTest, AppliesEachFunction) {
  const std::vector<float> inputs = {-2, -0.5f, 0, 0.5f, 2};
  const auto apply = [&](Activation activation) {
    std::vector<float> cells = inputs;
    Activate(activation, {cells.data(), 1, cells.size()});
    return cells;
  };
  EXPECT_EQ(apply(Activation::kIdentity), inputs);
  EXPECT_EQ(apply(Activation::kRelu), (std::vector<float>{0, 0, 0, 0.5f, 2}));
  EXPECT_EQ(apply(Activation::kLeakyRelu), (std::vector<float>{-0.02f, -0.005f, 0, 0.5f, 2}));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_NEAR(apply(Activation::kTanh)[i], std::tanh(inputs[i]), 1e-6);
    EXPECT_NEAR(apply(Activation::kSigmoid)[i], 1 / (1 + std::exp(-inputs[i])), 1e-6);
  }
}

// Against a central difference of the function itself.
TEST(MultiplyByDerivativeTest, IsTheSlope) {
  for (const Activation activation :
       {Activation::kIdentity, Activation::kRelu, Activation::kLeakyRelu, Activation::kTanh,
        Activation::kSigmoid, Activation::kElu, Activation::kSilu, Activation::kSoftplus}) {
    for (const float x : {-1.5f, -0.25f, 0.3f, 2.0f}) {
      float low = x - 0.01f, high = x + 0.01f, value = x, gradient = 3;
      Activate(activation, {&low, 1, 1});
      Activate(activation, {&high, 1, 1});
      if (!DerivativeNeedsInput(activation)) Activate(activation, {&value, 1, 1});
      MultiplyByDerivative(activation, {&value, 1, 1}, {&gradient, 1, 1});
      EXPECT_NEAR(gradient, 3 * (high - low) / 0.02, 2e-3) << static_cast<int>(activation) << x;
    }
  }
}

// The second against a central difference of the first.
TEST(SlopesTest, AreTheFirstAndSecondDerivative) {
  for (const Activation activation :
       {Activation::kIdentity, Activation::kRelu, Activation::kLeakyRelu, Activation::kTanh,
        Activation::kSigmoid, Activation::kElu, Activation::kSilu, Activation::kSoftplus}) {
    for (const float x : {-1.5f, -0.25f, 0.3f, 2.0f}) {
      std::vector<float> values = {x - 0.01f, x, x + 0.01f}, first(3), second(3), slope(3, 1);
      const Matrix row(values.data(), 1, 3);
      if (!DerivativeNeedsInput(activation)) Activate(activation, row);
      MultiplyByDerivative(activation, row, {slope.data(), 1, 3});
      Slopes(activation, values, first, second);
      EXPECT_EQ(first, slope);
      EXPECT_NEAR(second[1], (first[2] - first[0]) / 0.02, 2e-3)
          << static_cast<int>(activation) << x;
    }
  }
}

TEST(SlopesTest, SoftplusKeepsTheSmallEnd) {
  const std::vector<float> outputs = {1e-20f};
  std::vector<float> first(1), second(1);
  Slopes(Activation::kSoftplus, outputs, first, second);
  EXPECT_NEAR(first[0] / 1e-20f, 1, 1e-6);
}

#if defined(__x86_64__)
class ElementwiseLevelsTest : public ::testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(Levels, ElementwiseLevelsTest,
                         ::testing::Values(Isa::kAvx2, Isa::kAvx512));

TEST_P(ElementwiseLevelsTest, AgreesWithPortableToTheBit) {
  if (!CpuHas(GetParam())) GTEST_SKIP();
  std::vector<float> x(5000), portable(5000), other(5000);
  FillNormal({1, 0, 0}, x);
  for (float& v : x) v *= 20;
  const auto& p = kernels::kPortable;
  const auto& a = kernels::TableOf(GetParam());
  for (const auto& [f, g] : {std::pair{p.exp, a.exp},
                             {p.tanh, a.tanh},
                             {p.sigmoid, a.sigmoid},
                             {p.softplus, a.softplus},
                             {p.elu, a.elu},
                             {p.silu, a.silu},
                             {p.silu_slope, a.silu_slope},
                             {p.softplus_slope, a.softplus_slope}}) {
    f(x.data(), portable.data(), x.size());
    g(x.data(), other.data(), x.size());
    EXPECT_EQ(portable, other);
  }
  EXPECT_EQ(p.sum_squares(x.data(), x.size()), a.sum_squares(x.data(), x.size()));
}
#endif

}  // namespace
}  // namespace latent

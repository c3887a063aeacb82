// The double build of core/nn: a layer's gradients against central differences.
#include <cmath>
#include <vector>

#include "core/base/random.h"
#include "core/nn/dense.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

static_assert(sizeof(Real) == sizeof(double));

struct Layer {
  static constexpr std::size_t kBatch = 5, kIn = 7, kOut = 19;

  explicit Layer(Activation activation) : f(activation) {
    FillNormal({1, 0, 0}, x);
    FillNormal({2, 0, 0}, w);
    FillNormal({3, 0, 0}, b);
    FillUniform({4, 0, 0}, t);
  }
  // Sum over rows and cells of the Bernoulli terms of tanh-like outputs taken as logits.
  double Loss() {
    PackedMatrix packed;
    packed.Pack({w.data(), kIn, kOut});
    DenseForward({x.data(), kBatch, kIn}, packed, b, f, {y.data(), kBatch, kOut});
    return BernoulliNats(y, t, 1, dy);
  }
  Activation f;
  std::vector<double> x = std::vector<double>(kBatch * kIn), w = std::vector<double>(kIn * kOut);
  std::vector<double> b = std::vector<double>(kOut), t = std::vector<double>(kBatch * kOut);
  std::vector<double> y = t, dy = t;
};

void ExpectSlopes(Layer& layer, std::vector<double>& variables, const std::vector<double>& slopes) {
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < variables.size(); ++i) {
    const double at = variables[i];
    variables[i] = at + kStep;
    const double high = layer.Loss();
    variables[i] = at - kStep;
    const double low = layer.Loss();
    variables[i] = at;
    const double numeric = (high - low) / (2 * kStep);
    EXPECT_NEAR(slopes[i], numeric, 1e-6 * std::max(1e-2, std::abs(numeric))) << i;
  }
}

class GradientTest : public ::testing::TestWithParam<Activation> {};
INSTANTIATE_TEST_SUITE_P(Activations, GradientTest,
                         ::testing::Values(Activation::kIdentity, Activation::kRelu,
                                           Activation::kLeakyRelu, Activation::kTanh,
                                           Activation::kSigmoid));

TEST_P(GradientTest, EqualsTheCentralDifference) {
  Layer layer(GetParam());
  layer.Loss();
  const Matrix dy(layer.dy.data(), Layer::kBatch, Layer::kOut);
  MultiplyByDerivative(GetParam(), {layer.y.data(), Layer::kBatch, Layer::kOut}, dy);
  std::vector<double> dx(layer.x.size()), dw(layer.w.size()), db(layer.b.size());
  PackedMatrix packed;
  packed.PackTransposed({layer.w.data(), Layer::kIn, Layer::kOut});
  DenseBackwardData(dy, packed, {}, {dx.data(), Layer::kBatch, Layer::kIn});
  packed.Pack(dy);
  DenseWeightGradient({layer.x.data(), Layer::kBatch, Layer::kIn}, packed, 0, false,
                      {dw.data(), Layer::kIn, Layer::kOut});
  DenseBiasGradient(dy, 0, false, db);
  ExpectSlopes(layer, layer.x, dx);
  ExpectSlopes(layer, layer.w, dw);
  ExpectSlopes(layer, layer.b, db);
}

}  // namespace
}  // namespace latent

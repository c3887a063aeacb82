#include "core/nn/activation.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>

#include "core/nn/kernels.h"

LATENT_NUMERICS_BEGIN
namespace {

void ActivateRow(Activation activation, std::span<Real> cells) {
  switch (activation) {
    case Activation::kIdentity:
      return;
    case Activation::kRelu:
      for (Real& x : cells) x = x < 0 ? Real{0} : x;  // NaN stays
      return;
    case Activation::kLeakyRelu:
      for (Real& x : cells) x = x > 0 ? x : kLeakySlope * x;
      return;
    case Activation::kTanh:
      return kernels::Active().tanh(cells.data(), cells.data(), cells.size());
    case Activation::kSigmoid:
      return kernels::Active().sigmoid(cells.data(), cells.data(), cells.size());
    case Activation::kElu:
      return kernels::Active().elu(cells.data(), cells.data(), cells.size());
    case Activation::kSilu:
      return kernels::Active().silu(cells.data(), cells.data(), cells.size());
    case Activation::kSoftplus:
      return kernels::Active().softplus(cells.data(), cells.data(), cells.size());
  }
}

// g *= slope(values) by blocks.
void MultiplyBySlope(void (*slope)(const Real*, Real*, std::size_t), const Real* values,
                     std::span<Real> g) {
  std::array<Real, 64> slopes;
  for (std::size_t first = 0; first < g.size(); first += slopes.size()) {
    const std::size_t count = std::min(slopes.size(), g.size() - first);
    slope(values + first, slopes.data(), count);
    for (std::size_t i = 0; i < count; ++i) g[first + i] *= slopes[i];
  }
}

void MultiplyRow(Activation activation, const Real* y, std::span<Real> g) {
  const std::size_t count = g.size();
  switch (activation) {
    case Activation::kIdentity:
      return;
    case Activation::kRelu:
      for (std::size_t i = 0; i < count; ++i) g[i] = y[i] > 0 ? g[i] : Real{0};
      return;
    case Activation::kLeakyRelu:
      for (std::size_t i = 0; i < count; ++i) g[i] *= y[i] > 0 ? Real{1} : kLeakySlope;
      return;
    case Activation::kTanh:
      for (std::size_t i = 0; i < count; ++i) g[i] *= 1 - y[i] * y[i];
      return;
    case Activation::kSigmoid:
      for (std::size_t i = 0; i < count; ++i) g[i] *= y[i] * (1 - y[i]);
      return;
    case Activation::kElu:
      for (std::size_t i = 0; i < count; ++i) g[i] *= y[i] > 0 ? Real{1} : y[i] + 1;
      return;
    case Activation::kSilu:
      return MultiplyBySlope(kernels::Active().silu_slope, y, g);
    case Activation::kSoftplus:
      return MultiplyBySlope(kernels::Active().softplus_slope, y, g);
  }
}

// f'' from the value and, but for SiLU, f'.
void SecondSlopes(Activation activation, std::span<const Real> y, std::span<const Real> first,
                  std::span<Real> second) {
  const std::size_t count = y.size();
  switch (activation) {
    case Activation::kIdentity:
    case Activation::kRelu:
    case Activation::kLeakyRelu:
      return std::fill(second.begin(), second.end(), Real{0});
    case Activation::kTanh:
      for (std::size_t i = 0; i < count; ++i) second[i] = -2 * y[i] * first[i];
      return;
    case Activation::kSigmoid:
      for (std::size_t i = 0; i < count; ++i) second[i] = first[i] * (1 - 2 * y[i]);
      return;
    case Activation::kElu:
      for (std::size_t i = 0; i < count; ++i) second[i] = y[i] > 0 ? Real{0} : first[i];
      return;
    case Activation::kSilu:
      kernels::Active().sigmoid(y.data(), second.data(), count);
      for (std::size_t i = 0; i < count; ++i) {
        const Real s = second[i];
        second[i] = s * (1 - s) * (2 + y[i] * (1 - 2 * s));
      }
      return;
    case Activation::kSoftplus:
      for (std::size_t i = 0; i < count; ++i) second[i] = first[i] * (1 - first[i]);
      return;
  }
}

}  // namespace

void Activate(Activation activation, Matrix cells) {
  if (activation == Activation::kIdentity) return;
  for (std::size_t r = 0; r < cells.rows; ++r) ActivateRow(activation, cells.row(r));
}

void MultiplyByDerivative(Activation activation, ConstMatrix values, Matrix gradients) {
  assert(values.rows == gradients.rows && values.columns == gradients.columns);
  for (std::size_t r = 0; r < gradients.rows; ++r) {
    MultiplyRow(activation, values.row(r).data(), gradients.row(r));
  }
}

void Slopes(Activation activation, std::span<const Real> values, std::span<Real> first,
            std::span<Real> second) {
  assert(values.size() == first.size() && values.size() == second.size());
  std::fill(first.begin(), first.end(), Real{1});
  MultiplyRow(activation, values.data(), first);
  SecondSlopes(activation, values, first, second);
}

void Exp(std::span<const Real> in, std::span<Real> out) {
  assert(in.size() == out.size());
  kernels::Active().exp(in.data(), out.data(), in.size());
}
void Log(std::span<const Real> in, std::span<Real> out) {
  assert(in.size() == out.size());
  kernels::Active().log(in.data(), out.data(), in.size());
}
void Tanh(std::span<const Real> in, std::span<Real> out) {
  assert(in.size() == out.size());
  kernels::Active().tanh(in.data(), out.data(), in.size());
}
void Sigmoid(std::span<const Real> in, std::span<Real> out) {
  assert(in.size() == out.size());
  kernels::Active().sigmoid(in.data(), out.data(), in.size());
}
void Softplus(std::span<const Real> in, std::span<Real> out) {
  assert(in.size() == out.size());
  kernels::Active().softplus(in.data(), out.data(), in.size());
}
void Elu(std::span<const Real> in, std::span<Real> out) {
  assert(in.size() == out.size());
  kernels::Active().elu(in.data(), out.data(), in.size());
}
void Silu(std::span<const Real> in, std::span<Real> out) {
  assert(in.size() == out.size());
  kernels::Active().silu(in.data(), out.data(), in.size());
}
void LogSigmoid(std::span<const Real> in, std::span<Real> out) {
  assert(in.size() == out.size());
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = -in[i];
  kernels::Active().softplus(out.data(), out.data(), out.size());
  for (Real& value : out) value = -value;
}

double BernoulliNats(std::span<const Real> logits, std::span<const Real> targets, Real scale,
                     std::span<Real> gradient, std::span<Real> cells) {
  assert(logits.size() == targets.size());
  return kernels::Active().bernoulli(logits.data(), targets.data(), logits.size(), scale,
                                     gradient.empty() ? nullptr : gradient.data(),
                                     cells.empty() ? nullptr : cells.data());
}

double SquaredError(std::span<const Real> predictions, std::span<const Real> targets, Real scale,
                    std::span<Real> gradient) {
  assert(predictions.size() == targets.size());
  return kernels::Active().squared_error(predictions.data(), targets.data(), predictions.size(),
                                         scale, gradient.empty() ? nullptr : gradient.data());
}

double Sum(std::span<const Real> cells) {
  return kernels::Active().sum(cells.data(), cells.size());
}

LATENT_NUMERICS_END

#include "core/nn/activation.h"

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
  }
}

}  // namespace

void Activate(Activation activation, Matrix cells) {
  if (activation == Activation::kIdentity) return;
  for (std::size_t r = 0; r < cells.rows; ++r) ActivateRow(activation, cells.row(r));
}

void MultiplyByDerivative(Activation activation, ConstMatrix outputs, Matrix gradients) {
  assert(outputs.rows == gradients.rows && outputs.columns == gradients.columns);
  for (std::size_t r = 0; r < gradients.rows; ++r) {
    MultiplyRow(activation, outputs.row(r).data(), gradients.row(r));
  }
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

// Elementwise functions of a layer's outputs, and the losses that are taken from them. Every entry
// is computed by the same operations wherever it stands in an array, so a row has the same bits
// alone and in any batch. Pure; any thread; no allocation.
#ifndef LATENT_CORE_NN_ACTIVATION_H_
#define LATENT_CORE_NN_ACTIVATION_H_

#include <cstdint>
#include <span>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

enum class Activation : std::uint8_t {
  kIdentity,
  kRelu,
  kLeakyRelu,
  kTanh,
  kSigmoid,
  kElu,       // x for x > 0, else exp(x) - 1
  kSilu,      // x sigmoid(x)
  kSoftplus,  // log(1 + exp(x))
};

// LeakyReLU's slope for x <= 0.
inline constexpr Real kLeakySlope = static_cast<Real>(0.01);

// cells = f(cells).
void Activate(Activation activation, Matrix cells);
// Whether f' cannot be told from f(x), because f takes a value twice: what follows then wants x.
constexpr bool DerivativeNeedsInput(Activation activation) {
  return activation == Activation::kSilu;
}
// gradients *= f'(x), computed from values = f(x), or = x where DerivativeNeedsInput. ReLU's
// derivative at 0 is 0, LeakyReLU's 0.01. Both views have the same shape.
void MultiplyByDerivative(Activation activation, ConstMatrix values, Matrix gradients);
// first[i] = f'(x_i) and second[i] = f''(x_i) from the same values; equal sizes. Kinks count as
// their left side.
void Slopes(Activation activation, std::span<const Real> values, std::span<Real> first,
            std::span<Real> second);

// out[i] = f(in[i]); equal sizes; in and out may be the same span. Relative errors are those of the
// float build against exact values; the double build uses the standard library.
void Exp(std::span<const Real> in, std::span<Real> out);   // <= 2e-7; 0 below -87.3, inf above 88.7
void Log(std::span<const Real> in, std::span<Real> out);   // <= 2e-7 for normal numbers; in > 0
void Tanh(std::span<const Real> in, std::span<Real> out);  // <= 3e-7
void Sigmoid(std::span<const Real> in, std::span<Real> out);     // <= 3e-7 for in > -87
void Softplus(std::span<const Real> in, std::span<Real> out);    // log(1 + exp(x)), <= 3e-7
void Elu(std::span<const Real> in, std::span<Real> out);         // <= 5e-7
void Silu(std::span<const Real> in, std::span<Real> out);        // <= 4e-7 for in > -87
void LogSigmoid(std::span<const Real> in, std::span<Real> out);  // -softplus(-x)

// Bernoulli negative log-likelihood of one row in nats, from logits: the sum over cells of
// softplus(l) - t l, finite for any finite logit. Targets lie in [0, 1].
// If not empty: gradient[i] = scale (sigmoid(l_i) - t_i) and cells[i] = the cell's term.
// `gradient` may be the same span as `logits`.
double BernoulliNats(std::span<const Real> logits, std::span<const Real> targets, Real scale,
                     std::span<Real> gradient, std::span<Real> cells = {});
// The sum over one row's cells of (p - t)^2, accumulated in double.
// If not empty: gradient[i] = scale (p_i - t_i). `gradient` may be the same span as `predictions`.
double SquaredError(std::span<const Real> predictions, std::span<const Real> targets, Real scale,
                    std::span<Real> gradient);
// The sum of a row's cells in double, in a fixed order.
double Sum(std::span<const Real> cells);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_ACTIVATION_H_

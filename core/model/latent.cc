#include "core/model/latent.h"

#include <algorithm>
#include <cstddef>

#include "core/nn/activation.h"

LATENT_NUMERICS_BEGIN
namespace {
constexpr Real kBound = 10;
}  // namespace

void BoundLogVariance(std::span<Real> values) {
  for (Real& v : values) v /= kBound;
  Tanh(values, values);
  for (Real& v : values) v *= kBound;
}

Real BoundLogVarianceSlope(Real bounded) {
  const Real t = bounded / kBound;
  return 1 - t * t;
}

void SigmaOf(std::span<const Real> log_variance, std::span<Real> sigma) {
  for (std::size_t i = 0; i < sigma.size(); ++i) sigma[i] = log_variance[i] / 2;
  Exp(sigma, sigma);
}

double KlOf(Real mu, Real log_variance, Real variance) {
  const auto m = static_cast<double>(mu);
  const double kl =
      (static_cast<double>(variance) - (static_cast<double>(log_variance) + 1) + m * m) / 2;
  // Rounding of exp may leave a hair below zero; a NaN must stay one.
  return kl < 0 ? 0 : kl;
}

KlCharge ChargeKl(std::span<const Real> mu, std::span<const Real> log_variance,
                  std::span<const Real> variance, double free_bits, Real weight,
                  std::span<Real> dmu, std::span<Real> dlog_variance) {
  KlCharge sum;
  const bool gradients = !dmu.empty() && weight != 0;
  for (std::size_t i = 0; i < mu.size(); ++i) {
    const double kl = KlOf(mu[i], log_variance[i], variance[i]);
    sum.kl += kl;
    const bool free = free_bits > 0 && kl <= free_bits;
    sum.charged += free ? free_bits : kl;
    if (!gradients || free) continue;
    dmu[i] += weight * mu[i];
    dlog_variance[i] += weight * (variance[i] - 1) / 2;
  }
  return sum;
}

LATENT_NUMERICS_END

// The Gaussian latent's mathematics, row by row: q(z|x) = N(mu, diag(exp(lv))), prior N(0, I).
// Pure functions; any thread.
#ifndef LATENT_CORE_MODEL_LATENT_H_
#define LATENT_CORE_MODEL_LATENT_H_

#include <span>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// Log variances are bounded smoothly to (-10, 10): lv = 10 tanh(raw / 10), once, so that KL,
// sampling and sigma see the same number and no gradient is ever cut off. In place.
void BoundLogVariance(std::span<Real> values);
// d lv / d raw from the bounded value.
Real BoundLogVarianceSlope(Real bounded);

// sigma = exp(lv / 2). The spans may be the same.
void SigmaOf(std::span<const Real> log_variance, std::span<Real> sigma);

// KL(N(mu, exp(lv)) || N(0, 1)) of one entry: (exp(lv) - (lv + 1) + mu^2) / 2 >= 0, nats;
// `variance` is exp(lv).
double KlOf(Real mu, Real log_variance, Real variance);

// What a row is charged, and its gradients. With free bits f each entry is charged max(KL, f), so
// that it has no gradient until its KL exceeds f (arXiv 1606.04934, per row).
struct KlCharge {
  double kl = 0;       // sum of KL over the entries
  double charged = 0;  // sum of max(KL, f)
};
// Adds weight * d charged / d mu to dmu and likewise for the bounded log variance. `variance` is
// exp(lv). Gradients are skipped where the spans are empty or weight is 0.
KlCharge ChargeKl(std::span<const Real> mu, std::span<const Real> log_variance,
                  std::span<const Real> variance, double free_bits, Real weight,
                  std::span<Real> dmu, std::span<Real> dlog_variance);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_LATENT_H_

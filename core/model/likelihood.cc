#include "core/model/likelihood.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "core/nn/activation.h"

LATENT_NUMERICS_BEGIN

RowLikelihood::RowLikelihood(const v1::Likelihood& spec, std::span<const Real> learned_log_variance)
    : bernoulli_(spec.has_bernoulli()),
      log_variance_(learned_log_variance.empty() ? InitialLogVariance(spec)
                                                 : static_cast<double>(learned_log_variance[0])) {}

bool RowLikelihood::LearnsVariance(const v1::Likelihood& spec) {
  return spec.has_gaussian() && spec.gaussian().learned_variance();
}

double RowLikelihood::InitialLogVariance(const v1::Likelihood& spec) {
  if (!spec.has_gaussian() || !spec.gaussian().has_variance()) return 0;
  const double value = std::log(spec.gaussian().variance());
  return LearnsVariance(spec) ? std::clamp(value, kLeastLogVariance, kGreatestLogVariance) : value;
}

double RowLikelihood::Nats(std::span<const Real> parameters, std::span<const Real> target,
                           Real scale, std::span<Real> gradient, std::span<Real> cells) const {
  if (bernoulli_) return BernoulliNats(parameters, target, scale, gradient, cells);
  const double precision = std::exp(-log_variance_);
  const double constant = (std::log(2 * std::numbers::pi) + log_variance_) / 2;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const double d = static_cast<double>(parameters[c]) - static_cast<double>(target[c]);
    cells[c] = static_cast<Real>(d * d * precision / 2 + constant);
  }
  const auto gradient_scale = static_cast<Real>(static_cast<double>(scale) * precision);
  const double squares = SquaredError(parameters, target, gradient_scale, gradient);
  return squares * precision / 2 + static_cast<double>(target.size()) * constant;
}

double RowLikelihood::LogVarianceGradient(double nats, std::size_t columns) const {
  // nats = SSE / (2 variance) + D/2 ln(2 pi variance); the first part's derivative is minus itself.
  const auto d = static_cast<double>(columns);
  const double constant = d * (std::log(2 * std::numbers::pi) + log_variance_) / 2;
  return d / 2 - (nats - constant);
}

void RowLikelihood::ToMean(std::span<Real> parameters) const {
  if (bernoulli_) Sigmoid(parameters, parameters);
}

void RowLikelihood::Draw(const RandomKey& key, std::span<Real> mean, std::span<Real> noise) const {
  if (bernoulli_) {
    FillUniform(key, noise);
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] = noise[c] < mean[c] ? Real{1} : Real{0};
    return;
  }
  const auto sigma = static_cast<Real>(std::exp(log_variance_ / 2));
  FillNormal(key, noise);
  for (std::size_t c = 0; c < mean.size(); ++c) mean[c] += sigma * noise[c];
}

LATENT_NUMERICS_END

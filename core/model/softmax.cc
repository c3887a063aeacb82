#include "core/model/softmax.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

LATENT_NUMERICS_BEGIN
namespace {

constexpr double kLeastShare = 1e-6;

double GreatestOf(std::span<const Real> logits) {
  return static_cast<double>(*std::max_element(logits.begin(), logits.end()));
}

}  // namespace

double SoftmaxNats(std::span<const Real> logits, std::span<const Real> target, Real scale,
                   std::span<Real> gradient, std::span<Real> cells) {
  const double greatest = GreatestOf(logits);
  double exponentials = 0, count = 0, nats = 0;
  for (std::size_t c = 0; c < target.size(); ++c) {
    const double below = static_cast<double>(logits[c]) - greatest;
    const auto x = static_cast<double>(target[c]);
    const double exponential = std::exp(below);
    exponentials += exponential;
    count += x;
    nats -= x * below;
    if (!cells.empty()) cells[c] = static_cast<Real>(-x * below);
    if (!gradient.empty()) gradient[c] = static_cast<Real>(exponential);
  }
  const double log_sum = std::log(exponentials);
  for (std::size_t c = 0; c < cells.size(); ++c) cells[c] += target[c] * static_cast<Real>(log_sum);
  for (std::size_t c = 0; c < gradient.size(); ++c) {
    const double expected = count * static_cast<double>(gradient[c]) / exponentials;
    gradient[c] =
        static_cast<Real>(static_cast<double>(scale) * (expected - static_cast<double>(target[c])));
  }
  return nats + count * log_sum;
}

void Softmax(std::span<Real> logits) {
  const double greatest = GreatestOf(logits);
  double exponentials = 0;
  for (Real& logit : logits) {
    const double exponential = std::exp(static_cast<double>(logit) - greatest);
    exponentials += exponential;
    logit = static_cast<Real>(exponential);
  }
  for (Real& p : logits) p = static_cast<Real>(static_cast<double>(p) / exponentials);
}

void DrawOneHot(double uniform, std::span<Real> probabilities) {
  std::size_t drawn = probabilities.size() - 1;
  for (std::size_t c = 0; c < probabilities.size(); ++c) {
    uniform -= static_cast<double>(probabilities[c]);
    if (uniform >= 0) continue;
    drawn = c;
    break;
  }
  std::fill(probabilities.begin(), probabilities.end(), Real{0});
  probabilities[drawn] = Real{1};
}

Real LogitOfShare(double share) {
  return static_cast<Real>(std::log(std::max(share, kLeastShare)));
}

LATENT_NUMERICS_END

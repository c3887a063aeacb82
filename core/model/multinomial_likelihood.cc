// One multinomial over all columns, parametrised by logits (arXiv 1802.05814): the constant of the
// counts is left out, and nothing is divided by their sum.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/model/likelihood.h"

LATENT_NUMERICS_BEGIN
namespace {

// A column that no training row has starts as one in a million rows would.
constexpr double kLeastShare = 1e-6;

double Greatest(std::span<const Real> logits) {
  return static_cast<double>(*std::max_element(logits.begin(), logits.end()));
}

class MultinomialLikelihood final : public RowLikelihood {
 public:
  double Nats(std::span<const Real> parameters, std::span<const Real> target, Real scale,
              std::span<Real> gradient, std::span<Real> cells) const override {
    // Shifted by the greatest logit, so that nothing overflows.
    const double greatest = Greatest(parameters);
    double exponentials = 0, count = 0, nats = 0;
    for (std::size_t c = 0; c < target.size(); ++c) {
      const double below = static_cast<double>(parameters[c]) - greatest;
      const auto x = static_cast<double>(target[c]);
      const double exponential = std::exp(below);
      exponentials += exponential;
      count += x;
      nats -= x * below;
      if (!cells.empty()) cells[c] = static_cast<Real>(-x * below);
      if (!gradient.empty()) gradient[c] = static_cast<Real>(exponential);
    }
    const double log_sum = std::log(exponentials);
    for (std::size_t c = 0; c < cells.size(); ++c)
      cells[c] += target[c] * static_cast<Real>(log_sum);
    for (std::size_t c = 0; c < gradient.size(); ++c) {
      const double expected = count * static_cast<double>(gradient[c]) / exponentials;
      gradient[c] = static_cast<Real>(static_cast<double>(scale) *
                                      (expected - static_cast<double>(target[c])));
    }
    return nats + count * log_sum;
  }

  void ToMean(std::span<Real> parameters) const override {
    const double greatest = Greatest(parameters);
    double exponentials = 0;
    for (Real& p : parameters) {
      const double exponential = std::exp(static_cast<double>(p) - greatest);
      exponentials += exponential;
      p = static_cast<Real>(exponential);
    }
    for (Real& p : parameters) p = static_cast<Real>(static_cast<double>(p) / exponentials);
  }

  // One draw from all columns: that cell is 1, the others 0.
  void Draw(const RandomKey& key, std::span<Real> mean, std::span<Real> noise) const override {
    FillUniform(key, noise);
    double left = static_cast<double>(noise[0]);
    std::size_t drawn = mean.size() - 1;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      left -= static_cast<double>(mean[c]);
      if (left >= 0) continue;
      drawn = c;
      break;
    }
    std::fill(mean.begin(), mean.end(), Real{0});
    mean[drawn] = Real{1};
  }

  std::optional<CellRange> range(std::size_t /*column*/) const override {
    return CellRange{0, std::numeric_limits<Real>::max()};
  }

  Real OutputBias(std::size_t /*column*/, double scaled_mean) const override {
    return static_cast<Real>(std::log(std::max(scaled_mean, kLeastShare)));
  }
};

}  // namespace

std::unique_ptr<RowLikelihood> MakeMultinomialLikelihood(const v1::Likelihood& /*spec*/,
                                                         std::size_t /*columns*/,
                                                         ParameterSet* /*parameters*/) {
  return std::make_unique<MultinomialLikelihood>();
}

LATENT_NUMERICS_END

// N(row; mean, variance I) with one variance, fixed or learned.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/model/likelihood.h"
#include "core/nn/activation.h"

LATENT_NUMERICS_BEGIN
namespace {

// Bounds of a learned ln(variance).
constexpr double kLeastLogVariance = -6;
constexpr double kGreatestLogVariance = 6;

class GaussianLikelihood final : public RowLikelihood {
 public:
  GaussianLikelihood(const v1::GaussianLikelihood& spec, ParameterSet* parameters)
      : parameters_(*parameters) {
    if (spec.has_variance()) first_log_variance_ = std::log(spec.variance());
    if (!spec.learned_variance()) return;
    first_log_variance_ = std::clamp(first_log_variance_, kLeastLogVariance, kGreatestLogVariance);
    learned_ = parameters->Add("likelihood.log_variance", 1, 1, false);
  }

  double Nats(std::span<const Real> parameters, std::span<const Real> target, Real scale,
              std::span<Real> gradient, std::span<Real> cells) const override {
    const double precision = std::exp(-log_variance());
    const double constant = Constant();
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const double d = static_cast<double>(parameters[c]) - static_cast<double>(target[c]);
      cells[c] = static_cast<Real>(d * d * precision / 2 + constant);
    }
    const auto gradient_scale = static_cast<Real>(static_cast<double>(scale) * precision);
    const double squares = SquaredError(parameters, target, gradient_scale, gradient);
    return squares * precision / 2 + static_cast<double>(target.size()) * constant;
  }

  void ToMean(std::span<Real> /*parameters*/) const override {}

  void Draw(const RandomKey& key, std::span<Real> mean, std::span<Real> noise) const override {
    const auto sigma = static_cast<Real>(std::exp(log_variance() / 2));
    FillNormal(key, noise);
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] += sigma * noise[c];
  }

  Real OutputBias(std::size_t /*column*/, double scaled_mean) const override {
    return static_cast<Real>(scaled_mean);
  }

  std::optional<std::size_t> learned() const override { return learned_; }

  double LearnedGradient(double nats, std::size_t columns) const override {
    // nats = SSE / (2 variance) + D/2 ln(2 pi variance); the first part's derivative is minus
    // itself.
    const auto d = static_cast<double>(columns);
    const double constant = d * (std::log(2 * std::numbers::pi) + log_variance()) / 2;
    return d / 2 - (nats - constant);
  }

  void InitialiseLearned(ParameterSet& parameters) const override {
    if (learned_) parameters.span(*learned_)[0] = static_cast<Real>(first_log_variance_);
  }

  void BoundLearned(ParameterSet& parameters) const override {
    if (!learned_) return;
    // Clamped as a number, not inside the loss: its gradient never vanishes, so it can come back.
    Real& value = parameters.span(*learned_)[0];
    value = std::clamp(value, static_cast<Real>(kLeastLogVariance),
                       static_cast<Real>(kGreatestLogVariance));
  }

 private:
  double log_variance() const {
    return learned_ ? static_cast<double>(parameters_.span(*learned_)[0]) : first_log_variance_;
  }
  // What a cell costs at no error.
  double Constant() const { return (std::log(2 * std::numbers::pi) + log_variance()) / 2; }

  const ParameterSet& parameters_;
  double first_log_variance_ = 0;
  std::optional<std::size_t> learned_;
};

}  // namespace

std::unique_ptr<RowLikelihood> MakeGaussianLikelihood(const v1::Likelihood& spec,
                                                      std::size_t /*columns*/,
                                                      ParameterSet* parameters) {
  return std::make_unique<GaussianLikelihood>(spec.gaussian(), parameters);
}

LATENT_NUMERICS_END

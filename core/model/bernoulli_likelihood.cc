// Independent Bernoulli cells, parametrised by logits.
#include <algorithm>
#include <cmath>

#include "core/model/likelihood.h"
#include "core/nn/activation.h"

LATENT_NUMERICS_BEGIN
namespace {

constexpr double kLeastMean = 0.001;

class BernoulliLikelihood final : public RowLikelihood {
 public:
  double Nats(std::span<const Real> parameters, std::span<const Real> target, Real scale,
              std::span<Real> gradient, std::span<Real> cells) const override {
    return BernoulliNats(parameters, target, scale, gradient, cells);
  }

  void ToMean(std::span<Real> parameters) const override { Sigmoid(parameters, parameters); }

  void Draw(const RandomKey& key, std::span<Real> mean, std::span<Real> noise) const override {
    FillUniform(key, noise);
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] = noise[c] < mean[c] ? Real{1} : Real{0};
  }

  std::optional<CellRange> range(std::size_t /*column*/) const override { return CellRange{0, 1}; }

  Real OutputBias(std::size_t /*column*/, double scaled_mean) const override {
    const double p = std::clamp(scaled_mean, kLeastMean, 1 - kLeastMean);
    return static_cast<Real>(std::log(p / (1 - p)));
  }
};

}  // namespace

std::unique_ptr<RowLikelihood> MakeBernoulliLikelihood(const v1::Likelihood& /*spec*/,
                                                       std::size_t /*columns*/,
                                                       ParameterSet* /*parameters*/) {
  return std::make_unique<BernoulliLikelihood>();
}

LATENT_NUMERICS_END

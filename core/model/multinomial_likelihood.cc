// One multinomial over all columns, parametrised by logits (arXiv 1802.05814): the constant of the
// counts is left out, and nothing is divided by their sum.
#include <limits>

#include "core/model/likelihood.h"
#include "core/model/softmax.h"

LATENT_NUMERICS_BEGIN
namespace {

class MultinomialLikelihood final : public RowLikelihood {
 public:
  double Nats(std::span<const Real> parameters, std::span<const Real> target, Real scale,
              std::span<Real> gradient, std::span<Real> cells) const override {
    return SoftmaxNats(parameters, target, scale, gradient, cells);
  }

  bool takes_sparse() const override { return true; }
  double SparseNats(std::span<const Real> parameters, std::span<const std::uint32_t> columns,
                    std::span<const Real> target, Real scale,
                    std::span<Real> gradient) const override {
    return SparseSoftmaxNats(parameters, columns, target, scale, gradient);
  }

  void ToMean(std::span<Real> parameters) const override { Softmax(parameters); }

  // One draw from all columns: that cell is 1, the others 0.
  void Draw(const RandomKey& key, std::span<Real> mean, std::span<Real> noise) const override {
    FillUniform(key, noise);
    DrawOneHot(static_cast<double>(noise[0]), mean);
  }

  std::optional<CellRange> range(std::size_t /*column*/) const override {
    return CellRange{0, std::numeric_limits<Real>::max()};
  }

  Real OutputBias(std::size_t /*column*/, double scaled_mean) const override {
    return LogitOfShare(scaled_mean);
  }
};

}  // namespace

std::unique_ptr<RowLikelihood> MakeMultinomialLikelihood(const v1::Likelihood& /*spec*/,
                                                         std::size_t /*columns*/,
                                                         ParameterSet* /*parameters*/) {
  return std::make_unique<MultinomialLikelihood>();
}

LATENT_NUMERICS_END

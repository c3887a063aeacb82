// p(row | parameters of the decoder), in scaled units, full with its constants, in nats: one file
// for each family, one row each in likelihood.cc. Const but for what trains; any thread. Owned by
// the model's parts, and calls are made a row at a time, never a cell at a time.
#ifndef LATENT_CORE_MODEL_LIKELIHOOD_H_
#define LATENT_CORE_MODEL_LIKELIHOOD_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/base/random.h"
#include "core/model/parameters.h"
#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// Cells that a likelihood is defined for, scaled units.
struct CellRange {
  Real least, greatest;
};

class RowLikelihood {
 public:
  virtual ~RowLikelihood() = default;

  // -log p(target | parameters) in nats. If not empty: gradient = scale * its derivative by the
  // parameters (may be the same span as `parameters`), and cells = the term of each cell.
  virtual double Nats(std::span<const Real> parameters, std::span<const Real> target, Real scale,
                      std::span<Real> gradient, std::span<Real> cells = {}) const = 0;
  // The mean of each cell, scaled units, in place.
  virtual void ToMean(std::span<Real> parameters) const = 0;
  // A draw of each cell around its mean, scaled units, in place. `noise` is scratch of its size.
  virtual void Draw(const RandomKey& key, std::span<Real> mean, std::span<Real> noise) const = 0;
  // What targets may be; nullopt: any number.
  virtual std::optional<CellRange> range() const { return std::nullopt; }
  // The decoder's parameter at which a column has that mean: where the output's bias starts.
  virtual Real OutputBias(double scaled_mean) const = 0;

  // Segment of the one number that it learns beside the decoder, if it learns one.
  virtual std::optional<std::size_t> learned() const { return std::nullopt; }
  // Derivative by that number of `nats`, a value that Nats returned for a row of `columns` cells
  // (or a weighted mean of such, as it is linear in them).
  virtual double LearnedGradient(double /*nats*/, std::size_t /*columns*/) const { return 0; }
  // Writes the number's first value, and brings it back into its bounds.
  virtual void InitialiseLearned(ParameterSet& /*parameters*/) const {}
  virtual void BoundLearned(ParameterSet& /*parameters*/) const {}
};

// Whether there is such a family.
bool IsLikelihood(const v1::Likelihood& spec);
// The kinds that IsLikelihood takes, "gaussian or bernoulli".
std::string LikelihoodNames();
// Adds what is learned to `parameters`, which must outlive it. A spec that IsLikelihood takes.
std::unique_ptr<RowLikelihood> MakeLikelihood(const v1::Likelihood& spec, ParameterSet* parameters);

// Rows of the table.
std::unique_ptr<RowLikelihood> MakeGaussianLikelihood(const v1::Likelihood& spec,
                                                      ParameterSet* parameters);
std::unique_ptr<RowLikelihood> MakeBernoulliLikelihood(const v1::Likelihood& spec,
                                                       ParameterSet* parameters);
std::unique_ptr<RowLikelihood> MakeMultinomialLikelihood(const v1::Likelihood& spec,
                                                         ParameterSet* parameters);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_LIKELIHOOD_H_

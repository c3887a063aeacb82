// p(row | parameters of the decoder), in scaled units, full with its constants, in nats: one file
// for each family, one row each in likelihood.cc. Const but for what trains; any thread. Owned by
// the model's parts, and calls are made a row at a time, never a cell at a time.
#ifndef LATENT_CORE_MODEL_LIKELIHOOD_H_
#define LATENT_CORE_MODEL_LIKELIHOOD_H_

#include <cstddef>
#include <cstdint>
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

// Columns next to each other.
struct ColumnSpan {
  std::size_t first, count;
};

class RowLikelihood {
 public:
  virtual ~RowLikelihood() = default;

  // -log p(target | parameters) in nats. If not empty: gradient = scale * its derivative by the
  // parameters (may be the same span as `parameters`), and cells = the term of each cell.
  virtual double Nats(std::span<const Real> parameters, std::span<const Real> target, Real scale,
                      std::span<Real> gradient, std::span<Real> cells = {}) const = 0;
  // Whether cells of 0 add nothing that SparseNats would miss.
  virtual bool takes_sparse() const { return false; }
  // Nats of a row by its cells that are not 0, at `columns`, to the same bits; `gradient` is not
  // empty.
  virtual double SparseNats(std::span<const Real> /*parameters*/,
                            std::span<const std::uint32_t> /*columns*/,
                            std::span<const Real> /*target*/, Real /*scale*/,
                            std::span<Real> /*gradient*/) const {
    return 0;
  }
  // The mean of each cell, scaled units, in place.
  virtual void ToMean(std::span<Real> parameters) const = 0;
  // A draw of each cell around its mean, scaled units, in place. `noise` is scratch of its size.
  virtual void Draw(const RandomKey& key, std::span<Real> mean, std::span<Real> noise) const = 0;
  // What a column's targets may be; nullopt: any number.
  virtual std::optional<CellRange> range(std::size_t /*column*/) const { return std::nullopt; }
  // The decoder's parameter at which a column has that mean: where the output's bias starts.
  virtual Real OutputBias(std::size_t column, double scaled_mean) const = 0;
  // Whether NaN in a target stands for a cell without a value: it adds nothing, and its gradient
  // is 0.
  virtual bool takes_missing() const { return false; }
  // Columns that no scaling may touch.
  virtual std::span<const ColumnSpan> unscaled() const { return {}; }

  // Segment of the numbers that it learns beside the decoder, if it learns some.
  virtual std::optional<std::size_t> learned() const { return std::nullopt; }
  // Whether they are one for each of some columns; then AddLearnedGradient gives their derivatives,
  // else LearnedGradient that of the only one.
  virtual bool learns_by_column() const { return false; }
  // Derivative by that number of `nats`, a value that Nats returned for a row of `columns` cells
  // (or a weighted mean of such, as it is linear in them).
  virtual double LearnedGradient(double /*nats*/, std::size_t /*columns*/) const { return 0; }
  // Adds weight * the derivative of a row's Nats by numbers first .. first + gradient.size() - 1.
  virtual void AddLearnedGradient(std::span<const Real> /*parameters*/,
                                  std::span<const Real> /*target*/, double /*weight*/,
                                  std::size_t /*first*/, std::span<double> /*gradient*/) const {}
  // Writes the numbers' first values, and brings them back into their bounds.
  virtual void InitialiseLearned(ParameterSet& /*parameters*/) const {}
  virtual void BoundLearned(ParameterSet& /*parameters*/) const {}
};

// Whether there is such a family.
bool IsLikelihood(const v1::Likelihood& spec);
// The kinds that IsLikelihood takes, "gaussian or bernoulli".
std::string LikelihoodNames();
// What is wrong with a mixed likelihood's runs of `columns` columns; empty if nothing is.
std::string FaultOfRuns(const v1::MixedLikelihood& spec, std::size_t columns);
// Of rows of `columns` cells. Adds what is learned to `parameters`, which must outlive it. A spec
// that IsLikelihood and FaultOfRuns take.
std::unique_ptr<RowLikelihood> MakeLikelihood(const v1::Likelihood& spec, std::size_t columns,
                                              ParameterSet* parameters);

// Rows of the table.
std::unique_ptr<RowLikelihood> MakeGaussianLikelihood(const v1::Likelihood& spec,
                                                      std::size_t columns,
                                                      ParameterSet* parameters);
std::unique_ptr<RowLikelihood> MakeBernoulliLikelihood(const v1::Likelihood& spec,
                                                       std::size_t columns,
                                                       ParameterSet* parameters);
std::unique_ptr<RowLikelihood> MakeMultinomialLikelihood(const v1::Likelihood& spec,
                                                         std::size_t columns,
                                                         ParameterSet* parameters);
std::unique_ptr<RowLikelihood> MakeMixedLikelihood(const v1::Likelihood& spec, std::size_t columns,
                                                   ParameterSet* parameters);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_LIKELIHOOD_H_

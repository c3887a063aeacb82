// p(row | parameters of the decoder), in scaled units, full with its constants, in nats. Gaussian
// with one variance, fixed or learned, or Bernoulli from logits. A small value; any thread.
#ifndef LATENT_CORE_MODEL_LIKELIHOOD_H_
#define LATENT_CORE_MODEL_LIKELIHOOD_H_

#include <span>

#include "core/base/random.h"
#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// Bounds of a learned ln(variance).
inline constexpr double kLeastLogVariance = -6;
inline constexpr double kGreatestLogVariance = 6;

class RowLikelihood {
 public:
  // `learned_log_variance` is the parameter's present value; empty unless it is learned.
  RowLikelihood(const v1::Likelihood& spec, std::span<const Real> learned_log_variance);

  // Whether ln(variance) is a parameter, and where it starts.
  static bool LearnsVariance(const v1::Likelihood& spec);
  static double InitialLogVariance(const v1::Likelihood& spec);

  // -log p(target | parameters) in nats. If not empty: gradient = scale * its derivative by the
  // parameters (may be the same span as `parameters`), and cells = the term of each cell.
  double Nats(std::span<const Real> parameters, std::span<const Real> target, Real scale,
              std::span<Real> gradient, std::span<Real> cells = {}) const;
  // The derivative of `nats`, a value that Nats returned for a row of `columns` cells, by
  // ln(variance).
  double LogVarianceGradient(double nats, std::size_t columns) const;
  // The mean of each cell, scaled units, in place: logits become probabilities.
  void ToMean(std::span<Real> parameters) const;
  // A draw of each cell around its mean, scaled units, in place. `noise` is scratch of its size.
  void Draw(const RandomKey& key, std::span<Real> mean, std::span<Real> noise) const;

 private:
  bool bernoulli_;
  double log_variance_;  // Gaussian only
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_LIKELIHOOD_H_

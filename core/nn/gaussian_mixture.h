// Gaussian mixtures with full covariances, fitted by expectation maximisation (Dempster, Laird,
// Rubin 1977) in float64. Pure functions of points and seed, whatever the pool; any thread. Not its
// job: how many components there shall be (core/model/mixture_sampler).
#ifndef LATENT_CORE_NN_GAUSSIAN_MIXTURE_H_
#define LATENT_CORE_NN_GAUSSIAN_MIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/thread_pool.h"
#include "core/nn/linalg.h"

namespace latent {

// sum_k weights[k] N(means.row(k), factors[k] factors[k]^T).
struct GaussianMixture {
  std::vector<double> weights;        // sum to 1
  DoubleMatrix means;                 // [components x columns]
  std::vector<DoubleMatrix> factors;  // lower triangular, of positive diagonal

  std::size_t components() const { return weights.size(); }
};

struct MixtureFit {
  GaussianMixture mixture;
  // Of all points, nats: before the first update of the seeds' mixture, and after each.
  std::vector<double> log_likelihoods;
  double log_likelihood() const { return log_likelihoods.back(); }
};

// Updates at most, and what one must bring, nats a point, for another to follow.
inline constexpr std::size_t kMixtureUpdates = 60;
inline constexpr double kMixtureGain = 1e-3;

// Fits `components` (fewer if there are not as many different points) to finite points
// [n x columns], n >= 1. Begins with seeds drawn by k-means++ and moved by some rounds of k-means.
// No covariance has an eigenvalue below `floor` > 0; under that bound each update is the best there
// is, so the likelihood never falls. What `check`, asked often, ends it with.
absl::StatusOr<MixtureFit> FitGaussianMixture(const DoubleMatrix& points, std::size_t components,
                                              double floor, std::uint64_t seed, ThreadPool* pool,
                                              absl::FunctionRef<absl::Status()> check);

// log p of each point, nats.
std::vector<double> LogDensities(const GaussianMixture& mixture, const DoubleMatrix& points);

// Numbers that such a mixture is free in: k - 1 weights, k means, k symmetric covariances.
std::uint64_t MixtureParameters(std::size_t components, std::size_t columns);
// Schwarz 1978: -2 log L + p log n; the least is chosen.
double BayesInformation(double log_likelihood, std::uint64_t parameters, std::size_t points);
// Multiplications of a fit at its longest, and bytes that it holds beside the points.
double MixtureProducts(std::size_t points, std::size_t components, std::size_t columns);
std::uint64_t MixtureBytes(std::size_t points, std::size_t components, std::size_t columns);

}  // namespace latent

#endif  // LATENT_CORE_NN_GAUSSIAN_MIXTURE_H_

// Draws codes from a Gaussian mixture fitted to the codes of the training rows, as many components
// as the Bayes information criterion finds worth their numbers. Pure functions; any thread. Not its
// job: one Gaussian alone (sampler.h), expectation maximisation (core/nn/gaussian_mixture.h).
#ifndef LATENT_CORE_MODEL_MIXTURE_SAMPLER_H_
#define LATENT_CORE_MODEL_MIXTURE_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "core/base/thread_pool.h"
#include "core/model/model_file.h"
#include "core/model/sampler.h"
#include "core/nn/gaussian_mixture.h"
#include "core/nn/matrix.h"

namespace latent {

// Wider codes get one Gaussian: with the products that a fit may take, a mixture would have fewer
// codes than it needs.
inline constexpr std::size_t kMaxMixtureDim = 128;
inline constexpr std::size_t kMaxMixtureComponents = 64;

// How likely codes are under what was fitted. Entries that are the same in all fitted codes do not
// count. A value.
class CodeDensity {
 public:
  // Scales each entry by its mean and deviation over the codes.
  explicit CodeDensity(MatrixView<const float> codes);

  // Codes in the units of `mixture`: only entries that vary, of mean 0 and variance 1.
  DoubleMatrix Standardise(MatrixView<const float> codes) const;
  // log p of each code, nats, in the codes' own units.
  std::vector<double> LogDensities(MatrixView<const float> codes) const;
  double LogScale() const;

  std::vector<std::size_t> entries;  // that vary
  std::vector<double> shift, scale;  // of every entry; a scale of 0 for those that do not
  GaussianMixture mixture;           // without components if no entry varies
};

struct MixtureCandidate {
  std::size_t components = 0;
  double bic = 0;
};

struct FittedSampler {
  std::unique_ptr<Sampler> sampler;
  CodeDensity density;
  std::vector<MixtureCandidate> candidates;  // that were tried, in order
};

// Fits mixtures of 1, 2, 4, ... `max_components` to codes [n x dim], n >= 1, dim <= kMaxMixtureDim,
// or to an evenly spaced share of them that bounds the work; ends early when two in a row are no
// better, and tries none of which a component would have fewer than 2 (dim + 1) codes. Of one
// component, the sampler is FitGaussianSampler's, of all codes. INVALID_ARGUMENT if a code is not
// finite; what `check`, asked often, ends it with.
absl::StatusOr<FittedSampler> FitMixtureSampler(MatrixView<const float> codes,
                                                std::size_t max_components, std::uint64_t seed,
                                                ThreadPool* pool,
                                                absl::FunctionRef<absl::Status()> check);
// Codes that the components are counted on, and bytes that all of it holds, those codes among them.
std::size_t MixtureCodes(std::size_t codes, std::size_t dim, std::size_t max_components);
std::uint64_t MixtureSamplerBytes(std::uint64_t codes, std::uint64_t dim,
                                  std::uint64_t max_components);

// The sampler of a mixture in the codes' units.
std::unique_ptr<Sampler> MixtureSampler(const GaussianMixture& mixture);
// Whether a file has tensors of such a sampler, and that sampler. FAILED_PRECONDITION if they do
// not fit.
bool HasMixtureTensors(const TensorFile& file);
absl::StatusOr<std::unique_ptr<Sampler>> MixtureFromTensors(const TensorFile& file,
                                                            std::size_t latent_dim);

}  // namespace latent

#endif  // LATENT_CORE_MODEL_MIXTURE_SAMPLER_H_

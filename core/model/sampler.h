// Where Sample draws codes from: N(0, I) for Gaussian latents; for deterministic ones a Gaussian
// fitted to the codes of the training rows, or a mixture of some (mixture_sampler.h); for
// vector-quantised ones a prior over their indices (code_prior.h). Immutable once made; any thread.
#ifndef LATENT_CORE_MODEL_SAMPLER_H_
#define LATENT_CORE_MODEL_SAMPLER_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "core/model/model_file.h"
#include "core/nn/matrix.h"

namespace latent {

class Sampler {
 public:
  virtual ~Sampler() = default;
  // Fills codes [n x latent_dim] with rows first, first + 1, ... of the seed's: an entry depends on
  // (seed, row, column), the fit and temperature alone.
  virtual void Draw(std::uint64_t seed, double temperature, std::size_t first,
                    MatrixView<float> codes) const = 0;
  // What so many rows cost, in the unit of forward passes.
  virtual std::uint64_t MultiplyAdds(std::size_t rows) const = 0;
  virtual void AddTensors(TensorFile& file) const = 0;
};

// Wider codes are fitted with a diagonal covariance, each entry on its own: a full one has dim^2
// numbers, 16 MiB of float32 here.
inline constexpr std::size_t kMaxFullCovarianceDim = 2048;

std::unique_ptr<Sampler> StandardNormalSampler(std::size_t latent_dim);
// The standard normal noise of a seed's row that every sampler begins with.
void FillPriorRow(std::uint64_t seed, std::size_t row, std::span<float> values);
// Fits mean and covariance (float64) to codes [n x latent_dim], n >= 1; a singular covariance is
// fine. INVALID_ARGUMENT if a code is not finite; what `check`, asked often, ends it with.
absl::StatusOr<std::unique_ptr<Sampler>> FitGaussianSampler(
    MatrixView<const float> codes, absl::FunctionRef<absl::Status()> check);
// Every how-many-th code is fitted to: 1 unless all of them would take too long or too much memory.
std::size_t SamplerStep(std::uint64_t codes, std::uint64_t latent_dim);
// Bytes that fitting holds at once, those codes among them.
std::uint64_t SamplerBytes(std::uint64_t codes, std::uint64_t latent_dim);
// The sampler that AddTensors stored; the standard normal one stores nothing. FAILED_PRECONDITION
// if its tensors do not fit.
absl::StatusOr<std::unique_ptr<Sampler>> SamplerFromTensors(const TensorFile& file,
                                                            std::size_t latent_dim);

}  // namespace latent

#endif  // LATENT_CORE_MODEL_SAMPLER_H_

#include "core/model/sampler.h"

#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status.h"
#include "core/nn/linalg.h"

namespace latent {
namespace {

// Keeps the prior's draws apart from other noise of the same seed.
constexpr std::uint64_t kPriorPurpose = 7;
constexpr char kMean[] = "sampler.mean";
constexpr char kFactor[] = "sampler.factor";

// Row r of standard normals, the same for every sampler.
void FillRow(std::uint64_t seed, std::size_t row, std::span<float> values) {
  FillNormal({.seed = DeriveSeed(seed, kPriorPurpose), .sample = row}, values);
}

class StandardNormal final : public Sampler {
 public:
  void Draw(std::uint64_t seed, double temperature, MatrixView<float> codes) const override {
    for (std::size_t r = 0; r < codes.rows; ++r) {
      FillRow(seed, r, codes.row(r));
      for (float& v : codes.row(r)) v *= static_cast<float>(temperature);
    }
  }
  // Nothing was fitted: a file without sampler tensors means this sampler.
  void AddTensors(TensorFile&) const override {}
};

// mean + temperature * L e with L L^T the covariance.
class FittedGaussian final : public Sampler {
 public:
  FittedGaussian(std::vector<float> mean, std::vector<float> factor)
      : mean_(std::move(mean)), factor_(std::move(factor)) {}

  void Draw(std::uint64_t seed, double temperature, MatrixView<float> codes) const override {
    const std::size_t n = mean_.size();
    std::vector<float> noise(n);
    for (std::size_t r = 0; r < codes.rows; ++r) {
      FillRow(seed, r, noise);
      for (std::size_t i = 0; i < n; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j <= i; ++j) {
          sum += static_cast<double>(factor_[i * n + j]) * static_cast<double>(noise[j]);
        }
        codes(r, i) = static_cast<float>(static_cast<double>(mean_[i]) + temperature * sum);
      }
    }
  }

  void AddTensors(TensorFile& file) const override {
    const std::uint64_t n = mean_.size();
    file.tensors[kMean] = {.shape = {n}, .values = mean_};
    file.tensors[kFactor] = {.shape = {n, n}, .values = factor_};
  }

 private:
  std::vector<float> mean_;
  std::vector<float> factor_;  // lower triangular, row-major
};

absl::Status CheckTensor(const Tensor& tensor, const char* name,
                         const std::vector<std::uint64_t>& shape) {
  std::uint64_t cells = 1;
  for (const std::uint64_t n : shape) cells *= n;
  if (tensor.shape != shape || tensor.values.size() != cells) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS",
                     absl::StrCat("tensor ", name, " does not fit a code of ", shape[0]));
  }
  for (const float v : tensor.values) {
    if (std::isfinite(v)) continue;
    return MakeError(absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS",
                     absl::StrCat("tensor ", name, " holds NaN or infinity"));
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Sampler> StandardNormalSampler(std::size_t) {
  return std::make_unique<StandardNormal>();
}

absl::StatusOr<std::unique_ptr<Sampler>> FitGaussianSampler(MatrixView<const float> codes) {
  const Moments moments = MeanAndCovariance(codes);
  std::vector<float> mean(moments.mean.begin(), moments.mean.end());
  LATENT_ASSIGN_OR_RETURN(const DoubleMatrix factor, CholeskySemidefinite(moments.covariance));
  return std::make_unique<FittedGaussian>(
      std::move(mean), std::vector<float>(factor.cells.begin(), factor.cells.end()));
}

absl::StatusOr<std::unique_ptr<Sampler>> SamplerFromTensors(const TensorFile& file,
                                                            std::size_t latent_dim) {
  const auto mean = file.tensors.find(kMean);
  const auto factor = file.tensors.find(kFactor);
  if (mean == file.tensors.end() && factor == file.tensors.end()) {
    return StandardNormalSampler(latent_dim);
  }
  if (mean == file.tensors.end() || factor == file.tensors.end()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS",
                     absl::StrCat("tensors ", kMean, " and ", kFactor, " must stand together"));
  }
  LATENT_RETURN_IF_ERROR(CheckTensor(mean->second, kMean, {latent_dim}));
  LATENT_RETURN_IF_ERROR(CheckTensor(factor->second, kFactor, {latent_dim, latent_dim}));
  return std::make_unique<FittedGaussian>(mean->second.values, factor->second.values);
}

}  // namespace latent

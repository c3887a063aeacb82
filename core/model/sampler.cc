#include "core/model/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status.h"
#include "core/model/code_prior.h"
#include "core/model/mixture_sampler.h"
#include "core/nn/linalg.h"

namespace latent {
namespace {

// Keeps the prior's draws apart from other noise of the same seed.
constexpr std::uint64_t kPriorPurpose = 7;
// In units of a forward pass's multiply-add: a normal number, and a multiply-add of doubles here.
constexpr std::uint64_t kCostOfNormal = 64;
constexpr std::uint64_t kCostOfDouble = 12;
constexpr char kMean[] = "sampler.mean";
constexpr char kFactor[] = "sampler.factor";
constexpr char kDeviation[] = "sampler.deviation";
// Bounds on the covariance's multiplications and on the codes' cells.
constexpr double kMaxProducts = 6e10;
constexpr double kMaxCells = 1 << 26;

class StandardNormal final : public Sampler {
 public:
  explicit StandardNormal(std::size_t latent_dim) : latent_dim_(latent_dim) {}
  void Draw(std::uint64_t seed, double temperature, std::size_t first,
            MatrixView<float> codes) const override {
    for (std::size_t r = 0; r < codes.rows; ++r) {
      FillPriorRow(seed, first + r, codes.row(r));
      for (float& v : codes.row(r)) v *= static_cast<float>(temperature);
    }
  }
  std::uint64_t MultiplyAdds(std::size_t rows) const override {
    return rows * latent_dim_ * kCostOfNormal;
  }
  // Nothing was fitted: a file without sampler tensors means this sampler.
  void AddTensors(TensorFile&) const override {}

 private:
  const std::size_t latent_dim_;
};

// mean + temperature * L e with L L^T the covariance.
class FittedGaussian final : public Sampler {
 public:
  FittedGaussian(std::vector<float> mean, std::vector<float> factor)
      : mean_(std::move(mean)), factor_(std::move(factor)) {}

  void Draw(std::uint64_t seed, double temperature, std::size_t first,
            MatrixView<float> codes) const override {
    std::vector<float> noise(mean_.size());
    std::vector<double> block(mean_.size() * kBlockRows);
    for (std::size_t r = 0; r < codes.rows; r += kBlockRows) {
      const std::size_t count = std::min(kBlockRows, codes.rows - r);
      for (std::size_t b = 0; b < count; ++b) {
        FillPriorRow(seed, first + r + b, noise);
        for (std::size_t j = 0; j < noise.size(); ++j) block[j * kBlockRows + b] = noise[j];
      }
      Multiply(block, temperature, codes.slice_rows(r, count));
    }
  }
  std::uint64_t MultiplyAdds(std::size_t rows) const override {
    const std::uint64_t n = mean_.size(), blocks = (rows + kBlockRows - 1) / kBlockRows;
    return rows * n * kCostOfNormal + blocks * kBlockRows * n * n / 2 * kCostOfDouble;
  }

  void AddTensors(TensorFile& file) const override {
    const std::uint64_t n = mean_.size();
    file.tensors[kMean] = {.shape = {n}, .values = mean_};
    file.tensors[kFactor] = {.shape = {n, n}, .values = factor_};
  }

 private:
  // Rows that share one trip through the factor. Each sum is one chain over j, whatever its
  // neighbours, so that a row's bits do not depend on how many are drawn.
  static constexpr std::size_t kBlockRows = 8;

  // `noise` [n x kBlockRows]: entry j of each row of the block.
  void Multiply(const std::vector<double>& noise, double temperature,
                MatrixView<float> codes) const {
    const std::size_t n = mean_.size();
    for (std::size_t i = 0; i < n; ++i) {
      std::array<double, kBlockRows> sums{};
      const float* factor = factor_.data() + i * n;
      for (std::size_t j = 0; j <= i; ++j) {
        const auto weight = static_cast<double>(factor[j]);
        const double* of_rows = noise.data() + j * kBlockRows;
        for (std::size_t b = 0; b < kBlockRows; ++b) sums[b] += weight * of_rows[b];
      }
      for (std::size_t r = 0; r < codes.rows; ++r) {
        codes(r, i) = static_cast<float>(static_cast<double>(mean_[i]) + temperature * sums[r]);
      }
    }
  }

  std::vector<float> mean_;
  std::vector<float> factor_;  // lower triangular, row-major
};

// mean + temperature * deviation * e, entry by entry.
class FittedDiagonal final : public Sampler {
 public:
  FittedDiagonal(std::vector<float> mean, std::vector<float> deviation)
      : mean_(std::move(mean)), deviation_(std::move(deviation)) {}

  void Draw(std::uint64_t seed, double temperature, std::size_t first,
            MatrixView<float> codes) const override {
    for (std::size_t r = 0; r < codes.rows; ++r) {
      const std::span<float> code = codes.row(r);
      FillPriorRow(seed, first + r, code);
      for (std::size_t i = 0; i < code.size(); ++i) {
        code[i] = static_cast<float>(static_cast<double>(mean_[i]) +
                                     temperature * static_cast<double>(deviation_[i] * code[i]));
      }
    }
  }

  std::uint64_t MultiplyAdds(std::size_t rows) const override {
    return rows * mean_.size() * kCostOfNormal;
  }

  void AddTensors(TensorFile& file) const override {
    file.tensors[kMean] = {.shape = {mean_.size()}, .values = mean_};
    file.tensors[kDeviation] = {.shape = {deviation_.size()}, .values = deviation_};
  }

 private:
  std::vector<float> mean_;
  std::vector<float> deviation_;
};

absl::StatusOr<std::unique_ptr<Sampler>> FitDiagonal(MatrixView<const float> codes,
                                                     absl::FunctionRef<absl::Status()> check) {
  const auto count = static_cast<double>(codes.rows);
  std::vector<double> mean(codes.columns), square(codes.columns);
  for (std::size_t r = 0; r < codes.rows; ++r) {
    LATENT_RETURN_IF_ERROR(check());
    for (std::size_t i = 0; i < codes.columns; ++i) mean[i] += codes(r, i) / count;
  }
  for (std::size_t r = 0; r < codes.rows; ++r) {
    LATENT_RETURN_IF_ERROR(check());
    for (std::size_t i = 0; i < codes.columns; ++i) {
      square[i] += (codes(r, i) - mean[i]) * (codes(r, i) - mean[i]) / count;
    }
  }
  for (std::size_t i = 0; i < codes.columns; ++i) {
    if (std::isfinite(mean[i]) && std::isfinite(square[i])) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("expected finite codes, got NaN or infinity in entry ", i));
  }
  std::vector<float> deviation(codes.columns);
  std::transform(square.begin(), square.end(), deviation.begin(),
                 [](double value) { return static_cast<float>(std::sqrt(value)); });
  return std::make_unique<FittedDiagonal>(std::vector<float>(mean.begin(), mean.end()),
                                          std::move(deviation));
}

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

void FillPriorRow(std::uint64_t seed, std::size_t row, std::span<float> values) {
  FillNormal({.seed = DeriveSeed(seed, kPriorPurpose), .sample = row}, values);
}

std::unique_ptr<Sampler> StandardNormalSampler(std::size_t latent_dim) {
  return std::make_unique<StandardNormal>(latent_dim);
}

std::size_t SamplerStep(std::uint64_t codes, std::uint64_t latent_dim) {
  const auto dim = static_cast<double>(latent_dim);
  const double cells = static_cast<double>(codes) * dim;
  const double products = latent_dim > kMaxFullCovarianceDim ? 0 : cells * dim;
  return static_cast<std::size_t>(
      std::max({1.0, std::ceil(products / kMaxProducts), std::ceil(cells / kMaxCells)}));
}

std::uint64_t SamplerBytes(std::uint64_t codes, std::uint64_t latent_dim) {
  const std::uint64_t step = SamplerStep(codes, latent_dim);
  const std::uint64_t cells = (codes + step - 1) / step * latent_dim * sizeof(float);
  const bool full = latent_dim <= kMaxFullCovarianceDim;
  // Sums, covariance, factor, and the factor as it is kept and stored.
  return cells + (full ? latent_dim : 1) * latent_dim * (3 * sizeof(double) + 3 * sizeof(float));
}

absl::StatusOr<std::unique_ptr<Sampler>> FitGaussianSampler(
    MatrixView<const float> codes, absl::FunctionRef<absl::Status()> check) {
  if (codes.columns > kMaxFullCovarianceDim) return FitDiagonal(codes, check);
  const auto read = [&](std::size_t first, std::size_t n) { return codes.slice_rows(first, n); };
  const Moments moments =
      MeanAndCovariance(codes.rows, codes.columns, read, nullptr, [&] { return !check().ok(); });
  LATENT_RETURN_IF_ERROR(check());
  std::vector<float> mean(moments.mean.begin(), moments.mean.end());
  LATENT_ASSIGN_OR_RETURN(const DoubleMatrix factor,
                          CholeskySemidefinite(moments.covariance, check));
  return std::make_unique<FittedGaussian>(
      std::move(mean), std::vector<float>(factor.cells.begin(), factor.cells.end()));
}

absl::StatusOr<std::unique_ptr<Sampler>> SamplerFromTensors(const TensorFile& file,
                                                            std::size_t latent_dim) {
  if (HasMixtureTensors(file)) return MixtureFromTensors(file, latent_dim);
  if (HasCodePrior(file)) return CodePriorFromTensors(file, latent_dim);
  const auto mean = file.tensors.find(kMean);
  const auto factor = file.tensors.find(kFactor);
  const auto deviation = file.tensors.find(kDeviation);
  const auto none = file.tensors.end();
  if (mean == none && factor == none && deviation == none) return StandardNormalSampler(latent_dim);
  if (mean == none || (factor == none) == (deviation == none)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS",
                     absl::StrCat("expected tensor ", kMean, " with one of ", kFactor, " and ",
                                  kDeviation, ", or none of the three"));
  }
  LATENT_RETURN_IF_ERROR(CheckTensor(mean->second, kMean, {latent_dim}));
  if (deviation != none) {
    LATENT_RETURN_IF_ERROR(CheckTensor(deviation->second, kDeviation, {latent_dim}));
    return std::make_unique<FittedDiagonal>(mean->second.values, deviation->second.values);
  }
  LATENT_RETURN_IF_ERROR(CheckTensor(factor->second, kFactor, {latent_dim, latent_dim}));
  return std::make_unique<FittedGaussian>(mean->second.values, factor->second.values);
}

}  // namespace latent

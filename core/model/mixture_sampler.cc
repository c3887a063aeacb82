#include "core/model/mixture_sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status.h"

namespace latent {
namespace {

// Keep the choice of a component, and the seeds of a fit, apart from other noise of the same seed.
constexpr std::uint64_t kComponentPurpose = 24;
constexpr std::uint64_t kSeedingPurpose = 25;
constexpr char kWeights[] = "sampler.weights";
constexpr char kMeans[] = "sampler.means";
constexpr char kFactors[] = "sampler.factors";
// In units of a forward pass's multiply-add: a normal number, and a multiply-add of doubles here.
constexpr std::uint64_t kCostOfNormals = 64;
constexpr std::uint64_t kCostOfDoubles = 12;
// Bounds on the codes and on the multiplications of all candidates together.
constexpr std::size_t kMostCodes = 16384;
constexpr double kMostProducts = 3e10;
// Least variance in any direction, in units of the entries' own.
constexpr double kFloor = 1e-4;

// In [0, 1), of 64 bits.
double UniformOf(const RandomKey& key) {
  const double high = RandomBits(key, 0), low = RandomBits(key, 1);
  return (high + low * 0x1p-32) * 0x1p-32;
}

// A component by its weight, then its mean + temperature * L e.
class Mixture final : public Sampler {
 public:
  Mixture(std::vector<float> weights, std::vector<float> means, std::vector<float> factors)
      : dim_(means.size() / weights.size()),
        weights_(std::move(weights)),
        means_(std::move(means)),
        factors_(std::move(factors)) {}

  void Draw(std::uint64_t seed, double temperature, std::size_t first,
            MatrixView<float> codes) const override {
    std::vector<float> noise(dim_);
    for (std::size_t r = 0; r < codes.rows; ++r) {
      const std::size_t k = Choose(seed, first + r);
      FillPriorRow(seed, first + r, noise);
      for (std::size_t i = 0; i < dim_; ++i) {
        const float* factor = factors_.data() + (k * dim_ + i) * dim_;
        double sum = 0;
        for (std::size_t j = 0; j <= i; ++j) sum += double{factor[j]} * double{noise[j]};
        codes(r, i) = static_cast<float>(double{means_[k * dim_ + i]} + temperature * sum);
      }
    }
  }

  std::uint64_t MultiplyAdds(std::size_t rows) const override {
    return rows * (dim_ * kCostOfNormals + dim_ * dim_ / 2 * kCostOfDoubles + weights_.size());
  }

  void AddTensors(TensorFile& file) const override {
    const std::uint64_t k = weights_.size(), n = dim_;
    file.tensors[kWeights] = {.shape = {k}, .values = weights_};
    file.tensors[kMeans] = {.shape = {k, n}, .values = means_};
    file.tensors[kFactors] = {.shape = {k, n, n}, .values = factors_};
  }

 private:
  std::size_t Choose(std::uint64_t seed, std::size_t row) const {
    double total = 0;
    for (const float weight : weights_) total += double{weight};
    double left = UniformOf({.seed = DeriveSeed(seed, kComponentPurpose), .sample = row}) * total;
    for (std::size_t k = 0; k + 1 < weights_.size(); ++k) {
      left -= double{weights_[k]};
      if (left < 0) return k;
    }
    return weights_.size() - 1;
  }

  std::size_t dim_;
  std::vector<float> weights_;  // [k]
  std::vector<float> means_;    // [k x dim]
  std::vector<float> factors_;  // [k x dim x dim], lower triangular
};

absl::Status CheckFiniteCodes(MatrixView<const float> codes) {
  for (std::size_t r = 0; r < codes.rows; ++r) {
    for (std::size_t i = 0; i < codes.columns; ++i) {
      if (std::isfinite(codes(r, i))) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("expected finite codes, got NaN or infinity in entry ", i));
    }
  }
  return absl::OkStatus();
}

std::vector<float> EveryNthCode(MatrixView<const float> codes, std::size_t wanted) {
  const std::size_t step = (codes.rows + wanted - 1) / wanted;
  std::vector<float> cells;
  for (std::size_t r = 0; r < codes.rows; r += step) {
    cells.insert(cells.end(), codes.row(r).begin(), codes.row(r).end());
  }
  return cells;
}

// 1, 2, 4, ... and the most, as far as each component has codes enough.
std::vector<std::size_t> Candidates(std::size_t codes, std::size_t dim, std::size_t most) {
  std::vector<std::size_t> counts = {1};
  for (std::size_t k = 2; k < most; k *= 2) counts.push_back(k);
  if (most > 1) counts.push_back(most);
  std::erase_if(counts, [&](std::size_t k) { return k > 1 && k * 2 * (dim + 1) > codes; });
  return counts;
}

// In the units of the codes.
GaussianMixture InCodeUnits(const CodeDensity& density) {
  const std::size_t dim = density.shift.size();
  const GaussianMixture& from = density.mixture;
  GaussianMixture mixture{from.weights, DoubleMatrix(from.components(), dim), {}};
  for (std::size_t k = 0; k < from.components(); ++k) {
    for (std::size_t i = 0; i < dim; ++i) mixture.means(k, i) = density.shift[i];
    DoubleMatrix& factor = mixture.factors.emplace_back(dim, dim);
    for (std::size_t a = 0; a < density.entries.size(); ++a) {
      const std::size_t i = density.entries[a];
      mixture.means(k, i) += density.scale[i] * from.means(k, a);
      for (std::size_t b = 0; b <= a; ++b) {
        factor(i, density.entries[b]) = density.scale[i] * from.factors[k](a, b);
      }
    }
  }
  return mixture;
}

absl::Status TensorFault(const std::string& what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS", what);
}

// The finite values of a tensor of that shape.
absl::StatusOr<std::vector<float>> ValuesOf(const TensorFile& file, const char* name,
                                            const std::vector<std::uint64_t>& shape) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) return TensorFault(absl::StrCat("tensor ", name, " is missing"));
  std::uint64_t cells = 1;
  for (const std::uint64_t n : shape) cells *= n;
  const Tensor& tensor = found->second;
  if (tensor.shape != shape || tensor.values.size() != cells) {
    return TensorFault(absl::StrCat("tensor ", name, " does not fit a mixture of ", shape[0]));
  }
  for (const float v : tensor.values) {
    if (!std::isfinite(v)) return TensorFault(absl::StrCat("tensor ", name, " is not finite"));
  }
  return tensor.values;
}

}  // namespace

CodeDensity::CodeDensity(MatrixView<const float> codes)
    : shift(codes.columns), scale(codes.columns) {
  const auto count = static_cast<double>(codes.rows);
  for (std::size_t r = 0; r < codes.rows; ++r) {
    for (std::size_t i = 0; i < codes.columns; ++i) shift[i] += codes(r, i);
  }
  for (double& mean : shift) mean /= count;
  for (std::size_t r = 0; r < codes.rows; ++r) {
    for (std::size_t i = 0; i < codes.columns; ++i) {
      scale[i] += (codes(r, i) - shift[i]) * (codes(r, i) - shift[i]);
    }
  }
  for (std::size_t i = 0; i < codes.columns; ++i) {
    scale[i] = std::sqrt(scale[i] / count);
    // A deviation within the rounding of the mean is none.
    if (scale[i] > 1e-12 * std::abs(shift[i])) {
      entries.push_back(i);
    } else {
      scale[i] = 0;
    }
  }
}

DoubleMatrix CodeDensity::Standardise(MatrixView<const float> codes) const {
  DoubleMatrix points(codes.rows, entries.size());
  for (std::size_t r = 0; r < codes.rows; ++r) {
    for (std::size_t a = 0; a < entries.size(); ++a) {
      points(r, a) = (codes(r, entries[a]) - shift[entries[a]]) / scale[entries[a]];
    }
  }
  return points;
}

double CodeDensity::LogScale() const {
  double sum = 0;
  for (const std::size_t i : entries) sum += std::log(scale[i]);
  return sum;
}

std::vector<double> CodeDensity::LogDensities(MatrixView<const float> codes) const {
  std::vector<double> densities = latent::LogDensities(mixture, Standardise(codes));
  const double log_scale = LogScale();
  for (double& density : densities) density -= log_scale;
  return densities;
}

std::size_t MixtureCodes(std::size_t codes, std::size_t dim, std::size_t max_components) {
  const double products = MixtureProducts(1, 2 * max_components, std::max<std::size_t>(1, dim));
  const double most = std::min(kMostProducts / products, static_cast<double>(kMostCodes));
  return std::min(codes, std::max<std::size_t>(1, static_cast<std::size_t>(most)));
}

std::uint64_t MixtureSamplerBytes(std::uint64_t codes, std::uint64_t dim,
                                  std::uint64_t max_components) {
  const std::size_t fitted = MixtureCodes(codes, dim, max_components);
  const std::uint64_t points = fitted * dim * (sizeof(double) + sizeof(float));
  return SamplerBytes(codes, dim) + points + 2 * MixtureBytes(fitted, max_components, dim);
}

absl::StatusOr<FittedSampler> FitMixtureSampler(MatrixView<const float> codes,
                                                std::size_t max_components, std::uint64_t seed,
                                                ThreadPool* pool,
                                                absl::FunctionRef<absl::Status()> check) {
  LATENT_RETURN_IF_ERROR(CheckFiniteCodes(codes));
  const std::vector<float> cells =
      EveryNthCode(codes, MixtureCodes(codes.rows, codes.columns, max_components));
  const MatrixView<const float> chosen(cells.data(), cells.size() / codes.columns, codes.columns);
  FittedSampler fitted{nullptr, CodeDensity(chosen), {}};
  const DoubleMatrix points = fitted.density.Standardise(chosen);
  if (points.columns == 0) {  // all codes are the same
    LATENT_ASSIGN_OR_RETURN(fitted.sampler, FitGaussianSampler(codes, check));
    return fitted;
  }
  const double log_scale = static_cast<double>(points.rows) * fitted.density.LogScale();
  double least = std::numeric_limits<double>::infinity();
  int worse = 0;
  for (const std::size_t k : Candidates(points.rows, points.columns, max_components)) {
    LATENT_ASSIGN_OR_RETURN(
        MixtureFit fit,
        FitGaussianMixture(points, k, kFloor, DeriveSeed(seed, kSeedingPurpose), pool, check));
    const double bic = BayesInformation(fit.log_likelihood() - log_scale,
                                        MixtureParameters(k, points.columns), points.rows);
    fitted.candidates.push_back({k, bic});
    worse = bic < least ? 0 : worse + 1;
    if (bic < least) fitted.density.mixture = std::move(fit.mixture);
    least = std::min(least, bic);
    if (worse == 2) break;
  }
  if (fitted.density.mixture.components() > 1) {
    fitted.sampler = MixtureSampler(InCodeUnits(fitted.density));
    return fitted;
  }
  LATENT_ASSIGN_OR_RETURN(fitted.sampler, FitGaussianSampler(codes, check));
  return fitted;
}

std::unique_ptr<Sampler> MixtureSampler(const GaussianMixture& mixture) {
  std::vector<float> factors;
  for (const DoubleMatrix& factor : mixture.factors) {
    factors.insert(factors.end(), factor.cells.begin(), factor.cells.end());
  }
  return std::make_unique<Mixture>(
      std::vector<float>(mixture.weights.begin(), mixture.weights.end()),
      std::vector<float>(mixture.means.cells.begin(), mixture.means.cells.end()),
      std::move(factors));
}

bool HasMixtureTensors(const TensorFile& file) {
  return file.tensors.count(kWeights) + file.tensors.count(kMeans) + file.tensors.count(kFactors) >
         0;
}

absl::StatusOr<std::unique_ptr<Sampler>> MixtureFromTensors(const TensorFile& file,
                                                            std::size_t latent_dim) {
  const auto found = file.tensors.find(kWeights);
  const std::uint64_t k = found == file.tensors.end() ? 1 : found->second.values.size();
  if (k < 1 || k > kMaxMixtureComponents || latent_dim < 1 || latent_dim > kMaxMixtureDim) {
    return TensorFault(absl::StrCat("a mixture of ", k, " components of ", latent_dim,
                                    " entries is not one that this build makes"));
  }
  LATENT_ASSIGN_OR_RETURN(std::vector<float> weights, ValuesOf(file, kWeights, {k}));
  LATENT_ASSIGN_OR_RETURN(std::vector<float> means, ValuesOf(file, kMeans, {k, latent_dim}));
  LATENT_ASSIGN_OR_RETURN(std::vector<float> factors,
                          ValuesOf(file, kFactors, {k, latent_dim, latent_dim}));
  double total = 0;
  for (const float weight : weights) {
    if (weight < 0) return TensorFault(absl::StrCat("tensor ", kWeights, " is negative"));
    total += double{weight};
  }
  if (!(total > 0)) return TensorFault(absl::StrCat("tensor ", kWeights, " sums to 0"));
  return std::make_unique<Mixture>(std::move(weights), std::move(means), std::move(factors));
}

}  // namespace latent

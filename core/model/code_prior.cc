#include "core/model/code_prior.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status.h"

namespace latent {
namespace {

// Keeps these draws apart from other noise of the same seed, as the other samplers do.
constexpr std::uint64_t kIndexPurpose = 7;
// A power or an addition of doubles in units of a forward pass's multiply-add.
constexpr std::uint64_t kCostOfWeight = 24;
constexpr char kMarginals[] = "sampler.marginals";
constexpr char kTransitions[] = "sampler.transitions";
constexpr char kCodebook[] = "latent.codebook";

struct PriorTables {
  std::size_t groups = 0, size = 0, width = 0;
  std::vector<float> vectors = {};      // [size x width]
  std::vector<float> marginals = {};    // [groups x size]
  std::vector<float> transitions = {};  // [groups - 1 x size x size]; empty: groups by themselves

  // Of group g, after `before` in the one before it.
  std::span<const float> Probabilities(std::size_t g, std::uint32_t before) const {
    if (g == 0 || transitions.empty()) return std::span(marginals).subspan(g * size, size);
    return std::span(transitions).subspan(((g - 1) * size + before) * size, size);
  }
};

class CodePrior final : public Sampler {
 public:
  explicit CodePrior(PriorTables tables) : tables_(std::move(tables)) {}

  void Draw(std::uint64_t seed, double temperature, std::size_t first,
            MatrixView<float> codes) const override {
    std::vector<float> uniform(tables_.groups);
    std::vector<double> cumulative(tables_.size);
    for (std::size_t r = 0; r < codes.rows; ++r) {
      FillUniform({.seed = DeriveSeed(seed, kIndexPurpose), .sample = first + r}, uniform);
      std::uint32_t index = 0;
      for (std::size_t g = 0; g < tables_.groups; ++g) {
        index = Choose(tables_.Probabilities(g, index), temperature, uniform[g], cumulative);
        std::copy_n(tables_.vectors.begin() + static_cast<std::ptrdiff_t>(index * tables_.width),
                    tables_.width,
                    codes.row(r).begin() + static_cast<std::ptrdiff_t>(g * tables_.width));
      }
    }
  }

  std::uint64_t MultiplyAdds(std::size_t rows) const override {
    return rows * tables_.groups * tables_.size * kCostOfWeight;
  }

  void AddTensors(TensorFile& file) const override {
    const std::uint64_t m = tables_.groups, n = tables_.size;
    file.tensors[kMarginals] = {.shape = {m, n}, .values = tables_.marginals};
    if (tables_.transitions.empty()) return;
    file.tensors[kTransitions] = {.shape = {m - 1, n, n}, .values = tables_.transitions};
  }

 private:
  static std::uint32_t Choose(std::span<const float> p, double temperature, double uniform,
                              std::vector<double>& cumulative) {
    const auto greatest = std::max_element(p.begin(), p.end());
    if (temperature == 0) return static_cast<std::uint32_t>(greatest - p.begin());
    double sum = 0;
    for (std::size_t c = 0; c < p.size(); ++c) {
      // As shares of the greatest, so that no power of all of them is 0.
      const double share = static_cast<double>(p[c]) / static_cast<double>(*greatest);
      sum += temperature == 1 ? share : std::pow(share, 1 / temperature);
      cumulative[c] = sum;
    }
    const auto at = std::upper_bound(cumulative.begin(), cumulative.end(), uniform * sum);
    return static_cast<std::uint32_t>(
        std::min<std::ptrdiff_t>(at - cumulative.begin(), std::ssize(cumulative) - 1));
  }

  const PriorTables tables_;
};

bool HasTransitions(std::uint64_t groups, std::uint64_t size) {
  return groups > 1 && (groups - 1) <= kMaxTransitions / size / size;
}

// Rows in which group g has index c, [groups x size], and those in which c follows b.
struct IndexCounts {
  std::vector<std::uint32_t> single, pairs;
};

absl::StatusOr<IndexCounts> CountIndices(MatrixView<const float> codes, const Codebook& codebook,
                                         absl::FunctionRef<absl::Status()> check) {
  const std::size_t groups = codebook.groups, size = codebook.size();
  IndexCounts counts;
  counts.single.resize(groups * size);
  if (HasTransitions(groups, size)) counts.pairs.resize((groups - 1) * size * size);
  std::vector<std::uint32_t> indices(groups);
  for (std::size_t r = 0; r < codes.rows; ++r) {
    LATENT_RETURN_IF_ERROR(check());
    for (std::size_t i = 0; i < codes.columns; ++i) {
      if (std::isfinite(codes(r, i))) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("expected finite codes, got NaN or infinity in entry ", i));
    }
    IndicesOf(codebook, codes.row(r), indices);
    for (std::size_t g = 0; g < groups; ++g) {
      ++counts.single[g * size + indices[g]];
      if (g == 0 || counts.pairs.empty()) continue;
      ++counts.pairs[((g - 1) * size + indices[g - 1]) * size + indices[g]];
    }
  }
  return counts;
}

PriorTables TablesOf(const IndexCounts& counts, std::size_t rows, const Codebook& codebook) {
  const std::size_t groups = codebook.groups, size = codebook.size();
  PriorTables tables{.groups = groups, .size = size, .width = codebook.width()};
  for (std::size_t k = 0; k < size; ++k) {
    for (std::size_t j = 0; j < tables.width; ++j) {
      tables.vectors.push_back(codebook.vectors(j, k));
    }
  }
  const auto n = static_cast<double>(rows);
  for (const std::uint32_t count : counts.single) {
    tables.marginals.push_back(
        static_cast<float>((count + 1 / static_cast<double>(size)) / (n + 1)));
  }
  tables.transitions.reserve(counts.pairs.size());
  for (std::size_t g = 1; g < groups && !counts.pairs.empty(); ++g) {
    for (std::size_t b = 0; b < size; ++b) {
      const double before = counts.single[(g - 1) * size + b] + 1.0;
      for (std::size_t c = 0; c < size; ++c) {
        const double pair = counts.pairs[((g - 1) * size + b) * size + c];
        tables.transitions.push_back(static_cast<float>(
            (pair + static_cast<double>(tables.marginals[g * size + c])) / before));
      }
    }
  }
  return tables;
}

absl::Status BadTensor(const std::string& what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS", what);
}

// Tables whose distributions all have something to draw.
absl::Status CheckProbabilities(std::span<const float> values, std::size_t size, const char* name) {
  for (std::size_t first = 0; first < values.size(); first += size) {
    double sum = 0;
    for (const float p : values.subspan(first, size)) {
      if (!(p >= 0) || !std::isfinite(p)) {
        return BadTensor(absl::StrCat("tensor ", name, " holds what is no probability"));
      }
      sum += p;
    }
    if (!(sum > 0)) return BadTensor(absl::StrCat("tensor ", name, " has a row of zeros"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Sampler>> FitCodePrior(MatrixView<const float> codes,
                                                      const Codebook& codebook,
                                                      absl::FunctionRef<absl::Status()> check) {
  LATENT_ASSIGN_OR_RETURN(const IndexCounts counts, CountIndices(codes, codebook, check));
  return std::make_unique<CodePrior>(TablesOf(counts, codes.rows, codebook));
}

std::uint64_t CodePriorBytes(std::uint64_t codes, const v1::Latent& latent) {
  const std::uint64_t groups = latent.vector_quantised().groups();
  const std::uint64_t size = latent.vector_quantised().codebook_size();
  const std::uint64_t pairs = HasTransitions(groups, size) ? (groups - 1) * size * size : 0;
  return codes * latent.dim() * sizeof(float) +
         (groups * size + pairs) * (sizeof(float) + sizeof(std::uint32_t));
}

bool HasCodePrior(const TensorFile& file) { return file.tensors.count(kMarginals) > 0; }

absl::StatusOr<std::unique_ptr<Sampler>> CodePriorFromTensors(const TensorFile& file,
                                                              std::size_t latent_dim) {
  const auto marginals = file.tensors.find(kMarginals);
  const auto codebook = file.tensors.find(kCodebook);
  if (marginals == file.tensors.end() || codebook == file.tensors.end() ||
      codebook->second.shape.size() != 2 || marginals->second.shape.size() != 2) {
    return BadTensor(absl::StrCat("expected matrices ", kMarginals, " and ", kCodebook));
  }
  PriorTables tables{.groups = marginals->second.shape[0],
                     .size = codebook->second.shape[0],
                     .width = codebook->second.shape[1],
                     .vectors = codebook->second.values,
                     .marginals = marginals->second.values};
  if (marginals->second.shape[1] != tables.size || tables.groups == 0 || tables.size == 0 ||
      tables.width == 0 || latent_dim % tables.width != 0 ||
      latent_dim / tables.width != tables.groups) {
    return BadTensor(absl::StrCat("tensor ", kMarginals,
                                  " does not fit the codebook and a code of ", latent_dim));
  }
  LATENT_RETURN_IF_ERROR(CheckProbabilities(tables.marginals, tables.size, kMarginals));
  const auto transitions = file.tensors.find(kTransitions);
  if (transitions != file.tensors.end()) {
    const std::vector<std::uint64_t> shape = {tables.groups - 1, tables.size, tables.size};
    if (transitions->second.shape != shape) {
      return BadTensor(absl::StrCat("tensor ", kTransitions, " does not fit ", kMarginals));
    }
    tables.transitions = transitions->second.values;
    LATENT_RETURN_IF_ERROR(CheckProbabilities(tables.transitions, tables.size, kTransitions));
  }
  return std::make_unique<CodePrior>(std::move(tables));
}

}  // namespace latent

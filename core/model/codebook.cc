#include "core/model/codebook.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

LATENT_NUMERICS_BEGIN
namespace {

// Vectors whose distances are summed together, entry by entry, as they lie in memory.
constexpr std::size_t kBlock = 16;

void AddSquares(const Real* vectors, std::size_t count, Real entry,
                std::array<Real, kBlock>& sums) {
  for (std::size_t i = 0; i < count; ++i) {
    const Real difference = entry - vectors[i];
    sums[i] += difference * difference;
  }
}

}  // namespace

NearestVector FindNearest(ConstMatrix vectors, std::span<const Real> z) {
  NearestVector nearest{.index = 0, .squared_distance = std::numeric_limits<Real>::infinity()};
  for (std::size_t first = 0; first < vectors.columns; first += kBlock) {
    const std::size_t count = std::min(kBlock, vectors.columns - first);
    std::array<Real, kBlock> sums{};
    for (std::size_t j = 0; j < z.size(); ++j) {
      const Real* const row = vectors.row(j).data() + first;
      // A constant bound is what lets the compiler take them all at once.
      if (count == kBlock) {
        AddSquares(row, kBlock, z[j], sums);
      } else {
        AddSquares(row, count, z[j], sums);
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (!(sums[i] < nearest.squared_distance)) continue;
      nearest = {static_cast<std::uint32_t>(first + i), sums[i]};
    }
  }
  return nearest;
}

void SnapCode(const Codebook& codebook, std::span<Real> code, std::span<std::uint32_t> indices) {
  const std::size_t width = codebook.width();
  for (std::size_t g = 0; g < codebook.groups; ++g) {
    const std::span<Real> group = code.subspan(g * width, width);
    const NearestVector nearest = FindNearest(codebook.vectors, group);
    if (!indices.empty()) indices[g] = nearest.index;
    const bool found = std::isfinite(nearest.squared_distance);
    for (std::size_t j = 0; j < width; ++j) {
      group[j] =
          found ? codebook.vectors(j, nearest.index) : std::numeric_limits<Real>::quiet_NaN();
    }
  }
}

void IndicesOf(const Codebook& codebook, std::span<const Real> code,
               std::span<std::uint32_t> indices) {
  const std::size_t width = codebook.width();
  for (std::size_t g = 0; g < codebook.groups; ++g) {
    indices[g] = FindNearest(codebook.vectors, code.subspan(g * width, width)).index;
  }
}

void VectorsOf(const Codebook& codebook, std::span<const std::uint32_t> indices,
               std::span<Real> code) {
  const std::size_t width = codebook.width();
  for (std::size_t i = 0; i < code.size(); ++i) {
    code[i] = codebook.vectors(i % width, indices[i / width]);
  }
}

double Perplexity(std::span<const double> weights) {
  double total = 0, entropy = 0;
  for (const double weight : weights) total += weight;
  if (!(total > 0)) return 0;
  for (const double weight : weights) {
    if (weight > 0) entropy -= weight / total * std::log(weight / total);
  }
  return std::exp(entropy);
}

LATENT_NUMERICS_END

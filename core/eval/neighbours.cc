#include "core/eval/neighbours.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace latent {
namespace {

// Rows whose distances are held at once.
constexpr std::size_t kBlock = 48;

float SquaredNorm(std::span<const float> row) {
  double sum = 0;
  for (const float v : row) sum += static_cast<double>(v) * v;
  return static_cast<float>(sum);
}

}  // namespace

Neighbours::Neighbours(ConstMatrix points) : squared_norms_(points.rows) {
  points_.PackTransposed(points);
  for (std::size_t i = 0; i < points.rows; ++i) squared_norms_[i] = SquaredNorm(points.row(i));
}

void Neighbours::ForEach(
    ConstMatrix queries,
    absl::FunctionRef<void(std::size_t row, std::span<const float> squared)> visit) const {
  std::vector<float> cells(kBlock * size());
  for (std::size_t first = 0; first < queries.rows; first += kBlock) {
    const std::size_t count = std::min(kBlock, queries.rows - first);
    const ConstMatrix block = queries.slice_rows(first, count);
    const Matrix products(cells.data(), count, size());
    GemmNn(block, points_, {}, Activation::kIdentity, products);
    for (std::size_t r = 0; r < count; ++r) {
      const float own = SquaredNorm(block.row(r));
      const std::span<float> row = products.row(r);
      for (std::size_t i = 0; i < row.size(); ++i) {
        row[i] = std::max(0.0f, own + squared_norms_[i] - 2 * row[i]);
      }
      visit(first + r, row);
    }
  }
}

std::vector<double> Neighbours::NearestDistances(ConstMatrix queries, bool leave_out_own) const {
  std::vector<double> distances(queries.rows);
  ForEach(queries, [&](std::size_t r, std::span<const float> squared) {
    float nearest = std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < squared.size(); ++i) {
      if (leave_out_own && i == r) continue;
      nearest = std::min(nearest, squared[i]);
    }
    distances[r] = std::sqrt(static_cast<double>(nearest));
  });
  return distances;
}

std::int32_t Vote(std::span<const float> squared, std::span<const std::int32_t> labels,
                  std::size_t neighbours) {
  using Neighbour = std::pair<float, std::int32_t>;
  std::vector<Neighbour> nearest(std::min(neighbours, squared.size()),
                                 {std::numeric_limits<float>::infinity(), 0});
  for (std::size_t i = 0; i < squared.size(); ++i) {
    if (squared[i] >= nearest.back().first) continue;
    const auto place =
        std::upper_bound(nearest.begin(), nearest.end(), squared[i],
                         [](float value, const Neighbour& other) { return value < other.first; });
    std::move_backward(place, nearest.end() - 1, nearest.end());
    *place = {squared[i], labels[i]};
  }
  const auto votes = [&nearest](std::int32_t label) {
    return std::count_if(nearest.begin(), nearest.end(),
                         [label](const Neighbour& other) { return other.second == label; });
  };
  return std::max_element(nearest.begin(), nearest.end(),
                          [&votes](const Neighbour& a, const Neighbour& b) {
                            return votes(a.second) < votes(b.second);
                          })
      ->second;
}

}  // namespace latent

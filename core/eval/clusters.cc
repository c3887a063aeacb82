#include "core/eval/clusters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/base/random.h"
#include "core/eval/neighbours.h"

namespace latent {
namespace {

constexpr std::array<std::size_t, 7> kCounts = {2, 3, 4, 5, 6, 8, 10};
constexpr std::uint32_t kStarts = 2;
constexpr int kMaxRounds = 20;
constexpr std::uint64_t kSeed = 0;

float SquaredDistance(std::span<const float> a, const float* b) {
  float sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

struct Clustering {
  std::vector<std::uint32_t> clusters;
  double inertia = std::numeric_limits<double>::infinity();  // sum of squared distances
};

class Lloyd {
 public:
  Lloyd(MatrixView<const float> points, std::size_t k, std::uint32_t start)
      : points_(points), k_(k), centres_(k * points.columns) {
    Seed(start);
  }

  Clustering Run() {
    Clustering best = Assign();
    for (int round = 0; round < kMaxRounds; ++round) {
      MoveCentres(best.clusters);
      Clustering next = Assign();
      const bool settled = next.clusters == best.clusters;
      best = std::move(next);
      if (settled) break;
    }
    return best;
  }

 private:
  float* centre(std::size_t c) { return centres_.data() + c * points_.columns; }

  // Each next centre is a point, with chances that grow with its squared distance.
  void Seed(std::uint32_t start) {
    const RandomKey key{.seed = kSeed, .stream = start};
    std::vector<double> distances(points_.rows, std::numeric_limits<double>::infinity());
    auto next = static_cast<std::size_t>(UniformAt(key, 0) * static_cast<float>(points_.rows));
    for (std::size_t c = 0; c < k_; ++c) {
      std::copy_n(points_.row(next).data(), points_.columns, centre(c));
      double total = 0;
      for (std::size_t r = 0; r < points_.rows; ++r) {
        const double d = SquaredDistance(points_.row(r), centre(c));
        distances[r] = std::min(distances[r], d);
        total += distances[r];
      }
      double left = UniformAt(key, c + 1) * total;
      next = 0;
      while (next + 1 < points_.rows && left >= distances[next]) left -= distances[next++];
    }
  }

  Clustering Assign() {
    Clustering result{.clusters = std::vector<std::uint32_t>(points_.rows), .inertia = 0};
    for (std::size_t r = 0; r < points_.rows; ++r) {
      float nearest = std::numeric_limits<float>::infinity();
      for (std::size_t c = 0; c < k_; ++c) {
        const float d = SquaredDistance(points_.row(r), centre(c));
        if (d >= nearest) continue;
        nearest = d;
        result.clusters[r] = static_cast<std::uint32_t>(c);
      }
      result.inertia += nearest;
    }
    return result;
  }

  // A centre that has lost all its points stays where it is.
  void MoveCentres(const std::vector<std::uint32_t>& clusters) {
    std::vector<double> sums(centres_.size()), counts(k_);
    for (std::size_t r = 0; r < points_.rows; ++r) {
      ++counts[clusters[r]];
      for (std::size_t i = 0; i < points_.columns; ++i) {
        sums[clusters[r] * points_.columns + i] += points_(r, i);
      }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double count = counts[i / points_.columns];
      if (count > 0) centres_[i] = static_cast<float>(sums[i] / count);
    }
  }

  const MatrixView<const float> points_;
  const std::size_t k_;
  std::vector<float> centres_;
};

// A point's silhouette from its summed distances to each cluster.
double Silhouette(const std::vector<double>& distances, const std::vector<double>& sizes,
                  std::uint32_t own) {
  if (sizes[own] < 2) return 0;
  const double inside = distances[own] / (sizes[own] - 1);
  double outside = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    if (c != own && sizes[c] > 0) outside = std::min(outside, distances[c] / sizes[c]);
  }
  const double most = std::max(inside, outside);
  return std::isfinite(most) && most > 0 ? (outside - inside) / most : 0;
}

}  // namespace

std::vector<std::uint32_t> KMeans(MatrixView<const float> points, std::size_t k) {
  Clustering best;
  for (std::uint32_t start = 0; start < kStarts; ++start) {
    Clustering next = Lloyd(points, k, start).Run();
    if (next.inertia < best.inertia) best = std::move(next);
  }
  return best.clusters;
}

ClusterFigures DescribeClusters(MatrixView<const float> points) {
  struct Candidate {
    std::vector<std::uint32_t> clusters;
    std::vector<double> sizes;
    double sum = 0;
  };
  std::vector<Candidate> candidates;
  for (const std::size_t k : kCounts) {
    if (k >= points.rows) break;
    Candidate& candidate = candidates.emplace_back();
    candidate.clusters = KMeans(points, k);
    candidate.sizes.resize(k);
    for (const std::uint32_t cluster : candidate.clusters) ++candidate.sizes[cluster];
  }
  std::vector<double> distances;
  Neighbours(points).ForEach(points, [&](std::size_t r, std::span<const float> squared) {
    for (Candidate& candidate : candidates) {
      distances.assign(candidate.sizes.size(), 0);
      for (std::size_t i = 0; i < squared.size(); ++i) {
        if (i != r) distances[candidate.clusters[i]] += std::sqrt(squared[i]);
      }
      candidate.sum += Silhouette(distances, candidate.sizes, candidate.clusters[r]);
    }
  });
  ClusterFigures best{.silhouette = -1};
  for (const Candidate& candidate : candidates) {
    const double silhouette = candidate.sum / static_cast<double>(points.rows);
    if (silhouette <= best.silhouette) continue;
    best = {silhouette, static_cast<int>(candidate.sizes.size())};
  }
  return best;
}

}  // namespace latent

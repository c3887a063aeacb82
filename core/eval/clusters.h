// Whether points fall into clumps: k-means and its silhouette. Pure functions; any thread.
#ifndef LATENT_CORE_EVAL_CLUSTERS_H_
#define LATENT_CORE_EVAL_CLUSTERS_H_

#include <cstdint>
#include <vector>

#include "core/nn/matrix.h"

namespace latent {

// The cluster of each point [n x d], n >= k >= 1: Lloyd's algorithm from k-means++ (Arthur and
// Vassilvitskii, SODA 2007), the better of two starts. Deterministic.
std::vector<std::uint32_t> KMeans(MatrixView<const float> points, std::size_t k);

struct ClusterFigures {
  double silhouette = 0;
  int clusters = 0;
};
// The greatest mean silhouette (Rousseeuw 1987, doi 10.1016/0377-0427(87)90125-7) of KMeans over
// k = 2, 3, 4, 5, 6, 8, 10 (k < n), and that k. From -1 to 1; 1 means tight clumps far apart.
ClusterFigures DescribeClusters(MatrixView<const float> points);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_CLUSTERS_H_

#include <string.h>

#include "core/nn/sparse_kernels.h"

LATENT_NUMERICS_BEGIN
namespace kernels {
namespace {

constexpr size_t kSparsePanel = 16;
typedef Real SparseLanes __attribute__((vector_size(16)));
constexpr size_t kSparseWidth = 16 / sizeof(Real);
constexpr size_t kSparseVectors = kSparsePanel / kSparseWidth;

void GatherPanels(const GatherCall& call) {
  for (size_t j = call.first; j < call.n; j += kSparsePanel) {
    const size_t columns = call.n - j < kSparsePanel ? call.n - j : kSparsePanel;
    const Real* const panel = call.weights.data + j / kSparsePanel * call.weights.panel;
    alignas(16) Real cells[kSparsePanel] = {};
    if (call.start != nullptr) memcpy(cells, call.start + j, columns * sizeof(Real));
    SparseLanes sums[kSparseVectors];
    memcpy(sums, cells, sizeof sums);
    for (size_t e = 0; e < call.count; ++e) {
      const Real* const row = panel + call.indices[e] * call.weights.row;
      SparseLanes lanes[kSparseVectors] = {};
      if (columns == kSparsePanel) {
        memcpy(lanes, row, sizeof lanes);
      } else {
        memcpy(lanes, row, columns * sizeof(Real));
      }
      for (size_t v = 0; v < kSparseVectors; ++v) sums[v] += call.values[e] * lanes[v];
    }
    memcpy(cells, sums, sizeof sums);
    memcpy(call.c + j, cells, columns * sizeof(Real));
  }
}

Real GreatestOf(const Real* cells, size_t count) {
  Real greatest = cells[0];
  for (size_t i = 1; i < count; ++i) greatest = cells[i] > greatest ? cells[i] : greatest;
  return greatest;
}

}  // namespace

const SparseTable kSparsePortable = {GatherPanels, GreatestOf};

}  // namespace kernels
LATENT_NUMERICS_END

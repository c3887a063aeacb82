// Compiled for AVX2 and FMA; see kernels.h for what must not stand here.

#include <immintrin.h>

#include "core/nn/sparse_kernels.h"

LATENT_NUMERICS_BEGIN
namespace kernels {
namespace {

constexpr size_t kSparsePanel = 16;
// Rows of weights are asked for so many cells ahead: what hides the way to memory.
constexpr size_t kAhead = 16;

inline __m256i SparseMask(size_t count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
}

// 16 kPanels columns from j on: eight chains of eight hide the latency of the multiply-adds.
template <size_t kPanels>
inline void GatherTile(const GatherCall& call, size_t j) {
  constexpr size_t kVectors = 2 * kPanels;
  __m256 sums[kVectors];
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; ++v) {
    sums[v] = call.start == nullptr ? _mm256_setzero_ps() : _mm256_loadu_ps(call.start + j + 8 * v);
  }
  const size_t panel = call.weights.panel, row = call.weights.row, count = call.count;
  const float* const weights = call.weights.data + j / kSparsePanel * panel;
  const uint32_t* const indices = call.indices;
  const float* const values = call.values;
  for (size_t e = 0; e < count; ++e) {
    const float* const next = weights + indices[e + kAhead < count ? e + kAhead : e] * row;
#pragma GCC unroll 4
    for (size_t p = 0; p < kPanels; ++p) _mm_prefetch(next + p * panel, _MM_HINT_T1);
    const float* const from = weights + indices[e] * row;
    const __m256 factor = _mm256_broadcast_ss(values + e);
#pragma GCC unroll 8
    for (size_t v = 0; v < kVectors; ++v) {
      const __m256 lanes = _mm256_loadu_ps(from + v / 2 * panel + 8 * (v % 2));
      sums[v] = _mm256_fmadd_ps(factor, lanes, sums[v]);
    }
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; ++v) _mm256_storeu_ps(call.c + j + 8 * v, sums[v]);
}

// The last, narrower panel.
void GatherTail(const GatherCall& call, size_t j) {
  const size_t left = call.n - j;
  const __m256i low = SparseMask(left), high = SparseMask(left > 8 ? left - 8 : 0);
  __m256 sum0 = _mm256_setzero_ps(), sum1 = sum0;
  if (call.start != nullptr) {
    sum0 = _mm256_maskload_ps(call.start + j, low);
    sum1 = _mm256_maskload_ps(call.start + j + 8, high);
  }
  const float* const weights = call.weights.data + j / kSparsePanel * call.weights.panel;
  for (size_t e = 0; e < call.count; ++e) {
    const float* const from = weights + call.indices[e] * call.weights.row;
    const __m256 factor = _mm256_broadcast_ss(call.values + e);
    sum0 = _mm256_fmadd_ps(factor, _mm256_maskload_ps(from, low), sum0);
    sum1 = _mm256_fmadd_ps(factor, _mm256_maskload_ps(from + 8, high), sum1);
  }
  _mm256_maskstore_ps(call.c + j, low, sum0);
  _mm256_maskstore_ps(call.c + j + 8, high, sum1);
}

void GatherPanels(const GatherCall& call) {
  size_t j = call.first;
  for (; j + 4 * kSparsePanel <= call.n; j += 4 * kSparsePanel) GatherTile<4>(call, j);
  if (j + 2 * kSparsePanel <= call.n) {
    GatherTile<2>(call, j);
    j += 2 * kSparsePanel;
  }
  if (j + kSparsePanel <= call.n) {
    GatherTile<1>(call, j);
    j += kSparsePanel;
  }
  if (j < call.n) GatherTail(call, j);
}

float GreatestOf(const float* cells, size_t count) {
  if (count < 8) {
    float greatest = cells[0];
    for (size_t i = 1; i < count; ++i) greatest = cells[i] > greatest ? cells[i] : greatest;
    return greatest;
  }
  __m256 greatest[4];
  for (size_t v = 0; v < 4; ++v) greatest[v] = _mm256_loadu_ps(cells);
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
#pragma GCC unroll 4
    for (size_t v = 0; v < 4; ++v) {
      greatest[v] = _mm256_max_ps(_mm256_loadu_ps(cells + i + 8 * v), greatest[v]);
    }
  }
  for (; i + 8 <= count; i += 8) {
    greatest[0] = _mm256_max_ps(_mm256_loadu_ps(cells + i), greatest[0]);
  }
  greatest[0] = _mm256_max_ps(_mm256_loadu_ps(cells + count - 8), greatest[0]);
  float lanes[8];
  _mm256_storeu_ps(lanes, _mm256_max_ps(_mm256_max_ps(greatest[0], greatest[1]),
                                        _mm256_max_ps(greatest[2], greatest[3])));
  float result = lanes[0];
  for (size_t l = 1; l < 8; ++l) result = lanes[l] > result ? lanes[l] : result;
  return result;
}

}  // namespace

const SparseTable kSparseAvx2 = {GatherPanels, GreatestOf};

}  // namespace kernels
LATENT_NUMERICS_END

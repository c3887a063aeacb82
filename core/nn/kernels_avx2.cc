// Compiled for AVX2 and FMA; see kernels.h for what must not stand here.

#include <immintrin.h>

#include "core/nn/elementwise.inc"
#include "core/nn/kernels.h"

LATENT_NUMERICS_BEGIN
namespace kernels {
namespace {

// Rows of a tile: 6 x 16 results are 12 registers, which hides the latency of the multiply-adds.
constexpr size_t kTileRows = 6;
// How much of X^T is copied at a time, in rows of the batch.
constexpr size_t kChunk = 256;

// The first `count` of eight lanes.
inline __m256i Mask(size_t count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
}

inline __m256 Load(const float* p, size_t count) {
  return count >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, Mask(count));
}
inline void Store(float* p, __m256 value, size_t count) {
  if (count >= 8) {
    _mm256_storeu_ps(p, value);
  } else {
    _mm256_maskstore_ps(p, Mask(count), value);
  }
}

inline __m256 ActivateLanes(Function function, __m256 x) {
  const __m256 zero = _mm256_setzero_ps();
  if (function == kRelu) return _mm256_max_ps(zero, x);  // in this order NaN stays
  if (function == kLeakyRelu) {
    const __m256 positive = _mm256_cmp_ps(x, zero, _CMP_GT_OQ);
    return _mm256_blendv_ps(_mm256_mul_ps(x, _mm256_set1_ps(kSlope)), x, positive);
  }
  return x;
}

inline __m256 TimesDerivative(Function function, __m256 output, __m256 x) {
  const __m256 one = _mm256_set1_ps(1);
  switch (function) {
    case kIdentity:
    case kElu:  // these three are GemmNt's own
    case kSilu:
    case kSoftplus:
      break;
    case kRelu:
      return _mm256_and_ps(x, _mm256_cmp_ps(output, _mm256_setzero_ps(), _CMP_GT_OQ));
    case kLeakyRelu:
      return _mm256_mul_ps(
          x, _mm256_blendv_ps(_mm256_set1_ps(kSlope), one,
                              _mm256_cmp_ps(output, _mm256_setzero_ps(), _CMP_GT_OQ)));
    case kTanh:
      return _mm256_mul_ps(x, _mm256_sub_ps(one, _mm256_mul_ps(output, output)));
    case kSigmoid:
      return _mm256_mul_ps(x, _mm256_mul_ps(output, _mm256_sub_ps(one, output)));
  }
  return x;
}

// Where the chain of eight entries of c starts.
inline __m256 Start(const GemmCall& call, size_t i, size_t j, size_t count) {
  if (count == 0) return _mm256_setzero_ps();
  if (call.accumulate) return Load(call.c + i * call.c_row + j, count);
  if (call.bias != nullptr) return Load(call.bias + j, count);
  return _mm256_setzero_ps();
}

inline void Finish(const GemmCall& call, size_t i, size_t j, size_t count, __m256 value) {
  if (count == 0) return;
  value = ActivateLanes(call.activation, value);
  if (call.outputs != nullptr) {
    value = TimesDerivative(call.derivative, Load(call.outputs + i * call.outputs_row + j, count),
                            value);
  }
  Store(call.c + i * call.c_row + j, value, count);
}

// Columns left from j on, at most 8.
inline size_t Left(const GemmCall& call, size_t j) {
  return j >= call.n ? 0 : (call.n - j < 8 ? call.n - j : 8);
}

// Rows of A as a tile reads them: entry (r, k) is a[r * row + k * step], for `count` values of k
// from `first` on.
struct Rows {
  const float* a;
  size_t row;
  size_t step;
  size_t first;
  size_t count;
};

// Eight cells of a panel as numbers.
struct Floats {
  using Cell = float;
  static __m256 Load(const Cell* cells, const float* /*scales*/, size_t /*first*/) {
    return _mm256_loadu_ps(cells);
  }
};
struct Halves {
  using Cell = uint16_t;
  static __m256 Load(const Cell* cells, const float* /*scales*/, size_t /*first*/) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(cells)));
  }
};
struct Bytes {
  using Cell = int8_t;
  static __m256 Load(const Cell* cells, const float* scales, size_t first) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(cells));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                         _mm256_loadu_ps(scales + first));
  }
};

// kRows x 16 kPanels entries of c from (i, j).
template <typename Panels, size_t kRows, size_t kPanels>
[[gnu::noinline]] void Tile(const GemmCall& call, const Rows& rows, size_t i, size_t j) {
  constexpr size_t kVectors = 2 * kPanels;
  static_assert(kPanels == 1 || kRows <= kVectors);
  __m256 sums[kRows][kVectors];
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; ++v) {
    const size_t column = j + 8 * v;
    const size_t count = Left(call, column);
#pragma GCC unroll 8
    for (size_t r = 0; r < kRows; ++r) {
      sums[r][v] = Start(call, i + r, column, count);
    }
  }
  const size_t panel = call.panel_rows * kPanel;
  const float* a = rows.a;
  const auto* b =
      static_cast<const typename Panels::Cell*>(call.b) + j * call.panel_rows + rows.first * kPanel;
  const float* scales = call.scales;
  const size_t row = rows.row, step = rows.step;
  for (size_t k = rows.count; k != 0; --k) {
    // The fewer operands wait in registers beside the sums; the other ones pass one by one.
    if constexpr (kRows > kVectors) {
      __m256 lanes[kVectors];
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) lanes[v] = Panels::Load(b + 8 * v, scales, j + 8 * v);
#pragma GCC unroll 8
      for (size_t r = 0; r < kRows; ++r) {
        const __m256 factor = _mm256_broadcast_ss(a + r * row);
#pragma GCC unroll 8
        for (size_t v = 0; v < kVectors; ++v) {
          sums[r][v] = _mm256_fmadd_ps(factor, lanes[v], sums[r][v]);
        }
      }
    } else {
      __m256 factor[kRows];
#pragma GCC unroll 8
      for (size_t r = 0; r < kRows; ++r) {
        factor[r] = _mm256_broadcast_ss(a + r * row);
      }
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) {
        const __m256 lanes = Panels::Load(b + v / 2 * panel + 8 * (v % 2), scales, j + 8 * v);
#pragma GCC unroll 8
        for (size_t r = 0; r < kRows; ++r) {
          sums[r][v] = _mm256_fmadd_ps(factor[r], lanes, sums[r][v]);
        }
      }
    }
    a += step;
    b += kPanel;
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; ++v) {
    const size_t column = j + 8 * v;
    const size_t count = Left(call, column);
#pragma GCC unroll 8
    for (size_t r = 0; r < kRows; ++r) {
      Finish(call, i + r, column, count, sums[r][v]);
    }
  }
}

// Rows of the next tile of m that are left: 6, but never so that fewer than 4 remain where that can
// be avoided, because thin tiles wait for their own results.
inline size_t NextRows(size_t left) {
  if (left <= kTileRows) return left;
  if (left < 2 * kTileRows && left - kTileRows < 4) return left < 8 ? 4 : left - 4;
  return kTileRows;
}

// A tile of `height` (1 to 6) rows over one panel.
template <typename Panels>
inline void OnePanel(const GemmCall& call, size_t height, const Rows& rows, size_t i, size_t j) {
  switch (height) {
    case 1:
      return Tile<Panels, 1, 1>(call, rows, i, j);
    case 2:
      return Tile<Panels, 2, 1>(call, rows, i, j);
    case 3:
      return Tile<Panels, 3, 1>(call, rows, i, j);
    case 4:
      return Tile<Panels, 4, 1>(call, rows, i, j);
    case 5:
      return Tile<Panels, 5, 1>(call, rows, i, j);
    default:
      return Tile<Panels, 6, 1>(call, rows, i, j);
  }
}

// Up to three rows: several panels together, so that there are enough independent chains.
template <typename Panels>
void ThinGemm(const GemmCall& call) {
  const Rows rows = {call.a, call.a_row, 1, 0, call.k};
  const size_t together = call.m == 1 ? 4 : (call.m == 2 ? 3 : 2);
  size_t j = 0;
  for (; j + (together - 1) * kPanel < call.n; j += together * kPanel) {
    if (call.m == 1) Tile<Panels, 1, 4>(call, rows, 0, j);
    if (call.m == 2) Tile<Panels, 2, 3>(call, rows, 0, j);
    if (call.m == 3) Tile<Panels, 3, 2>(call, rows, 0, j);
  }
  for (; j < call.n; j += kPanel) OnePanel<Panels>(call, call.m, rows, 0, j);
}

// A's rows lie one after the other.
template <typename Panels>
void RowGemm(const GemmCall& call) {
  if (call.m <= 3) return ThinGemm<Panels>(call);
  for (size_t j = 0; j < call.n; j += kPanel) {
    for (size_t i = 0; i < call.m;) {
      const size_t height = NextRows(call.m - i);
      OnePanel<Panels>(call, height, {call.a + i * call.a_row, call.a_row, 1, 0, call.k}, i, j);
      i += height;
    }
  }
}

// A's columns are consecutive cells (a_row is 1): those of a tile are copied for a chunk of k at a
// time, so that the tile reads one short stretch of memory. A later chunk goes on where c stands,
// which leaves the chains as they are. Bias and functions are RowGemm's alone.
void TransposedGemm(const GemmCall& call) {
  alignas(64) float copy[kChunk * kTileRows];
  GemmCall part = call;
  for (size_t i = 0, height; i < call.m; i += height) {
    height = NextRows(call.m - i);
    for (size_t first = 0; first == 0 || first < call.k; first += kChunk) {
      const size_t count = call.k - first < kChunk ? call.k - first : kChunk;
      const float* a = call.a + i + first * call.a_k;
      for (size_t k = 0; k < count; ++k) {
        for (size_t r = 0; r < height; ++r) copy[k * kTileRows + r] = a[k * call.a_k + r];
      }
      part.accumulate = call.accumulate || first != 0;
      for (size_t j = 0; j < call.n; j += kPanel) {
        OnePanel<Floats>(part, height, {copy, 1, kTileRows, first, count}, i, j);
      }
    }
  }
}

// kRows x 16 entries of c from (i, j).
template <typename Panels, size_t kRows>
[[gnu::noinline]] void WindowTile(const WindowCall& windows, size_t i, size_t j) {
  const GemmCall& call = windows.gemm;
  const size_t left = Left(call, j), right = Left(call, j + 8);
  __m256 sums[kRows][2];
  const float* a[kRows];
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) {
    sums[r][0] = Start(call, i + r, j, left);
    sums[r][1] = Start(call, i + r, j + 8, right);
    a[r] = windows.a + windows.offsets[i + r];
  }
  const auto* b = static_cast<const typename Panels::Cell*>(call.b) + j * call.panel_rows;
  const float* scales = call.scales;
  const size_t step = windows.step, end = windows.length * step;
  for (size_t u = windows.segments; u != 0; --u) {
    for (size_t v = 0; v != end; v += step) {
      const __m256 lanes0 = Panels::Load(b, scales, j), lanes1 = Panels::Load(b + 8, scales, j + 8);
#pragma GCC unroll 8
      for (size_t r = 0; r < kRows; ++r) {
        const __m256 factor = _mm256_broadcast_ss(a[r] + v);
        sums[r][0] = _mm256_fmadd_ps(factor, lanes0, sums[r][0]);
        sums[r][1] = _mm256_fmadd_ps(factor, lanes1, sums[r][1]);
      }
      b += kPanel;
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < kRows; ++r) a[r] += windows.jump;
  }
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) {
    Finish(call, i + r, j, left, sums[r][0]);
    Finish(call, i + r, j + 8, right, sums[r][1]);
  }
}

template <typename Panels>
void WindowTiles(const WindowCall& call) {
  for (size_t j = 0; j < call.gemm.n; j += kPanel) {
    for (size_t i = 0, height; i < call.gemm.m; i += height) {
      height = NextRows(call.gemm.m - i);
      switch (height) {
        case 1:
          WindowTile<Panels, 1>(call, i, j);
          break;
        case 2:
          WindowTile<Panels, 2>(call, i, j);
          break;
        case 3:
          WindowTile<Panels, 3>(call, i, j);
          break;
        case 4:
          WindowTile<Panels, 4>(call, i, j);
          break;
        case 5:
          WindowTile<Panels, 5>(call, i, j);
          break;
        default:
          WindowTile<Panels, 6>(call, i, j);
      }
    }
  }
}

void WindowGemm(const WindowCall& call) {
  if (call.gemm.cells == kFloatCells) WindowTiles<Floats>(call);
  if (call.gemm.cells == kHalfCells) WindowTiles<Halves>(call);
  if (call.gemm.cells == kByteCells) WindowTiles<Bytes>(call);
}

void Gemm(const GemmCall& call) {
  if (call.a_k != 1) return TransposedGemm(call);
  if (call.cells == kFloatCells) RowGemm<Floats>(call);
  if (call.cells == kHalfCells) RowGemm<Halves>(call);
  if (call.cells == kByteCells) RowGemm<Bytes>(call);
}

// Four rows of twelve columns of the tile, as many as the registers hold.
inline void AddQuarter(const double* a, const double* b, size_t count, double* c, size_t c_row) {
  __m256d sums[4][3];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
#pragma GCC unroll 3
    for (size_t v = 0; v < 3; ++v) sums[i][v] = _mm256_loadu_pd(c + i * c_row + 4 * v);
  }
  for (size_t r = 0; r < count; ++r, a += kProductColumns, b += kProductColumns) {
    __m256d lanes[3];
#pragma GCC unroll 3
    for (size_t v = 0; v < 3; ++v) lanes[v] = _mm256_loadu_pd(b + 4 * v);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      const __m256d factor = _mm256_broadcast_sd(a + i);
#pragma GCC unroll 3
      for (size_t v = 0; v < 3; ++v) sums[i][v] = _mm256_fmadd_pd(factor, lanes[v], sums[i][v]);
    }
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
#pragma GCC unroll 3
    for (size_t v = 0; v < 3; ++v) _mm256_storeu_pd(c + i * c_row + 4 * v, sums[i][v]);
  }
}

void AddProducts(const double* a, const double* b, size_t count, double* c, size_t c_row) {
  for (size_t j = 0; j < kProductColumns; j += 12) {
    for (size_t i = 0; i < kProductRows; i += 4) {
      AddQuarter(a + i, b + j, count, c + i * c_row + j, c_row);
    }
  }
}

}  // namespace

const Table kAvx2 = {Gemm,          WindowGemm,   ExpSpan,         LogSpan,  TanhSpan,
                     SigmoidSpan,   SoftplusSpan, EluSpan,         SiluSpan, SoftplusSlopeSpan,
                     SiluSlopeSpan, BernoulliRow, SquaredErrorRow, SumRow,   SumSquaresRow,
                     SgdSpan,       AdamSpan,     AddProducts};

}  // namespace kernels
LATENT_NUMERICS_END

// Compiled for AVX-512 (F, BW, DQ, VL); see kernels.h for what must not stand here. A panel's row
// is one register, so every entry is the same chain as on AVX2, with the same bits.

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes its own intrinsics' undefined lanes for a mistake of ours (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include "core/nn/elementwise.inc"
#include "core/nn/kernels.h"

LATENT_NUMERICS_BEGIN
namespace kernels {
namespace {

// Rows of the tallest tile: 14 x 2 panels are 28 sums, beside 2 panels' lanes and one factor.
constexpr size_t kTallest = 14;
// How many panels a tile of that many rows takes, so that its chains hide the latency of the
// multiply-adds and its loads are fewer than these.
constexpr size_t kTogether[kTallest + 1] = {0, 8, 8, 6, 6, 5, 4, 3, 3, 3, 2, 2, 2, 2, 2};
// Rows of B that several tiles pass over before the next ones are read, and rows of A likewise:
// what they touch stays in the inner caches.
constexpr size_t kChunk = 256;
constexpr size_t kRowsTogether = 12 * kTallest;
// Tiles over windows keep a pointer for each row.
constexpr size_t kWindowRows = 8;
constexpr size_t kWindowPanels = 2;
// How far ahead panels are fetched, in bytes.
constexpr size_t kAhead = 1024;

// What a panel's row is made of: its 16 cells as numbers, and the number of bytes of one.
struct Floats {
  using Cell = float;
  static __m512 Load(const Cell* row, const float* /*scales*/, size_t /*first*/) {
    return _mm512_loadu_ps(row);
  }
};
struct Halves {
  using Cell = uint16_t;
  static __m512 Load(const Cell* row, const float* /*scales*/, size_t /*first*/) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(row)));
  }
};
struct Bytes {
  using Cell = int8_t;
  static __m512 Load(const Cell* row, const float* scales, size_t first) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)),
                         _mm512_loadu_ps(scales + first));
  }
};

inline __mmask16 Mask(size_t count) {
  return static_cast<__mmask16>(count >= kPanel ? 0xFFFFu : (1u << count) - 1);
}

// c = f(c), or c f'(outputs), for `rows` x `columns` entries from (i, j) that the tile has stored.
[[gnu::noinline]] void Finish(const GemmCall& call, size_t i, size_t j, size_t rows,
                              size_t columns) {
  const __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1), slope = _mm512_set1_ps(kSlope);
  for (size_t r = i; r < i + rows; ++r) {
    for (size_t x = j; x < j + columns; x += kPanel) {
      const __mmask16 mask = Mask(j + columns - x);
      float* c = call.c + r * call.c_row + x;
      __m512 value = _mm512_maskz_loadu_ps(mask, c);
      if (call.activation == kLeakyRelu) {
        const __mmask16 positive = _mm512_cmp_ps_mask(value, zero, _CMP_GT_OQ);
        value = _mm512_mask_blend_ps(positive, _mm512_mul_ps(value, slope), value);
      }
      if (call.outputs != nullptr) {
        const __m512 output = _mm512_maskz_loadu_ps(mask, call.outputs + r * call.outputs_row + x);
        const __mmask16 positive = _mm512_cmp_ps_mask(output, zero, _CMP_GT_OQ);
        switch (call.derivative) {
          case kIdentity:
          case kElu:  // these three are GemmNt's own
          case kSilu:
          case kSoftplus:
            break;
          case kRelu:
            value = _mm512_maskz_mov_ps(positive, value);
            break;
          case kLeakyRelu:
            value = _mm512_mul_ps(value, _mm512_mask_blend_ps(positive, slope, one));
            break;
          case kTanh:
            value = _mm512_mul_ps(value, _mm512_sub_ps(one, _mm512_mul_ps(output, output)));
            break;
          case kSigmoid:
            value = _mm512_mul_ps(value, _mm512_mul_ps(output, _mm512_sub_ps(one, output)));
            break;
        }
      }
      _mm512_mask_storeu_ps(c, mask, value);
    }
  }
}

// The entries of c that a tile makes: kRows x 16 kPanels from (i, j), the last panel masked.
template <size_t kRows, size_t kPanels>
struct Block {
  Block(const GemmCall& gemm, size_t row, size_t column)
      : call(gemm), i(row), j(column), last(Mask(gemm.n - column - kPanel * (kPanels - 1))) {}

  __m512 Load(const float* from, size_t panel) const {
    return panel + 1 == kPanels ? _mm512_maskz_loadu_ps(last, from + panel * kPanel)
                                : _mm512_loadu_ps(from + panel * kPanel);
  }
  void Start(__m512 sums[kRows][kPanels]) const {
    if (call.accumulate) {
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
        for (size_t v = 0; v < kPanels; ++v) {
          sums[r][v] = Load(call.c + (i + r) * call.c_row + j, v);
        }
      }
      return;
    }
#pragma GCC unroll 16
    for (size_t v = 0; v < kPanels; ++v) {
      const __m512 start = call.bias != nullptr ? Load(call.bias + j, v) : _mm512_setzero_ps();
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) sums[r][v] = start;
    }
  }
  void Store(__m512 sums[kRows][kPanels]) const {
    if (call.activation == kRelu) {
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
        for (size_t v = 0; v < kPanels; ++v) {
          sums[r][v] = _mm512_max_ps(_mm512_setzero_ps(), sums[r][v]);  // in this order NaN stays
        }
      }
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      float* c = call.c + (i + r) * call.c_row + j;
#pragma GCC unroll 16
      for (size_t v = 0; v + 1 < kPanels; ++v) _mm512_storeu_ps(c + v * kPanel, sums[r][v]);
      _mm512_mask_storeu_ps(c + (kPanels - 1) * kPanel, last, sums[r][kPanels - 1]);
    }
    if (call.outputs != nullptr || call.activation == kLeakyRelu) {
      const size_t columns = call.n - j < kPanels * kPanel ? call.n - j : kPanels * kPanel;
      Finish(call, i, j, kRows, columns);
    }
  }

  const GemmCall& call;
  const size_t i, j;
  const __mmask16 last;
};

// Rows of A as a tile reads them: entry (r, k) is a[r * row + k * step].
struct Rows {
  const float* a;
  size_t row;
  size_t step;
};

template <typename Panels, size_t kRows, size_t kPanels>
[[gnu::noinline]] void Tile(const GemmCall& call, const Rows& rows, size_t i, size_t j) {
  const Block<kRows, kPanels> block(call, i, j);
  __m512 sums[kRows][kPanels];
  block.Start(sums);
  // Every third row and panel has a pointer, which leaves enough registers for the addresses.
  const size_t panel = call.panel_rows * kPanel, row = rows.row, step = rows.step;
  const float* a[(kRows + 2) / 3];
  const typename Panels::Cell* b[(kPanels + 2) / 3];
  const float* scales = call.scales;
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; r += 3) a[r / 3] = rows.a + r * row;
#pragma GCC unroll 16
  for (size_t v = 0; v < kPanels; v += 3) {
    b[v / 3] = static_cast<const typename Panels::Cell*>(call.b) + j * call.panel_rows + v * panel;
  }
  for (size_t k = call.k; k != 0; --k) {
    // The fewer operands wait in registers beside the sums; the other ones pass one by one.
    if constexpr (kRows > kPanels) {
      __m512 lanes[kPanels];
#pragma GCC unroll 16
      for (size_t v = 0; v < kPanels; ++v) {
        const auto* from = b[v / 3] + v % 3 * panel;
        lanes[v] = Panels::Load(from, scales, j + v * kPanel);
        _mm_prefetch(reinterpret_cast<const char*>(from) + kAhead, _MM_HINT_T0);
      }
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
        const __m512 factor = _mm512_set1_ps(a[r / 3][r % 3 * row]);
#pragma GCC unroll 16
        for (size_t v = 0; v < kPanels; ++v) {
          sums[r][v] = _mm512_fmadd_ps(factor, lanes[v], sums[r][v]);
        }
      }
    } else {
      __m512 factors[kRows];
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) factors[r] = _mm512_set1_ps(a[r / 3][r % 3 * row]);
#pragma GCC unroll 16
      for (size_t v = 0; v < kPanels; ++v) {
        const auto* from = b[v / 3] + v % 3 * panel;
        const __m512 lanes = Panels::Load(from, scales, j + v * kPanel);
        _mm_prefetch(reinterpret_cast<const char*>(from) + kAhead, _MM_HINT_T0);
#pragma GCC unroll 16
        for (size_t r = 0; r < kRows; ++r) {
          sums[r][v] = _mm512_fmadd_ps(factors[r], lanes, sums[r][v]);
        }
      }
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; r += 3) a[r / 3] += step;
#pragma GCC unroll 16
    for (size_t v = 0; v < kPanels; v += 3) b[v / 3] += kPanel;
  }
  block.Store(sums);
}

// A tile of 1 to kPanels panels and 1 to kRows rows.
template <typename Panels, size_t kRows, size_t kPanels>
inline void TileOfPanels(const GemmCall& call, const Rows& rows, size_t i, size_t j,
                         size_t panels) {
  if constexpr (kPanels > 1) {
    if (panels < kPanels) return TileOfPanels<Panels, kRows, kPanels - 1>(call, rows, i, j, panels);
  }
  Tile<Panels, kRows, kPanels>(call, rows, i, j);
}
template <typename Panels, size_t kRows = kTallest>
inline void TileOf(const GemmCall& call, size_t height, const Rows& rows, size_t i, size_t j,
                   size_t panels) {
  if constexpr (kRows > 1) {
    if (height < kRows) return TileOf<Panels, kRows - 1>(call, height, rows, i, j, panels);
  }
  TileOfPanels<Panels, kRows, kTogether[kRows]>(call, rows, i, j, panels);
}

// m rows in the fewest tiles of at most `tallest`, of which none is thin: heights differ by one.
struct Split {
  Split(size_t rows, size_t tallest) : m(rows), tiles((rows + tallest - 1) / tallest) {}
  size_t First(size_t tile) const { return m * tile / tiles; }
  size_t Tallest() const { return (m + tiles - 1) / tiles; }
  size_t m, tiles;
};

inline size_t PanelsFrom(const GemmCall& call, size_t j, size_t most) {
  const size_t left = (call.n - j + kPanel - 1) / kPanel;
  return left < most ? left : most;
}

// The part of a call whose chains run over `count` rows of B from `first` on: a later part goes on
// where c stands, which leaves the chains as they are.
template <typename Panels>
GemmCall PartOf(const GemmCall& call, size_t first, size_t count) {
  GemmCall part = call;
  part.b = static_cast<const typename Panels::Cell*>(call.b) + first * kPanel;
  part.k = count;
  if (first != 0) part.accumulate = true;
  if (first + count < call.k) {
    part.activation = kIdentity;
    part.outputs = nullptr;
  }
  return part;
}

inline size_t ChunkFrom(const GemmCall& call, size_t first) {
  return call.k - first < kChunk ? call.k - first : kChunk;
}

// A's rows lie one after the other.
template <typename Panels>
void RowTiles(const GemmCall& call) {
  const Split split(call.m, kTallest);
  const size_t together = kTogether[split.Tallest()];
  size_t first = 0;
  do {
    const size_t count = split.tiles == 1 ? call.k : ChunkFrom(call, first);
    const GemmCall part = PartOf<Panels>(call, first, count);
    for (size_t j = 0; j < call.n; j += together * kPanel) {
      for (size_t tile = 0; tile < split.tiles; ++tile) {
        const size_t i = split.First(tile);
        TileOf<Panels>(part, split.First(tile + 1) - i,
                       {call.a + i * call.a_row + first, call.a_row, 1}, i, j,
                       PanelsFrom(call, j, together));
      }
    }
    first += count;
  } while (first < call.k);
}

template <typename Panels>
void RowGemm(const GemmCall& call) {
  const Split split(call.m, kRowsTogether);
  for (size_t block = 0; block < split.tiles; ++block) {
    const size_t i = split.First(block);
    GemmCall part = call;
    part.m = split.First(block + 1) - i;
    part.a += i * call.a_row;
    part.c += i * call.c_row;
    if (part.outputs != nullptr) part.outputs += i * call.outputs_row;
    RowTiles<Panels>(part);
  }
}

// A's columns are consecutive cells (a_row is 1): those of a tile are copied for a chunk of k at a
// time, so that the tile reads one short stretch of memory.
void TransposedGemm(const GemmCall& call) {
  alignas(64) float copy[kChunk * kPanel];
  const Split split(call.m, kTallest);
  for (size_t tile = 0; tile < split.tiles; ++tile) {
    const size_t i = split.First(tile), height = split.First(tile + 1) - i;
    const __mmask16 mask = Mask(height);
    size_t first = 0;
    do {
      const size_t count = ChunkFrom(call, first);
      const GemmCall part = PartOf<Floats>(call, first, count);
      const float* a = call.a + i + first * call.a_k;
      for (size_t k = 0; k < count; ++k) {
        _mm512_store_ps(copy + k * kPanel, _mm512_maskz_loadu_ps(mask, a + k * call.a_k));
      }
      const size_t together = kTogether[height];
      for (size_t j = 0; j < call.n; j += together * kPanel) {
        TileOf<Floats>(part, height, {copy, 1, kPanel}, i, j, PanelsFrom(call, j, together));
      }
      first += count;
    } while (first < call.k);
  }
}

template <typename Panels, size_t kRows, size_t kPanels>
[[gnu::noinline]] void WindowTile(const WindowCall& windows, size_t i, size_t j) {
  const Block<kRows, kPanels> block(windows.gemm, i, j);
  __m512 sums[kRows][kPanels];
  block.Start(sums);
  const float* a[kRows];
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) a[r] = windows.a + windows.offsets[i + r];
  const size_t panel = windows.gemm.panel_rows * kPanel;
  const auto* b =
      static_cast<const typename Panels::Cell*>(windows.gemm.b) + j * windows.gemm.panel_rows;
  const float* scales = windows.gemm.scales;
  const size_t step = windows.step, end = windows.length * step;
  for (size_t u = windows.segments; u != 0; --u) {
    for (size_t x = 0; x != end; x += step) {
      __m512 lanes[kPanels];
#pragma GCC unroll 16
      for (size_t v = 0; v < kPanels; ++v) {
        lanes[v] = Panels::Load(b + v * panel, scales, j + v * kPanel);
      }
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
        const __m512 factor = _mm512_set1_ps(a[r][x]);
#pragma GCC unroll 16
        for (size_t v = 0; v < kPanels; ++v) {
          sums[r][v] = _mm512_fmadd_ps(factor, lanes[v], sums[r][v]);
        }
      }
      b += kPanel;
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) a[r] += windows.jump;
  }
  block.Store(sums);
}

template <typename Panels, size_t kRows = kWindowRows>
inline void WindowTileOf(const WindowCall& call, size_t height, size_t i, size_t j, size_t panels) {
  if constexpr (kRows > 1) {
    if (height < kRows) return WindowTileOf<Panels, kRows - 1>(call, height, i, j, panels);
  }
  if (panels == kWindowPanels) {
    WindowTile<Panels, kRows, kWindowPanels>(call, i, j);
  } else {
    WindowTile<Panels, kRows, 1>(call, i, j);
  }
}

template <typename Panels>
void WindowTiles(const WindowCall& call) {
  const Split split(call.gemm.m, kWindowRows);
  for (size_t j = 0; j < call.gemm.n; j += kWindowPanels * kPanel) {
    for (size_t tile = 0; tile < split.tiles; ++tile) {
      const size_t i = split.First(tile);
      WindowTileOf<Panels>(call, split.First(tile + 1) - i, i, j,
                           PanelsFrom(call.gemm, j, kWindowPanels));
    }
  }
}

void WindowGemm(const WindowCall& call) {
  if (call.gemm.cells == kFloatCells) WindowTiles<Floats>(call);
  if (call.gemm.cells == kHalfCells) WindowTiles<Halves>(call);
  if (call.gemm.cells == kByteCells) WindowTiles<Bytes>(call);
}

void Gemm(const GemmCall& call) {
  if (call.m == 0) return;
  if (call.a_k != 1) return TransposedGemm(call);
  if (call.cells == kFloatCells) RowGemm<Floats>(call);
  if (call.cells == kHalfCells) RowGemm<Halves>(call);
  if (call.cells == kByteCells) RowGemm<Bytes>(call);
}

void AddProducts(const double* a, const double* b, size_t count, double* c, size_t c_row) {
  constexpr size_t kVectors = kProductColumns / 8;
  __m512d sums[kProductRows][kVectors];
#pragma GCC unroll 8
  for (size_t i = 0; i < kProductRows; ++i) {
#pragma GCC unroll 3
    for (size_t v = 0; v < kVectors; ++v) sums[i][v] = _mm512_loadu_pd(c + i * c_row + 8 * v);
  }
  for (size_t r = 0; r < count; ++r, a += kProductColumns, b += kProductColumns) {
    __m512d lanes[kVectors];
#pragma GCC unroll 3
    for (size_t v = 0; v < kVectors; ++v) lanes[v] = _mm512_loadu_pd(b + 8 * v);
#pragma GCC unroll 8
    for (size_t i = 0; i < kProductRows; ++i) {
      const __m512d factor = _mm512_set1_pd(a[i]);
#pragma GCC unroll 3
      for (size_t v = 0; v < kVectors; ++v) {
        sums[i][v] = _mm512_fmadd_pd(factor, lanes[v], sums[i][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < kProductRows; ++i) {
#pragma GCC unroll 3
    for (size_t v = 0; v < kVectors; ++v) _mm512_storeu_pd(c + i * c_row + 8 * v, sums[i][v]);
  }
}

}  // namespace

const Table kAvx512 = {Gemm,          WindowGemm,   ExpSpan,         LogSpan,  TanhSpan,
                       SigmoidSpan,   SoftplusSpan, EluSpan,         SiluSpan, SoftplusSlopeSpan,
                       SiluSlopeSpan, BernoulliRow, SquaredErrorRow, SumRow,   SumSquaresRow,
                       SgdSpan,       AdamSpan,     AddProducts};

}  // namespace kernels
LATENT_NUMERICS_END

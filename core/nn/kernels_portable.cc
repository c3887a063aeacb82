#include "core/nn/elementwise.inc"
#include "core/nn/kernels.h"

LATENT_NUMERICS_BEGIN
namespace kernels {
namespace {

// Sixteen bytes are a register on every level that has any.
typedef Real Lanes __attribute__((vector_size(16)));
constexpr size_t kWidth = 16 / sizeof(Real);

Real TimesDerivative(Function function, Real output, Real x) {
  switch (function) {
    case kIdentity:
    case kElu:  // these three are GemmNt's own
    case kSilu:
    case kSoftplus:
      break;
    case kRelu:
      return output > 0 ? x : Real{0};
    case kLeakyRelu:
      return x * (output > 0 ? Real{1} : kSlope);
    case kTanh:
      return x * (1 - output * output);
    case kSigmoid:
      return x * (output * (1 - output));
  }
  return x;
}

Real ActivateScalar(Function function, Real x) {
  if (function == kRelu) return x < 0 ? Real{0} : x;  // NaN stays
  if (function == kLeakyRelu) return x > 0 ? x : kSlope * x;
  return x;
}

// One row of one panel; add(sums) runs its chains.
template <typename Add>
inline void Panel(const GemmCall& call, size_t i, size_t j, const Add& add) {
  const size_t columns = call.n - j < kPanel ? call.n - j : kPanel;
  Real* c = call.c + i * call.c_row + j;
  alignas(16) Real cells[kPanel] = {};
  for (size_t x = 0; x < columns; ++x) {
    if (call.accumulate) cells[x] = c[x];
    if (call.bias != nullptr) cells[x] = call.bias[j + x];
  }
  Lanes sums[kPanel / kWidth];
  memcpy(sums, cells, sizeof sums);
  add(sums);
  memcpy(cells, sums, sizeof sums);
  for (size_t x = 0; x < columns; ++x) {
    Real value = ActivateScalar(call.activation, cells[x]);
    if (call.outputs != nullptr) {
      value = TimesDerivative(call.derivative, call.outputs[i * call.outputs_row + j + x], value);
    }
    c[x] = value;
  }
}

// Numbers of a panel's row, as they are multiplied.
inline Real Value(Real cell, Real /*scale*/) { return cell; }
inline Real Value(uint16_t cell, Real /*scale*/) {
  // Of a half's exponent and mantissa, moved to a float's, 2^-112 times the number.
  const uint32_t bits = (cell & 0x7fffu) << 13;
  float magnitude;
  memcpy(&magnitude, &bits, sizeof magnitude);
  magnitude *= 0x1p112f;
  return (cell & 0x8000u) != 0 ? -magnitude : magnitude;
}
inline Real Value(int8_t cell, Real scale) { return static_cast<Real>(cell) * scale; }

// sums += a[0], a[step], ... times `count` rows of a panel.
template <typename Cell>
inline void AddProducts(const Real* a, size_t step, size_t count, const Cell* b, const Real* scales,
                        Lanes* sums) {
  for (size_t k = 0; k < count; ++k) {
    const Real factor = a[k * step];
    alignas(16) Real row[kPanel];
    for (size_t x = 0; x < kPanel; ++x) row[x] = Value(b[k * kPanel + x], scales[x]);
#pragma GCC unroll 8
    for (size_t v = 0; v < kPanel / kWidth; ++v) {
      Lanes lanes;
      memcpy(&lanes, row + v * kWidth, sizeof lanes);
      sums[v] += factor * lanes;
    }
  }
}

constexpr Real kNoScales[kPanel] = {};
inline const Real* Scales(const GemmCall& call, size_t j) {
  return call.cells == kByteCells ? call.scales + j : kNoScales;
}

template <typename Cell>
void GemmOf(const GemmCall& call) {
  for (size_t j = 0; j < call.n; j += kPanel) {
    const Cell* b = static_cast<const Cell*>(call.b) + j * call.panel_rows;
    for (size_t i = 0; i < call.m; ++i) {
      const Real* a = call.a + i * call.a_row;
      Panel(call, i, j,
            [&](Lanes* sums) { AddProducts(a, call.a_k, call.k, b, Scales(call, j), sums); });
    }
  }
}

template <typename Cell>
void WindowGemmOf(const WindowCall& call) {
  for (size_t j = 0; j < call.gemm.n; j += kPanel) {
    const Cell* b = static_cast<const Cell*>(call.gemm.b) + j * call.gemm.panel_rows;
    for (size_t i = 0; i < call.gemm.m; ++i) {
      const Real* a = call.a + call.offsets[i];
      Panel(call.gemm, i, j, [&](Lanes* sums) {
        for (size_t u = 0; u < call.segments; ++u) {
          AddProducts(a + u * call.jump, call.step, call.length, b + u * call.length * kPanel,
                      Scales(call.gemm, j), sums);
        }
      });
    }
  }
}

void Gemm(const GemmCall& call) {
  if (call.cells == kFloatCells) GemmOf<Real>(call);
  if (call.cells == kHalfCells) GemmOf<uint16_t>(call);
  if (call.cells == kByteCells) GemmOf<int8_t>(call);
}
void WindowGemm(const WindowCall& call) {
  if (call.gemm.cells == kFloatCells) WindowGemmOf<Real>(call);
  if (call.gemm.cells == kHalfCells) WindowGemmOf<uint16_t>(call);
  if (call.gemm.cells == kByteCells) WindowGemmOf<int8_t>(call);
}

void AddProducts(const double* a, const double* b, size_t count, double* c, size_t c_row) {
  for (size_t i = 0; i < kProductRows; ++i) {
    double sums[kProductColumns];
    for (size_t j = 0; j < kProductColumns; ++j) sums[j] = c[i * c_row + j];
    for (size_t r = 0; r < count; ++r) {
      const double factor = a[r * kProductColumns + i];
      const double* const row = b + r * kProductColumns;
      for (size_t j = 0; j < kProductColumns; ++j) sums[j] += factor * row[j];
    }
    for (size_t j = 0; j < kProductColumns; ++j) c[i * c_row + j] = sums[j];
  }
}

}  // namespace

const Table kPortable = {Gemm,          WindowGemm,   ExpSpan,         LogSpan,  TanhSpan,
                         SigmoidSpan,   SoftplusSpan, EluSpan,         SiluSpan, SoftplusSlopeSpan,
                         SiluSlopeSpan, BernoulliRow, SquaredErrorRow, SumRow,   SumSquaresRow,
                         SgdSpan,       AdamSpan,     AddProducts};

}  // namespace kernels
LATENT_NUMERICS_END

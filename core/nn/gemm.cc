#include "core/nn/gemm.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "core/base/half.h"
#include "core/nn/kernels.h"

LATENT_NUMERICS_BEGIN
namespace {

constexpr std::size_t kPanel = PackedMatrix::kPanelColumns;
static_assert(kPanel == kernels::kPanel);
static_assert(static_cast<int>(Activation::kRelu) == kernels::kRelu);
static_assert(static_cast<int>(Activation::kSigmoid) == kernels::kSigmoid);
static_assert(static_cast<int>(Activation::kSoftplus) == kernels::kSoftplus);

static_assert(static_cast<int>(WeightFormat::kFloat16) == kernels::kHalfCells);
static_assert(static_cast<int>(WeightFormat::kInt8) == kernels::kByteCells);

constexpr std::size_t CellBytes(WeightFormat format) {
  switch (format) {
    case WeightFormat::kFloat32:
      return sizeof(Real);
    case WeightFormat::kFloat16:
      return sizeof(std::uint16_t);
    case WeightFormat::kInt8:
      return sizeof(std::int8_t);
  }
  return sizeof(Real);
}

constexpr std::size_t PaddedColumns(std::size_t columns) {
  return (columns + kPanel - 1) / kPanel * kPanel;
}

kernels::Function FunctionOf(Activation activation) {
  return static_cast<kernels::Function>(activation);
}

// A call for c = a b with a's rows one after the other and nothing added.
kernels::GemmCall CallFor(ConstMatrix a, const PackedMatrix& b, Matrix c) {
  assert(c.columns == b.n());
  kernels::GemmCall call{};
  call.a = a.data;
  call.a_row = a.stride;
  call.a_k = 1;
  call.b = b.data();
  call.cells = static_cast<kernels::Cells>(b.format());
  call.scales = b.scales();
  call.panel_rows = b.k();
  call.c = c.data;
  call.c_row = c.stride;
  call.m = c.rows;
  call.n = c.columns;
  call.k = b.k();
  return call;
}

// Likewise with windows for a and rows first_k, first_k + 1, ... of b.
kernels::WindowCall CallFor(const Windows& a, const PackedMatrix& b, std::size_t first_k,
                            Matrix c) {
  assert(a.offsets.size() == c.rows && first_k + a.segments * a.length <= b.k());
  kernels::WindowCall call{};
  call.gemm = CallFor(ConstMatrix(), b, c);
  call.gemm.b = static_cast<const char*>(call.gemm.b) + first_k * kPanel * CellBytes(b.format());
  call.gemm.k = a.segments * a.length;
  call.a = a.image;
  call.offsets = a.offsets.data();
  call.segments = a.segments;
  call.length = a.length;
  call.jump = a.jump;
  call.step = a.step;
  return call;
}

// Whether the kernel applies the function as it stores; else the caller has to.
bool SetActivation(Activation activation, kernels::GemmCall& call) {
  const bool in_store = activation == Activation::kRelu || activation == Activation::kLeakyRelu;
  if (in_store) call.activation = FunctionOf(activation);
  return in_store;
}

// Likewise the derivative.
bool SetOptions(const NtOptions& options, kernels::GemmCall& call) {
  call.accumulate = options.accumulate;
  const bool in_store = options.activation <= Activation::kSigmoid;
  if (in_store && options.activation != Activation::kIdentity) {
    assert(options.outputs.rows == call.m && options.outputs.columns == call.n);
    call.outputs = options.outputs.data;
    call.outputs_row = options.outputs.stride;
    call.derivative = FunctionOf(options.activation);
  }
  return in_store;
}

typedef Real Four __attribute__((vector_size(4 * sizeof(Real))));

// to[k * 16 + l] = from[l * stride + k] for 16 x 16 entries, four by four in registers.
void TransposeBlock(const Real* from, std::size_t stride, Real* to) {
  for (std::size_t l = 0; l < kPanel; l += 4) {
    for (std::size_t k = 0; k < kPanel; k += 4) {
      Four rows[4];
      for (std::size_t i = 0; i < 4; ++i) {
        std::memcpy(&rows[i], from + (l + i) * stride + k, sizeof(Four));
      }
      const Four low01 = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
      const Four high01 = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
      const Four low23 = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
      const Four high23 = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
      const Four columns[4] = {__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
                               __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
                               __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
                               __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
      for (std::size_t i = 0; i < 4; ++i) {
        std::memcpy(to + (k + i) * kPanel + l, &columns[i], sizeof(Four));
      }
    }
  }
}

}  // namespace

void PackedMatrix::Resize(std::size_t k, std::size_t n) {
  assert(format_ == WeightFormat::kFloat32);
  cells_.Resize(PaddedColumns(n) * k);
  k_ = k;
  n_ = n;
}

void PackedMatrix::Pack(ConstMatrix b) {
  Resize(b.rows, b.columns);
  PackRows(b, 0);
}

void PackedMatrix::PackTransposed(ConstMatrix b) {
  Resize(b.columns, b.rows);
  PackTransposedRows(b, 0);
}

void PackedMatrix::PackRows(ConstMatrix b, std::size_t first) {
  assert(b.columns == n_ && first + b.rows <= k_);
  for (std::size_t j = 0; j < n_; j += kPanel) {
    const std::size_t columns = std::min(kPanel, n_ - j);
    Real* to = cells_.data() + j * k_ + first * kPanel;
    for (std::size_t r = 0; r < b.rows; ++r, to += kPanel) {
      const Real* const from = b.data + r * b.stride + j;
      if (columns == kPanel) {
        std::memcpy(to, from, kPanel * sizeof(Real));  // of known length: no call
      } else {
        std::fill(std::copy_n(from, columns, to), to + kPanel, Real{0});
      }
    }
  }
}

void PackedMatrix::PackTransposedRows(ConstMatrix b, std::size_t first) {
  assert(b.columns == k_ && first + b.rows <= n_);
  // Row r of b becomes one lane of a panel; the rows of one panel are taken together, so that each
  // of its cache lines is written once.
  for (std::size_t r = 0; r < b.rows;) {
    const std::size_t lane = (first + r) % kPanel;
    const std::size_t lanes = std::min(kPanel - lane, b.rows - r);
    Real* panel = cells_.data() + (first + r - lane) * k_;
    std::size_t done = 0;
    if (lanes == kPanel) {
      for (; done + kPanel <= k_; done += kPanel) {
        TransposeBlock(b.data + r * b.stride + done, b.stride, panel + done * kPanel);
      }
    }
    // The lanes past the last column are nobody's: whoever packs that column clears them.
    const bool last = first + r + lanes == n_;
    for (std::size_t k = done; k < k_; ++k) {
      Real* to = panel + k * kPanel;
      for (std::size_t l = 0; l < lanes; ++l) to[lane + l] = b.data[(r + l) * b.stride + k];
      if (last) std::fill(to + lane + lanes, to + kPanel, Real{0});
    }
    r += lanes;
  }
}

Real PackedMatrix::at(std::size_t row, std::size_t column) const {
  const std::size_t cell = (column / kPanel * k_ + row) * kPanel + column % kPanel;
  switch (format_) {
    case WeightFormat::kFloat32:
      break;
    case WeightFormat::kFloat16:
      return static_cast<Real>(FromHalf(CellsAs<std::uint16_t>()[cell]));
    case WeightFormat::kInt8:
      return static_cast<Real>(CellsAs<std::int8_t>()[cell]) * scales_.data()[column];
  }
  return cells_.data()[cell];
}

std::size_t PackedMatrix::bytes() const {
  const std::size_t scales = format_ == WeightFormat::kInt8 ? PaddedColumns(n_) * sizeof(Real) : 0;
  return PaddedColumns(n_) * k_ * CellBytes(format_) + scales;
}

void PackedMatrix::Narrow(WeightFormat format) {
  if (format == WeightFormat::kFloat32) return;
  assert(format_ == WeightFormat::kFloat32);
  const std::size_t count = PaddedColumns(n_) * k_;
  const std::span<const Real> from = {cells_.data(), count};
  const auto too_large = [](Real x) { return std::abs(x) > Real{kGreatestHalf}; };
  if (format == WeightFormat::kFloat16 && std::any_of(from.begin(), from.end(), too_large)) return;
  AlignedBuffer narrow((count * CellBytes(format) + sizeof(Real) - 1) / sizeof(Real));
  if (format == WeightFormat::kFloat16) {
    auto* const to = reinterpret_cast<std::uint16_t*>(narrow.data());
    for (std::size_t i = 0; i < count; ++i) to[i] = ToHalf(static_cast<float>(from[i]));
  } else {
    auto* const to = reinterpret_cast<std::int8_t*>(narrow.data());
    const std::span<Real> scales = scales_.Span(PaddedColumns(n_));
    for (std::size_t column = 0; column < scales.size(); ++column) {
      const std::size_t first = column / kPanel * kPanel * k_ + column % kPanel;
      Real greatest = 0;
      for (std::size_t k = 0; k < k_; ++k) {
        greatest = std::max(greatest, std::abs(from[first + k * kPanel]));
      }
      scales[column] = greatest / 127;
      // A column too small to be divided by is 0.
      const Real inverse = scales[column] > std::numeric_limits<Real>::min() ? 127 / greatest : 0;
      for (std::size_t k = 0; k < k_; ++k) {
        const std::size_t cell = first + k * kPanel;
        to[cell] = static_cast<std::int8_t>(std::lrint(from[cell] * inverse));
      }
    }
  }
  cells_ = std::move(narrow);
  format_ = format;
}

void GemmNn(ConstMatrix x, const PackedMatrix& w, std::span<const Real> bias, Activation activation,
            Matrix y) {
  assert(x.rows == y.rows && x.columns == w.k() && (bias.empty() || bias.size() == w.n()));
  kernels::GemmCall call = CallFor(x, w, y);
  call.bias = bias.empty() ? nullptr : bias.data();
  const bool in_store = SetActivation(activation, call);
  kernels::Active().gemm(call);
  if (!in_store) Activate(activation, y);
}

void GemmNt(ConstMatrix dy, const PackedMatrix& wt, const NtOptions& options, Matrix dx) {
  assert(dy.rows == dx.rows && dy.columns == wt.k());
  kernels::GemmCall call = CallFor(dy, wt, dx);
  const bool in_store = SetOptions(options, call);
  kernels::Active().gemm(call);
  if (!in_store) MultiplyByDerivative(options.activation, options.outputs, dx);
}

void GemmTn(ConstMatrix x, const PackedMatrix& dy, std::size_t first, bool accumulate, Matrix dw) {
  assert(x.rows == dy.k() && first + dw.rows <= x.columns);
  assert(dy.format() == WeightFormat::kFloat32);
  kernels::GemmCall call = CallFor(x, dy, dw);
  call.a = x.data + first;
  call.a_row = 1;
  call.a_k = x.stride;
  call.accumulate = accumulate;
  kernels::Active().gemm(call);
}

void GemmNn(const Windows& x, const PackedMatrix& w, std::span<const Real> bias,
            Activation activation, Matrix y) {
  kernels::WindowCall call = CallFor(x, w, 0, y);
  assert(call.gemm.k == w.k() && (bias.empty() || bias.size() == w.n()));
  call.gemm.bias = bias.empty() ? nullptr : bias.data();
  const bool in_store = SetActivation(activation, call.gemm);
  kernels::Active().window_gemm(call);
  if (!in_store) Activate(activation, y);
}

void GemmNt(const Windows& dy, const PackedMatrix& wt, const NtOptions& options, Matrix dx) {
  kernels::WindowCall call = CallFor(dy, wt, 0, dx);
  assert(call.gemm.k == wt.k());
  const bool in_store = SetOptions(options, call.gemm);
  kernels::Active().window_gemm(call);
  if (!in_store) MultiplyByDerivative(options.activation, options.outputs, dx);
}

void GemmPart(const Windows& a, const PackedMatrix& b, std::size_t first_k, bool accumulate,
              Matrix c) {
  kernels::WindowCall call = CallFor(a, b, first_k, c);
  call.gemm.accumulate = accumulate;
  kernels::Active().window_gemm(call);
}

LATENT_NUMERICS_END

#include "core/nn/gemm.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/isa.h"
#include "core/base/random.h"
#include "core/nn/kernels.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

// A matrix that owns its cells, in rows wider than it is, to catch reads and writes beyond them.
struct Owned {
  Owned(std::size_t rows, std::size_t columns, std::size_t gap = 3)
      : cells(rows * (columns + gap) + 1, -77), view(cells.data(), rows, columns, columns + gap) {}
  Owned(const Owned&) = delete;

  void FillNormals(std::uint64_t seed) {
    for (std::size_t r = 0; r < view.rows; ++r) FillNormal({seed, 0, r}, view.row(r));
  }
  // Small whole numbers, whose products and sums are exact in float.
  void FillIntegers(std::uint64_t seed) {
    for (std::size_t r = 0; r < view.rows; ++r) {
      for (std::size_t c = 0; c < view.columns; ++c) {
        view(r, c) = static_cast<float>(RandomBits({seed, 1, r}, c) % 17) - 8;
      }
    }
  }
  bool GapsUntouched() const {
    for (std::size_t r = 0; r < view.rows; ++r) {
      for (std::size_t c = view.columns; c < view.stride; ++c) {
        if (cells[r * view.stride + c] != -77) return false;
      }
    }
    return cells.back() == -77;
  }

  std::vector<float> cells;
  Matrix view;
};

using Eigen::MatrixXd;

MatrixXd ToEigen(ConstMatrix m) {
  MatrixXd result(m.rows, m.columns);
  for (std::size_t r = 0; r < m.rows; ++r) {
    for (std::size_t c = 0; c < m.columns; ++c) {
      result(static_cast<Eigen::Index>(r), static_cast<Eigen::Index>(c)) = double{m(r, c)};
    }
  }
  return result;
}

// k roundings, each at most 2^-24 of a partial sum of standard normals' products: below 16 sqrt(k).
double ChainTolerance(std::size_t k) {
  return 16 * std::pow(static_cast<double>(k), 1.5) * 0x1p-24;
}

void ExpectNear(ConstMatrix got, const MatrixXd& expected, double tolerance) {
  const double worst = (ToEigen(got) - expected).cwiseAbs().maxCoeff();
  EXPECT_LE(worst, tolerance) << got.rows << " x " << got.columns;
}

bool SameBits(ConstMatrix a, ConstMatrix b) {
  for (std::size_t r = 0; r < a.rows; ++r) {
    if (std::memcmp(a.row(r).data(), b.row(r).data(), a.columns * sizeof(float)) != 0) return false;
  }
  return true;
}

struct Shape {
  std::size_t m, k, n;
};

std::vector<Shape> AllShapes() {
  std::vector<Shape> shapes = {
      {128, 784, 512}, {37, 513, 33}, {1, 784, 512}, {3, 300, 784}, {200, 520, 50}};
  for (std::size_t m = 1; m <= 40; ++m) {
    for (const std::size_t k : {std::size_t{1}, std::size_t{7}, std::size_t{40}}) {
      for (std::size_t n = 1; n <= 40; n += 3) shapes.push_back({m, k, n + m % 3});
    }
  }
  return shapes;
}

TEST(GemmTest, IsExactOnIntegers) {
  for (const auto& [m, k, n] : AllShapes()) {
    Owned x(m, k), w(k, n), y(m, n), wt(n, k), back(m, k), dy(m, n), dw(k, n);
    x.FillIntegers(1);
    w.FillIntegers(2);
    dy.FillIntegers(3);
    PackedMatrix packed;
    packed.Pack(w.view);
    GemmNn(x.view, packed, {}, Activation::kIdentity, y.view);
    ExpectNear(y.view, ToEigen(x.view) * ToEigen(w.view), 0);
    packed.PackTransposed(w.view);
    GemmNt(dy.view, packed, {}, back.view);
    ExpectNear(back.view, ToEigen(dy.view) * ToEigen(w.view).transpose(), 0);
    packed.Pack(dy.view);
    GemmTn(x.view, packed, 0, false, dw.view);
    ExpectNear(dw.view, ToEigen(x.view).transpose() * ToEigen(dy.view), 0);
    EXPECT_TRUE(y.GapsUntouched() && back.GapsUntouched() && dw.GapsUntouched());
    if (HasFailure()) FAIL() << m << " x " << k << " x " << n;
  }
}

TEST(GemmTest, IsNearTheOracleOnNormals) {
  for (const auto& [m, k, n] : AllShapes()) {
    Owned x(m, k), w(k, n), y(m, n);
    x.FillNormals(1);
    w.FillNormals(2);
    PackedMatrix packed;
    packed.Pack(w.view);
    GemmNn(x.view, packed, {}, Activation::kIdentity, y.view);
    ExpectNear(y.view, ToEigen(x.view) * ToEigen(w.view), ChainTolerance(k));
    if (HasFailure()) FAIL() << m << " x " << k << " x " << n;
  }
}

// One chain over k from the bias on: the reference is the definition itself, entry by entry.
TEST(GemmTest, EveryEntryIsOneChain) {
  const bool fused = ActiveIsa() != Isa::kPortable;
  for (const auto& [m, k, n] : AllShapes()) {
    Owned x(m, k), w(k, n), y(m, n);
    std::vector<float> bias(n);
    x.FillNormals(1);
    w.FillNormals(2);
    FillNormal({3, 0, 0}, bias);
    PackedMatrix packed;
    packed.Pack(w.view);
    GemmNn(x.view, packed, bias, Activation::kLeakyRelu, y.view);
    for (std::size_t r = 0; r < m; r += 1 + m / 7) {
      for (std::size_t c = 0; c < n; c += 1 + n / 11) {
        float sum = bias[c];
        for (std::size_t i = 0; i < k; ++i) {
          const float product = x.view(r, i) * w.view(i, c);
          sum = fused ? std::fma(x.view(r, i), w.view(i, c), sum) : sum + product;
        }
        ASSERT_EQ(y.view(r, c), sum > 0 ? sum : 0.01f * sum) << m << ' ' << k << ' ' << n;
      }
    }
  }
}

TEST(GemmTest, RowsHaveTheSameBitsInAnySlice) {
  for (std::uint32_t trial = 0; trial < 200; ++trial) {
    const auto draw = [&](std::uint32_t what, std::uint32_t limit) {
      return 1 + RandomBits({trial, what, 0}, 0) % limit;
    };
    const std::size_t m = draw(0, 70), k = draw(1, 300), n = draw(2, 100);
    Owned x(m, k), w(k, n), y(m, n), sliced(m, n), dx(m, k), dx_sliced(m, k);
    x.FillNormals(trial);
    w.FillNormals(trial + 1000);
    std::vector<float> bias(n, 0.25f);
    PackedMatrix packed, transposed;
    packed.Pack(w.view);
    transposed.PackTransposed(w.view);
    GemmNn(x.view, packed, bias, Activation::kTanh, y.view);
    const NtOptions whole{false, Activation::kSigmoid, x.view};
    GemmNt(y.view, transposed, whole, dx.view);
    for (std::size_t first = 0, count; first < m; first += count) {
      count = std::min<std::size_t>(m - first, draw(3 + static_cast<std::uint32_t>(first), 9));
      const ConstMatrix rows = x.view.slice_rows(first, count);
      GemmNn(rows, packed, bias, Activation::kTanh, sliced.view.slice_rows(first, count));
      GemmNt(y.view.slice_rows(first, count), transposed, {false, Activation::kSigmoid, rows},
             dx_sliced.view.slice_rows(first, count));
    }
    ASSERT_TRUE(SameBits(y.view, sliced.view)) << m << " x " << k << " x " << n;
    ASSERT_TRUE(SameBits(dx.view, dx_sliced.view)) << m << " x " << k << " x " << n;
  }
}

TEST(GemmTest, WeightGradientsHaveTheSameBitsInAnySlice) {
  for (const std::size_t batch : {1u, 17u, 128u, 256u, 257u, 700u}) {
    const std::size_t in = 45, n = 37;
    Owned x(batch, in), dy(batch, n), dw(in, n);
    x.FillNormals(batch);
    dy.FillNormals(batch + 1);
    PackedMatrix packed;
    packed.Pack(dy.view);
    GemmTn(x.view, packed, 0, false, dw.view);
    ExpectNear(dw.view, ToEigen(x.view).transpose() * ToEigen(dy.view), ChainTolerance(batch));
    for (std::size_t first = 0; first < in; ++first) {
      for (const std::size_t count : {std::size_t{1}, std::size_t{4}, in - first}) {
        if (first + count > in) continue;
        Owned slice(count, n);
        GemmTn(x.view, packed, first, false, slice.view);
        ASSERT_TRUE(SameBits(slice.view, dw.view.slice_rows(first, count)));
        ASSERT_TRUE(slice.GapsUntouched());
      }
    }
  }
}

TEST(GemmTest, AccumulatesOntoWhatIsThere) {
  Owned x(300, 20), dy(300, 18), dw(20, 18), dx(300, 20), w(20, 18);
  x.FillIntegers(1);
  dy.FillIntegers(2);
  w.FillIntegers(3);
  dw.FillIntegers(4);
  dx.FillIntegers(5);
  const MatrixXd dw_before = ToEigen(dw.view), dx_before = ToEigen(dx.view);
  PackedMatrix packed;
  packed.Pack(dy.view);
  GemmTn(x.view, packed, 0, true, dw.view);
  ExpectNear(dw.view, dw_before + ToEigen(x.view).transpose() * ToEigen(dy.view), 0);
  packed.PackTransposed(w.view);
  GemmNt(dy.view, packed, {true, Activation::kIdentity, {}}, dx.view);
  ExpectNear(dx.view, dx_before + ToEigen(dy.view) * ToEigen(w.view).transpose(), 0);
}

class EpilogueTest : public ::testing::TestWithParam<Activation> {};
INSTANTIATE_TEST_SUITE_P(Activations, EpilogueTest,
                         ::testing::Values(Activation::kIdentity, Activation::kRelu,
                                           Activation::kLeakyRelu, Activation::kTanh,
                                           Activation::kSigmoid));

TEST_P(EpilogueTest, IsTheSameAsASeparatePass) {
  Owned x(11, 30), w(30, 21), fused(11, 21), separate(11, 21), dx(11, 30), dx_separate(11, 30);
  x.FillNormals(1);
  w.FillNormals(2);
  PackedMatrix packed;
  packed.Pack(w.view);
  GemmNn(x.view, packed, {}, GetParam(), fused.view);
  GemmNn(x.view, packed, {}, Activation::kIdentity, separate.view);
  Activate(GetParam(), separate.view);
  EXPECT_TRUE(SameBits(fused.view, separate.view));
  packed.PackTransposed(w.view);
  GemmNt(fused.view, packed, {false, GetParam(), x.view}, dx.view);
  GemmNt(fused.view, packed, {}, dx_separate.view);
  MultiplyByDerivative(GetParam(), x.view, dx_separate.view);
  EXPECT_TRUE(SameBits(dx.view, dx_separate.view));
}

TEST(GemmTest, CarriesNotANumberThroughRelu) {
  Owned x(2, 3), w(3, 4), y(2, 4);
  x.FillNormals(1);
  w.FillNormals(2);
  x.view(1, 1) = NAN;
  PackedMatrix packed;
  packed.Pack(w.view);
  GemmNn(x.view, packed, {}, Activation::kRelu, y.view);
  EXPECT_FALSE(std::isnan(y.view(0, 0)));
  EXPECT_TRUE(std::isnan(y.view(1, 3)));
}

TEST(PackedMatrixTest, SlicesPackTheSameAsTheWhole) {
  Owned w(37, 29);
  w.FillNormals(1);
  PackedMatrix whole, parts, whole_transposed, parts_transposed;
  whole.Pack(w.view);
  whole_transposed.PackTransposed(w.view);
  parts.Resize(37, 29);
  parts_transposed.Resize(29, 37);
  for (const auto& [first, count] : {std::pair{20, 17}, {0, 5}, {5, 15}}) {
    const auto begin = static_cast<std::size_t>(first);
    const ConstMatrix slice = w.view.slice_rows(begin, static_cast<std::size_t>(count));
    parts.PackRows(slice, begin);
    parts_transposed.PackTransposedRows(slice, begin);
  }
  EXPECT_EQ(std::memcmp(whole.data(), parts.data(), 37 * 32 * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(whole_transposed.data(), parts_transposed.data(), 29 * 48 * sizeof(float)),
            0);
}

TEST(PackedMatrixTest, PadsWithZerosAfterALargerShape) {
  Owned large(8, 16), small(8, 3), y(2, 3), x(2, 8);
  large.FillNormals(1);
  small.FillIntegers(2);
  x.FillIntegers(3);
  PackedMatrix packed;
  packed.Pack(large.view);
  packed.Pack(small.view);
  for (std::size_t lane = 3; lane < 16; ++lane) EXPECT_EQ(packed.data()[lane], 0.0f);
  GemmNn(x.view, packed, {}, Activation::kIdentity, y.view);
  ExpectNear(y.view, ToEigen(x.view) * ToEigen(small.view), 0);
}

class NarrowWeightsTest : public ::testing::TestWithParam<WeightFormat> {
 protected:
  // A narrow operand and one in float32 that holds the numbers it stands for.
  static void Pack(ConstMatrix w, PackedMatrix& narrow, PackedMatrix& wide) {
    narrow.Pack(w);
    narrow.Narrow(GetParam());
    Owned values(w.rows, w.columns);
    for (std::size_t k = 0; k < w.rows; ++k) {
      for (std::size_t j = 0; j < w.columns; ++j) values.view(k, j) = narrow.at(k, j);
    }
    wide.Pack(values.view);
  }
};
INSTANTIATE_TEST_SUITE_P(Formats, NarrowWeightsTest,
                         ::testing::Values(WeightFormat::kFloat16, WeightFormat::kInt8));

// So a row has the same bits in any batch with them, too.
TEST_P(NarrowWeightsTest, MultiplyAsTheNumbersTheyStandFor) {
  for (const auto& [m, k, n] : AllShapes()) {
    Owned x(m, k), w(k, n), narrow_y(m, n), wide_y(m, n);
    x.FillNormals(1);
    w.FillNormals(2);
    const std::vector<float> bias(n, 0.5f);
    PackedMatrix narrow, wide;
    Pack(w.view, narrow, wide);
    GemmNn(x.view, narrow, bias, Activation::kRelu, narrow_y.view);
    GemmNn(x.view, wide, bias, Activation::kRelu, wide_y.view);
    ASSERT_TRUE(SameBits(narrow_y.view, wide_y.view)) << m << " x " << k << " x " << n;
    ASSERT_TRUE(narrow_y.GapsUntouched());
  }
}

TEST_P(NarrowWeightsTest, MultiplyWindowsAsTheNumbersTheyStandFor) {
  for (const std::size_t m : {1u, 3u, 5u, 8u, 21u}) {
    Owned image(40, 40), w(12, 37), narrow_y(m, 37), wide_y(m, 37);
    image.FillNormals(1);
    w.FillNormals(2);
    std::vector<std::size_t> offsets(m);
    for (std::size_t i = 0; i < m; ++i) offsets[i] = 5 * i;
    const Windows windows = {image.view.data, offsets, 3, 4, image.view.stride, 1};
    PackedMatrix narrow, wide;
    Pack(w.view, narrow, wide);
    GemmNn(windows, narrow, {}, Activation::kIdentity, narrow_y.view);
    GemmNn(windows, wide, {}, Activation::kIdentity, wide_y.view);
    ASSERT_TRUE(SameBits(narrow_y.view, wide_y.view)) << m;
    const Windows part = {image.view.data, offsets, 2, 4, image.view.stride, 1};
    GemmPart(part, narrow, 4, true, narrow_y.view);
    GemmPart(part, wide, 4, true, wide_y.view);
    ASSERT_TRUE(SameBits(narrow_y.view, wide_y.view)) << m;
  }
}

TEST_P(NarrowWeightsTest, AreNearTheWeightsAndSmaller) {
  Owned w(300, 50);
  w.FillNormals(1);
  PackedMatrix narrow, wide;
  Pack(w.view, narrow, wide);
  const bool half = GetParam() == WeightFormat::kFloat16;
  EXPECT_EQ(narrow.format(), GetParam());
  EXPECT_EQ(wide.bytes(), 64u * 300 * 4);
  EXPECT_EQ(narrow.bytes(), half ? 64u * 300 * 2 : 64u * 300 + 64 * 4);
  for (std::size_t j = 0; j < 50; ++j) {
    float greatest = 0;
    for (std::size_t k = 0; k < 300; ++k) greatest = std::max(greatest, std::abs(w.view(k, j)));
    for (std::size_t k = 0; k < 300; ++k) {
      // Half a unit in the last of 11 bits; half a step of 127 to the greatest.
      const float bound = half ? std::abs(w.view(k, j)) * 0x1p-11f : greatest / 127 * 0.5001f;
      ASSERT_LE(std::abs(narrow.at(k, j) - w.view(k, j)), bound) << k << ' ' << j;
    }
  }
}

TEST(PackedMatrixTest, KeepsWhatAHalfCannotHoldAsItIs) {
  Owned w(3, 5);
  w.FillNormals(1);
  w.view(1, 2) = 65505;
  PackedMatrix packed;
  packed.Pack(w.view);
  packed.Narrow(WeightFormat::kFloat16);
  EXPECT_EQ(packed.format(), WeightFormat::kFloat32);
  EXPECT_EQ(packed.at(1, 2), 65505);
}

TEST(PackedMatrixTest, ReadsHalvesOfEveryMagnitude) {
  Owned w(1, 6), x(1, 1), y(1, 6);
  std::ranges::copy(std::vector<float>{65504, -65504, 0x1p-24f, -0x1p-24f, 0x1p-14f, 0},
                    w.view.row(0).begin());
  x.view(0, 0) = 1;
  PackedMatrix packed;
  packed.Pack(w.view);
  packed.Narrow(WeightFormat::kFloat16);
  GemmNn(x.view, packed, {}, Activation::kIdentity, y.view);
  EXPECT_TRUE(SameBits(y.view, w.view));
}

// The product of x and w, or of x transposed and w, on one level.
void MultiplyOn(Isa level, ConstMatrix x, bool transposed, const PackedMatrix& w, Matrix y) {
  kernels::GemmCall call{};
  call.a = x.data;
  call.a_row = transposed ? 1 : x.stride;
  call.a_k = transposed ? x.stride : 1;
  call.b = w.data();
  call.panel_rows = call.k = w.k();
  call.c = y.data;
  call.c_row = y.stride;
  call.m = y.rows;
  call.n = y.columns;
  kernels::TableOf(level).gemm(call);
}

class GemmLevelsTest : public ::testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(Levels, GemmLevelsTest, ::testing::Values(Isa::kAvx2, Isa::kAvx512));

TEST_P(GemmLevelsTest, AgreesWithPortableOnIntegersAndNearlyOnNormals) {
  if (!CpuHas(GetParam())) GTEST_SKIP();
  for (const bool whole_numbers : {true, false}) {
    Owned x(23, 70), w(70, 41), other(23, 41), portable(23, 41);
    whole_numbers ? x.FillIntegers(1) : x.FillNormals(1);
    whole_numbers ? w.FillIntegers(2) : w.FillNormals(2);
    PackedMatrix packed;
    packed.Pack(w.view);
    MultiplyOn(GetParam(), x.view, false, packed, other.view);
    MultiplyOn(Isa::kPortable, x.view, false, packed, portable.view);
    ExpectNear(other.view, ToEigen(portable.view), whole_numbers ? 0 : 1e-4);
  }
}

// Both make each entry one chain of fused multiply-adds.
TEST(FusedLevelsTest, AgreeToTheBit) {
  if (!CpuHas(Isa::kAvx512)) GTEST_SKIP();
  for (const auto& [m, k, n] : AllShapes()) {
    Owned x(m, k), xt(k, m), w(k, n), avx2(m, n), avx512(m, n);
    x.FillNormals(1);
    xt.FillNormals(1);
    w.FillNormals(2);
    PackedMatrix packed;
    packed.Pack(w.view);
    for (const bool transposed : {false, true}) {
      const ConstMatrix a = transposed ? xt.view : x.view;
      MultiplyOn(Isa::kAvx2, a, transposed, packed, avx2.view);
      MultiplyOn(Isa::kAvx512, a, transposed, packed, avx512.view);
      ASSERT_TRUE(SameBits(avx2.view, avx512.view)) << m << " x " << k << " x " << n;
    }
  }
}

}  // namespace
}  // namespace latent

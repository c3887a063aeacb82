#include "core/nn/linalg.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/random.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

DoubleMatrix Make(std::size_t rows, std::size_t columns, std::vector<double> cells) {
  DoubleMatrix matrix(rows, columns);
  matrix.cells = std::move(cells);
  return matrix;
}

DoubleMatrix Multiply(const DoubleMatrix& a, const DoubleMatrix& b, bool transpose_b) {
  DoubleMatrix c(a.rows, transpose_b ? b.rows : b.columns);
  for (std::size_t i = 0; i < c.rows; ++i) {
    for (std::size_t j = 0; j < c.columns; ++j) {
      for (std::size_t k = 0; k < a.columns; ++k) {
        c(i, j) += a(i, k) * (transpose_b ? b(j, k) : b(k, j));
      }
    }
  }
  return c;
}

void ExpectNear(const DoubleMatrix& got, const DoubleMatrix& expected, double tolerance) {
  ASSERT_EQ(got.cells.size(), expected.cells.size());
  for (std::size_t i = 0; i < got.cells.size(); ++i) {
    EXPECT_NEAR(got.cells[i], expected.cells[i], tolerance) << "cell " << i;
  }
}

// A A' + I of some numbers, 300 wide: more than two blocks, the last one short.
DoubleMatrix PositiveDefinite(std::size_t n) {
  DoubleMatrix a(n, n);
  FillNormal({.seed = 3}, a.cells);
  DoubleMatrix matrix = Multiply(a, a, true);
  for (std::size_t i = 0; i < n; ++i) matrix(i, i) += 1;
  return matrix;
}

TEST(InvertPositiveDefiniteTest, GivesTheInverseInBlocks) {
  for (const std::size_t n : {1u, 300u}) {
    const DoubleMatrix matrix = PositiveDefinite(n);
    DoubleMatrix factor = matrix, inverse(n, n);
    ThreadPool pool(2);
    const auto take = [&](std::size_t first, MatrixView<const double> rows) {
      for (std::size_t r = 0; r < rows.rows; ++r) {
        for (std::size_t c = 0; c < n; ++c) inverse(first + r, c) = rows(r, c);
      }
    };
    const auto go_on = [] { return absl::OkStatus(); };
    ASSERT_TRUE(InvertPositiveDefinite(factor, &pool, go_on, take).ok());
    DoubleMatrix identity(n, n);
    for (std::size_t i = 0; i < n; ++i) identity(i, i) = 1;
    ExpectNear(Multiply(matrix, inverse, false), identity, 1e-7);
  }
}

TEST(InvertPositiveDefiniteTest, RefusesWhatHasNoInverse) {
  const auto go_on = [] { return absl::OkStatus(); };
  const auto take = [](std::size_t, MatrixView<const double>) { FAIL(); };
  for (const double corner : {-1.0, std::nan("")}) {
    DoubleMatrix matrix = Make(2, 2, {1, 0, 0, corner});
    EXPECT_EQ(InvertPositiveDefinite(matrix, nullptr, go_on, take).code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(InvertPositiveDefiniteTest, StopsWhenAsked) {
  for (const int steps : {0, 1, 2}) {  // of one block: before the factor, before the inverse
    DoubleMatrix matrix = PositiveDefinite(3);
    int asked = 0;
    const auto go_on = [&] {
      return asked++ < steps ? absl::OkStatus() : absl::CancelledError("stopped");
    };
    const auto take = [](std::size_t, MatrixView<const double>) {};
    const absl::Status status = InvertPositiveDefinite(matrix, nullptr, go_on, take);
    EXPECT_EQ(status.ok(), steps == 2) << steps;
  }
}

TEST(MomentsTest, EqualTheDefinition) {
  // Means far from 0 would ruin a one-pass sum of squares in float.
  std::vector<float> cells = {1000, 1, 1002, 2, 1004, 6};
  const Moments moments = MeanAndCovariance({cells.data(), 3, 2});
  EXPECT_EQ(moments.mean, (std::vector<double>{1002, 3}));
  ExpectNear(moments.covariance, Make(2, 2, {8.0 / 3, 10.0 / 3, 10.0 / 3, 14.0 / 3}), 1e-12);
}

TEST(MomentsTest, EqualDirectSumsAtAnyWidth) {
  constexpr std::size_t kRows = 205;  // whole blocks and a short one
  for (const std::size_t columns : {1u, 7u, 24u, 25u, 130u}) {
    std::vector<float> cells(kRows * columns);
    FillNormal({2, 0, 0}, cells);
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] += static_cast<float>(i % columns);
    const ConstMatrix rows(cells.data(), kRows, columns);
    const Moments moments = MeanAndCovariance(rows);
    DoubleMatrix centred(columns, kRows);
    for (std::size_t c = 0; c < columns; ++c) {
      double mean = 0;
      for (std::size_t r = 0; r < kRows; ++r) mean += static_cast<double>(rows(r, c)) / kRows;
      EXPECT_NEAR(moments.mean[c], mean, 1e-10);
      for (std::size_t r = 0; r < kRows; ++r)
        centred(c, r) = static_cast<double>(rows(r, c)) - mean;
    }
    DoubleMatrix covariance = Multiply(centred, centred, true);
    for (double& cell : covariance.cells) cell /= kRows;
    ExpectNear(moments.covariance, covariance, 1e-12);
  }
}

TEST(MomentsTest, HaveTheSameBitsOnAnyNumberOfThreads) {
  std::vector<float> cells(700 * 150);
  FillNormal({1, 0, 0}, cells);
  const ConstMatrix rows(cells.data(), 700, 150);
  const Moments alone = MeanAndCovariance(rows);
  for (const std::size_t threads : {1u, 2u, 3u}) {
    ThreadPool pool(threads);
    const Moments together = MeanAndCovariance(rows, &pool);
    EXPECT_EQ(together.mean, alone.mean);
    EXPECT_EQ(together.covariance.cells, alone.covariance.cells);
  }
  for (std::size_t r = 0; r < 150; ++r) {
    for (std::size_t c = 0; c < r; ++c) {
      ASSERT_EQ(alone.covariance(r, c), alone.covariance(c, r));
      ASSERT_NEAR(alone.covariance(r, c), 0, 0.25);
    }
    ASSERT_NEAR(alone.covariance(r, r), 1, 0.35);
  }
}

TEST(EigenSymmetricTest, RebuildsTheMatrix) {
  std::vector<float> cells(60 * 12);
  FillNormal({1, 0, 0}, cells);
  const DoubleMatrix matrix = MeanAndCovariance({cells.data(), 60, 12}).covariance;
  const auto eigen = EigenSymmetric(matrix);
  ASSERT_TRUE(eigen.ok()) << eigen.status();
  EXPECT_TRUE(std::is_sorted(eigen->values.rbegin(), eigen->values.rend()));
  DoubleMatrix identity(12, 12), scaled(12, 12);
  for (std::size_t i = 0; i < 12; ++i) {
    identity(i, i) = 1;
    for (std::size_t c = 0; c < 12; ++c) scaled(c, i) = eigen->vectors(i, c) * eigen->values[i];
  }
  ExpectNear(Multiply(eigen->vectors, eigen->vectors, true), identity, 1e-12);
  ExpectNear(Multiply(scaled, eigen->vectors, false), matrix, 1e-12);
}

TEST(EigenSymmetricTest, FixesTheSigns) {
  const auto eigen = EigenSymmetric(Make(2, 2, {2, -1, -1, 2}));
  ASSERT_TRUE(eigen.ok());
  EXPECT_NEAR(eigen->values[0], 3, 1e-14);
  EXPECT_NEAR(eigen->values[1], 1, 1e-14);
  EXPECT_GT(*std::max_element(eigen->vectors.cells.begin(), eigen->vectors.cells.begin() + 2), 0.7);
}

TEST(EigenSymmetricTest, RefusesWhatIsNotFinite) {
  const auto eigen = EigenSymmetric(Make(2, 2, {1, 0, NAN, 1}));
  EXPECT_EQ(eigen.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(eigen.status().message().find("row 1, column 0"), std::string::npos);
}

TEST(CholeskyTest, RebuildsTheMatrix) {
  const DoubleMatrix matrix = Make(3, 3, {4, 2, 1, 2, 5, 3, 1, 3, 6});
  const auto lower = CholeskySemidefinite(matrix);
  ASSERT_TRUE(lower.ok());
  ExpectNear(Multiply(*lower, *lower, true), matrix, 1e-14);
  EXPECT_EQ((*lower)(0, 2), 0);
}

TEST(CholeskyTest, TakesSingularMatrices) {
  // Rank 1, with a zero row, and with entry 2 a copy of entry 1.
  const DoubleMatrix matrix = Make(4, 4, {0, 0, 0, 0, 0, 4, 4, 2, 0, 4, 4, 2, 0, 2, 2, 1});
  const auto lower = CholeskySemidefinite(matrix);
  ASSERT_TRUE(lower.ok());
  ExpectNear(Multiply(*lower, *lower, true), matrix, 1e-14);
  const DoubleMatrix zero(3, 3);
  EXPECT_EQ(CholeskySemidefinite(zero)->cells, zero.cells);
}

TEST(CholeskyTest, RefusesWhatIsNotFinite) {
  EXPECT_EQ(CholeskySemidefinite(Make(1, 1, {INFINITY})).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(PrincipalCosinesTest, KnowsAnglesBetweenPlanes) {
  const DoubleMatrix plane = Make(2, 3, {1, 0, 0, 0, 1, 0});
  const DoubleMatrix same_skewed = Make(2, 3, {3, 1, 0, 1, -5, 0});
  const double c = std::cos(0.3), s = std::sin(0.3);
  const DoubleMatrix tilted = Make(2, 3, {1, 0, 0, 0, c, s});
  for (const double cosine : PrincipalCosines(plane, same_skewed)) EXPECT_NEAR(cosine, 1, 1e-12);
  const auto cosines = PrincipalCosines(plane, tilted);
  ASSERT_EQ(cosines.size(), 2u);
  EXPECT_NEAR(cosines[0], 1, 1e-12);
  EXPECT_NEAR(cosines[1], c, 1e-12);
  EXPECT_NEAR(PrincipalCosines(plane, Make(1, 3, {0, 0, 2}))[0], 0, 1e-12);
}

}  // namespace
}  // namespace latent

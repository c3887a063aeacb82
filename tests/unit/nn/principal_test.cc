// Principal axes by every way that leads to them, against the whole decomposition.
#include "core/nn/principal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/base/random.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr auto kGoOn = [] { return absl::OkStatus(); };

// Rows of `rank` directions of falling variance, and a little noise.
std::vector<float> Rows(std::size_t rows, std::size_t columns, std::size_t rank, float noise) {
  std::vector<float> axes(rank * columns), weights(rank), cells(rows * columns);
  FillNormal({.seed = 1}, axes);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::span<float> row = std::span(cells).subspan(r * columns, columns);
    FillNormal({.seed = 2, .sample = r}, row);
    FillNormal({.seed = 3, .sample = r}, weights);
    for (float& cell : row) cell = 5 + noise * cell;
    for (std::size_t k = 0; k < rank; ++k) {
      const float weight = weights[k] / static_cast<float>(k + 1);
      for (std::size_t c = 0; c < columns; ++c) row[c] += weight * axes[k * columns + c];
    }
  }
  return cells;
}

absl::StatusOr<PrincipalAxes> Fit(ConstMatrix rows, std::size_t count, CheckGoesOn check = kGoOn,
                                  ThreadPool* pool = nullptr) {
  const auto read = [&](std::size_t first, std::size_t n) { return rows.slice_rows(first, n); };
  return FitPrincipalAxes(rows.rows, rows.columns, read, count, pool, check);
}

// Mean squared distance of the rows from the plane of the axes.
double Distance(ConstMatrix rows, const PrincipalAxes& fit) {
  double sum = 0;
  std::vector<double> centred(rows.columns);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    for (std::size_t c = 0; c < rows.columns; ++c) {
      centred[c] = static_cast<double>(rows(r, c)) - fit.mean[c];
      sum += centred[c] * centred[c];
    }
    for (std::size_t k = 0; k < fit.axes.rows; ++k) {
      double dot = 0;
      for (std::size_t c = 0; c < rows.columns; ++c) dot += fit.axes(k, c) * centred[c];
      sum -= dot * dot;
    }
  }
  return sum / static_cast<double>(rows.rows);
}

double WorstProduct(const DoubleMatrix& axes) {
  double worst = 0;
  for (std::size_t i = 0; i < axes.rows; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double dot = i == j ? -1 : 0;
      for (std::size_t c = 0; c < axes.columns; ++c) dot += axes(i, c) * axes(j, c);
      worst = std::max(worst, std::abs(dot));
    }
  }
  return worst;
}

TEST(PrincipalAxesTest, OfFewRowsAreThoseOfTheCovariance) {
  const std::vector<float> cells = Rows(30, 70, 12, 0.1f);
  const ConstMatrix rows(cells.data(), 30, 70);
  const auto fit = Fit(rows, 8);
  ASSERT_TRUE(fit.ok()) << fit.status();
  const auto all = EigenSymmetric(MeanAndCovariance(rows).covariance);
  double tail = 0;
  for (std::size_t i = 8; i < 70; ++i) tail += all->values[i];
  EXPECT_NEAR(Distance(rows, *fit) / tail, 1, 1e-9);
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t c = 0; c < 70; ++c) ASSERT_NEAR(fit->axes(i, c), all->vectors(i, c), 1e-7);
  }
}

TEST(PrincipalAxesTest, BeyondTheRankAreMadeUpOrthogonal) {
  const std::vector<float> cells = Rows(10, 40, 3, 0);
  for (const std::size_t rows : {1u, 2u, 10u}) {
    const auto fit = Fit({cells.data(), rows, 40}, 40);
    ASSERT_TRUE(fit.ok()) << fit.status();
    EXPECT_LT(WorstProduct(fit->axes), 1e-12) << rows << " rows";
    EXPECT_NEAR(Distance({cells.data(), rows, 40}, *fit), 0, 1e-9);
  }
}

// What the iteration misses of a large covariance, relative to what must be missed.
struct Large {
  std::size_t rows, columns, rank, count;
  float noise;
};
class LargeTest : public testing::TestWithParam<Large> {};

TEST_P(LargeTest, ReachesTheOptimum) {
  const auto& [n, columns, rank, count, noise] = GetParam();
  const std::vector<float> cells = Rows(n, columns, rank, noise);
  const ConstMatrix rows(cells.data(), n, columns);
  // Tall and narrow, the same rows are solved whole.
  const Moments moments = MeanAndCovariance(rows);
  const auto fit = LeadingEigen(moments.covariance, count, nullptr, kGoOn);
  ASSERT_TRUE(fit.ok()) << fit.status();
  double trace = 0, found = 0;
  for (std::size_t i = 0; i < columns; ++i) trace += moments.covariance(i, i);
  for (const double value : fit->values) found += value;
  const auto few = Fit(rows, count);
  ASSERT_TRUE(few.ok()) << few.status();
  const double least = Distance(rows, *few);
  EXPECT_NEAR((trace - found - least) / trace, 0, 1e-12 + 1e-7 * least / trace);
  EXPECT_LT(WorstProduct(fit->vectors), 1e-10);
}
INSTANTIATE_TEST_SUITE_P(, LargeTest,
                         testing::Values(Large{60, 1100, 20, 8, 0.1f},
                                         // More components than the rows have rank.
                                         Large{20, 1100, 5, 24, 0}, Large{200, 1030, 1, 40, 1.0f}));

TEST(PrincipalAxesTest, StopWhenToldTo) {
  const std::vector<float> cells = Rows(80, 70, 3, 0.1f);
  for (const std::size_t rows : {20u, 80u}) {
    int asked = 0;
    const auto fit = Fit({cells.data(), rows, 70}, 8, [&] {
      return ++asked > 2 ? absl::CancelledError("enough") : absl::OkStatus();
    });
    EXPECT_EQ(fit.status().code(), absl::StatusCode::kCancelled) << rows << " rows";
    EXPECT_LT(asked, 20);
  }
}

TEST(LeadingEigenTest, StopsBetweenItsSteps) {
  const std::vector<float> cells = Rows(4, 1100, 3, 0.1f);
  const Moments moments = MeanAndCovariance({cells.data(), 4, 1100});
  int asked = 0;
  const auto found = LeadingEigen(moments.covariance, 2, nullptr, [&] {
    return ++asked > 5 ? absl::CancelledError("enough") : absl::OkStatus();
  });
  EXPECT_EQ(found.status().code(), absl::StatusCode::kCancelled);
}

TEST(LeadingEigenTest, HasTheSameBitsOnAnyNumberOfThreads) {
  const std::vector<float> cells = Rows(30, 1100, 5, 0.1f);
  const Moments moments = MeanAndCovariance({cells.data(), 30, 1100});
  const auto alone = LeadingEigen(moments.covariance, 4, nullptr, kGoOn);
  ASSERT_TRUE(alone.ok()) << alone.status();
  ThreadPool pool(2);
  EXPECT_EQ(LeadingEigen(moments.covariance, 4, &pool, kGoOn)->vectors.cells, alone->vectors.cells);
}

}  // namespace
}  // namespace latent

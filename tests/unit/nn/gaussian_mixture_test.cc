#include "core/nn/gaussian_mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/base/random.h"

namespace latent {
namespace {

constexpr auto kGoOn = [] { return absl::OkStatus(); };
constexpr double kFloor = 1e-4;

// `rows` points about each of some centres, with correlated noise of deviation about 1.
DoubleMatrix Clouds(const std::vector<std::vector<double>>& centres, std::size_t rows) {
  DoubleMatrix points(centres.size() * rows, centres[0].size());
  for (std::size_t r = 0; r < points.rows; ++r) {
    const std::vector<double>& centre = centres[r % centres.size()];
    const double shared = static_cast<double>(NormalAt({.seed = 5, .sample = r}, 99));
    for (std::size_t c = 0; c < points.columns; ++c) {
      points(r, c) =
          centre[c] + 0.5 * shared + static_cast<double>(NormalAt({.seed = 5, .sample = r}, c));
    }
  }
  return points;
}

// log N(point; mean, covariance) of two columns, by its textbook formula.
double LogNormal2(const DoubleMatrix& points, std::size_t r, double mx, double my,
                  const DoubleMatrix& factor) {
  const double a = factor(0, 0) * factor(0, 0), b = factor(0, 0) * factor(1, 0);
  const double d = factor(1, 0) * factor(1, 0) + factor(1, 1) * factor(1, 1);
  const double x = points(r, 0) - mx, y = points(r, 1) - my, det = a * d - b * b;
  const double square = (d * x * x - 2 * b * x * y + a * y * y) / det;
  return -0.5 * square - 0.5 * std::log(det) - std::log(2 * std::numbers::pi);
}

TEST(GaussianMixtureTest, OneComponentIsTheMeanAndCovariance) {
  const DoubleMatrix points = Clouds({{1, 2, 3}, {4, -2, 0}}, 300);
  const auto fit = FitGaussianMixture(points, 1, kFloor, 1, nullptr, kGoOn);
  ASSERT_TRUE(fit.ok()) << fit.status();
  for (std::size_t i = 0; i < 3; ++i) {
    double mean = 0;
    for (std::size_t r = 0; r < points.rows; ++r) mean += points(r, i);
    mean /= static_cast<double>(points.rows);
    EXPECT_NEAR(fit->mixture.means(0, i), mean, 1e-12);
  }
  const DoubleMatrix& factor = fit->mixture.factors[0];
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      double covariance = 0, product = 0;
      for (std::size_t r = 0; r < points.rows; ++r) {
        covariance += (points(r, i) - fit->mixture.means(0, i)) *
                      (points(r, j) - fit->mixture.means(0, j)) / static_cast<double>(points.rows);
      }
      for (std::size_t k = 0; k < 3; ++k) product += factor(i, k) * factor(j, k);
      EXPECT_NEAR(product, covariance, 1e-12) << i << " " << j;
    }
  }
}

TEST(GaussianMixtureTest, LikelihoodNeverFalls) {
  DoubleMatrix flat = Clouds({{0, 0, 0}, {3, 1, 0}, {1, 4, 2}}, 200);
  // One column says nothing new, so that covariances stand on their floor.
  for (std::size_t r = 0; r < flat.rows; ++r) flat(r, 2) = 2 * flat(r, 0) - flat(r, 1);
  for (const DoubleMatrix& points : {Clouds({{0, 0}, {2, 2}, {0, 3}}, 200), flat}) {
    for (const std::size_t k : {2u, 3u, 7u}) {
      const auto fit = FitGaussianMixture(points, k, kFloor, k, nullptr, kGoOn);
      ASSERT_TRUE(fit.ok()) << fit.status();
      ASSERT_GT(fit->log_likelihoods.size(), 1u);
      for (std::size_t i = 1; i < fit->log_likelihoods.size(); ++i) {
        EXPECT_GE(fit->log_likelihoods[i], fit->log_likelihoods[i - 1] - 1e-8) << k << " " << i;
      }
    }
  }
}

TEST(GaussianMixtureTest, FindsThePlantedMeans) {
  const std::vector<std::vector<double>> centres = {{0, 0}, {9, 0}, {0, 9}};
  const auto fit = FitGaussianMixture(Clouds(centres, 400), 3, kFloor, 3, nullptr, kGoOn);
  ASSERT_TRUE(fit.ok()) << fit.status();
  for (const std::vector<double>& centre : centres) {
    double nearest = 1e9;
    for (std::size_t k = 0; k < 3; ++k) {
      nearest = std::min(nearest, std::hypot(fit->mixture.means(k, 0) - centre[0],
                                             fit->mixture.means(k, 1) - centre[1]));
      EXPECT_NEAR(fit->mixture.weights[k], 1.0 / 3, 0.01);
    }
    EXPECT_LT(nearest, 0.2);
  }
}

TEST(GaussianMixtureTest, LogDensitiesAreThoseOfTheFormula) {
  const DoubleMatrix points = Clouds({{0, 0}, {4, 1}}, 100);
  const auto fit = FitGaussianMixture(points, 2, kFloor, 3, nullptr, kGoOn);
  ASSERT_TRUE(fit.ok()) << fit.status();
  const GaussianMixture& m = fit->mixture;
  const std::vector<double> densities = LogDensities(m, points);
  double sum = 0;
  for (std::size_t r = 0; r < points.rows; ++r) {
    double density = 0;
    for (std::size_t k = 0; k < 2; ++k) {
      density += m.weights[k] *
                 std::exp(LogNormal2(points, r, m.means(k, 0), m.means(k, 1), m.factors[k]));
    }
    EXPECT_NEAR(densities[r], std::log(density), 1e-10);
    sum += densities[r];
  }
  EXPECT_NEAR(fit->log_likelihood(), sum, 1e-8);
}

TEST(GaussianMixtureTest, SameForAnyNumberOfThreads) {
  const DoubleMatrix points = Clouds({{0, 0, 1}, {4, 1, 0}, {2, 2, 2}}, 300);
  const auto alone = FitGaussianMixture(points, 4, kFloor, 3, nullptr, kGoOn);
  ThreadPool pool(3);
  const auto together = FitGaussianMixture(points, 4, kFloor, 3, &pool, kGoOn);
  ASSERT_TRUE(alone.ok() && together.ok());
  EXPECT_EQ(alone->log_likelihoods, together->log_likelihoods);
  EXPECT_EQ(alone->mixture.means.cells, together->mixture.means.cells);
  EXPECT_EQ(alone->mixture.factors[3].cells, together->mixture.factors[3].cells);
}

TEST(GaussianMixtureTest, MakesNoMoreComponentsThanThereArePoints) {
  DoubleMatrix points(6, 1);
  for (std::size_t r = 0; r < 6; ++r) points(r, 0) = r < 3 ? -1 : 1;
  const auto fit = FitGaussianMixture(points, 5, kFloor, 3, nullptr, kGoOn);
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_EQ(fit->mixture.components(), 2u);
}

TEST(GaussianMixtureTest, StopsWhenToldTo) {
  int asked = 0;
  const auto fit = FitGaussianMixture(Clouds({{0, 0}, {1, 1}}, 100), 2, kFloor, 3, nullptr, [&] {
    return ++asked > 1 ? absl::CancelledError("enough") : absl::OkStatus();
  });
  EXPECT_EQ(fit.status().code(), absl::StatusCode::kCancelled);
}

TEST(BayesInformationTest, ChargesLogNForEachParameter) {
  // Two weights that sum to 1, two means of 3, two covariances of 6 free entries.
  EXPECT_EQ(MixtureParameters(2, 3), 1u + 2u * 3u + 2u * 6u);
  EXPECT_NEAR(BayesInformation(-100, 19, 50), 200 + 19 * std::log(50.0), 1e-12);
}

}  // namespace
}  // namespace latent

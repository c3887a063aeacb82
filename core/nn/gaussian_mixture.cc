#include "core/nn/gaussian_mixture.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/nn/eigen_types.h"

namespace latent {
namespace {

// Rows that pass through a component together.
constexpr std::size_t kPieceRows = 256;
constexpr std::size_t kClusterRounds = 10;
// Points that a component must answer for, in sum, to be moved.
constexpr double kLeastPoints = 1e-6;
constexpr double kNothing = -std::numeric_limits<double>::infinity();

void ForPieces(ThreadPool* pool, std::size_t tasks, absl::FunctionRef<void(std::size_t)> fn) {
  if (pool != nullptr) return pool->ParallelFor(tasks, fn);
  for (std::size_t task = 0; task < tasks; ++task) fn(task);
}

std::size_t Pieces(std::size_t rows) { return (rows + kPieceRows - 1) / kPieceRows; }

Eigen::Map<const RowMajor> View(const DoubleMatrix& m, std::size_t first, std::size_t count) {
  return {m.cells.data() + first * m.columns, Index(count), Index(m.columns)};
}

Eigen::Map<const Eigen::RowVectorXd> RowView(const DoubleMatrix& m, std::size_t row) {
  return {m.cells.data() + row * m.columns, Index(m.columns)};
}

// In [0, 1), of 64 bits.
double Uniform(const RandomKey& key) {
  const double high = RandomBits(key, 0), low = RandomBits(key, 1);
  return (high + low * 0x1p-32) * 0x1p-32;
}

double SquaredDistance(const DoubleMatrix& points, std::size_t point, const DoubleMatrix& centres,
                       std::size_t centre) {
  return (RowView(points, point) - RowView(centres, centre)).squaredNorm();
}

// Points, each drawn with a chance in proportion to its squared distance from those before
// (k-means++, Arthur and Vassilvitskii 2007).
DoubleMatrix DrawSeeds(const DoubleMatrix& points, std::size_t wanted, std::uint64_t seed) {
  DoubleMatrix seeds(0, points.columns);
  std::vector<double> distances(points.rows, 1);
  while (seeds.rows < wanted) {
    double total = 0;
    for (const double d : distances) total += d;
    if (!(total > 0)) break;  // every point is a seed by now
    double left = Uniform({.seed = seed, .sample = seeds.rows}) * total;
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < points.rows; ++i) {
      if (!(distances[i] > 0)) continue;
      chosen = i;
      left -= distances[i];
      if (left < 0) break;
    }
    const double* row = points.cells.data() + chosen * points.columns;
    seeds.cells.insert(seeds.cells.end(), row, row + points.columns);
    ++seeds.rows;
    const bool first = seeds.rows == 1;
    for (std::size_t i = 0; i < points.rows; ++i) {
      const double d = SquaredDistance(points, i, seeds, seeds.rows - 1);
      distances[i] = first ? d : std::min(distances[i], d);
    }
  }
  return seeds;
}

std::vector<std::size_t> NearestOf(const DoubleMatrix& points, const DoubleMatrix& centres) {
  std::vector<std::size_t> nearest(points.rows);
  for (std::size_t i = 0; i < points.rows; ++i) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < centres.rows; ++c) {
      const double d = SquaredDistance(points, i, centres, c);
      if (d < least) nearest[i] = c;
      least = std::min(least, d);
    }
  }
  return nearest;
}

// Moves the centres to the means of what is nearest to them; one that is left alone stays.
absl::StatusOr<std::vector<std::size_t>> Cluster(const DoubleMatrix& points, DoubleMatrix centres,
                                                 absl::FunctionRef<absl::Status()> check) {
  std::vector<std::size_t> nearest = NearestOf(points, centres);
  for (std::size_t round = 0; round < kClusterRounds; ++round) {
    LATENT_RETURN_IF_ERROR(check());
    DoubleMatrix sums(centres.rows, centres.columns);
    std::vector<double> counts(centres.rows);
    for (std::size_t i = 0; i < points.rows; ++i) {
      counts[nearest[i]] += 1;
      for (std::size_t c = 0; c < points.columns; ++c) sums(nearest[i], c) += points(i, c);
    }
    for (std::size_t k = 0; k < centres.rows; ++k) {
      if (counts[k] == 0) continue;
      for (std::size_t c = 0; c < centres.columns; ++c) centres(k, c) = sums(k, c) / counts[k];
    }
    std::vector<std::size_t> moved = NearestOf(points, centres);
    if (moved == nearest) break;
    nearest = std::move(moved);
  }
  return nearest;
}

// The factor of `covariance` (lower triangle), its eigenvalues raised to `floor`: the likeliest one
// under that bound.
DoubleMatrix BoundedFactor(const RowMajor& covariance, double floor) {
  const Eigen::Index n = covariance.rows();
  RowMajor less = covariance;
  less.diagonal().array() -= floor;
  RowMajor bounded = covariance;
  if (Eigen::LLT<RowMajor>(less).info() != Eigen::Success) {
    const Eigen::SelfAdjointEigenSolver<RowMajor> eigen(covariance);
    const Eigen::VectorXd values = eigen.eigenvalues().cwiseMax(floor);
    bounded = eigen.eigenvectors() * values.asDiagonal() * eigen.eigenvectors().transpose();
  }
  const RowMajor lower = Eigen::LLT<RowMajor>(bounded).matrixL();
  DoubleMatrix factor(static_cast<std::size_t>(n), static_cast<std::size_t>(n));
  std::copy(lower.data(), lower.data() + lower.size(), factor.cells.begin());
  return factor;
}

// log(weight) + log N of rows first .. first + count - 1, one number each.
void LogTerms(const GaussianMixture& mixture, std::size_t component, const DoubleMatrix& points,
              std::size_t first, std::span<double> terms) {
  const DoubleMatrix& factor = mixture.factors[component];
  const Eigen::Map<const RowMajor> lower = View(factor, 0, factor.rows);
  RowMajor rows = View(points, first, terms.size());
  rows.rowwise() -= RowView(mixture.means, component);
  lower.transpose().triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(rows);
  double constant = std::log(mixture.weights[component]) -
                    0.5 * static_cast<double>(points.columns) * std::log(2 * std::numbers::pi);
  for (std::size_t i = 0; i < factor.rows; ++i) constant -= std::log(factor(i, i));
  for (std::size_t r = 0; r < terms.size(); ++r) {
    terms[r] = constant - 0.5 * rows.row(Index(r)).squaredNorm();
  }
}

// log sum_k exp(terms[k]), and each term's share of that sum in its place.
double Normalise(std::span<double> terms) {
  double greatest = kNothing;
  for (const double term : terms) greatest = std::max(greatest, term);
  double sum = 0;
  for (double& term : terms) sum += term = std::exp(term - greatest);
  for (double& term : terms) term /= sum;
  return greatest + std::log(sum);
}

class Expectation {
 public:
  Expectation(const DoubleMatrix& points, std::size_t components, double floor, ThreadPool* pool)
      : points_(points), floor_(floor), pool_(pool), shares_(points.rows, components) {
    mixture_.weights.resize(components);
    mixture_.means = DoubleMatrix(components, points.columns);
    mixture_.factors.resize(components);
  }

  void Assign(const std::vector<std::size_t>& nearest) {
    for (std::size_t i = 0; i < nearest.size(); ++i) shares_(i, nearest[i]) = 1;
  }

  // The shares that points have in components; the points' log-likelihood.
  double Expect() {
    const std::size_t pieces = Pieces(points_.rows);
    std::vector<double> sums(pieces);
    ForPieces(pool_, pieces, [&](std::size_t piece) {
      const std::size_t first = piece * kPieceRows;
      const std::size_t count = std::min(kPieceRows, points_.rows - first);
      std::vector<double> terms(count);
      for (std::size_t k = 0; k < mixture_.components(); ++k) {
        if (mixture_.weights[k] > 0) {
          LogTerms(mixture_, k, points_, first, terms);
        } else {
          std::fill(terms.begin(), terms.end(), kNothing);
        }
        for (std::size_t r = 0; r < count; ++r) shares_(first + r, k) = terms[r];
      }
      for (std::size_t r = first; r < first + count; ++r) {
        sums[piece] += Normalise({shares_.cells.data() + r * shares_.columns, shares_.columns});
      }
    });
    double sum = 0;
    for (const double part : sums) sum += part;
    return sum;
  }

  // The mixture that is likeliest given those shares.
  void Maximise() {
    ForPieces(pool_, mixture_.components(), [&](std::size_t k) {
      double answered = 0;
      Eigen::RowVectorXd mean = Eigen::RowVectorXd::Zero(Index(points_.columns));
      for (std::size_t i = 0; i < points_.rows; ++i) {
        answered += shares_(i, k);
        mean += shares_(i, k) * RowView(points_, i);
      }
      mixture_.weights[k] = answered / static_cast<double>(points_.rows);
      const bool moves = answered > kLeastPoints;
      if (!moves && mixture_.factors[k].rows > 0) return;
      if (moves) mean /= answered;
      std::copy(mean.data(), mean.data() + mean.size(),
                mixture_.means.cells.data() + k * points_.columns);
      mixture_.factors[k] = BoundedFactor(Covariance(k, mean, moves ? answered : 1), floor_);
    });
  }

  GaussianMixture TakeMixture() { return std::move(mixture_); }

 private:
  RowMajor Covariance(std::size_t k, const Eigen::RowVectorXd& mean, double answered) const {
    RowMajor sums = RowMajor::Zero(mean.size(), mean.size());
    for (std::size_t first = 0; first < points_.rows; first += kPieceRows) {
      const std::size_t count = std::min(kPieceRows, points_.rows - first);
      RowMajor rows = View(points_, first, count);
      rows.rowwise() -= mean;
      for (std::size_t r = 0; r < count; ++r) {
        rows.row(Index(r)) *= std::sqrt(shares_(first + r, k));
      }
      sums.selfadjointView<Eigen::Lower>().rankUpdate(rows.transpose());
    }
    sums.triangularView<Eigen::StrictlyUpper>() = sums.transpose();
    return sums / answered;
  }

  const DoubleMatrix& points_;
  const double floor_;
  ThreadPool* const pool_;
  GaussianMixture mixture_;
  DoubleMatrix shares_;  // [points x components]
};

}  // namespace

absl::StatusOr<MixtureFit> FitGaussianMixture(const DoubleMatrix& points, std::size_t components,
                                              double floor, std::uint64_t seed, ThreadPool* pool,
                                              absl::FunctionRef<absl::Status()> check) {
  const DoubleMatrix seeds = DrawSeeds(points, components, seed);
  LATENT_ASSIGN_OR_RETURN(const std::vector<std::size_t> nearest, Cluster(points, seeds, check));
  Expectation expectation(points, seeds.rows, floor, pool);
  expectation.Assign(nearest);
  expectation.Maximise();
  MixtureFit fit;
  fit.log_likelihoods.push_back(expectation.Expect());
  const double enough = kMixtureGain * static_cast<double>(points.rows);
  // The shares of a single component cannot change.
  for (std::size_t update = 0; seeds.rows > 1 && update < kMixtureUpdates; ++update) {
    LATENT_RETURN_IF_ERROR(check());
    expectation.Maximise();
    const double before = fit.log_likelihood();
    fit.log_likelihoods.push_back(expectation.Expect());
    if (fit.log_likelihood() - before < enough) break;
  }
  LATENT_RETURN_IF_ERROR(check());
  fit.mixture = expectation.TakeMixture();
  return fit;
}

std::vector<double> LogDensities(const GaussianMixture& mixture, const DoubleMatrix& points) {
  std::vector<double> densities(points.rows);
  DoubleMatrix terms(std::min(kPieceRows, points.rows), mixture.components());
  std::vector<double> of_one;
  for (std::size_t first = 0; first < points.rows; first += kPieceRows) {
    of_one.resize(std::min(kPieceRows, points.rows - first));
    std::fill(terms.cells.begin(), terms.cells.end(), kNothing);
    for (std::size_t k = 0; k < mixture.components(); ++k) {
      if (!(mixture.weights[k] > 0)) continue;
      LogTerms(mixture, k, points, first, of_one);
      for (std::size_t r = 0; r < of_one.size(); ++r) terms(r, k) = of_one[r];
    }
    for (std::size_t r = 0; r < of_one.size(); ++r) {
      densities[first + r] = Normalise({terms.cells.data() + r * terms.columns, terms.columns});
    }
  }
  return densities;
}

std::uint64_t MixtureParameters(std::size_t components, std::size_t columns) {
  return components - 1 + components * (columns + columns * (columns + 1) / 2);
}

double BayesInformation(double log_likelihood, std::uint64_t parameters, std::size_t points) {
  return -2 * log_likelihood +
         static_cast<double>(parameters) * std::log(static_cast<double>(points));
}

double MixtureProducts(std::size_t points, std::size_t components, std::size_t columns) {
  const auto n = static_cast<double>(columns);
  return static_cast<double>(points) * static_cast<double>(components) * n * n *
         static_cast<double>(kMixtureUpdates);
}

std::uint64_t MixtureBytes(std::size_t points, std::size_t components, std::size_t columns) {
  const std::uint64_t covariances = 6 * components * columns * columns;
  return (covariances + points * components) * sizeof(double);
}

}  // namespace latent

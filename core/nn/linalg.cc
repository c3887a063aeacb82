#include "core/nn/linalg.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/base/status.h"
#include "core/nn/eigen_types.h"
#include "core/nn/kernels.h"

LATENT_NUMERICS_BEGIN
namespace {

Eigen::Map<const RowMajor> AsEigen(const DoubleMatrix& matrix) {
  return {matrix.cells.data(), Index(matrix.rows), Index(matrix.columns)};
}

// Rows that are centred and summed at a time: the same blocks for any number of threads, and few
// enough that two panels lie in the innermost cache.
constexpr std::size_t kBlockRows = 96;
constexpr std::size_t kPanelColumns = kernels::kProductColumns;
// Panels of a tile of the covariance: a thread's unit of work.
constexpr std::size_t kTilePanels = 5;

void ForEach(ThreadPool* pool, std::size_t tasks, absl::FunctionRef<void(std::size_t)> fn) {
  if (pool != nullptr) return pool->ParallelFor(tasks, fn);
  for (std::size_t task = 0; task < tasks; ++task) fn(task);
}

// Some rows less their mean, in panels of columns, each panel's rows in one piece; columns that
// fill up the last panel are 0.
class CentredRows {
 public:
  explicit CentredRows(std::size_t columns)
      : panels_((columns + kPanelColumns - 1) / kPanelColumns),
        cells_(panels_ * kBlockRows * kPanelColumns) {}

  std::size_t panels() const { return panels_; }
  std::size_t rows() const { return rows_; }
  const double* panel(std::size_t p) const {
    return cells_.data() + p * kBlockRows * kPanelColumns;
  }
  void Take(ConstMatrix block, std::span<const double> mean) {
    rows_ = block.rows;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      double* const to =
          cells_.data() + c / kPanelColumns * kBlockRows * kPanelColumns + c % kPanelColumns;
      for (std::size_t r = 0; r < rows_; ++r) {
        to[r * kPanelColumns] = static_cast<double>(block(r, c)) - mean[c];
      }
    }
  }

 private:
  const std::size_t panels_;
  std::size_t rows_ = 0;
  std::vector<double> cells_;
};

// Adds the rows' products to the tiles on and below the diagonal of `sums`, which has whole panels.
void AddProducts(const CentredRows& centred, ThreadPool* pool, absl::FunctionRef<bool()> stopped,
                 DoubleMatrix& sums) {
  const kernels::Table& table = kernels::Active();
  const auto add = [&](std::size_t p, std::size_t q) {
    for (std::size_t i = 0; i < kPanelColumns; i += kernels::kProductRows) {
      table.add_products(centred.panel(p) + i, centred.panel(q), centred.rows(),
                         &sums(p * kPanelColumns + i, q * kPanelColumns), sums.columns);
    }
  };
  const std::size_t tiles = (centred.panels() + kTilePanels - 1) / kTilePanels;
  ForEach(pool, tiles * tiles, [&](std::size_t task) {
    const std::size_t i = task / tiles * kTilePanels, j = task % tiles * kTilePanels;
    if (j > i || stopped()) return;
    for (std::size_t q = j; q < std::min(j + kTilePanels, centred.panels()); ++q) {
      for (std::size_t p = std::max(i, q); p < std::min(i + kTilePanels, centred.panels()); ++p) {
        add(p, q);
      }
    }
  });
}

}  // namespace

absl::Status CheckFiniteSquare(const DoubleMatrix& matrix) {
  if (matrix.rows != matrix.columns) {
    return absl::InvalidArgumentError("expected a square matrix");
  }
  for (std::size_t i = 0; i < matrix.cells.size(); ++i) {
    if (!std::isfinite(matrix.cells[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat("expected finite entries, got ", matrix.cells[i], " at row ",
                       i / matrix.columns, ", column ", i % matrix.columns));
    }
  }
  return absl::OkStatus();
}

void FixSign(std::span<double> vector) {
  const auto largest = std::max_element(
      vector.begin(), vector.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  if (largest == vector.end() || *largest >= 0) return;
  for (double& entry : vector) entry = -entry;
}

Moments MeanAndCovariance(const RowsView& rows, ThreadPool* pool) {
  std::vector<Real> scratch;
  const auto read = [&](std::size_t first, std::size_t count) {
    return rows.Read(first, count, scratch);
  };
  return MeanAndCovariance(rows.rows, rows.columns, read, pool);
}

Moments MeanAndCovariance(std::size_t rows, std::size_t n, ReadBlock read, ThreadPool* pool) {
  return MeanAndCovariance(rows, n, read, pool, [] { return false; });
}

Moments MeanAndCovariance(std::size_t rows, std::size_t n, ReadBlock read, ThreadPool* pool,
                          absl::FunctionRef<bool()> stopped) {
  const double count = static_cast<double>(rows);
  Moments moments{std::vector<double>(n), DoubleMatrix(n, n)};
  for (std::size_t first = 0; first < rows && !stopped(); first += kBlockRows) {
    const ConstMatrix block = read(first, std::min(kBlockRows, rows - first));
    for (std::size_t r = 0; r < block.rows; ++r) {
      for (std::size_t c = 0; c < n; ++c) moments.mean[c] += static_cast<double>(block(r, c));
    }
  }
  for (double& mean : moments.mean) mean /= count;

  CentredRows centred(n);
  DoubleMatrix sums(centred.panels() * kPanelColumns, centred.panels() * kPanelColumns);
  for (std::size_t first = 0; first < rows && !stopped(); first += kBlockRows) {
    centred.Take(read(first, std::min(kBlockRows, rows - first)), moments.mean);
    AddProducts(centred, pool, stopped, sums);
  }
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c <= r; ++c) {
      moments.covariance(r, c) = moments.covariance(c, r) = sums(r, c) / count;
    }
  }
  return moments;
}

absl::StatusOr<SymmetricEigen> EigenSymmetric(const DoubleMatrix& matrix) {
  LATENT_RETURN_IF_ERROR(CheckFiniteSquare(matrix));
  const std::size_t n = matrix.rows;
  const Eigen::SelfAdjointEigenSolver<RowMajor> solver(AsEigen(matrix));
  if (solver.info() != Eigen::Success) {
    return absl::InternalError("the eigendecomposition did not converge");
  }
  SymmetricEigen result{std::vector<double>(n), DoubleMatrix(n, n)};
  for (std::size_t i = 0; i < n; ++i) {
    const Eigen::Index from = Index(n - 1 - i);  // Eigen's order is ascending
    result.values[i] = solver.eigenvalues()(from);
    for (std::size_t c = 0; c < n; ++c) {
      result.vectors(i, c) = solver.eigenvectors()(Index(c), from);
    }
    FixSign({result.vectors.cells.data() + i * n, n});
  }
  return result;
}

absl::StatusOr<DoubleMatrix> CholeskySemidefinite(const DoubleMatrix& matrix) {
  return CholeskySemidefinite(matrix, [] { return absl::OkStatus(); });
}

absl::StatusOr<DoubleMatrix> CholeskySemidefinite(const DoubleMatrix& matrix,
                                                  absl::FunctionRef<absl::Status()> check) {
  LATENT_RETURN_IF_ERROR(CheckFiniteSquare(matrix));
  const std::size_t n = matrix.rows;
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, matrix(i, i));
  DoubleMatrix lower(n, n);
  for (std::size_t j = 0; j < n; ++j) {
    LATENT_RETURN_IF_ERROR(check());
    double pivot = matrix(j, j);
    for (std::size_t k = 0; k < j; ++k) pivot -= lower(j, k) * lower(j, k);
    if (pivot <= 1e-12 * largest) continue;
    lower(j, j) = std::sqrt(pivot);
    for (std::size_t i = j + 1; i < n; ++i) {
      double sum = matrix(i, j);
      for (std::size_t k = 0; k < j; ++k) sum -= lower(i, k) * lower(j, k);
      lower(i, j) = sum / lower(j, j);
    }
  }
  return lower;
}

namespace {

// Rows of the blocks that a Cholesky factor, and then the inverse, is made in.
constexpr std::size_t kInverseRows = 128;

// Replaces the lower triangle by its factor. One block of columns after another, so that a stop is
// heard in time.
absl::Status FactorInPlace(Eigen::Map<RowMajor> a, absl::FunctionRef<absl::Status()> go_on) {
  const Eigen::Index n = a.rows();
  for (Eigen::Index k = 0; k < n; k += Index(kInverseRows)) {
    LATENT_RETURN_IF_ERROR(go_on());
    const Eigen::Index size = std::min(Index(kInverseRows), n - k);
    const Eigen::Index rest = n - k - size;
    const Eigen::LLT<RowMajor> factor(a.block(k, k, size, size));
    if (factor.info() != Eigen::Success) {
      return absl::InvalidArgumentError("expected a positive definite matrix");
    }
    const RowMajor lower = factor.matrixL();
    a.block(k, k, size, size).triangularView<Eigen::Lower>() = lower;
    if (rest == 0) break;
    auto below = a.block(k + size, k, rest, size);
    lower.transpose().triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(below);
    a.block(k + size, k + size, rest, rest).selfadjointView<Eigen::Lower>().rankUpdate(below, -1.0);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status InvertPositiveDefinite(
    DoubleMatrix& matrix, ThreadPool* pool, absl::FunctionRef<absl::Status()> go_on,
    absl::FunctionRef<void(std::size_t first, MatrixView<const double> rows)> take) {
  LATENT_RETURN_IF_ERROR(CheckFiniteSquare(matrix));
  const Eigen::Index n = Index(matrix.rows);
  const Eigen::Map<RowMajor> a(matrix.cells.data(), n, n);
  LATENT_RETURN_IF_ERROR(FactorInPlace(a, go_on));
  std::atomic<bool> stopped = false;
  const std::size_t blocks = (matrix.rows + kInverseRows - 1) / kInverseRows;
  ForEach(pool, blocks, [&](std::size_t block) {
    if (stopped || !go_on().ok()) {
      stopped = true;
      return;
    }
    const std::size_t first = block * kInverseRows;
    const std::size_t count = std::min(kInverseRows, matrix.rows - first);
    // Columns of the inverse, which are its rows: L^-T L^-1 of unit vectors, whose first `first`
    // entries stay 0 in the first of the two steps.
    Eigen::MatrixXd columns = Eigen::MatrixXd::Zero(n, Index(count));
    columns.block(Index(first), 0, Index(count), Index(count)).setIdentity();
    const Eigen::Index rest = n - Index(first);
    auto lower = columns.bottomRows(rest);
    a.bottomRightCorner(rest, rest).triangularView<Eigen::Lower>().solveInPlace(lower);
    a.transpose().triangularView<Eigen::Upper>().solveInPlace(columns);
    take(first, {columns.data(), count, matrix.rows});
  });
  return stopped ? go_on() : absl::OkStatus();
}

std::vector<double> PrincipalCosines(const DoubleMatrix& a, const DoubleMatrix& b) {
  const auto basis = [](const DoubleMatrix& rows) -> Eigen::MatrixXd {
    const Eigen::HouseholderQR<Eigen::MatrixXd> qr(AsEigen(rows).transpose());
    return qr.householderQ() * Eigen::MatrixXd::Identity(Index(rows.columns), Index(rows.rows));
  };
  const Eigen::MatrixXd overlap = basis(a).transpose() * basis(b);
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(overlap);
  const auto& values = svd.singularValues();
  std::vector<double> cosines(values.data(), values.data() + values.size());
  for (double& cosine : cosines) cosine = std::min(cosine, 1.0);
  return cosines;
}

LATENT_NUMERICS_END

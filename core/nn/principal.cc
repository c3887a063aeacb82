#include "core/nn/principal.h"

#include <atomic>
#include <cmath>
#include <span>
#include <utility>

#include "core/base/status.h"
#include "core/nn/eigen_types.h"

LATENT_NUMERICS_BEGIN
namespace {

constexpr std::size_t kReadRows = 256;
constexpr std::size_t kProductTile = 64;
// Below this share of the greatest eigenvalue an axis that comes from inner products is no longer
// orthogonal to the bit, and below the second it is noise.
constexpr double kSmall = 1e-6;
constexpr double kNone = 1e-13;

// Calls fn for each task unless check ends it.
absl::Status ForTasks(ThreadPool* pool, std::size_t tasks, CheckGoesOn check,
                      absl::FunctionRef<void(std::size_t)> fn) {
  std::atomic<bool> stopped{false};
  const auto task = [&](std::size_t i) {
    if (!stopped.load(std::memory_order_relaxed) && !check().ok()) stopped = true;
    if (!stopped.load(std::memory_order_relaxed)) fn(i);
  };
  if (pool != nullptr) {
    pool->ParallelFor(tasks, task);
  } else {
    for (std::size_t i = 0; i < tasks; ++i) task(i);
  }
  return stopped ? check() : absl::OkStatus();
}

// Rows that are fewer than their columns: eigenvectors u of X X^T give the axes X^T u.
class InnerProducts {
 public:
  InnerProducts(std::size_t rows, std::size_t columns, ThreadPool* pool, CheckGoesOn check)
      : rows_(rows), columns_(columns), pool_(pool), check_(check), mean_(columns) {}

  absl::StatusOr<PrincipalAxes> Fit(ReadBlock read, std::size_t count);

 private:
  absl::Status ReadCentred(ReadBlock read);
  absl::StatusOr<DoubleMatrix> Products() const;
  // Gives every axis unit length and a fixed sign, and makes up those that the rows do not have.
  absl::Status Complete(std::span<const double> values, DoubleMatrix& axes) const;

  const std::size_t rows_, columns_;
  ThreadPool* const pool_;
  const CheckGoesOn check_;
  std::vector<double> mean_;
  RowMajor centred_;
};

absl::Status InnerProducts::ReadCentred(ReadBlock read) {
  centred_.resize(Index(rows_), Index(columns_));
  for (std::size_t first = 0; first < rows_; first += kReadRows) {
    LATENT_RETURN_IF_ERROR(check_());
    const ConstMatrix block = read(first, std::min(kReadRows, rows_ - first));
    for (std::size_t r = 0; r < block.rows; ++r) {
      for (std::size_t c = 0; c < columns_; ++c) {
        const auto cell = static_cast<double>(block(r, c));
        centred_(Index(first + r), Index(c)) = cell;
        mean_[c] += cell;
      }
    }
  }
  for (double& mean : mean_) mean /= static_cast<double>(rows_);
  centred_.rowwise() -= Eigen::Map<const Eigen::RowVectorXd>(mean_.data(), Index(columns_));
  return absl::OkStatus();
}

absl::StatusOr<DoubleMatrix> InnerProducts::Products() const {
  DoubleMatrix products(rows_, rows_);
  Eigen::Map<RowMajor> cells(products.cells.data(), Index(rows_), Index(rows_));
  const std::size_t tiles = (rows_ + kProductTile - 1) / kProductTile;
  LATENT_RETURN_IF_ERROR(ForTasks(pool_, tiles * tiles, check_, [&](std::size_t task) {
    const std::size_t i = task / tiles * kProductTile, j = task % tiles * kProductTile;
    if (j > i) return;
    const Eigen::Index height = Index(std::min(kProductTile, rows_ - i));
    const Eigen::Index width = Index(std::min(kProductTile, rows_ - j));
    cells.block(Index(i), Index(j), height, width).noalias() =
        centred_.middleRows(Index(i), height) * centred_.middleRows(Index(j), width).transpose() /
        static_cast<double>(rows_);
  }));
  for (std::size_t r = 0; r < rows_; ++r) {
    for (std::size_t c = 0; c < r; ++c) products(c, r) = products(r, c);
  }
  return products;
}

absl::Status InnerProducts::Complete(std::span<const double> values, DoubleMatrix& axes) const {
  Eigen::Map<RowMajor> cells(axes.cells.data(), Index(axes.rows), Index(columns_));
  // How much of each unit vector the axes span already.
  Eigen::VectorXd spanned = Eigen::VectorXd::Zero(Index(columns_));
  for (std::size_t i = 0; i < axes.rows; ++i) {
    LATENT_RETURN_IF_ERROR(check_());
    auto axis = cells.row(Index(i));
    const double value = i < values.size() ? values[i] : 0;
    if (value <= kNone * values[0]) {
      Eigen::Index least = 0;
      spanned.minCoeff(&least);
      axis.setZero();
      axis(least) = 1;
    }
    axis.normalize();
    for (int pass = 0; pass < 2 && value <= kSmall * values[0]; ++pass) {
      const Eigen::VectorXd weights = cells.topRows(Index(i)) * axis.transpose();
      axis -= weights.transpose() * cells.topRows(Index(i));
      axis.normalize();
    }
    spanned += axis.cwiseAbs2().transpose();
    FixSign({axes.cells.data() + i * columns_, columns_});
  }
  return absl::OkStatus();
}

absl::StatusOr<PrincipalAxes> InnerProducts::Fit(ReadBlock read, std::size_t count) {
  LATENT_RETURN_IF_ERROR(ReadCentred(read));
  LATENT_ASSIGN_OR_RETURN(const DoubleMatrix products, Products());
  const std::size_t found = std::min(count, rows_);
  LATENT_ASSIGN_OR_RETURN(const SymmetricEigen eigen, LeadingEigen(products, found, pool_, check_));
  PrincipalAxes result{std::move(mean_), DoubleMatrix(count, columns_)};
  Eigen::Map<RowMajor> axes(result.axes.cells.data(), Index(count), Index(columns_));
  const Eigen::Map<const RowMajor> vectors(eigen.vectors.cells.data(), Index(found), Index(rows_));
  const std::size_t tiles = (columns_ + kProductTile - 1) / kProductTile;
  LATENT_RETURN_IF_ERROR(ForTasks(pool_, tiles, check_, [&](std::size_t tile) {
    const Eigen::Index first = Index(tile * kProductTile);
    const Eigen::Index width = std::min(Index(kProductTile), Index(columns_) - first);
    axes.block(0, first, Index(found), width).noalias() =
        vectors * centred_.middleCols(first, width);
  }));
  LATENT_RETURN_IF_ERROR(Complete(eigen.values, result.axes));
  return result;
}

}  // namespace

absl::StatusOr<PrincipalAxes> FitPrincipalAxes(std::size_t rows, std::size_t columns,
                                               ReadBlock read, std::size_t count, ThreadPool* pool,
                                               CheckGoesOn check) {
  if (rows < columns) return InnerProducts(rows, columns, pool, check).Fit(read, count);
  Moments moments = MeanAndCovariance(rows, columns, read, pool, [&] { return !check().ok(); });
  LATENT_ASSIGN_OR_RETURN(SymmetricEigen eigen,
                          LeadingEigen(moments.covariance, count, pool, check));
  return PrincipalAxes{std::move(moments.mean), std::move(eigen.vectors)};
}

std::uint64_t PrincipalAxesBytes(std::uint64_t rows, std::uint64_t columns, std::uint64_t count) {
  const std::uint64_t result = count * columns * sizeof(double);
  const std::uint64_t size = std::min(rows, columns);
  const std::uint64_t eigen = LeadingEigenBytes(size, std::min(size, count));
  if (rows < columns) return result + eigen + (rows * columns + rows * rows) * sizeof(double);
  return result + eigen + 2 * columns * columns * sizeof(double);
}

LATENT_NUMERICS_END

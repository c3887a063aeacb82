#include "core/nn/leading_eigen.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/nn/eigen_types.h"

LATENT_NUMERICS_BEGIN
namespace {

using Columns = Eigen::MatrixXd;

// Vectors that the matrix is applied to at a time.
constexpr Eigen::Index kBlock = 16;
// Rows of the matrix or columns of a basis that are a thread's unit of work.
constexpr Eigen::Index kTile = 64;
constexpr int kMaxRestarts = 300;
// Of the sum of the eigenvalues that are not asked for; the second, of all, is rounding.
constexpr double kTolerance = 1e-8;
constexpr double kRounding = 1e-12;

// Whole blocks, so that a basis fills up from nothing as from what is kept.
Eigen::Index KeptVectors(Eigen::Index count) { return (count + 2 * kBlock - 1) / kBlock * kBlock; }
// Vectors of a basis before it is cut back: kept ones and room for new directions.
Eigen::Index BasisVectors(Eigen::Index size, Eigen::Index count) {
  const Eigen::Index room = std::min(std::max<Eigen::Index>(count, 128), size / 4);
  return KeptVectors(count) + room / kBlock * kBlock;
}

class BlockLanczos {
 public:
  BlockLanczos(const DoubleMatrix& matrix, std::size_t count, ThreadPool* pool, CheckGoesOn check)
      : matrix_(matrix.cells.data(), Index(matrix.rows), Index(matrix.columns)),
        size_(matrix_.rows()),
        count_(Index(count)),
        pool_(pool),
        check_(check),
        trace_(matrix_.trace()),
        basis_(size_, BasisVectors(size_, count_) + kBlock),
        projected_(Columns::Zero(BasisVectors(size_, count_), BasisVectors(size_, count_))),
        coupling_(kBlock, kBlock) {}

  absl::StatusOr<SymmetricEigen> Solve();

 private:
  // Calls fn(first, height) for every tile of 0 .. total - 1 unless check_ ends it.
  absl::Status ForTiles(Eigen::Index total, absl::FunctionRef<void(Eigen::Index, Eigen::Index)> fn);
  // Takes the block after the first used_ vectors into the projection and sets up the next one.
  absl::Status Expand();
  // Makes the columns of `block` orthonormal and orthogonal to the basis, appends them after its
  // first used_ vectors, and leaves in coupling_ what multiplies them to give `block` back.
  void Append(Columns& block);
  void Orthogonalise(Eigen::Ref<Eigen::VectorXd> vector, Eigen::Index against, double* coupled);
  void FillRandom(Eigen::Ref<Eigen::VectorXd> vector);
  // Replaces the basis's first vectors by basis * weights.
  absl::Status Combine(const Columns& weights);
  bool Converged(const Eigen::VectorXd& values, const Columns& vectors) const;

  const Eigen::Map<const RowMajor> matrix_;
  const Eigen::Index size_, count_;
  ThreadPool* const pool_;
  const CheckGoesOn check_;
  const double trace_;
  Columns basis_;      // used_ orthonormal columns, then the next block
  Columns projected_;  // basis^T matrix basis of the used ones
  Columns coupling_;   // matrix * basis = basis * projected_ + next block * coupling_ of the last
  Eigen::Index used_ = 0;
  std::uint64_t drawn_ = 0;
};

absl::Status BlockLanczos::ForTiles(Eigen::Index total,
                                    absl::FunctionRef<void(Eigen::Index, Eigen::Index)> fn) {
  const std::size_t tiles = static_cast<std::size_t>((total + kTile - 1) / kTile);
  std::atomic<bool> stopped{false};
  const auto task = [&](std::size_t tile) {
    if (stopped.load(std::memory_order_relaxed)) return;
    if (!check_().ok()) {
      stopped = true;
      return;
    }
    const Eigen::Index first = Index(tile) * kTile;
    fn(first, std::min(kTile, total - first));
  };
  if (pool_ != nullptr) {
    pool_->ParallelFor(tiles, task);
  } else {
    for (std::size_t tile = 0; tile < tiles; ++tile) task(tile);
  }
  return stopped ? check_() : absl::OkStatus();
}

void BlockLanczos::FillRandom(Eigen::Ref<Eigen::VectorXd> vector) {
  std::vector<double> normals(static_cast<std::size_t>(size_));
  FillNormal({.seed = 1, .sample = drawn_++}, std::span<double>(normals));
  vector = Eigen::Map<const Eigen::VectorXd>(normals.data(), size_);
}

void BlockLanczos::Orthogonalise(Eigen::Ref<Eigen::VectorXd> vector, Eigen::Index against,
                                 double* coupled) {
  // Twice is enough (Kahan).
  for (int pass = 0; pass < 2; ++pass) {
    const Eigen::VectorXd weights = basis_.leftCols(against).transpose() * vector;
    vector.noalias() -= basis_.leftCols(against) * weights;
    if (coupled == nullptr) continue;
    for (Eigen::Index i = used_; i < against; ++i) coupled[i - used_] += weights(i);
  }
}

void BlockLanczos::Append(Columns& block) {
  coupling_.setZero();
  for (Eigen::Index j = 0; j < kBlock; ++j) {
    Eigen::VectorXd vector = block.col(j);
    Orthogonalise(vector, used_ + j, coupling_.col(j).data());
    double norm = vector.norm();
    coupling_(j, j) = norm;
    // Nothing new: the basis holds all that the matrix reaches from it. Another direction will do.
    while (norm <= 1e-14 * trace_) {
      coupling_(j, j) = 0;
      FillRandom(vector);
      Orthogonalise(vector, used_ + j, nullptr);
      norm = vector.norm();
    }
    basis_.col(used_ + j) = vector / norm;
  }
}

absl::Status BlockLanczos::Expand() {
  const Columns block = basis_.middleCols(used_, kBlock);
  Columns product(size_, kBlock);
  LATENT_RETURN_IF_ERROR(ForTiles(size_, [&](Eigen::Index first, Eigen::Index height) {
    product.middleRows(first, height).noalias() = matrix_.middleRows(first, height) * block;
  }));
  const Eigen::Index from = used_;
  used_ += kBlock;
  const auto basis = basis_.leftCols(used_);
  const Columns weights = basis.transpose() * product;
  product.noalias() -= basis * weights;
  projected_.block(0, from, used_, kBlock) = weights;
  projected_.block(from, 0, kBlock, used_) = weights.transpose();
  LATENT_RETURN_IF_ERROR(check_());
  Append(product);
  return absl::OkStatus();
}

absl::Status BlockLanczos::Combine(const Columns& weights) {
  return ForTiles(size_, [&](Eigen::Index first, Eigen::Index height) {
    const Columns rows =
        basis_.block(first, 0, height, weights.rows()) * weights;  // evaluated before it is written
    basis_.block(first, 0, height, weights.cols()) = rows;
  });
}

bool BlockLanczos::Converged(const Eigen::VectorXd& values, const Columns& vectors) const {
  double missed = 0, found = 0;
  for (Eigen::Index i = 0; i < count_; ++i) {
    found += values(i);
    const double residual = (coupling_ * vectors.col(i).tail(kBlock)).norm();
    const double gap = values(i) - values(count_);
    missed += gap > residual ? residual * residual / gap : residual;
  }
  return missed <= kTolerance * std::max(trace_ - found, 0.0) + kRounding * trace_;
}

absl::StatusOr<SymmetricEigen> BlockLanczos::Solve() {
  Columns start(size_, kBlock);
  for (Eigen::Index j = 0; j < kBlock; ++j) FillRandom(start.col(j));
  Append(start);
  for (int restart = 0; restart < kMaxRestarts; ++restart) {
    while (used_ < projected_.rows()) LATENT_RETURN_IF_ERROR(Expand());
    const Eigen::SelfAdjointEigenSolver<Columns> solver(projected_);
    if (solver.info() != Eigen::Success) break;
    const Eigen::VectorXd values = solver.eigenvalues().reverse();  // descending
    const Columns vectors = solver.eigenvectors().rowwise().reverse();
    const bool converged = Converged(values, vectors);
    const Eigen::Index kept = converged ? count_ : KeptVectors(count_);
    const Columns next = basis_.middleCols(used_, kBlock);
    LATENT_RETURN_IF_ERROR(Combine(vectors.leftCols(kept)));
    if (converged) {
      SymmetricEigen result;
      result.values.assign(values.data(), values.data() + count_);
      result.vectors = DoubleMatrix(static_cast<std::size_t>(count_), matrix_.cols());
      Eigen::Map<RowMajor>(result.vectors.cells.data(), count_, size_) =
          basis_.leftCols(count_).transpose();
      return result;
    }
    basis_.middleCols(kept, kBlock) = next;
    used_ = kept;
    projected_.setZero();
    projected_.diagonal().head(kept) = values.head(kept);
  }
  return absl::InternalError("the eigendecomposition did not converge");
}

}  // namespace

absl::StatusOr<SymmetricEigen> LeadingEigen(const DoubleMatrix& matrix, std::size_t count,
                                            ThreadPool* pool, CheckGoesOn check) {
  LATENT_RETURN_IF_ERROR(check());
  if (matrix.rows <= kMaxWholeEigen) {
    LATENT_ASSIGN_OR_RETURN(SymmetricEigen eigen, EigenSymmetric(matrix));
    eigen.values.resize(count);
    eigen.vectors.rows = count;
    eigen.vectors.cells.resize(count * eigen.vectors.columns);
    return eigen;
  }
  LATENT_RETURN_IF_ERROR(CheckFiniteSquare(matrix));
  LATENT_ASSIGN_OR_RETURN(SymmetricEigen eigen, BlockLanczos(matrix, count, pool, check).Solve());
  for (std::size_t i = 0; i < count; ++i) {
    FixSign({eigen.vectors.cells.data() + i * matrix.rows, matrix.rows});
  }
  return eigen;
}

std::uint64_t LeadingEigenBytes(std::uint64_t size, std::uint64_t count) {
  if (size <= kMaxWholeEigen) return 3 * size * size * sizeof(double);
  const auto vectors = static_cast<std::uint64_t>(
      BasisVectors(static_cast<Eigen::Index>(size), static_cast<Eigen::Index>(count)) + kBlock);
  return (size * (vectors + count + 4 * kBlock) + 4 * vectors * vectors) * sizeof(double);
}

LATENT_NUMERICS_END

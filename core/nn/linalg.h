// Linear algebra in double, for what is solved rather than trained: PCA, covariance, subspaces.
// Pure functions; any thread; they allocate. Not for hot paths.
#ifndef LATENT_CORE_NN_LINALG_H_
#define LATENT_CORE_NN_LINALG_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/thread_pool.h"
#include "core/nn/rows_view.h"

LATENT_NUMERICS_BEGIN

// An n x n matrix or k x n basis of doubles that owns its cells, row-major.
struct DoubleMatrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<double> cells;

  DoubleMatrix() = default;
  DoubleMatrix(std::size_t row_count, std::size_t column_count)
      : rows(row_count), columns(column_count), cells(row_count * column_count) {}
  double& operator()(std::size_t r, std::size_t c) { return cells[r * columns + c]; }
  double operator()(std::size_t r, std::size_t c) const { return cells[r * columns + c]; }
};

struct Moments {
  std::vector<double> mean;  // [columns]
  DoubleMatrix covariance;   // [columns x columns], divided by N, symmetric to the bit
};
// Mean and covariance of the rows (at least one), accumulated in double about the mean. The same
// bits with and without a pool, whatever its size. Sparse rows are read a block at a time.
Moments MeanAndCovariance(const RowsView& rows, ThreadPool* pool = nullptr);
// The same of rows that `read` gives: rows first .. first + count - 1, good until the next call. It
// is called for all blocks in order, twice.
using ReadBlock = absl::FunctionRef<ConstMatrix(std::size_t first, std::size_t count)>;
Moments MeanAndCovariance(std::size_t rows, std::size_t columns, ReadBlock read, ThreadPool* pool);
// The same, which gives up soon after `stopped` (any thread, often) says true: what it returns then
// means nothing.
Moments MeanAndCovariance(std::size_t rows, std::size_t columns, ReadBlock read, ThreadPool* pool,
                          absl::FunctionRef<bool()> stopped);

struct SymmetricEigen {
  std::vector<double> values;  // descending
  DoubleMatrix vectors;  // row i is the unit eigenvector of values[i], largest |entry| positive
};
// INVALID_ARGUMENT, naming the first, if an entry is not finite or the matrix not square.
absl::Status CheckFiniteSquare(const DoubleMatrix& matrix);
// Turns a vector about if its entry of largest magnitude is negative.
void FixSign(std::span<double> vector);

// All eigenpairs of a symmetric matrix, from its lower triangle: for small ones, as it cannot be
// stopped (leading_eigen.h). INVALID_ARGUMENT if an entry is not finite.
absl::StatusOr<SymmetricEigen> EigenSymmetric(const DoubleMatrix& matrix);

// Lower triangular L with L L^T = matrix for a symmetric positive semidefinite one: pivots below
// 1e-12 of the largest diagonal entry count as zero and give a zero column, so a singular
// covariance is fine. INVALID_ARGUMENT if an entry is not finite.
absl::StatusOr<DoubleMatrix> CholeskySemidefinite(const DoubleMatrix& matrix);
// The same; `check`, asked once a column, ends it with what it returns.
absl::StatusOr<DoubleMatrix> CholeskySemidefinite(const DoubleMatrix& matrix,
                                                  absl::FunctionRef<absl::Status()> check);

// The inverse of a symmetric positive definite matrix, by Cholesky from its lower triangle, a block
// of rows at a time, so that it is never held whole: take(first, rows) is called once for each
// block, in any order and by any thread of `pool`. Overwrites `matrix`. Asks go_on(), which any
// thread may call, between blocks and ends with its error; INVALID_ARGUMENT if an entry is not
// finite or the matrix is not positive definite.
absl::Status InvertPositiveDefinite(
    DoubleMatrix& matrix, ThreadPool* pool, absl::FunctionRef<absl::Status()> go_on,
    absl::FunctionRef<void(std::size_t first, MatrixView<const double> rows)> take);

// Cosines of the principal angles between the row spaces of a [k x n] and b [l x n], descending, as
// many as the smaller of k and l. Rows need be neither orthogonal nor unit, but independent.
std::vector<double> PrincipalCosines(const DoubleMatrix& a, const DoubleMatrix& b);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_LINALG_H_

// Principal axes of rows, in float64: the leading eigenvectors of their covariance (1/N), from the
// covariance or, of fewer rows than columns, from the rows' inner products. Pure but for the pool
// and the reader; one call at a time.
#ifndef LATENT_CORE_NN_PRINCIPAL_H_
#define LATENT_CORE_NN_PRINCIPAL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/thread_pool.h"
#include "core/nn/leading_eigen.h"
#include "core/nn/linalg.h"

LATENT_NUMERICS_BEGIN

struct PrincipalAxes {
  std::vector<double> mean;  // [columns]
  DoubleMatrix axes;         // [count x columns], orthonormal, largest |entry| of each positive
};

// Whether FitPrincipalAxes takes so many.
constexpr bool CanFitPrincipalAxes(std::size_t rows, std::size_t columns, std::size_t count) {
  const std::size_t size = std::min(rows, columns);
  return count <= columns && CanFindLeading(size, std::min(size, count));
}

// `read` as for MeanAndCovariance. Axes beyond the rows' rank are any that are orthogonal to the
// others. Ends within about a second of `check` saying so, with what it said.
absl::StatusOr<PrincipalAxes> FitPrincipalAxes(std::size_t rows, std::size_t columns,
                                               ReadBlock read, std::size_t count, ThreadPool* pool,
                                               CheckGoesOn check);
// Bytes that it holds at once, the result among them.
std::uint64_t PrincipalAxesBytes(std::uint64_t rows, std::uint64_t columns, std::uint64_t count);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_PRINCIPAL_H_

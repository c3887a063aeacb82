// The greatest eigenpairs of a symmetric matrix: whole decomposition of small ones, block Lanczos
// (thick restart, full reorthogonalisation; Zhou and Saad, doi 10.1137/070688808) of large ones, in
// pieces between which the caller may stop it. The same bits on any number of threads. One call at
// a time on a pool.
#ifndef LATENT_CORE_NN_LEADING_EIGEN_H_
#define LATENT_CORE_NN_LEADING_EIGEN_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/thread_pool.h"
#include "core/nn/linalg.h"

LATENT_NUMERICS_BEGIN

// Up to this size all pairs are found at once, which takes about a second; of larger matrices at
// most kMaxLeading pairs are.
inline constexpr std::size_t kMaxWholeEigen = 1024;
inline constexpr std::size_t kMaxLeading = 512;
constexpr bool CanFindLeading(std::size_t size, std::size_t count) {
  return count <= size && (size <= kMaxWholeEigen || count <= kMaxLeading);
}

// Whether to go on: what it returns ends the work. Called often, from any thread.
using CheckGoesOn = absl::FunctionRef<absl::Status()>;

// The `count` greatest pairs of a positive semidefinite matrix for which CanFindLeading. What the
// pairs miss of the greatest possible sum of eigenvalues is about 1e-8 of the sum of the others.
// INVALID_ARGUMENT if an entry is not finite; INTERNAL if the iteration does not converge.
absl::StatusOr<SymmetricEigen> LeadingEigen(const DoubleMatrix& matrix, std::size_t count,
                                            ThreadPool* pool, CheckGoesOn check);
// Bytes that it holds beside the matrix.
std::uint64_t LeadingEigenBytes(std::uint64_t size, std::uint64_t count);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_LEADING_EIGEN_H_

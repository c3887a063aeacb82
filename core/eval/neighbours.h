// Distances from rows to many points, and who is nearest, by matrix products. Immutable once made;
// any thread.
#ifndef LATENT_CORE_EVAL_NEIGHBOURS_H_
#define LATENT_CORE_EVAL_NEIGHBOURS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/nn/gemm.h"
#include "core/nn/matrix.h"

namespace latent {

class Neighbours {
 public:
  // Copies the points [n x d], n >= 1.
  explicit Neighbours(ConstMatrix points);

  std::size_t size() const { return squared_norms_.size(); }

  // Calls visit(r, squared) for each row r of `queries` [m x d] in order; squared[i] >= 0 is its
  // squared distance from point i, exact to about 1e-6 of the squared norms.
  void ForEach(
      ConstMatrix queries,
      absl::FunctionRef<void(std::size_t row, std::span<const float> squared)> visit) const;
  // Distance of each row from the nearest point; with `leave_out_own`, row r is point r and does
  // not count as its own neighbour (then n >= 2).
  std::vector<double> NearestDistances(ConstMatrix queries, bool leave_out_own = false) const;

 private:
  PackedMatrix points_;
  std::vector<float> squared_norms_;
};

// The label that most of the `neighbours` nearest points have; of equally many, that of the
// nearest. `labels` has one a point.
std::int32_t Vote(std::span<const float> squared, std::span<const std::int32_t> labels,
                  std::size_t neighbours);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_NEIGHBOURS_H_

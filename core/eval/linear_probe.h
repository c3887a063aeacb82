// Multinomial logistic regression: how much of a label a linear map can read from rows. Fitted by
// L-BFGS from zero over all rows, so the same rows give the same probe. Immutable once fitted; any
// thread.
#ifndef LATENT_CORE_EVAL_LINEAR_PROBE_H_
#define LATENT_CORE_EVAL_LINEAR_PROBE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "absl/status/statusor.h"
#include "core/nn/matrix.h"

namespace latent {

class LinearProbe {
 public:
  // Minimises the summed cross-entropy plus half the squared Euclidean norm of the weights (biases
  // are free). rows: [n x d], n >= 1, of about unit scale; classes: n numbers below class_count.
  // CANCELLED if stop was requested.
  static absl::StatusOr<LinearProbe> Fit(ConstMatrix rows, std::span<const std::uint32_t> classes,
                                         std::size_t class_count, std::stop_token stop = {});

  // The likeliest class of a row; of equals the lowest.
  std::uint32_t Predict(std::span<const float> row) const;
  // [d + 1 x classes], row-major; the last row holds the biases.
  const std::vector<double>& weights() const { return weights_; }

 private:
  LinearProbe(std::size_t class_count, std::vector<double> weights)
      : class_count_(class_count), weights_(std::move(weights)) {}

  std::size_t class_count_;
  std::vector<double> weights_;
};

}  // namespace latent

#endif  // LATENT_CORE_EVAL_LINEAR_PROBE_H_

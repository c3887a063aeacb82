// Importance-weighted estimates of -log p(x) under a model with Gaussian codes: with K draws z of
// q(z|x), -log (1/K) sum_k p(x, z_k) / q(z_k|x), which is at least -log p(x) in the mean and falls
// towards it as K grows (arXiv 1509.00519). One thread at a time.
#ifndef LATENT_CORE_EVAL_IMPORTANCE_H_
#define LATENT_CORE_EVAL_IMPORTANCE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "absl/status/statusor.h"
#include "core/eval/mean.h"
#include "core/model/autoencoder.h"
#include "core/nn/matrix.h"
#include "core/nn/rows_view.h"

namespace latent {

// Keeps its memory from call to call.
class ImportanceSampler {
 public:
  // A variational model, which must outlive this; draws >= 1.
  ImportanceSampler(const Autoencoder& model, std::size_t draws, std::uint64_t seed);

  // The estimate of each row in nats, scaled units, summed in float64; nats.size() == rows.rows.
  // Row r's draws are keyed by (seed, first_row + r), whatever else is in `rows`.
  void Run(const LabelledRows& rows, std::size_t first_row, std::span<double> nats);

 private:
  void AddDraw(const LabelledRows& rows, std::size_t first_row, std::size_t draw);

  const Autoencoder& model_;
  const std::size_t draws_;
  const std::uint64_t seed_;
  Workspace workspace_;
  std::vector<float> mean_, sigma_, codes_;
  std::vector<double> nats_;            // of one draw
  std::vector<double> greatest_, sum_;  // of the weights: sum_k exp(log w_k - greatest)
};

// Mean and standard error over rows (those of the rows, not of the draws), computed by `threads`
// threads, on which it does not depend. CANCELLED if `stop` was requested.
absl::StatusOr<Mean> ImportanceNll(const Autoencoder& model, const RowsView& rows,
                                   std::size_t draws, std::uint64_t seed, std::size_t threads,
                                   const std::stop_token& stop);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_IMPORTANCE_H_

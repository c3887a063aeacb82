// The objective at beta = 1 on rows that are not trained on: what early stopping looks at. One call
// at a time; the result does not depend on the threads. Not its job: all other metrics (core/eval).
#ifndef LATENT_CORE_TRAIN_VALIDATION_H_
#define LATENT_CORE_TRAIN_VALIDATION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/eval/importance.h"
#include "core/model/autoencoder.h"
#include "core/nn/rows_view.h"

namespace latent {

class ValidationPass {
 public:
  // Rows in dataset units; they must outlive this.
  explicit ValidationPass(const RowsView& rows) : rows_(rows), nats_(rows.rows) {}

  // Mean over the rows of -log p(x|z) + KL in nats, scaled units, without noise or penalties.
  // Gaussian latents draw one z a row, keyed by (seed, row); deterministic ones use the code.
  // Models that train on the importance-weighted bound are judged by it, with as many draws.
  double Objective(const Autoencoder& model, std::uint64_t seed, ThreadPool& pool);

 private:
  struct Scratch {
    Workspace workspace;
    std::vector<Real> cells, codes, sigma;
    std::vector<double> kl;
    std::optional<ImportanceSampler> importance;
  };
  void Chunk(const Autoencoder& model, std::uint64_t seed, std::size_t first, std::size_t count,
             Scratch& scratch);

  RowsView rows_;
  std::vector<double> nats_;  // one a row, so that the sum runs in row order
  std::vector<Scratch> scratch_;
};

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_VALIDATION_H_

// What computes figures from one pass of a model over rows: each collector sees every batch once,
// in row order, and adds its figures at the end. One thread at a time.
#ifndef LATENT_CORE_EVAL_COLLECTOR_H_
#define LATENT_CORE_EVAL_COLLECTOR_H_

#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "absl/status/status.h"
#include "core/data/dataset.h"
#include "core/eval/metric_table.h"
#include "core/model/autoencoder.h"

namespace latent {

inline constexpr std::size_t kEvaluationBatchRows = 256;

// What every figure is computed from.
struct EvaluationInput {
  const Autoencoder& model;
  const Dataset& data;
  v1::Part part;  // the rows that figures are reported on
  std::stop_token stop;

  // As the model takes them: NaN where a cell has no value, if it leaves those out.
  RowsView rows() const { return rows(part); }
  RowsView rows(v1::Part of) const { return RowsFor(model.spec(), data, of); }
  // OK, or CANCELLED.
  absl::Status CheckStop() const;
};

// The square of the range that PSNR refers to: 1 for data in [0, 1].
double SquaredRange(const DatasetInfo& info);
bool LiesInUnitInterval(const DatasetInfo& info);

// A part of the evaluated rows with the model's answers.
struct EvaluationBatch {
  std::size_t first_row = 0;
  LabelledRows rows;
  MatrixView<const float> codes;  // means
  MatrixView<const float> sigma;  // Gaussian codes only
  std::span<const double> squared_error;
  std::span<const double> reconstruction_nats;  // at the mean code
  std::span<const double> kl;                   // Gaussian codes only
};

class Collector {
 public:
  virtual ~Collector() = default;
  virtual void Observe(const EvaluationBatch& batch) = 0;
  virtual void AddTo(MetricList& metrics) const = 0;
};

// test_mse_per_element, test_sse_per_row, psnr_db, r2, nll.
std::unique_ptr<Collector> ReconstructionCollector(const EvaluationInput& input);
// neg_elbo, reconstruction_nats, kl_nats, rate_bits, bits_per_dim; for Gaussian codes.
std::unique_ptr<Collector> BoundCollector(const EvaluationInput& input);
// code_l0, code_density, dead_units, active_units.
std::unique_ptr<Collector> CodeCollector(const EvaluationInput& input);
// code_bits_indices, indices_entropy_bits, codebook_perplexity, codebook_unused; for
// vector-quantised codes.
std::unique_ptr<Collector> CodebookCollector(const EvaluationInput& input,
                                             const Codebook& codebook);

// One pass over the input's rows. CANCELLED if asked to stop.
absl::Status Collect(const EvaluationInput& input,
                     std::span<const std::unique_ptr<Collector>> collectors);

// Figures that need passes of their own; CANCELLED if asked to stop.
// test_iwae_nll, of Gaussian codes, as the plan asks for it.
absl::Status AddImportance(const EvaluationInput& input, const v1::TrainingSpec& training,
                           MetricList& metrics);
// noisy_psnr_db, denoised_psnr_db.
absl::Status AddDenoising(const EvaluationInput& input, MetricList& metrics);
// ssim.
absl::Status AddSimilarity(const EvaluationInput& input, MetricList& metrics);
// recall_at_20, recall_at_50, ndcg_at_100, popularity_ndcg_at_100.
absl::Status AddRanking(const EvaluationInput& input, MetricList& metrics);
// imputation_rmse, imputation_accuracy and what mean and mode reach; of models that take missing
// cells.
absl::Status AddImputation(const EvaluationInput& input, MetricList& metrics);
// float16_weights_code_error, float16_weights_reconstruction_error and those of int8.
absl::Status AddServingWeights(const EvaluationInput& input, MetricList& metrics);
// auroc, average_precision.
absl::Status AddAnomalyDetection(const EvaluationInput& input, MetricList& metrics);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_COLLECTOR_H_

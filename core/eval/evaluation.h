// Every figure that is stored with a version. Names live in one table (metric_table.h); each figure
// states its unit, part, direction and, for means over rows, its standard error.
#ifndef LATENT_CORE_EVAL_EVALUATION_H_
#define LATENT_CORE_EVAL_EVALUATION_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/autoencoder.h"
#include "core/model/code_format.h"
#include "latent/v1/spec.pb.h"

namespace latent {

struct Evaluation {
  std::vector<v1::Metric> metrics;
  // Scores of the VALIDATION rows (of TRAIN without any), ascending, thinned to at most 10001
  // quantiles: what percentiles are looked up in.
  std::vector<double> score_quantiles;
  double anomaly_threshold = 0;  // the plan's quantile of them
  CodeScales code_scales;        // of INT8 codes; empty for versions made before there were any
};

// Computes everything of the metric table that applies to the model and is defined, on the TEST
// rows (without any, the VALIDATION rows; without those, TRAIN), in float64 and row order, by the
// same draws and noise for every model. A resolved plan; a dataset with TRAIN rows. CANCELLED if
// `stop` was requested.
absl::StatusOr<Evaluation> Evaluate(const Autoencoder& model, const v1::TrainingPlan& plan,
                                    const Dataset& data, std::stop_token stop);

// The metrics alone, e.g. on data that the model was not trained on: fits what it fits (principal
// components, probes) to that data's own TRAIN rows. `scales` are the version's; with empty ones
// nothing is said of INT8 codes. CANCELLED if `stop` was requested.
absl::StatusOr<std::vector<v1::Metric>> ComputeMetrics(const Autoencoder& model,
                                                       const v1::TrainingPlan& plan,
                                                       const Dataset& data,
                                                       const CodeScales& scales,
                                                       std::stop_token stop);

// Bytes that Evaluate holds at once, beside model and dataset; an estimate. A resolved plan.
std::uint64_t EvaluationBytes(const v1::TrainingPlan& plan);

// The validation objective, of elbo at beta = 1 (nats a row; lower is better) of `model` on `part`:
// what early stopping, IF_BETTER and reports share. Gaussian latents use one draw a row, keyed by
// `seed`. The part must have rows.
double ValidationObjective(const Autoencoder& model, const Dataset& data, v1::Part part,
                           std::uint64_t seed);

// The figure called `name`; NOT_FOUND lists what there is.
absl::StatusOr<v1::Metric> FindMetric(const std::vector<v1::Metric>& metrics,
                                      const std::string& name);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_EVALUATION_H_

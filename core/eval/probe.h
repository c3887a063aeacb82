// Figures of how much of the labels can be read from codes. Free functions; one thread a call.
#ifndef LATENT_CORE_EVAL_PROBE_H_
#define LATENT_CORE_EVAL_PROBE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "core/eval/collector.h"
#include "core/eval/metric_table.h"
#include "core/eval/pca_baseline.h"

namespace latent {

// knn5_{code,raw,pca}_accuracy and linear_{code,raw,pca}_accuracy, of data with labels. CANCELLED
// if asked to stop.
absl::Status AddProbes(const EvaluationInput& input, const std::optional<PcaBasis>& basis,
                       MetricList& metrics);
// Bytes that AddProbes holds at once.
std::uint64_t ProbeBytes(const v1::TrainingPlan& plan);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_PROBE_H_

// Principal components of the TRAIN rows, as many as a code has entries: the linear control of
// figures. Immutable once fitted; any thread.
#ifndef LATENT_CORE_EVAL_PCA_BASELINE_H_
#define LATENT_CORE_EVAL_PCA_BASELINE_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "core/eval/collector.h"
#include "core/eval/sample.h"
#include "core/nn/principal.h"

namespace latent {

// Rows of more columns have no controls: they would take longer than a job's evaluation should.
inline constexpr std::size_t kMaxControlColumns = 2048;

using PcaBasis = PrincipalAxes;  // in dataset units

// nullopt above kMaxControlColumns, for fewer than 2 TRAIN rows, or where FitPrincipalAxes does not
// take so many. Fitted to evenly spaced rows
// where there are very many; with `threads` threads. CANCELLED if asked to stop.
absl::StatusOr<std::optional<PcaBasis>> FitPcaBasis(const EvaluationInput& input,
                                                    std::size_t threads);

// Bytes that FitPcaBasis holds at once.
std::uint64_t PcaBasisBytes(const v1::TrainingPlan& plan);

// pca_test_mse_per_element, pca_r2.
absl::Status AddPcaBaseline(const EvaluationInput& input, const PcaBasis& basis,
                            MetricList& metrics);
// Components of the rows that CodeSample takes.
absl::StatusOr<Sample> PcaSample(const EvaluationInput& input, const PcaBasis& basis, v1::Part part,
                                 std::size_t most);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_PCA_BASELINE_H_

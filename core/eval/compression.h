// What codes cost and lose in fewer bits. Free functions; one thread a call.
#ifndef LATENT_CORE_EVAL_COMPRESSION_H_
#define LATENT_CORE_EVAL_COMPRESSION_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "core/eval/collector.h"
#include "core/model/code_format.h"

namespace latent {

// Of the codes of at most 20000 evenly spaced TRAIN rows. CANCELLED if asked to stop.
absl::StatusOr<CodeScales> FitScales(const EvaluationInput& input);
// Bytes that it holds at once.
std::uint64_t CodeScaleBytes(const v1::TrainingPlan& plan);

// code_bits_{float32,float16,int8}, {float16,int8}_mse_per_element, int8_entropy_bits; with empty
// `scales` without what is of INT8.
std::unique_ptr<Collector> CompressionCollector(const EvaluationInput& input, CodeScales scales);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_COMPRESSION_H_

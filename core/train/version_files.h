// The files of a published version and what they mean: model.safetensors (weights and sampler),
// plan.json (the resolved plan), metrics.json (figures, score quantiles, anomaly threshold, scales
// of INT8 codes), optimizer.safetensors where the plan keeps the optimiser's state (for warm starts
// alone, see optimizer_state.h), and vocabulary.json (the columns' names, in order) where columns
// have names, which is for readers elsewhere: the plan holds them, too. Free functions; any thread.
// Not its job: where a version stands and whether its hashes hold (core/store).
#ifndef LATENT_CORE_TRAIN_VERSION_FILES_H_
#define LATENT_CORE_TRAIN_VERSION_FILES_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/eval/evaluation.h"
#include "core/model/autoencoder.h"
#include "core/model/sampler.h"
#include "latent/v1/spec.pb.h"

namespace latent {

inline constexpr char kWeightsFile[] = "model.safetensors";
inline constexpr char kPlanFile[] = "plan.json";
inline constexpr char kMetricsFile[] = "metrics.json";
inline constexpr char kVocabularyFile[] = "vocabulary.json";
inline constexpr char kOptimizerFile[] = "optimizer.safetensors";
// Format of metrics.json that this build writes; it reads this and every earlier one.
inline constexpr std::uint32_t kMetricsFormatVersion = 1;

std::string EvaluationToJson(const Evaluation& evaluation);
// FAILED_PRECONDITION, reason METRICS_FORMAT, naming both format versions, if a newer build wrote
// it; DATA_LOSS if the text is not what was written.
absl::StatusOr<Evaluation> ParseEvaluation(std::string_view json);

struct VersionContent {
  v1::TrainingPlan plan;
  std::unique_ptr<const Autoencoder> model;
  std::unique_ptr<const Sampler> sampler;
  Evaluation evaluation;
  TensorFile optimizer;  // empty if not kept; ReadVersion leaves it where it is
};

// Name to bytes of every file.
std::map<std::string, std::string> VersionToFiles(const VersionContent& content);
// Reads them back from a directory. NOT_FOUND for a missing file, DATA_LOSS or FAILED_PRECONDITION
// for one that is not as it should be; messages name the file. Blocks on files.
absl::StatusOr<VersionContent> ReadVersion(const std::string& directory);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_VERSION_FILES_H_

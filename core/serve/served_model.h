// A published version in memory, ready to answer: weights, sampler, score quantiles and plan.
// Immutable; held and pinned as shared_ptr<const ServedModel> by the cache and by every call in
// flight, from any thread. Not its job: which version a name means (core/store/registry), when to
// load it (model_cache.h), batching (batch.h).
#ifndef LATENT_CORE_SERVE_SERVED_MODEL_H_
#define LATENT_CORE_SERVE_SERVED_MODEL_H_

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/autoencoder.h"
#include "core/model/code_format.h"
#include "core/model/condition.h"
#include "core/model/sampler.h"
#include "core/train/version_files.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// Names one version of one model.
struct VersionKey {
  std::string model;
  std::uint64_t version = 0;
  // clang-tidy takes the 0 of the generated comparison for a null pointer.
  auto operator<=>(const VersionKey&) const = default;  // NOLINT(modernize-use-nullptr)
};

class ServedModel {
 public:
  // Reads a version's directory (whose hashes the caller has verified) and runs one row through the
  // model, so that the first call finds it warm. `latent_space_id` as the registry has it; empty if
  // it is to be computed, which reads half of the weights once more. It does not depend on
  // `weights`, the format that weights are held in. Blocks on files. Errors name the file at fault.
  static absl::StatusOr<std::shared_ptr<const ServedModel>> Load(
      VersionKey key, const std::string& directory, std::string latent_space_id = "",
      WeightFormat weights = WeightFormat::kFloat32);
  // From parts; the same warm-up. FAILED_PRECONDITION if the warm-up row yields a number that is
  // not finite.
  static absl::StatusOr<std::shared_ptr<const ServedModel>> Make(
      VersionKey key, VersionContent content, std::string latent_space_id = "",
      WeightFormat weights = WeightFormat::kFloat32);

  const VersionKey& key() const { return key_; }
  // "digits version 3", for messages.
  std::string DebugName() const;
  const std::string& latent_space_id() const { return latent_space_id_; }
  const v1::TrainingPlan& plan() const { return content_.plan; }
  const Autoencoder& model() const { return *content_.model; }
  const Condition& condition() const { return condition_; }
  const Sampler& sampler() const { return *content_.sampler; }
  const std::vector<v1::Metric>& metrics() const { return content_.evaluation.metrics; }
  // Of INT8 codes; empty for versions made before there were any.
  const CodeScales& code_scales() const { return content_.evaluation.code_scales; }
  // Score, in nats, above which a row is an anomaly unless the call says otherwise.
  double anomaly_threshold() const { return content_.evaluation.anomaly_threshold; }
  // Share of VALIDATION rows that score less than `score`, 0 to 100.
  double Percentile(double score) const;
  bool trained_with_corruption() const { return trained_with_corruption_; }
  // The column of that name; of the decimal number `name` where columns have no names. Of equal
  // names the lowest column's.
  std::optional<std::uint32_t> ColumnOf(std::string_view name) const;
  // The name of a column, or its decimal number.
  std::string ColumnName(std::uint32_t column) const;
  // Bytes it is expected to hold.
  std::uint64_t bytes() const { return bytes_; }

 private:
  ServedModel(VersionKey key, VersionContent content, std::string latent_space_id);

  const VersionKey key_;
  const VersionContent content_;
  const std::string latent_space_id_;
  const bool trained_with_corruption_;
  const Condition condition_;
  // Into the plan's names; empty where columns have none.
  const std::unordered_map<std::string_view, std::uint32_t> columns_by_name_;
  const std::uint64_t bytes_;
};

}  // namespace latent

#endif  // LATENT_CORE_SERVE_SERVED_MODEL_H_

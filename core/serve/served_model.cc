#include "core/serve/served_model.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/model/corruption.h"
#include "core/model/model_file.h"

namespace latent {
namespace {

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// One row, the training rows' mean, through everything that calls can ask for.
absl::Status WarmUp(const Autoencoder& model) {
  std::vector<float> row(model.column_means().begin(), model.column_means().end());
  std::vector<float> code(model.latent_dim()), back(model.columns()), decoded(model.columns());
  double score = 0;
  ForwardOutputs outputs;
  outputs.codes = {code.data(), 1, code.size()};
  outputs.reconstruction = {back.data(), 1, back.size()};
  outputs.score = {&score, 1};
  Workspace workspace;
  const std::int32_t label =
      IsConditional(model.spec()) ? model.spec().condition().label().classes(0).label() : 0;
  const LabelView labels(std::span(&label, 1));
  model.Forward({ConstMatrix(row.data(), 1, row.size()), labels}, outputs, workspace);
  const Matrix answer = {decoded.data(), 1, decoded.size()};
  if (model.latent_dim() > 0) model.Decode({outputs.codes, labels}, answer, workspace);
  if (AllFinite(code) && AllFinite(back) && AllFinite(decoded) && std::isfinite(score)) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "MODEL_NOT_FINITE",
                   "the model answers the mean of its training rows with numbers that are not "
                   "finite");
}

std::unordered_map<std::string_view, std::uint32_t> ColumnsByName(const v1::DatasetSchema& data) {
  std::unordered_map<std::string_view, std::uint32_t> columns;
  columns.reserve(static_cast<std::size_t>(data.column_names_size()));
  for (int c = 0; c < data.column_names_size(); ++c) {
    columns.emplace(data.column_names(c), static_cast<std::uint32_t>(c));
  }
  return columns;
}

// What a name costs in a hash table: node, key, value and slot.
constexpr std::uint64_t kBytesOfName = 48;

std::uint64_t BytesOf(const VersionContent& content) {
  // Statistics and scaling: some ten numbers a column, half of them doubles.
  constexpr std::uint64_t kBytesOfColumn = 64;
  TensorFile sampler;
  content.sampler->AddTensors(sampler);
  // What of a plan may be large; its labels are small, and maps of an instrumented build are not as
  // an uninstrumented protobuf library expects them.
  const v1::TrainingPlan& plan = content.plan;
  std::uint64_t bytes = content.model->weight_bytes() + plan.data().SpaceUsedLong() +
                        plan.architecture().SpaceUsedLong() + plan.training().SpaceUsedLong() +
                        content.model->columns() * kBytesOfColumn +
                        content.evaluation.score_quantiles.size() * sizeof(double);
  for (const auto& [name, tensor] : sampler.tensors) bytes += tensor.values.size() * sizeof(float);
  for (const v1::Metric& metric : content.evaluation.metrics) bytes += metric.SpaceUsedLong();
  return bytes;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ServedModel>> ServedModel::Load(VersionKey key,
                                                                     const std::string& directory,
                                                                     std::string latent_space_id,
                                                                     WeightFormat weights) {
  LATENT_ASSIGN_OR_RETURN(VersionContent content, ReadVersion(directory));
  return Make(std::move(key), std::move(content), std::move(latent_space_id), weights);
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ServedModel::Make(VersionKey key,
                                                                     VersionContent content,
                                                                     std::string latent_space_id,
                                                                     WeightFormat weights) {
  if (latent_space_id.empty()) latent_space_id = content.model->LatentSpaceId();
  if (weights != WeightFormat::kFloat32) {
    if (auto narrowed = content.model->Narrowed(weights)) content.model = std::move(narrowed);
  }
  LATENT_RETURN_IF_ERROR(WarmUp(*content.model));
  return std::shared_ptr<const ServedModel>(
      new ServedModel(std::move(key), std::move(content), std::move(latent_space_id)));
}

ServedModel::ServedModel(VersionKey key, VersionContent content, std::string latent_space_id)
    : key_(std::move(key)),
      content_(std::move(content)),
      latent_space_id_(std::move(latent_space_id)),
      trained_with_corruption_(ChangesRows(content_.plan.architecture().corruption())),
      condition_(content_.plan.architecture().condition()),
      columns_by_name_(ColumnsByName(content_.plan.data())),
      bytes_(sizeof(*this) + BytesOf(content_) + columns_by_name_.size() * kBytesOfName) {}

std::string ServedModel::DebugName() const {
  return absl::StrCat(key_.model, " version ", key_.version);
}

std::optional<std::uint32_t> ServedModel::ColumnOf(std::string_view name) const {
  if (columns_by_name_.empty()) {
    std::uint32_t column = 0;
    const auto end = std::from_chars(name.data(), name.data() + name.size(), column);
    const bool whole = end.ec == std::errc() && end.ptr == name.data() + name.size();
    return whole && column < model().columns() ? std::optional(column) : std::nullopt;
  }
  const auto found = columns_by_name_.find(name);
  return found == columns_by_name_.end() ? std::nullopt : std::optional(found->second);
}

std::string ServedModel::ColumnName(std::uint32_t column) const {
  if (columns_by_name_.empty()) return absl::StrCat(column);
  return plan().data().column_names(static_cast<int>(column));
}

double ServedModel::Percentile(double score) const {
  const std::vector<double>& quantiles = content_.evaluation.score_quantiles;
  if (quantiles.empty()) return 0;
  const auto less = std::lower_bound(quantiles.begin(), quantiles.end(), score);
  return 100.0 * static_cast<double>(less - quantiles.begin()) /
         static_cast<double>(quantiles.size());
}

}  // namespace latent

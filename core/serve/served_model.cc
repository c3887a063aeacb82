#include "core/serve/served_model.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/model/corruption.h"

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
  model.Forward({row.data(), 1, row.size()}, outputs, workspace);
  model.Decode(outputs.codes, {decoded.data(), 1, decoded.size()}, workspace);
  if (AllFinite(code) && AllFinite(back) && AllFinite(decoded) && std::isfinite(score)) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "MODEL_NOT_FINITE",
                   "the model answers the mean of its training rows with numbers that are not "
                   "finite");
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ServedModel>> ServedModel::Load(VersionKey key,
                                                                     const std::string& directory) {
  LATENT_ASSIGN_OR_RETURN(VersionContent content, ReadVersion(directory));
  return Make(std::move(key), std::move(content));
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ServedModel::Make(VersionKey key,
                                                                     VersionContent content) {
  LATENT_RETURN_IF_ERROR(WarmUp(*content.model));
  return std::shared_ptr<const ServedModel>(new ServedModel(std::move(key), std::move(content)));
}

ServedModel::ServedModel(VersionKey key, VersionContent content)
    : key_(std::move(key)),
      content_(std::move(content)),
      latent_space_id_(content_.model->LatentSpaceId()),
      trained_with_corruption_(ChangesRows(content_.plan.architecture().corruption())),
      // Weights, their packed copy, and the quantiles.
      bytes_(content_.plan.parameters() * 2 * sizeof(float) +
             content_.evaluation.score_quantiles.size() * sizeof(double)) {}

std::string ServedModel::DebugName() const {
  return absl::StrCat(key_.model, " version ", key_.version);
}

double ServedModel::Percentile(double score) const {
  const std::vector<double>& quantiles = content_.evaluation.score_quantiles;
  if (quantiles.empty()) return 0;
  const auto less = std::lower_bound(quantiles.begin(), quantiles.end(), score);
  return 100.0 * static_cast<double>(less - quantiles.begin()) /
         static_cast<double>(quantiles.size());
}

}  // namespace latent

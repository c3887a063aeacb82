// Score.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/serve/operations.h"

namespace latent {
namespace {

constexpr std::uint32_t kMaxTopFeatures = 64;

std::vector<ScoreOperation::Feature> TopFeatures(std::span<const float> nats, std::size_t count) {
  std::vector<std::uint32_t> columns(nats.size());
  std::iota(columns.begin(), columns.end(), 0u);
  count = std::min(count, columns.size());
  const auto end = columns.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(columns.begin(), end, columns.end(), [&](std::uint32_t a, std::uint32_t b) {
    return nats[a] != nats[b] ? nats[a] > nats[b] : a < b;
  });
  std::vector<ScoreOperation::Feature> features;
  features.reserve(count);
  for (auto it = columns.begin(); it != end; ++it) features.push_back({*it, nats[*it]});
  return features;
}

}  // namespace

ScoreOperation::ScoreOperation(ModelPtr model, Cells rows, Options options)
    : Operation(std::move(model)),
      options_(options),
      threshold_(options.threshold.value_or(this->model().anomaly_threshold())),
      rows_(std::move(rows)),
      nats_(rows_.rows) {
  if (options_.top_features > 0) feature_nats_ = Cells(rows_.rows, rows_.columns);
}

absl::StatusOr<std::unique_ptr<ScoreOperation>> ScoreOperation::Make(ModelPtr model, Cells rows,
                                                                     Options options) {
  LATENT_RETURN_IF_ERROR(CheckRows(*model, rows));
  LATENT_RETURN_IF_ERROR(model->model().CheckTargets(rows.view(), 0));
  if (options.top_features > kMaxTopFeatures) {
    return InvalidField("top_features", absl::StrCat("expected 0 to ", kMaxTopFeatures, ", got ",
                                                     options.top_features));
  }
  if (options.threshold && !std::isfinite(*options.threshold)) {
    return InvalidField("threshold",
                        absl::StrCat("expected a finite number, got ", *options.threshold));
  }
  return std::unique_ptr<ScoreOperation>(
      new ScoreOperation(std::move(model), std::move(rows), options));
}

std::optional<Pass> ScoreOperation::Next() {
  if (!ran_) {
    ran_ = true;
    Pass pass;
    pass.input = rows_.labelled();
    pass.outputs.score = nats_;
    if (!feature_nats_.empty()) pass.outputs.feature_nats = feature_nats_.view();
    return pass;
  }
  if (scores_.empty() &&
      AllFinite("rows", std::span<const double>(nats_), ConstMatrix(feature_nats_.view()))) {
    Rank();
  }
  return std::nullopt;
}

void ScoreOperation::Rank() {
  scores_.resize(rows_.rows);
  for (std::size_t r = 0; r < rows_.rows; ++r) {
    RowScore& row = scores_[r];
    row.score = nats_[r];
    row.percentile = model().Percentile(row.score);
    row.is_anomaly = !(row.score <= threshold_);
    if (options_.top_features > 0) {
      const Cells& nats = feature_nats_;
      row.top_features = TopFeatures(nats.view().row(r), options_.top_features);
    }
  }
}

}  // namespace latent

// How well the score tells labelled anomalies from the other rows.
#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/eval/ranking_curves.h"

namespace latent {
namespace {

// By a name that says so, or 1 where labels are 0 and 1 without other names.
std::optional<std::int32_t> AnomalyLabel(const DatasetInfo& info) {
  static const std::set<std::string> kAnomaly = {"anomaly", "anomalous", "abnormal",
                                                 "outlier", "attack",    "fraud"};
  static const std::set<std::string> kNormal = {"normal", "inlier", "nominal", "benign"};
  const std::vector<std::string>& names = info.label_names;
  if (names.empty()) return 1;
  if (names.size() != 2) return std::nullopt;
  for (std::int32_t label = 0; label < 2; ++label) {
    const std::string name = absl::AsciiStrToLower(names[static_cast<std::size_t>(label)]);
    if (kAnomaly.contains(name)) return label;
    if (kNormal.contains(name)) return 1 - label;
  }
  return names[0] == "0" && names[1] == "1" ? std::optional(1) : std::nullopt;
}

}  // namespace

absl::Status AddAnomalyDetection(const EvaluationInput& input, MetricList& metrics) {
  const auto labels = input.data.labels(input.part);
  const std::optional<std::int32_t> anomaly = AnomalyLabel(input.data.info());
  if (!input.data.info().has_labels || labels.empty() || !anomaly) return absl::OkStatus();
  const auto [least, greatest] = std::minmax_element(labels.begin(), labels.end());
  if (*least != 0 || *greatest != 1) return absl::OkStatus();  // both kinds are there, no other is
  const RowsView rows = input.rows();
  std::vector<float> scratch;
  std::vector<double> scores(kEvaluationBatchRows);
  std::vector<ScoredRow> scored;
  Workspace workspace;
  for (std::size_t first = 0; first < rows.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const std::size_t count = std::min(kEvaluationBatchRows, rows.rows - first);
    ForwardOutputs outputs;
    outputs.score = std::span(scores).first(count);
    input.model.Forward(rows.Read(first, count, scratch), outputs, workspace);
    for (std::size_t r = 0; r < count; ++r) {
      if (!std::isfinite(scores[r])) return absl::OkStatus();
      scored.emplace_back(scores[r], labels[first + r] == *anomaly);
    }
  }
  metrics.Add("auroc", AreaUnderRoc(scored), input.part);
  metrics.Add("average_precision", AveragePrecision(scored), input.part);
  return absl::OkStatus();
}

}  // namespace latent

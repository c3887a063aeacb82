#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/eval/mean.h"

namespace latent {
namespace {

constexpr std::size_t kNeighbours = 5;
constexpr std::size_t kMaxTrainRows = 10'000;
constexpr std::size_t kMaxRows = 2'000;

struct LabelledCodes {
  std::vector<float> cells;  // row-major
  std::vector<std::int32_t> labels;
};

// Codes of at most `most` rows of a part, evenly spaced.
absl::StatusOr<LabelledCodes> CodesOf(const EvaluationInput& input, v1::Part part,
                                      std::size_t most) {
  const MatrixView<const float> rows = input.data.rows(part);
  const std::size_t step = (rows.rows + most - 1) / most;
  const MatrixView<const float> chosen(rows.data, (rows.rows + step - 1) / step, rows.columns,
                                       rows.stride * step);
  const std::size_t dim = input.model.latent_dim();
  LabelledCodes codes;
  codes.cells.resize(chosen.rows * dim);
  Workspace workspace;
  for (std::size_t first = 0; first < chosen.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const std::size_t count = std::min(kEvaluationBatchRows, chosen.rows - first);
    ForwardOutputs outputs;
    outputs.codes = Matrix(codes.cells.data() + first * dim, count, dim);
    input.model.Forward(chosen.slice_rows(first, count), outputs, workspace);
  }
  const auto labels = input.data.labels(part);
  for (std::size_t r = 0; r < chosen.rows; ++r) codes.labels.push_back(labels[r * step]);
  return codes;
}

// Shifts and scales every entry to mean 0 and variance 1 over the TRAIN codes.
void Standardise(std::size_t dim, LabelledCodes& train, LabelledCodes& test) {
  std::vector<Mean> entries(dim);
  for (std::size_t i = 0; i < train.cells.size(); ++i) entries[i % dim].Add(train.cells[i]);
  for (LabelledCodes* codes : {&train, &test}) {
    for (std::size_t i = 0; i < codes->cells.size(); ++i) {
      const Mean& entry = entries[i % dim];
      const double deviation = entry.variance() > 0 ? std::sqrt(entry.variance()) : 1;
      codes->cells[i] = static_cast<float>((codes->cells[i] - entry.mean()) / deviation);
    }
  }
}

float SquaredDistance(const float* a, const float* b, std::size_t size) {
  float sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// The label that most of the nearest codes have; of equally many, that of the nearest.
std::int32_t Vote(const float* code, const LabelledCodes& train, std::size_t dim) {
  std::array<std::pair<float, std::int32_t>, kNeighbours> nearest;
  nearest.fill({std::numeric_limits<float>::infinity(), 0});
  for (std::size_t r = 0; r < train.labels.size(); ++r) {
    const float distance = SquaredDistance(code, train.cells.data() + r * dim, dim);
    if (distance >= nearest.back().first) continue;
    const auto place = std::upper_bound(
        nearest.begin(), nearest.end(), distance,
        [](float value, const auto& neighbour) { return value < neighbour.first; });
    std::move_backward(place, nearest.end() - 1, nearest.end());
    *place = {distance, train.labels[r]};
  }
  const auto votes = [&nearest](std::int32_t label) {
    return std::count_if(nearest.begin(), nearest.end(),
                         [label](const auto& neighbour) { return neighbour.second == label; });
  };
  return std::max_element(
             nearest.begin(), nearest.end(),
             [&votes](const auto& a, const auto& b) { return votes(a.second) < votes(b.second); })
      ->second;
}

}  // namespace

absl::Status AddProbe(const EvaluationInput& input, MetricList& metrics) {
  // Rows would find themselves among TRAIN rows.
  if (!input.data.info().has_labels || input.part == v1::PART_TRAIN) return absl::OkStatus();
  if (input.data.rows(v1::PART_TRAIN).rows < kNeighbours) return absl::OkStatus();
  const std::size_t dim = input.model.latent_dim();
  LATENT_ASSIGN_OR_RETURN(LabelledCodes train, CodesOf(input, v1::PART_TRAIN, kMaxTrainRows));
  LATENT_ASSIGN_OR_RETURN(LabelledCodes test, CodesOf(input, input.part, kMaxRows));
  Standardise(dim, train, test);
  Mean right;
  for (std::size_t r = 0; r < test.labels.size(); ++r) {
    if (r % kEvaluationBatchRows == 0) LATENT_RETURN_IF_ERROR(input.CheckStop());
    right.Add(Vote(test.cells.data() + r * dim, train, dim) == test.labels[r] ? 1 : 0);
  }
  metrics.Add("knn5_code_accuracy", right.mean(), input.part, right.standard_error());
  return absl::OkStatus();
}

}  // namespace latent

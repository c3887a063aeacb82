#include "core/eval/sample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "core/base/status.h"
#include "core/eval/mean.h"

namespace latent {
namespace {

std::size_t StepFor(std::size_t rows, std::size_t most) {
  return std::max<std::size_t>(1, (rows + most - 1) / most);
}

// Calls fill(rows, where its cells go) for the chosen rows, a batch at a time.
template <typename FillRows>
absl::StatusOr<Sample> Gather(const EvaluationInput& input, v1::Part part, const RowsView& rows,
                              std::size_t most, std::size_t columns, const FillRows& fill) {
  std::vector<float> scratch;
  const RowsView chosen = EvenlySpaced(rows, most);
  Sample sample{.rows = chosen.rows, .columns = columns};
  sample.cells.resize(sample.rows * columns);
  for (std::size_t first = 0; first < chosen.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const std::size_t count = std::min(kEvaluationBatchRows, chosen.rows - first);
    fill(chosen.Read(first, count, scratch), sample.view().slice_rows(first, count));
  }
  if (!input.data.info().has_labels) return sample;
  const auto labels = input.data.labels(part);
  const std::size_t step = StepFor(labels.size(), most);
  for (std::size_t r = 0; r < labels.size(); r += step) sample.labels.push_back(labels[r]);
  return sample;
}

void Standardise(std::span<Sample* const> samples) {
  const Sample& fitted = *samples.front();
  std::vector<Mean> columns(fitted.columns);
  for (std::size_t i = 0; i < fitted.cells.size(); ++i) {
    columns[i % fitted.columns].Add(fitted.cells[i]);
  }
  for (Sample* sample : samples) {
    for (std::size_t i = 0; i < sample->cells.size(); ++i) {
      const Mean& column = columns[i % fitted.columns];
      const double deviation = column.variance() > 0 ? std::sqrt(column.variance()) : 1;
      sample->cells[i] = static_cast<float>((sample->cells[i] - column.mean()) / deviation);
    }
  }
}

}  // namespace

RowsView EvenlySpaced(const RowsView& rows, std::size_t most) {
  return rows.EveryNth(StepFor(rows.rows, most));
}

absl::StatusOr<Sample> CodeSample(const EvaluationInput& input, v1::Part part, std::size_t most) {
  Workspace workspace;
  const auto encode = [&](const LabelledRows& rows, Matrix codes) {
    ForwardOutputs outputs;
    outputs.codes = codes;
    input.model.Forward(rows, outputs, workspace);
  };
  return Gather(input, part, input.rows(part), most, input.model.latent_dim(), encode);
}

absl::StatusOr<Sample> RowSample(const EvaluationInput& input, v1::Part part, std::size_t most) {
  return Gather(input, part, input.data.rows(part), most, input.model.columns(),
                [&](ConstMatrix rows, Matrix scaled) { input.model.ScaleRows(rows, scaled); });
}

void Standardise(Sample& fitted, Sample& other) {
  const std::array<Sample*, 2> both = {&fitted, &other};
  Standardise(both);
}

void Standardise(Sample& fitted) {
  const std::array<Sample*, 1> one = {&fitted};
  Standardise(one);
}

}  // namespace latent

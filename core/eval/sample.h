// Some of a part's rows, or the model's codes of them, evenly spaced, as one matrix that owns its
// cells: what figures that compare rows with rows are computed from. A value; one thread.
#ifndef LATENT_CORE_EVAL_SAMPLE_H_
#define LATENT_CORE_EVAL_SAMPLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/eval/collector.h"
#include "core/nn/rows_view.h"

namespace latent {

struct Sample {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<float> cells = {};          // row-major
  std::vector<std::int32_t> labels = {};  // one a row, where the data has labels

  Matrix view() { return {cells.data(), rows, columns}; }
  ConstMatrix view() const { return {cells.data(), rows, columns}; }
  LabelledRows labelled() const { return {view(), labels}; }
};

// At most `most` of the rows: every so many-th, from the first.
RowsView EvenlySpaced(const RowsView& rows, std::size_t most);

// Mean codes of at most `most` rows of a part, with labels. CANCELLED if asked to stop.
absl::StatusOr<Sample> CodeSample(const EvaluationInput& input, v1::Part part, std::size_t most);
// The same rows in the units that the network sees.
absl::StatusOr<Sample> RowSample(const EvaluationInput& input, v1::Part part, std::size_t most);

// Shifts and scales every column of both to mean 0 and variance 1 over `fitted`; a column that is
// constant there is only shifted.
void Standardise(Sample& fitted, Sample& other);
void Standardise(Sample& fitted);

}  // namespace latent

#endif  // LATENT_CORE_EVAL_SAMPLE_H_

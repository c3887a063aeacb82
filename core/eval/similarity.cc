// SSIM of images and their reconstructions.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/eval/mean.h"
#include "core/eval/sample.h"
#include "core/eval/ssim.h"

namespace latent {
namespace {

constexpr std::size_t kPairedRows = 2'000;

}  // namespace

absl::Status AddSimilarity(const EvaluationInput& input, MetricList& metrics) {
  const auto shape = SsimShapeOf(input.data.info().row_shape);
  const double range = std::sqrt(SquaredRange(input.data.info()));
  if (!shape || !(range > 0)) return absl::OkStatus();
  std::vector<float> scratch;
  const RowsView rows = EvenlySpaced(input.rows(), kPairedRows);
  std::vector<float> cells(kEvaluationBatchRows * rows.columns);
  Workspace workspace;
  Mean similarity;
  for (std::size_t first = 0; first < rows.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const auto batch = rows.Read(first, std::min(kEvaluationBatchRows, rows.rows - first), scratch);
    ForwardOutputs outputs;
    outputs.reconstruction = Matrix(cells.data(), batch.rows, batch.columns);
    input.model.Forward(batch, outputs, workspace);
    for (std::size_t r = 0; r < batch.rows; ++r) {
      similarity.Add(Ssim(*shape, batch.row(r), outputs.reconstruction.row(r), range));
    }
  }
  metrics.Add("ssim", similarity.mean(), input.part, similarity.standard_error());
  return absl::OkStatus();
}

}  // namespace latent

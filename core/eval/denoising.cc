#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/model/corruption.h"

namespace latent {
namespace {

// All models are judged by the same noise.
constexpr std::uint64_t kNoiseSeed = 0;

double SquaredError(MatrixView<const float> a, MatrixView<const float> b, bool clip_b) {
  double sum = 0;
  for (std::size_t r = 0; r < a.rows; ++r) {
    for (std::size_t c = 0; c < a.columns; ++c) {
      if (std::isnan(a(r, c))) continue;  // missing
      const float value = clip_b ? std::clamp(b(r, c), 0.0f, 1.0f) : b(r, c);
      const double difference = static_cast<double>(value) - a(r, c);
      sum += difference * difference;
    }
  }
  return sum;
}

}  // namespace

absl::Status AddDenoising(const EvaluationInput& input, MetricList& metrics) {
  const v1::Corruption& corruption = input.model.spec().corruption();
  if (!ChangesRows(corruption)) return absl::OkStatus();
  const RowsView rows = input.rows();
  std::vector<float> scratch;
  const bool clip = LiesInUnitInterval(input.data.info());
  std::vector<float> noisy_cells(kEvaluationBatchRows * rows.columns);
  std::vector<float> clean_cells(noisy_cells.size());
  Workspace workspace;
  double noisy_error = 0;
  double denoised_error = 0;
  for (std::size_t first = 0; first < rows.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const auto batch = rows.Read(first, std::min(kEvaluationBatchRows, rows.rows - first), scratch);
    const Matrix noisy(noisy_cells.data(), batch.rows, batch.columns);
    const Matrix denoised(clean_cells.data(), batch.rows, batch.columns);
    // Corrupt numbers rows from 0 in every call.
    const std::uint64_t seed = DeriveSeed(kNoiseSeed, first);
    LATENT_RETURN_IF_ERROR(input.model.Corrupt(batch, corruption, seed, noisy));
    ForwardOutputs outputs;
    outputs.reconstruction = denoised;
    input.model.Forward({noisy, batch.labels}, outputs, workspace);
    noisy_error += SquaredError(batch, noisy, false);
    denoised_error += SquaredError(batch, denoised, clip);
  }
  const double cells = static_cast<double>(rows.rows) * static_cast<double>(rows.columns);
  const double range = SquaredRange(input.data.info());
  metrics.Add("noisy_psnr_db", 10 * std::log10(range / (noisy_error / cells)), input.part);
  metrics.Add("denoised_psnr_db", 10 * std::log10(range / (denoised_error / cells)), input.part);
  return absl::OkStatus();
}

}  // namespace latent

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/model/corruption.h"

namespace latent {
namespace {

// All models are judged by the same noise.
constexpr std::uint64_t kNoiseSeed = 0;

// How far rows are from what was made of them, over the cells that have a value.
struct KnownError {
  double squares = 0;
  std::uint64_t cells = 0;

  void Add(MatrixView<const float> rows, MatrixView<const float> made, bool clip_made) {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      for (std::size_t c = 0; c < rows.columns; ++c) {
        if (std::isnan(rows(r, c))) continue;  // missing
        const float value = clip_made ? std::clamp(made(r, c), 0.0f, 1.0f) : made(r, c);
        const double difference = static_cast<double>(value) - rows(r, c);
        squares += difference * difference;
        ++cells;
      }
    }
  }
  // NaN, which is left out of the figures, if no cell has a value.
  double Psnr(double squared_range) const {
    return 10 * std::log10(squared_range / (squares / static_cast<double>(cells)));
  }
};

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
  KnownError noisy_error, denoised_error;
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
    noisy_error.Add(batch, noisy, false);
    denoised_error.Add(batch, denoised, clip);
  }
  const double range = SquaredRange(input.data.info());
  metrics.Add("noisy_psnr_db", noisy_error.Psnr(range), input.part);
  metrics.Add("denoised_psnr_db", denoised_error.Psnr(range), input.part);
  return absl::OkStatus();
}

}  // namespace latent

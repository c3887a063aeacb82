#include "core/model/item_map.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <utility>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/model/composed_parts.h"
#include "core/model/workspace.h"
#include "core/nn/activation.h"

LATENT_NUMERICS_BEGIN
namespace {

// out = row B.
void Multiply(std::span<const Real> row, ConstMatrix weights, std::span<Real> out) {
  std::fill(out.begin(), out.end(), Real{0});
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] == 0) continue;
    const std::span<const Real> from = weights.row(i);
    for (std::size_t j = 0; j < out.size(); ++j) out[j] += row[i] * from[j];
  }
}

}  // namespace

ItemMap::ItemMap(const v1::ModelSpec& spec, const ColumnStatistics& statistics,
                 AlignedBuffer weights)
    : spec_(spec),
      statistics_(statistics),
      scaling_(spec.scaling(), statistics),
      extremes_(statistics, scaling_),
      means_(statistics.mean.begin(), statistics.mean.end()),
      weights_(std::move(weights)) {}

void ItemMap::Forward(const LabelledRows& rows, const ForwardOutputs& outputs,
                      Workspace& ws) const {
  const Matrix scratch = ws.buffers().hidden[0].Shape(1, columns());
  const double constant = static_cast<double>(columns()) * std::log(2 * std::numbers::pi) / 2;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const bool keep = outputs.reconstruction.data != nullptr;
    const std::span<Real> answer = keep ? outputs.reconstruction.row(r) : scratch.row(0);
    Multiply(rows.row(r), weights(), answer);
    const double error = SquaredError(answer, rows.row(r), 0, {});
    if (!outputs.squared_error.empty()) outputs.squared_error[r] = error;
    if (!outputs.score.empty()) outputs.score[r] = error;
    if (!outputs.reconstruction_nats.empty()) outputs.reconstruction_nats[r] = error / 2 + constant;
    if (!outputs.kl.empty()) outputs.kl[r] = 0;
    if (outputs.feature_nats.data == nullptr) continue;
    for (std::size_t c = 0; c < columns(); ++c) {
      const Real d = answer[c] - rows(r, c);
      outputs.feature_nats(r, c) = d * d;
    }
  }
}

void ItemMap::Decode(const LabelledRows&, Matrix, Workspace&) const { std::abort(); }

void ItemMap::ReconstructionNats(const LabelledRows&, ConstMatrix, std::span<double>,
                                 Workspace&) const {
  std::abort();
}

void ItemMap::DrawCells(Matrix, std::uint64_t, std::uint64_t) const { std::abort(); }

absl::Status ItemMap::Corrupt(ConstMatrix rows, const v1::Corruption& corruption,
                              std::uint64_t seed, Matrix noisy) const {
  LATENT_RETURN_IF_ERROR(CheckCorruption(corruption));
  const std::uint64_t noise_seed = SeedFor(RandomPurpose::kRequestCorruption, seed);
  std::vector<Real> noise(rows.columns);
  ScaleRows(rows, noisy);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    CorruptRow(corruption, extremes_, {.seed = noise_seed, .sample = r}, noisy.row(r), noise);
  }
  return absl::OkStatus();
}

void ItemMap::ScaleRows(ConstMatrix rows, Matrix scaled) const {
  for (std::size_t r = 0; r < rows.rows; ++r) scaling_.Apply(rows.row(r), scaled.row(r));
}

LATENT_NUMERICS_END

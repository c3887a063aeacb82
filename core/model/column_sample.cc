#include "core/model/column_sample.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "core/base/thread_pool.h"

LATENT_NUMERICS_BEGIN
namespace {

enum Mark : std::uint8_t { kLeftOut, kMet, kDrawn };
constexpr std::size_t kGatherRows = PackedMatrix::kPanelColumns;

}  // namespace

ColumnSample::ColumnSample(std::size_t columns, std::size_t wanted, std::size_t most_cells,
                           std::size_t inputs)
    : wanted_(wanted), most_(std::min(columns, wanted + most_cells)), inputs_(inputs) {
  chosen_.reserve(most_);
  earlier_.reserve(most_);
  others_.reserve(columns);
  places_.resize(columns);
  marks_.resize(columns);
  corrections_.resize(most_);
  row_places_.reserve(most_cells);
  bias_.resize(most_);
  gradient_.Resize(inputs * most_);
  forward_.Resize(inputs, most_);
  backward_.Resize(most_, inputs);
}

void ColumnSample::Draw(const RandomKey& key, const RowsView& rows,
                        std::span<const std::uint64_t> indices) {
  earlier_.swap(chosen_);
  chosen_.clear();
  std::fill(marks_.begin(), marks_.end(), kLeftOut);
  for (const std::uint64_t row : indices) {
    for (const std::uint32_t column : rows.sparse_row(row).indices) marks_[column] = kMet;
  }
  others_.clear();
  for (std::uint32_t c = 0; c < marks_.size(); ++c) {
    if (marks_[c] == kLeftOut) others_.push_back(c);
  }
  // The first steps of a shuffle.
  const std::size_t drawn = std::min(wanted_, others_.size());
  for (std::size_t i = 0; i < drawn; ++i) {
    const std::uint64_t left = others_.size() - i;
    const std::size_t j = i + static_cast<std::size_t>(RandomBits(key, i) * left >> 32);
    std::swap(others_[i], others_[j]);
    marks_[others_[i]] = kDrawn;
  }
  const auto correction = static_cast<Real>(
      drawn == 0 ? 0 : std::log(static_cast<double>(others_.size()) / static_cast<double>(drawn)));
  for (std::uint32_t c = 0; c < marks_.size(); ++c) {
    if (marks_[c] == kLeftOut) continue;
    places_[c] = static_cast<std::uint32_t>(chosen_.size());
    corrections_[chosen_.size()] = marks_[c] == kDrawn ? correction : Real{0};
    chosen_.push_back(c);
  }
  row_places_.clear();
  row_starts_.assign(1, 0);
  for (const std::uint64_t row : indices) {
    for (const std::uint32_t column : rows.sparse_row(row).indices) {
      row_places_.push_back(places_[column]);
    }
    row_starts_.push_back(row_places_.size());
  }
  forward_.Resize(inputs_, size());
  backward_.Resize(size(), inputs_);
}

void ColumnSample::Pack(ConstMatrix weights, std::span<const Real> bias, std::size_t thread,
                        std::size_t threads) {
  const auto [begin, count] = Share(inputs_, threads, thread, kGatherRows);
  // Threads may not share what they gather into: each uses its rows of the gradient's room.
  for (std::size_t first = begin; first < begin + count; first += kGatherRows) {
    const Matrix some = GradientRows(first, std::min(kGatherRows, begin + count - first));
    for (std::size_t r = 0; r < some.rows; ++r) {
      const Real* const from = weights.row(first + r).data();
      Real* const to = some.row(r).data();
      for (std::size_t i = 0; i < size(); ++i) to[i] = from[chosen_[i]];
    }
    forward_.PackRows(some, first);
    backward_.PackTransposedRows(some, first);
  }
  if (thread != 0) return;
  for (std::size_t i = 0; i < size(); ++i) bias_[i] = bias[chosen_[i]];
}

void ColumnSample::Correct(std::span<Real> logits) const {
  assert(logits.size() == size());
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] += corrections_[i];
}

void ColumnSample::Spread(std::span<const Real> compact, std::span<Real> all) const {
  for (const std::uint32_t column : earlier_) all[column] = 0;
  for (std::size_t i = 0; i < compact.size(); ++i) all[chosen_[i]] = compact[i];
}

LATENT_NUMERICS_END

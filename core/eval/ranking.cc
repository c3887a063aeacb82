// How well a model tells which items come next, by strong generalisation (arXiv 1802.05814): of
// each row, which training has never seen, a fifth of the items is held out, the others are given,
// and all items but the given ones are ranked.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/eval/mean.h"

namespace latent {
namespace {

// All models are judged by the same folds.
constexpr std::uint64_t kFoldSeed = 0x666f6c64;  // "fold"
constexpr std::size_t kHeldOutOf = 5;
constexpr std::size_t kRanks = 100;
// Of these many ranks recall is reported.
constexpr std::array<std::size_t, 2> kRecallRanks = {20, 50};

struct RowFigures {
  std::array<double, kRecallRanks.size()> recall{};
  double ndcg = 0;
};

// What 1 / log2(rank + 1) of the first `count` ranks comes to.
double IdealGain(std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < std::min(count, kRanks); ++i) {
    sum += 1 / std::log2(static_cast<double>(i) + 2);
  }
  return sum;
}

// A row's items in two folds.
class Fold {
 public:
  // Sets the held-out cells of `row` to 0.
  Fold(std::span<float> row, std::uint64_t index) : held_out_(row.size()), given_(row.size()) {
    std::vector<std::pair<float, std::size_t>> items;
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (row[c] == 0) continue;
      given_[c] = true;
      items.emplace_back(UniformAt({.seed = kFoldSeed, .sample = index}, c), c);
    }
    std::sort(items.begin(), items.end());
    count_ = items.size() / kHeldOutOf;
    for (std::size_t i = 0; i < count_; ++i) {
      const std::size_t c = items[i].second;
      held_out_[c] = true;
      given_[c] = false;
      row[c] = 0;
    }
  }

  std::size_t held_out() const { return count_; }

  // Ties rank by column.
  RowFigures Rank(std::span<const float> scores) const {
    std::vector<std::uint32_t> order;
    for (std::size_t c = 0; c < scores.size(); ++c) {
      if (!given_[c] && std::isfinite(scores[c])) order.push_back(static_cast<std::uint32_t>(c));
    }
    const std::size_t ranks = std::min(kRanks, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(ranks),
                      order.end(), [&](std::uint32_t a, std::uint32_t b) {
                        return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
                      });
    RowFigures figures;
    double gain = 0;
    for (std::size_t i = 0; i < ranks; ++i) {
      if (!held_out_[order[i]]) continue;
      gain += 1 / std::log2(static_cast<double>(i) + 2);
      for (std::size_t k = 0; k < kRecallRanks.size(); ++k) {
        if (i < kRecallRanks[k]) ++figures.recall[k];
      }
    }
    figures.ndcg = gain / IdealGain(count_);
    for (std::size_t k = 0; k < kRecallRanks.size(); ++k) {
      figures.recall[k] /= static_cast<double>(std::min(kRecallRanks[k], count_));
    }
    return figures;
  }

 private:
  std::vector<bool> held_out_, given_;
  std::size_t count_ = 0;
};

struct Means {
  std::array<Mean, kRecallRanks.size()> recall;
  Mean ndcg, popularity_ndcg;
};

bool IsImplicitFeedback(const EvaluationInput& input) {
  const v1::ModelSpec& spec = input.model.spec();
  const DatasetInfo& info = input.data.info();
  return info.min >= 0 &&
         (info.sparse || spec.likelihood().has_multinomial() || spec.latent().has_none());
}

// Ranks the items of some rows, the first of which is row `first` of the part.
void AddRows(const EvaluationInput& input, const LabelledRows& rows, std::size_t first,
             Workspace& workspace, Means& means) {
  std::vector<float> given(rows.rows * rows.columns), scores(given.size());
  const Matrix history(given.data(), rows.rows, rows.columns);
  ForwardOutputs outputs;
  outputs.reconstruction = Matrix(scores.data(), rows.rows, rows.columns);
  std::vector<Fold> folds;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    std::copy(rows.row(r).begin(), rows.row(r).end(), history.row(r).begin());
    folds.emplace_back(history.row(r), first + r);
  }
  input.model.Forward({history, rows.labels}, outputs, workspace);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    if (folds[r].held_out() == 0) continue;
    const RowFigures figures = folds[r].Rank(outputs.reconstruction.row(r));
    for (std::size_t k = 0; k < kRecallRanks.size(); ++k) means.recall[k].Add(figures.recall[k]);
    means.ndcg.Add(figures.ndcg);
    means.popularity_ndcg.Add(folds[r].Rank(input.model.column_means()).ndcg);
  }
}

}  // namespace

absl::Status AddRanking(const EvaluationInput& input, MetricList& metrics) {
  if (!IsImplicitFeedback(input)) return absl::OkStatus();
  const RowsView rows = input.rows();
  Means means;
  Workspace workspace;
  std::vector<float> scratch;
  for (std::size_t first = 0; first < rows.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const std::size_t count = std::min(kEvaluationBatchRows, rows.rows - first);
    AddRows(input, rows.Read(first, count, scratch), first, workspace, means);
  }
  if (means.ndcg.count() == 0) return absl::OkStatus();
  const auto add = [&](const char* name, const Mean& mean) {
    metrics.Add(name, mean.mean(), input.part, mean.standard_error());
  };
  add("recall_at_20", means.recall[0]);
  add("recall_at_50", means.recall[1]);
  add("ndcg_at_100", means.ndcg);
  add("popularity_ndcg_at_100", means.popularity_ndcg);
  return absl::OkStatus();
}

}  // namespace latent

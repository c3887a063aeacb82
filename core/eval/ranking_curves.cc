#include "core/eval/ranking_curves.h"

#include <algorithm>
#include <cstddef>

namespace latent {
namespace {

// Calls visit(positives, negatives) for each group of equal scores, highest first.
template <typename Visit>
void ForEachThreshold(std::span<ScoredRow> rows, const Visit& visit) {
  std::sort(rows.begin(), rows.end(),
            [](const ScoredRow& a, const ScoredRow& b) { return a.first > b.first; });
  for (std::size_t first = 0; first < rows.size();) {
    double positives = 0, negatives = 0;
    const double score = rows[first].first;
    for (; first < rows.size() && rows[first].first == score; ++first) {
      ++(rows[first].second ? positives : negatives);
    }
    visit(positives, negatives);
  }
}

}  // namespace

double AreaUnderRoc(std::span<ScoredRow> rows) {
  double above = 0, pairs = 0, negatives_in_all = 0;
  ForEachThreshold(rows, [&](double positives, double negatives) {
    // Negatives of this group are beaten by all positives before it and by half of its own.
    pairs += negatives * (above + positives / 2);
    above += positives;
    negatives_in_all += negatives;
  });
  return pairs / (above * negatives_in_all);
}

double AveragePrecision(std::span<ScoredRow> rows) {
  double found = 0, seen = 0, sum = 0;
  ForEachThreshold(rows, [&](double positives, double negatives) {
    found += positives;
    seen += positives + negatives;
    sum += positives * found / seen;
  });
  return sum / found;
}

}  // namespace latent

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <span>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/serve/operations.h"

namespace latent {
namespace {

// Columns of the k entries of greatest magnitude, rising; zeros never among them.
void KeepTop(std::span<const float> code, std::size_t k, std::vector<std::uint32_t>& columns) {
  columns.resize(code.size());
  std::iota(columns.begin(), columns.end(), 0u);
  std::erase_if(columns, [&](std::uint32_t c) { return code[c] == 0; });
  if (columns.size() <= k) return;
  const auto kept = columns.begin() + static_cast<std::ptrdiff_t>(k);
  std::nth_element(columns.begin(), kept, columns.end(), [&](std::uint32_t a, std::uint32_t b) {
    const float x = std::abs(code[a]), y = std::abs(code[b]);
    return x != y ? x > y : a < b;
  });
  columns.erase(kept, columns.end());
  std::sort(columns.begin(), columns.end());
}

void KeepAbove(std::span<const float> code, float threshold, std::vector<std::uint32_t>& columns) {
  columns.clear();
  for (std::uint32_t c = 0; c < code.size(); ++c) {
    if (code[c] != 0 && std::abs(code[c]) > threshold) columns.push_back(c);
  }
}

}  // namespace

absl::Status CheckSparsify(const SparsifyRule& rule) {
  if (rule.top_k.has_value() == rule.threshold.has_value()) {
    return InvalidField("sparsify", "expected exactly one of top_k and threshold");
  }
  if (rule.top_k && *rule.top_k == 0) {
    return InvalidField("sparsify.top_k", "expected at least 1, got 0");
  }
  if (rule.threshold && !(std::isfinite(*rule.threshold) && *rule.threshold >= 0)) {
    return InvalidField("sparsify.threshold",
                        absl::StrCat("expected a finite number >= 0, got ", *rule.threshold));
  }
  return absl::OkStatus();
}

SparseCells Sparsify(MatrixView<const float> codes, const SparsifyRule& rule) {
  SparseCells sparse;
  sparse.columns = codes.columns;
  sparse.row_offsets.reserve(codes.rows + 1);
  sparse.row_offsets.push_back(0);
  std::vector<std::uint32_t> columns;
  for (std::size_t r = 0; r < codes.rows; ++r) {
    const std::span<const float> code = codes.row(r);
    if (rule.top_k) {
      KeepTop(code, *rule.top_k, columns);
    } else {
      KeepAbove(code, *rule.threshold, columns);
    }
    for (const std::uint32_t c : columns) {
      sparse.indices.push_back(c);
      sparse.values.push_back(code[c]);
    }
    sparse.row_offsets.push_back(static_cast<std::uint32_t>(sparse.indices.size()));
  }
  return sparse;
}

}  // namespace latent

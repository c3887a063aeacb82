#include "core/serve/recommend.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/serve/batch.h"

namespace latent {
namespace {

constexpr std::uint32_t kMaxItems = 1000;

absl::Status CheckColumns(const char* field, std::span<const std::uint32_t> columns,
                          std::size_t width) {
  for (const std::uint32_t column : columns) {
    if (column < width) continue;
    return InvalidField(field, absl::StrCat("expected columns below ", width, ", got ", column));
  }
  return absl::OkStatus();
}

bool IsEmpty(std::span<const float> row) {
  return std::all_of(row.begin(), row.end(), [](float cell) { return cell == 0; });
}

}  // namespace

RecommendOperation::RecommendOperation(ModelPtr model, Cells rows, Options options)
    : Operation(std::move(model)),
      options_(std::move(options)),
      rows_(std::move(rows)),
      scores_(rows_.rows, rows_.columns),
      allowed_(rows_.columns, !options_.restrict_to.has_value()) {
  if (options_.restrict_to) {
    for (const std::uint32_t column : *options_.restrict_to) allowed_[column] = true;
  }
  for (const std::uint32_t column : options_.exclude) allowed_[column] = false;
}

absl::StatusOr<std::unique_ptr<RecommendOperation>> RecommendOperation::Make(ModelPtr model,
                                                                             Cells rows,
                                                                             Options options) {
  const std::size_t width = model->model().columns();
  LATENT_RETURN_IF_ERROR(CheckCells("rows", rows, width, model->DebugName()));
  LATENT_RETURN_IF_ERROR(CheckLabels(*model, rows.labels, rows.rows));
  if (options.k < 1 || options.k > kMaxItems) {
    return InvalidField("k", absl::StrCat("expected 1 to ", kMaxItems, ", got ", options.k));
  }
  LATENT_RETURN_IF_ERROR(CheckColumns("exclude", options.exclude, width));
  if (options.restrict_to) {
    LATENT_RETURN_IF_ERROR(CheckColumns("restrict_to", *options.restrict_to, width));
  }
  if (options.include_item_embeddings) {
    LATENT_RETURN_IF_ERROR(CheckHasLatent(*model, "include_item_embeddings"));
    if (std::adjacent_find(rows.labels.begin(), rows.labels.end(), std::not_equal_to<>()) !=
        rows.labels.end()) {
      return InvalidField("labels",
                          "expected one label for all rows where include_item_embeddings is set, "
                          "as an item is embedded once, got several; ask for each by itself");
    }
  }
  return std::unique_ptr<RecommendOperation>(
      new RecommendOperation(std::move(model), std::move(rows), std::move(options)));
}

std::optional<Pass> RecommendOperation::Next() {
  if (!ran_) {
    ran_ = true;
    Pass pass;
    pass.input = rows_.labelled();
    pass.outputs.reconstruction = scores_.view();
    return pass;
  }
  if (answers_.empty()) {
    if (!AllFinite("rows", ConstMatrix(scores_.view()))) return std::nullopt;
    Rank();
  }
  if (encoded_ < embedded_.size()) return NextEmbeddings();
  AllFinite("include_item_embeddings", ConstMatrix(embeddings_.view()));
  return std::nullopt;
}

void RecommendOperation::Rank() {
  const Cells& rows = rows_;
  const Cells& scores = scores_;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    answers_.push_back(RankRow(rows.view().row(r), scores.view().row(r)));
  }
  if (!options_.include_item_embeddings) return;
  for (const Row& row : answers_) {
    for (const Item& item : row.items) embedded_.push_back(item.column);
  }
  std::sort(embedded_.begin(), embedded_.end());
  embedded_.erase(std::unique(embedded_.begin(), embedded_.end()), embedded_.end());
  embeddings_ = Cells(embedded_.size(), model().model().latent_dim());
}

RecommendOperation::Row RecommendOperation::RankRow(std::span<const float> row,
                                                    std::span<const float> scores) const {
  Row answer;
  answer.fallback_popularity = IsEmpty(row);
  if (answer.fallback_popularity) scores = model().model().column_means();
  std::vector<Item> items;
  for (std::size_t c = 0; c < row.size(); ++c) {
    const bool seen = options_.exclude_seen && row[c] != 0;
    if (!allowed_[c] || seen) continue;
    items.push_back({static_cast<std::uint32_t>(c), scores[c]});
  }
  const std::size_t count = std::min<std::size_t>(options_.k, items.size());
  const auto end = items.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(items.begin(), end, items.end(), [](const Item& a, const Item& b) {
    return a.score != b.score ? a.score > b.score : a.column < b.column;
  });
  answer.items.assign(items.begin(), end);
  return answer;
}

// Rows of one item each, some at a time, as together they could be far wider than the request.
Pass RecommendOperation::NextEmbeddings() {
  const std::size_t count = std::min(BatchRunner::kPieceRows, embedded_.size() - encoded_);
  unit_rows_ = Cells(count, rows_.columns);
  if (!rows_.labels.empty()) unit_rows_.labels.assign(count, rows_.labels.front());
  for (std::size_t i = 0; i < count; ++i) {
    unit_rows_.view()(i, embedded_[encoded_ + i]) = 1;
  }
  Pass pass;
  pass.input = unit_rows_.labelled();
  pass.outputs.codes = embeddings_.view().slice_rows(encoded_, count);
  encoded_ += count;
  return pass;
}

}  // namespace latent

#include "server/recommend_convert.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/rows_codec.h"

namespace latent {
namespace {

using Ids = google::protobuf::RepeatedPtrField<std::string>;

// Whether some ids are errors, and how the others are counted.
class ItemReader {
 public:
  ItemReader(const ServedModel& model, bool strict) : model_(model), strict_(strict) {}

  // Columns of the ids that are known; adds the number of others to `unknown`.
  absl::StatusOr<std::vector<std::uint32_t>> Read(const Ids& ids, const std::string& field,
                                                  std::uint32_t& unknown) const {
    std::vector<std::uint32_t> columns;
    for (int i = 0; i < ids.size(); ++i) {
      if (const auto column = model_.ColumnOf(ids[i])) {
        columns.push_back(*column);
        continue;
      }
      ++unknown;
      if (!strict_) continue;
      return InvalidField(
          absl::StrCat(field, "[", i, "]"),
          absl::StrCat("expected an item that ", model_.DebugName(), " knows, got \"",
                       ids[i].substr(0, 100), "\"; leave it out, or set strict_items to false"));
    }
    return columns;
  }

 private:
  const ServedModel& model_;
  const bool strict_;
};

absl::StatusOr<Cells> ReadHistories(const v1::ItemHistories& histories, const ServedModel& model,
                                    const ItemReader& reader, const OperationLimits& limits,
                                    v1::RecommendResponse* response) {
  const auto rows = static_cast<std::size_t>(histories.rows_size());
  const std::size_t columns = model.model().columns();
  if (rows < 1 || rows > limits.rows || rows > limits.cells / columns) {
    return InvalidField("item_ids.rows", absl::StrCat("expected 1 to ",
                                                      std::min(limits.rows, limits.cells / columns),
                                                      " rows of ", columns, " cells, got ", rows));
  }
  Cells cells(rows, columns);
  for (int r = 0; r < histories.rows_size(); ++r) {
    std::uint32_t unknown = 0;
    LATENT_ASSIGN_OR_RETURN(const auto items,
                            reader.Read(histories.rows(r).item_ids(),
                                        absl::StrCat("item_ids.rows[", r, "].item_ids"), unknown));
    for (const std::uint32_t column : items) cells.view()(static_cast<std::size_t>(r), column) = 1;
    response->add_rows()->set_unknown_items(unknown);
  }
  return cells;
}

}  // namespace

RequestCells CellsOf(const v1::RecommendRequest& r) {
  if (r.has_item_ids()) return {.computed = static_cast<std::size_t>(r.item_ids().rows_size())};
  return {&r.rows(), false, "rows"};
}

OperationOr MakeOperation(const v1::RecommendRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits& limits, v1::RecommendResponse* response) {
  const ItemReader reader(*model, request.strict_items());
  if (request.has_item_ids()) {
    std::vector<std::int32_t> labels = std::move(cells.labels);
    LATENT_ASSIGN_OR_RETURN(cells,
                            ReadHistories(request.item_ids(), *model, reader, limits, response));
    cells.labels = std::move(labels);
  }
  RecommendOperation::Options options;
  if (request.has_k()) options.k = request.k();
  if (request.has_exclude_seen()) options.exclude_seen = request.exclude_seen();
  options.include_item_embeddings = request.include_item_embeddings();
  std::uint32_t unknown = 0;
  LATENT_ASSIGN_OR_RETURN(options.exclude, reader.Read(request.exclude(), "exclude", unknown));
  if (request.restrict_to_size() > 0) {
    LATENT_ASSIGN_OR_RETURN(options.restrict_to,
                            reader.Read(request.restrict_to(), "restrict_to", unknown));
  }
  response->set_unknown_filter_items(unknown);
  auto made = RecommendOperation::Make(std::move(model), std::move(cells), std::move(options));
  if (!made.ok()) return made.status();
  return std::unique_ptr<Operation>(*std::move(made));
}

void FillResponse(const v1::RecommendRequest& request, const Operation& operation,
                  v1::RecommendResponse* response) {
  const auto& recommend = static_cast<const RecommendOperation&>(operation);
  for (std::size_t r = 0; r < recommend.rows().size(); ++r) {
    const RecommendOperation::Row& row = recommend.rows()[r];
    // Rows of item ids are there already, with their counts.
    const bool there = r < static_cast<std::size_t>(response->rows_size());
    v1::Recommendations* out =
        there ? response->mutable_rows(static_cast<int>(r)) : response->add_rows();
    out->set_fallback_popularity(row.fallback_popularity);
    for (const RecommendOperation::Item& item : row.items) {
      out->add_ids(operation.model().ColumnName(item.column));
      out->add_indices(item.column);
      out->add_scores(item.score);
    }
  }
  if (!request.include_item_embeddings()) return;
  response->mutable_embedded_indices()->Assign(recommend.embedded().begin(),
                                               recommend.embedded().end());
  SetDense(recommend.embeddings(), response->mutable_item_embeddings());
}

}  // namespace latent

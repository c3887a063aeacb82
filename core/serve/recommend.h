// Recommend: the columns ("items") that a row ("a history") would most likely have next, by any
// model's reconstruction. Beside operations.h, with its rules: checked when made, one thread at a
// time. Not its job: item names on the wire (server/recommend_convert).
#ifndef LATENT_CORE_SERVE_RECOMMEND_H_
#define LATENT_CORE_SERVE_RECOMMEND_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "core/serve/operations.h"

namespace latent {

class RecommendOperation : public Operation {
 public:
  struct Options {
    std::uint32_t k = 10;                     // items a row, 1 to 1000
    bool exclude_seen = true;                 // leaves out items whose cell in the row is not 0
    std::vector<std::uint32_t> exclude = {};  // columns that are never answered
    // If given, the only columns that are.
    std::optional<std::vector<std::uint32_t>> restrict_to = std::nullopt;
    bool include_item_embeddings = false;  // needs a code
  };
  struct Item {
    std::uint32_t column = 0;
    float score = 0;
  };
  struct Row {
    std::vector<Item> items;  // greatest score first, ties: the lower column; at most k
    // The row was empty: its items are the most popular, their scores the columns' training means.
    bool fallback_popularity = false;
  };

  // Embeddings of a conditional model's items are those under the rows' label, which must be one.
  //
  // INVALID_ARGUMENT for a k out of range or columns that the model does not have;
  // FAILED_PRECONDITION, reason NO_LATENT, for embeddings of a model without a code.
  static absl::StatusOr<std::unique_ptr<RecommendOperation>> Make(ModelPtr model, Cells rows,
                                                                  Options options);
  std::size_t cost_rows() const override { return rows_.rows; }
  std::optional<Pass> Next() override;

  const std::vector<Row>& rows() const { return answers_; }
  // If asked for: the columns that `rows` name, rising, and for each the code of a row that has
  // that item alone.
  const std::vector<std::uint32_t>& embedded() const { return embedded_; }
  const Cells& embeddings() const { return embeddings_; }  // [embedded x latent_dim]

 private:
  RecommendOperation(ModelPtr model, Cells rows, Options options);
  void Rank();
  Row RankRow(std::span<const float> row, std::span<const float> scores) const;
  Pass NextEmbeddings();

  Options options_;
  Cells rows_, scores_;
  std::vector<bool> allowed_;  // by column
  std::vector<Row> answers_;
  std::vector<std::uint32_t> embedded_;
  Cells unit_rows_;  // of the items that are encoded now
  Cells embeddings_;
  std::size_t encoded_ = 0;
  bool ran_ = false;
};

}  // namespace latent

#endif  // LATENT_CORE_SERVE_RECOMMEND_H_

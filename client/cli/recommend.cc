// latent recommend.
#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/answer.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/row_source.h"
#include "client/cli/verb.h"
#include "client/render/text.h"
#include "core/base/status.h"

namespace latent::cli {
namespace {

struct RecommendFlags {
  ModelFlags model;
  RowFlags rows;
  OutputFlags output;
  std::optional<std::string> items;  // "" is a newcomer's
  std::string exclude, restrict_to, embeddings;
  std::uint32_t k = 10;
  bool include_seen = false, strict = false;
};

std::vector<std::string> ItemIds(const std::string& list) {
  return absl::StrSplit(list, ',', absl::SkipEmpty());
}

v1::RecommendRequest RecommendRequestOf(const RecommendFlags& flags, const Target& target) {
  v1::RecommendRequest request;
  *request.mutable_model() = target.selector();
  request.set_k(flags.k);
  request.set_exclude_seen(!flags.include_seen);
  request.set_strict_items(flags.strict);
  request.set_include_item_embeddings(!flags.embeddings.empty());
  for (const std::string& id : ItemIds(flags.exclude)) request.add_exclude(id);
  for (const std::string& id : ItemIds(flags.restrict_to)) request.add_restrict_to(id);
  return request;
}

// Sends all that is asked for, and keeps what comes back.
class Recommender {
 public:
  Recommender(Context& context, const RecommendFlags& flags)
      : context_(context), flags_(flags), target_(flags.model) {}

  absl::Status SendItems() {
    v1::RecommendRequest request = RecommendRequestOf(flags_, target_);
    v1::ItemHistory* history = request.mutable_item_ids()->add_rows();
    for (const std::string& id : ItemIds(*flags_.items)) history->add_item_ids(id);
    LATENT_ASSIGN_OR_RETURN(const RequestLabels labels,
                            RequestLabels::Make(context_, target_, flags_.rows.label));
    labels.AddTo(0, 1, &request);
    return Send(std::move(request));
  }
  absl::Status SendRows() {
    LATENT_ASSIGN_OR_RETURN(const RowSource source,
                            RowSource::Open(context_, flags_.rows, flags_.model));
    return source.ForEachRequest(context_, "recommending", [&](std::size_t first, v1::Rows rows) {
      v1::RecommendRequest request = RecommendRequestOf(flags_, target_);
      source.AddLabels(first, &request);
      *request.mutable_rows() = std::move(rows);
      return Send(std::move(request));
    });
  }

  // One line an item, its id first.
  Answer EmbeddingsAnswer() const {
    Answer answer = MatrixAnswer(embeddings_, "code_");
    answer.headers.insert(answer.headers.begin(), "item");
    answer.row = [this, row = std::move(answer.row)](std::size_t r) {
      std::vector<std::string> cells = row(r);
      cells.insert(cells.begin(), items_[r]);
      return cells;
    };
    return answer;
  }

  const Target& target() const { return target_; }
  const std::vector<v1::Recommendations>& rows() const { return rows_; }
  std::uint64_t unknown() const { return unknown_; }

 private:
  absl::Status Send(v1::RecommendRequest request) {
    LATENT_ASSIGN_OR_RETURN(const auto response,
                            context_.client().Recommend(std::move(request), context_.Call()));
    target_.Answered(response.answered_by());
    rows_.insert(rows_.end(), response.rows().begin(), response.rows().end());
    unknown_ = response.unknown_filter_items();
    return KeepEmbeddings(response);
  }

  // Each item once, whatever the number of requests.
  absl::Status KeepEmbeddings(const v1::RecommendResponse& response) {
    std::map<std::uint32_t, std::string> ids;
    for (const v1::Recommendations& row : response.rows()) {
      for (int i = 0; i < row.ids_size(); ++i) ids[row.indices(i)] = row.ids(i);
    }
    Matrix codes;
    if (flags_.embeddings.empty() || response.embedded_indices_size() == 0) return absl::OkStatus();
    LATENT_RETURN_IF_ERROR(codes.Append(response.item_embeddings()));
    for (int i = 0; i < response.embedded_indices_size(); ++i) {
      const std::uint32_t index = response.embedded_indices(i);
      if (!embedded_.insert(index).second) continue;
      items_.push_back(ids[index]);
      embeddings_.columns = codes.columns;
      const auto code = codes.row(static_cast<std::size_t>(i));
      embeddings_.cells.insert(embeddings_.cells.end(), code.begin(), code.end());
    }
    return absl::OkStatus();
  }

  Context& context_;
  const RecommendFlags& flags_;
  Target target_;
  std::vector<v1::Recommendations> rows_;
  std::set<std::uint32_t> embedded_;
  std::vector<std::string> items_;  // ids, one a row of embeddings_
  Matrix embeddings_;
  std::uint64_t unknown_ = 0;  // in the filters, which every request repeats
};

// One line an item.
Answer RecommendAnswer(const std::vector<v1::Recommendations>& rows) {
  Answer answer;
  answer.headers = {"row", "rank", "item", "index", "score", "by"};
  std::vector<std::pair<std::size_t, int>> lines;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (int i = 0; i < rows[r].ids_size(); ++i) lines.emplace_back(r, i);
  }
  answer.rows = lines.size();
  answer.row = [&rows, lines = std::move(lines)](std::size_t line) {
    const auto& [r, i] = lines[line];
    const v1::Recommendations& row = rows[r];
    return std::vector<std::string>{absl::StrCat(r),
                                    absl::StrCat(i + 1),
                                    row.ids(i),
                                    absl::StrCat(row.indices(i)),
                                    FormatNumber(row.scores(i), 6),
                                    row.fallback_popularity() ? "popularity" : "history"};
  };
  return answer;
}

absl::Status RunRecommend(Context& context, const RecommendFlags& flags) {
  if (flags.items && !(flags.rows.input.empty() && flags.rows.dataset.empty())) {
    return absl::InvalidArgumentError("--items: leave it out with --input or --dataset");
  }
  Recommender recommender(context, flags);
  LATENT_RETURN_IF_ERROR(flags.items ? recommender.SendItems() : recommender.SendRows());
  if (!flags.embeddings.empty()) {
    LATENT_RETURN_IF_ERROR(WriteAnswer(recommender.EmbeddingsAnswer(), flags.embeddings));
  }
  std::uint64_t unknown = recommender.unknown(), newcomers = 0;
  for (const v1::Recommendations& row : recommender.rows()) {
    unknown += row.unknown_items();
    newcomers += row.fallback_popularity() ? 1 : 0;
  }
  Summary summary(recommender.target());
  summary.Add("rows", std::uint64_t{recommender.rows().size()});
  summary.Add("rows_by_popularity", newcomers);
  summary.Add("unknown_items", unknown);
  return Emit(context, flags.output, RecommendAnswer(recommender.rows()), summary);
}

}  // namespace

void AddRecommend(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("recommend", "Items that rows would have next");
  auto flags = std::make_shared<RecommendFlags>();
  AddModelOptions(*command, flags->model);
  AddRowOptions(*command, flags->rows);
  command->add_option(
      "--items", flags->items,
      "Ids of the items of one row, with commas between, in place of rows; \"\" is a "
      "newcomer, who gets the most popular ones");
  command->add_option("-k,--k", flags->k, "Items a row, 1 to 1000")->capture_default_str();
  command->add_flag("--include-seen", flags->include_seen, "Items that a row has are named, too");
  command->add_option("--exclude", flags->exclude, "Ids that are never named");
  command->add_option("--restrict-to", flags->restrict_to, "The only ids that are named");
  command->add_flag("--strict", flags->strict, "Unknown ids are an error");
  command->add_option("--embeddings-output", flags->embeddings,
                      "File for the codes of the recommended items: .csv or .npy");
  AddOutputOptions(*command, flags->output, nullptr);
  command->footer("Example:\n  latent recommend --model films --items 50,181,172 --k 5");
  OnCommand(*command, context, flags, RunRecommend);
}

}  // namespace latent::cli

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/answer.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/row_source.h"
#include "client/cli/verb.h"
#include "client/render/text.h"
#include "core/base/status.h"

namespace latent::cli {
namespace {

struct ScoreFlags {
  ModelFlags model;
  RowFlags rows;
  OutputFlags output;
  std::optional<double> threshold;
  std::uint32_t top_features = 0;
};

std::string FeaturesText(const v1::RowScore& score) {
  std::vector<std::string> texts;
  for (const v1::FeatureContribution& feature : score.top_features()) {
    const std::string name =
        feature.name().empty() ? absl::StrCat(feature.column()) : feature.name();
    texts.push_back(absl::StrCat(name, "=", FormatNumber(feature.nats())));
  }
  return absl::StrJoin(texts, " ");
}

Answer ScoreAnswer(const std::vector<v1::RowScore>& scores, bool with_features) {
  Answer answer;
  answer.headers = {"score", "percentile", "is_anomaly"};
  if (with_features) answer.headers.push_back("top_features");
  answer.rows = scores.size();
  answer.row = [&scores, with_features](std::size_t r) {
    const v1::RowScore& score = scores[r];
    std::vector<std::string> cells = {FormatNumber(score.score(), 10),
                                      FormatNumber(score.percentile(), 6),
                                      score.is_anomaly() ? "1" : "0"};
    if (with_features) cells.push_back(FeaturesText(score));
    return cells;
  };
  return answer;
}

void Summarise(const std::vector<v1::RowScore>& scores, Summary* summary) {
  const double n = static_cast<double>(scores.size());
  double sum = 0, squares = 0;
  std::uint64_t anomalies = 0;
  for (const v1::RowScore& score : scores) {
    sum += score.score();
    anomalies += score.is_anomaly() ? 1 : 0;
  }
  for (const v1::RowScore& score : scores) {
    squares += (score.score() - sum / n) * (score.score() - sum / n);
  }
  summary->Add("rows", std::uint64_t{scores.size()});
  summary->Add("mean_score_nats", sum / n);
  if (scores.size() > 1) summary->Add("standard_error", std::sqrt(squares / (n - 1) / n));
  summary->Add("anomalies", anomalies);
}

absl::Status RunScore(Context& context, const ScoreFlags& flags) {
  LATENT_ASSIGN_OR_RETURN(const RowSource source,
                          RowSource::Open(context, flags.rows, flags.model));
  Target target(flags.model);
  std::vector<v1::RowScore> scores;
  double threshold = 0;
  LATENT_RETURN_IF_ERROR(source.ForEachRequest(
      context, "scoring", [&](std::size_t first, v1::Rows rows) -> absl::Status {
        v1::ScoreRequest request;
        *request.mutable_model() = target.selector();
        source.AddLabels(first, &request);
        *request.mutable_rows() = std::move(rows);
        if (flags.threshold) request.set_threshold(*flags.threshold);
        request.set_top_features(flags.top_features);
        LATENT_ASSIGN_OR_RETURN(const auto response,
                                context.client().Score(std::move(request), context.Call()));
        target.Answered(response.answered_by());
        threshold = response.threshold();
        scores.insert(scores.end(), response.scores().begin(), response.scores().end());
        return absl::OkStatus();
      }));
  Summary summary(target);
  Summarise(scores, &summary);
  summary.Add("threshold_nats", threshold);
  return Emit(context, flags.output, ScoreAnswer(scores, flags.top_features > 0), summary);
}

}  // namespace

void AddScore(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("score", "How unlikely rows are, in nats");
  auto flags = std::make_shared<ScoreFlags>();
  AddModelOptions(*command, flags->model);
  AddRowOptions(*command, flags->rows);
  command->add_option("--threshold", flags->threshold,
                      "Score above which a row is an anomaly (default: the version's)");
  command->add_option("--top-features", flags->top_features,
                      "Columns of greatest contribution to name for each row, 0 to 64");
  AddOutputOptions(*command, flags->output, nullptr);
  command->footer("Example:\n  latent score --model sensors --input today.csv --top-features 3");
  OnCommand(*command, context, flags, RunScore);
}

}  // namespace latent::cli

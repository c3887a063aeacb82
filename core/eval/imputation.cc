// How well a model that takes missing cells tells them from the others, beside what needs no model.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/eval/mean.h"

namespace latent {
namespace {

// All models are asked for the same cells.
constexpr std::uint64_t kHidingSeed = 0;
constexpr float kHiddenShare = 0.2f;

// A numeric column, or the columns of a category.
struct Field {
  std::size_t first = 0;
  std::size_t count = 1;
  bool categorical = false;

  std::span<const float> Of(std::span<const float> row) const { return row.subspan(first, count); }
};

std::vector<Field> FieldsOf(const Autoencoder& model) {
  std::vector<Field> fields;
  std::size_t next = 0;
  const auto numbers_to = [&](std::size_t end) {
    for (; next < end; ++next) fields.push_back({.first = next});
  };
  for (const v1::ColumnRun& run : model.spec().likelihood().mixed().categorical()) {
    numbers_to(run.first());
    fields.push_back({.first = run.first(), .count = run.count(), .categorical = true});
    next += run.count();
  }
  numbers_to(model.columns());
  return fields;
}

bool IsKnown(std::span<const float> cells) {
  return std::none_of(cells.begin(), cells.end(), [](float x) { return std::isnan(x); });
}

std::size_t Likeliest(std::span<const float> cells) {
  return static_cast<std::size_t>(std::max_element(cells.begin(), cells.end()) - cells.begin());
}

// What one way of imputing has got right so far.
struct Answers {
  Mean squares;  // scaled units
  Mean right;

  void Judge(const Field& field, std::span<const float> answer, std::span<const float> truth) {
    if (field.categorical) {
      right.Add(Likeliest(field.Of(answer)) == Likeliest(field.Of(truth)) ? 1 : 0);
      return;
    }
    const double error = static_cast<double>(answer[field.first]) - truth[field.first];
    squares.Add(error * error);
  }
  void AddTo(const char* rmse, const char* accuracy, v1::Part part, MetricList& metrics) const {
    if (squares.count() > 0) metrics.Add(rmse, std::sqrt(squares.mean()), part);
    if (right.count() > 0) metrics.Add(accuracy, right.mean(), part, right.standard_error());
  }
};

class Imputation {
 public:
  explicit Imputation(const Autoencoder& model)
      : model_(model),
        fields_(FieldsOf(model)),
        hidden_(kEvaluationBatchRows * model.columns()),
        answers_(hidden_.size()),
        means_(model.column_means().begin(), model.column_means().end()) {
    const Matrix means(means_.data(), 1, means_.size());
    model.ScaleRows(means, means);
  }

  void Observe(const LabelledRows& rows, std::size_t first_row) {
    const Matrix hidden(hidden_.data(), rows.rows, rows.columns);
    const Matrix answers(answers_.data(), rows.rows, rows.columns);
    std::vector<std::vector<Field>> asked(rows.rows);
    for (std::size_t r = 0; r < rows.rows; ++r) {
      asked[r] = Hide(rows.row(r), first_row + r, hidden.row(r));
    }
    ForwardOutputs outputs;
    outputs.reconstruction = answers;
    model_.Forward({hidden, rows.labels}, outputs, workspace_);
    model_.ScaleRows(answers, answers);
    model_.ScaleRows(rows, hidden);  // the truth, from here on
    for (std::size_t r = 0; r < rows.rows; ++r) {
      for (const Field& field : asked[r]) {
        by_model_.Judge(field, answers.row(r), hidden.row(r));
        by_column_.Judge(field, means_, hidden.row(r));
      }
    }
  }

  void AddTo(v1::Part part, MetricList& metrics) const {
    by_model_.AddTo("imputation_rmse", "imputation_accuracy", part, metrics);
    by_column_.AddTo("mean_imputation_rmse", "mode_imputation_accuracy", part, metrics);
  }

 private:
  // Copies a row without some of its fields and returns those.
  std::vector<Field> Hide(std::span<const float> row, std::uint64_t number,
                          std::span<float> hidden) const {
    std::copy(row.begin(), row.end(), hidden.begin());
    std::vector<Field> asked;
    const RandomKey key{.seed = kHidingSeed, .sample = number};
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const Field& field = fields_[i];
      if (UniformAt(key, i) >= kHiddenShare || !IsKnown(field.Of(row))) continue;
      const std::span<float> cells = hidden.subspan(field.first, field.count);
      std::fill(cells.begin(), cells.end(), std::numeric_limits<float>::quiet_NaN());
      asked.push_back(field);
    }
    return asked;
  }

  const Autoencoder& model_;
  const std::vector<Field> fields_;
  Workspace workspace_;
  std::vector<float> hidden_, answers_;
  std::vector<float> means_;  // scaled; of a category the shares of TRAIN rows
  Answers by_model_, by_column_;
};

}  // namespace

absl::Status AddImputation(const EvaluationInput& input, MetricList& metrics) {
  if (!input.model.takes_missing()) return absl::OkStatus();
  Imputation imputation(input.model);
  const RowsView rows = input.rows();
  std::vector<float> scratch;
  for (std::size_t first = 0; first < rows.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const std::size_t count = std::min(kEvaluationBatchRows, rows.rows - first);
    imputation.Observe(rows.Read(first, count, scratch), first);
  }
  imputation.AddTo(input.part, metrics);
  return absl::OkStatus();
}

}  // namespace latent

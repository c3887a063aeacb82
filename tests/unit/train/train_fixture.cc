#include "tests/unit/train/train_fixture.h"

#include <gtest/gtest.h>

#include "core/data/formats.h"
#include "core/model/composed_autoencoder.h"
#include "tests/unit/train/plan_fixture.h"

namespace latent {
namespace {

const RowTable& Digits() {
  static const RowTable& table = *new RowTable([] {
    ReadOptions options;
    options.csv.label_column = "-1";
    auto rows = ReadRows(std::string(LATENT_TEST_DATA) + "/digits/digits.csv.gz", FileFormat::kCsv,
                         options, 1.0 / 16, 1 << 20);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.value_or(RowTable());
  }());
  return table;
}

std::vector<float> Rows(std::size_t first, std::size_t count) {
  const auto begin = Digits().cells.begin() + static_cast<std::ptrdiff_t>(first * 64);
  return {begin, begin + static_cast<std::ptrdiff_t>(count * 64)};
}

std::vector<std::int32_t> LabelsOf(std::size_t first, std::size_t count) {
  const auto begin = Digits().labels.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

InMemoryPart PartOf(std::size_t first, std::size_t count) {
  return {.cells = Rows(first, count), .labels = LabelsOf(first, count)};
}

}  // namespace

std::shared_ptr<const Dataset> SomeDigits(std::size_t train, std::size_t validation) {
  DatasetInfo info;
  info.name = "digits";
  info.content_hash = std::to_string(train) + "+" + std::to_string(validation);
  info.columns = 64;
  info.row_shape = {8, 8, 1};
  info.value_scale = 1.0 / 16;
  return MakeDataset(info, PartOf(0, train), PartOf(train, validation), {});
}

std::shared_ptr<const Dataset> AllDigits() { return SomeDigits(1797, 0); }

v1::TrainingPlan PlanFor(const Dataset& data, const std::string& request) {
  auto plan = Resolve(Request(request), data.info(), {.default_threads = 1});
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.value_or(v1::TrainingPlan());
}

absl::StatusOr<TrainResult> Fit(const v1::TrainingPlan& plan, const Dataset& data) {
  return Train(plan, data, "", TrainingPriority::kNormal, {}, {});
}

std::vector<float> WeightsOf(const Autoencoder& model) {
  const auto values = dynamic_cast<const ComposedAutoencoder&>(model).parameters().values();
  return {values.begin(), values.end()};
}

std::vector<float> FitWeights(const v1::TrainingPlan& plan, const Dataset& data) {
  const auto result = Fit(plan, data);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? WeightsOf(*result->model) : std::vector<float>();
}

double SquaredErrorPerRow(const Autoencoder& model, const Dataset& data) {
  std::vector<float> scratch;
  const RowsView part = data.rows(v1::PART_TRAIN);
  const auto rows = part.Read(0, part.rows, scratch);
  std::vector<double> errors(rows.rows);
  ForwardOutputs outputs;
  outputs.squared_error = errors;
  Workspace workspace;
  model.Forward(rows, outputs, workspace);
  double sum = 0;
  for (const double error : errors) sum += error;
  return sum / static_cast<double>(rows.rows);
}

}  // namespace latent

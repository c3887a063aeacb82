#include "core/eval/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>

#include "core/eval/metric_table.h"
#include "tests/unit/eval/fake_model.h"

namespace latent {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeModel;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<float> Uniform(std::size_t count, std::uint64_t seed) {
  std::vector<float> values(count);
  FillUniform({.seed = seed}, values);
  return values;
}

// 4 columns in [0, 1]: 400 TRAIN, 60 VALIDATION, 300 TEST rows; more than a batch to report on.
std::shared_ptr<const Dataset> UniformData() {
  return MakeDataset({.columns = 4}, {Uniform(1600, 1), {}}, {Uniform(240, 2), {}},
                     {Uniform(1200, 3), {}});
}

v1::TrainingPlan Plan(double quantile = 0.5) {
  v1::TrainingPlan plan;
  plan.mutable_training()->set_seed(7);
  plan.mutable_training()->set_threads(2);
  plan.mutable_training()->set_anomaly_quantile(quantile);
  return plan;
}

Evaluation Report(const Autoencoder& model, const Dataset& data) {
  auto evaluation = Evaluate(model, Plan(), data, {});
  EXPECT_TRUE(evaluation.ok()) << evaluation.status();
  return evaluation.ok() ? *std::move(evaluation) : Evaluation();
}

v1::Metric Figure(const Evaluation& evaluation, const std::string& name) {
  const auto metric = FindMetric(evaluation.metrics, name);
  EXPECT_TRUE(metric.ok()) << metric.status();
  return metric.value_or(v1::Metric());
}

std::vector<std::string> Names(const Evaluation& evaluation) {
  std::vector<std::string> names;
  for (const v1::Metric& metric : evaluation.metrics) names.push_back(metric.name());
  return names;
}

TEST(EvaluateTest, ReportsSquaredErrorPerRowAndElement) {
  FakeModel model(4, 2);
  model.shift = 0.5f;
  const Evaluation evaluation = Report(model, *UniformData());
  EXPECT_DOUBLE_EQ(Figure(evaluation, "test_sse_per_row").value(), 1);
  EXPECT_DOUBLE_EQ(Figure(evaluation, "test_mse_per_element").value(), 0.25);
  EXPECT_EQ(Figure(evaluation, "test_mse_per_element").standard_error(), 0);
  EXPECT_EQ(Figure(evaluation, "test_mse_per_element").part(), v1::PART_TEST);
  EXPECT_FALSE(Figure(evaluation, "test_mse_per_element").higher_is_better());
}

TEST(EvaluateTest, RefersPsnrToOneForDataInTheUnitInterval) {
  FakeModel model(4, 2);
  model.shift = 0.1f;
  EXPECT_NEAR(Figure(Report(model, *UniformData()), "psnr_db").value(), 20, 1e-5);
}

TEST(EvaluateTest, RefersPsnrToTheRangeOfOtherData) {
  FakeModel model(2, 1);
  model.shift = 1;
  const auto data = MakeDataset({.columns = 2}, {{-4, 6, 1, 2}, {}}, {}, {});
  EXPECT_NEAR(Figure(Report(model, *data), "psnr_db").value(), 20, 1e-9);
}

TEST(EvaluateTest, LeavesOutWhatAPerfectModelMakesInfinite) {
  const FakeModel model(4, 2);
  const Evaluation evaluation = Report(model, *UniformData());
  EXPECT_EQ(Figure(evaluation, "test_mse_per_element").value(), 0);
  EXPECT_EQ(Figure(evaluation, "r2").value(), 1);
  EXPECT_THAT(Names(evaluation), Not(Contains("psnr_db")));
}

TEST(EvaluateTest, GivesFiniteFiguresForConstantData) {
  FakeModel model(2, 1);
  model.shift = 0.5f;
  model.sigma = 1;
  model.model_spec.mutable_corruption()->mutable_gaussian()->set_sigma(0.1);
  const InMemoryPart rows = {std::vector<float>(40, 3.0f), std::vector<std::int32_t>(20, 1)};
  const Evaluation evaluation = Report(model, *MakeDataset({.columns = 2}, rows, rows, rows));
  for (const v1::Metric& metric : evaluation.metrics) {
    EXPECT_TRUE(std::isfinite(metric.value())) << metric.name();
  }
  EXPECT_THAT(Names(evaluation), Not(Contains("r2")));
  EXPECT_THAT(Names(evaluation), Not(Contains("psnr_db")));
}

TEST(EvaluateTest, GivesFiniteFiguresForOneRow) {
  const FakeModel model(2, 1);
  const Evaluation evaluation = Report(model, *MakeDataset({.columns = 2}, {{1, 2}, {}}, {}, {}));
  EXPECT_FALSE(Figure(evaluation, "test_sse_per_row").has_standard_error());
}

TEST(EvaluateTest, FallsBackToTheRowsThereAre) {
  const FakeModel model(2, 1);
  const InMemoryPart rows = {{0, 1, 2, 3}, {}};
  const auto validation = MakeDataset({.columns = 2}, rows, rows, {});
  EXPECT_EQ(Figure(Report(model, *validation), "r2").part(), v1::PART_VALIDATION);
  const auto train = MakeDataset({.columns = 2}, rows, {}, {});
  EXPECT_EQ(Figure(Report(model, *train), "r2").part(), v1::PART_TRAIN);
  EXPECT_EQ(Figure(Report(model, *train), "validation_objective").part(), v1::PART_TRAIN);
}

TEST(EvaluateTest, ReportsTheBoundOfGaussianCodes) {
  FakeModel model(4, 2);
  model.sigma = 0.5f;
  const Evaluation evaluation = Report(model, *UniformData());
  const v1::Metric nats = Figure(evaluation, "reconstruction_nats");
  // Half of two squared draws of deviation 0.5: 0.25 in expectation.
  EXPECT_NEAR(nats.value(), 0.25, 5 * nats.standard_error());
  EXPECT_NEAR(nats.standard_error(), 0.25 / std::sqrt(300), 0.004);
  EXPECT_EQ(Figure(evaluation, "kl_nats").value(), FakeModel::kKl);
  const double bound = Figure(evaluation, "neg_elbo").value();
  EXPECT_DOUBLE_EQ(bound, nats.value() + FakeModel::kKl);
  EXPECT_DOUBLE_EQ(Figure(evaluation, "bits_per_dim").value(), bound / 4 / std::numbers::ln2);
  EXPECT_THAT(Names(evaluation), Not(Contains("nll")));
}

TEST(EvaluateTest, ReportsTheLikelihoodOfDeterministicCodes) {
  FakeModel model(4, 1);
  model.gain = 0;
  const auto data = MakeDataset({.columns = 4}, {{1, 0, 0, 0, 3, 0, 0, 0}, {}}, {}, {});
  const Evaluation evaluation = Report(model, *data);
  EXPECT_DOUBLE_EQ(Figure(evaluation, "nll").value(), (0.5 + 4.5) / 2);
  EXPECT_DOUBLE_EQ(Figure(evaluation, "nll").standard_error(), 2);
  EXPECT_THAT(Names(evaluation), Not(Contains("neg_elbo")));
  EXPECT_THAT(Names(evaluation), Not(Contains("active_units")));
}

TEST(EvaluateTest, CountsActiveAndDeadUnits) {
  FakeModel model(4, 4);
  model.sigma = 0.1f;
  // Columns: varies, varies by less than 0.01, 0, -1 in one row of four.
  const auto data = MakeDataset(
      {.columns = 4}, {{0, .05f, 0, -1, 1, .06f, 0, 0, 2, .05f, 0, 0, 3, .06f, 0, 0}, {}}, {}, {});
  const Evaluation evaluation = Report(model, *data);
  EXPECT_EQ(Figure(evaluation, "active_units").value(), 2);
  EXPECT_EQ(Figure(evaluation, "dead_units").value(), 1);
  EXPECT_EQ(Figure(evaluation, "code_density").value(), 8.0 / 16);
}

TEST(EvaluateTest, MeasuresDenoisingOnClippedRows) {
  FakeModel model(4, 1);
  model.model_spec.mutable_corruption()->mutable_gaussian()->set_sigma(0.3);
  const Evaluation evaluation = Report(model, *UniformData());
  const double noisy = Figure(evaluation, "noisy_psnr_db").value();
  EXPECT_NEAR(noisy, -20 * std::log10(0.3), 0.3);
  // The model returns the noisy rows; clipping them to [0, 1] brings them nearer.
  EXPECT_GT(Figure(evaluation, "denoised_psnr_db").value(), noisy + 0.5);
}

TEST(EvaluateTest, MeasuresNoDenoisingWithoutNoise) {
  FakeModel model(4, 1);
  model.model_spec.mutable_corruption()->mutable_none();
  EXPECT_THAT(Names(Report(model, *UniformData())), Not(Contains("denoised_psnr_db")));
}

TEST(EvaluateTest, TellsLabelsByTheNearestCodes) {
  const FakeModel model(2, 1);
  std::vector<float> cells;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 40; ++i) {
    cells.insert(cells.end(), {static_cast<float>(i % 2) + static_cast<float>(i) / 1000, 0});
    labels.push_back(i % 2 == 0 ? 7 : 3);
  }
  const InMemoryPart rows = {cells, labels};
  const auto data = MakeDataset({.columns = 2}, rows, {}, {{0, 0, 1, 0, 0.1f, 0}, {7, 3, 3}});
  EXPECT_DOUBLE_EQ(Figure(Report(model, *data), "knn5_code_accuracy").value(), 2.0 / 3);
}

TEST(EvaluateTest, KeepsAscendingScoresAndTheirQuantile) {
  const FakeModel model(1, 1);
  const auto data = MakeDataset({.columns = 1}, {{9, 9}, {}}, {{4, 1, 3, 2}, {}}, {});
  const Evaluation evaluation = *Evaluate(model, Plan(0.75), *data, {});
  EXPECT_THAT(evaluation.score_quantiles, ElementsAre(1, 2, 3, 4));
  EXPECT_DOUBLE_EQ(evaluation.anomaly_threshold, 3.25);
}

TEST(EvaluateTest, ThinsManyScores) {
  const FakeModel model(1, 1);
  std::vector<float> cells(20'001);
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<float>(i);
  const auto data = MakeDataset({.columns = 1}, {cells, {}}, {}, {});
  const Evaluation evaluation = Report(model, *data);
  ASSERT_EQ(evaluation.score_quantiles.size(), 10'001u);
  EXPECT_EQ(evaluation.score_quantiles[1], 2);
  EXPECT_EQ(evaluation.score_quantiles[10'000], 20'000);
}

TEST(EvaluateTest, StopsWhenAsked) {
  const FakeModel model(4, 2);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(Evaluate(model, Plan(), *UniformData(), stop.get_token()).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(EvaluateTest, GivesTheSameFiguresTwice) {
  FakeModel model(4, 2);
  model.sigma = 0.5f;
  const Evaluation first = Report(model, *UniformData());
  const Evaluation second = Report(model, *UniformData());
  ASSERT_EQ(first.metrics.size(), second.metrics.size());
  for (std::size_t i = 0; i < first.metrics.size(); ++i) {
    EXPECT_EQ(first.metrics[i].value(), second.metrics[i].value()) << first.metrics[i].name();
  }
}

TEST(ValidationObjectiveTest, EqualsTheStoredFigure) {
  FakeModel model(4, 2);
  model.sigma = 0.5f;
  const auto data = UniformData();
  EXPECT_EQ(ValidationObjective(model, *data, v1::PART_VALIDATION, 7),
            Figure(Report(model, *data), "validation_objective").value());
  EXPECT_NE(ValidationObjective(model, *data, v1::PART_VALIDATION, 8),
            ValidationObjective(model, *data, v1::PART_VALIDATION, 7));
}

TEST(FindMetricTest, ListsWhatThereIs) {
  const FakeModel model(4, 2);
  const Evaluation evaluation = Report(model, *UniformData());
  const auto missing = FindMetric(evaluation.metrics, "accuracy");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("test_sse_per_row, "));
}

TEST(MetricTableTest, HasEachNameOnce) {
  std::set<std::string_view> names;
  for (const MetricDefinition& metric : MetricTable()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_FALSE(metric.description.empty()) << metric.name;
  }
}

// Stored versions and publish policies name figures: a name is never dropped or changed.
TEST(MetricTableTest, KeepsItsNames) {
  for (const std::string_view name :
       {"validation_objective", "test_mse_per_element", "test_sse_per_row", "psnr_db", "r2",
        "pca_test_mse_per_element", "nll", "neg_elbo", "reconstruction_nats", "kl_nats",
        "bits_per_dim", "active_units", "code_density", "dead_units", "noisy_psnr_db",
        "denoised_psnr_db", "knn5_code_accuracy"}) {
    EXPECT_NE(FindMetricDefinition(name), nullptr) << name;
  }
}

}  // namespace
}  // namespace latent

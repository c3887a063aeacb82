#include "core/eval/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <optional>
#include <set>

#include "core/eval/collector.h"
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

TEST(EvaluateTest, SparseRowsGiveTheFiguresOfTheSameDenseRows) {
  FakeModel model(4, 2);
  model.shift = 0.5;
  model.model_spec.mutable_corruption()->mutable_gaussian()->set_sigma(0.2);
  const auto labelled = [](std::size_t rows, std::uint64_t seed) {
    InMemoryPart part = {Uniform(rows * 4, seed), std::vector<std::int32_t>(rows)};
    for (std::size_t r = 0; r < rows; ++r) part.labels[r] = part.cells[r * 4] > 0.5f ? 1 : 0;
    return part;
  };
  const auto dense =
      MakeDataset({.columns = 4}, labelled(400, 1), labelled(60, 2), labelled(300, 3));
  const Evaluation expected = Report(model, *dense);
  Evaluation found = Report(model, *MakeSparse(*dense));
  // Ranking is of sparse data alone.
  std::erase_if(found.metrics, [](const v1::Metric& metric) {
    return metric.name().find("_at_") != std::string::npos;
  });
  EXPECT_THAT(Names(found), ::testing::Contains("knn5_code_accuracy"));
  EXPECT_THAT(Names(found), ::testing::Contains("denoised_psnr_db"));
  ASSERT_EQ(Names(found), Names(expected));
  for (std::size_t i = 0; i < found.metrics.size(); ++i) {
    EXPECT_EQ(found.metrics[i].value(), expected.metrics[i].value()) << found.metrics[i].name();
  }
  EXPECT_EQ(found.score_quantiles, expected.score_quantiles);
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

TEST(EvaluateTest, EstimatesTheLikelihoodAsThePlanAsks) {
  FakeModel model(4, 2);
  model.sigma = 0.5f;
  v1::TrainingPlan plan = Plan();
  plan.mutable_training()->mutable_evaluation()->set_importance_draws(7);
  plan.mutable_training()->mutable_evaluation()->set_importance_rows(100);
  const auto evaluation = Evaluate(model, plan, *UniformData(), {});
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  const v1::Metric nll = Figure(*evaluation, "test_iwae_nll");
  EXPECT_EQ(nll.draws(), 7u);
  EXPECT_GT(nll.standard_error(), 0);
}

TEST(EvaluateTest, EstimatesNothingWhereNoDrawsAreAskedFor) {
  FakeModel model(4, 2);
  model.sigma = 0.5f;
  EXPECT_THAT(Names(Report(model, *UniformData())), Not(Contains("test_iwae_nll")));
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

TEST(EvaluateTest, DescribesNoSpaceWhereAllCodesAreTheSame) {
  FakeModel model(4, 2);
  EXPECT_THAT(Names(Report(model, *UniformData())), Contains("latent_hole_rate"));
  model.gain = 0;
  for (const std::string& name : Names(Report(model, *UniformData()))) {
    EXPECT_FALSE(name.starts_with("latent_")) << name;
  }
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
  EXPECT_EQ(Figure(evaluation, "code_l0").value(), 2);
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

// The same rows, of which only the columns of `mask` that are not set have values.
Evaluation DenoisingWithMissing(std::uint8_t mask) {
  FakeModel model(4, 1);
  model.model_spec.mutable_corruption()->mutable_gaussian()->set_sigma(0.3);
  model.model_spec.mutable_likelihood()->mutable_mixed();
  const auto data = MakeDataset({.columns = 4}, {Uniform(1600, 1), {}}, {Uniform(240, 2), {}},
                                {Uniform(1200, 3), {}, std::vector<std::uint8_t>(300, mask)});
  MetricList metrics;
  EXPECT_TRUE(AddDenoising({model, *data, v1::PART_TEST, {}}, metrics).ok());
  Evaluation evaluation;
  evaluation.metrics = std::move(metrics).Take();
  return evaluation;
}

TEST(EvaluateTest, MeasuresDenoisingOnTheCellsThatAreThere) {
  const Evaluation whole = DenoisingWithMissing(0), holes = DenoisingWithMissing(0b1101);
  // Over all cells they would come out 6 dB higher.
  for (const char* name : {"noisy_psnr_db", "denoised_psnr_db"}) {
    EXPECT_NEAR(Figure(holes, name).value(), Figure(whole, name).value(), 0.6) << name;
  }
}

TEST(EvaluateTest, MeasuresNoDenoisingWhereNoCellIsThere) {
  EXPECT_THAT(Names(DenoisingWithMissing(0b1111)), ::testing::IsEmpty());
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

TEST(EvaluateTest, SetsControlsBesideCodes) {
  const FakeModel model(3, 1);
  // The label is the second column's; the code holds the first alone.
  std::vector<float> cells = Uniform(3 * 400, 1);
  std::vector<std::int32_t> labels;
  for (std::size_t r = 0; r < 400; ++r) labels.push_back(cells[3 * r + 1] > 0.5f ? 4 : 2);
  const InMemoryPart rows = {cells, labels};
  const Evaluation evaluation = Report(model, *MakeDataset({.columns = 3}, rows, {}, rows));
  EXPECT_NEAR(Figure(evaluation, "linear_code_accuracy").value(), 0.5, 0.1);
  EXPECT_GT(Figure(evaluation, "linear_raw_accuracy").value(), 0.95);
  EXPECT_GT(Figure(evaluation, "knn5_raw_accuracy").value(), 0.9);
  EXPECT_LT(Figure(evaluation, "knn5_pca_accuracy").value(), 0.95);
  EXPECT_THAT(Names(evaluation), Contains("linear_pca_accuracy"));
}

TEST(EvaluateTest, TellsAnomaliesByScore) {
  const FakeModel model(1, 1);  // the score is the row's cell
  const InMemoryPart train = {{0, 1, 2, 3, 4, 5}, {0, 0, 0, 0, 0, 0}};
  const InMemoryPart test = {{3, 2, 1, 0}, {1, 0, 1, 0}};
  const Evaluation evaluation = Report(model, *MakeDataset({.columns = 1}, train, {}, test));
  EXPECT_DOUBLE_EQ(Figure(evaluation, "auroc").value(), 0.75);
  EXPECT_DOUBLE_EQ(Figure(evaluation, "average_precision").value(), 5.0 / 6);
  const auto named =
      MakeDataset({.columns = 1, .label_names = {"Outlier", "Inlier"}}, train, {}, test);
  EXPECT_DOUBLE_EQ(Figure(Report(model, *named), "auroc").value(), 0.25);
}

TEST(EvaluateTest, ReportsNoAnomaliesForOtherLabels) {
  const FakeModel model(1, 1);
  const InMemoryPart train = {{0, 1, 2, 3, 4, 5}, {0, 0, 0, 0, 0, 0}};
  const InMemoryPart test = {{3, 2, 1, 0}, {1, 0, 1, 0}};
  const auto cats = MakeDataset({.columns = 1, .label_names = {"cat", "dog"}}, train, {}, test);
  EXPECT_THAT(Names(Report(model, *cats)), Not(Contains("auroc")));
  const auto one_kind = MakeDataset({.columns = 1}, train, {}, {{3, 2}, {0, 0}});
  EXPECT_THAT(Names(Report(model, *one_kind)), Not(Contains("auroc")));
  const auto three = MakeDataset({.columns = 1}, train, {}, {{3, 2, 1}, {0, 1, 2}});
  EXPECT_THAT(Names(Report(model, *three)), Not(Contains("auroc")));
}

TEST(EvaluateTest, ReportsSimilarityOfImages) {
  const FakeModel perfect(144, 2);
  const InMemoryPart images = {Uniform(144 * 5, 1), {}};
  const auto data = MakeDataset({.columns = 144, .row_shape = {12, 12, 1}}, images, {}, images);
  EXPECT_NEAR(Figure(Report(perfect, *data), "ssim").value(), 1, 1e-9);
  EXPECT_THAT(Names(Report(FakeModel(4, 2), *UniformData())), Not(Contains("ssim")));
}

TEST(EvaluateTest, MeasuresWhatFewerBitsLose) {
  const FakeModel model(2, 2);  // decodes a code to the row itself
  const auto data = MakeDataset({.columns = 2}, {{0, 0, 25.4f, 1}, {}}, {}, {{0.04f, 1, 3, 0}, {}});
  const Evaluation evaluation = Report(model, *data);
  EXPECT_EQ(Figure(evaluation, "code_bits_float32").value(), 64);
  EXPECT_EQ(Figure(evaluation, "code_bits_float16").value(), 32);
  EXPECT_EQ(Figure(evaluation, "code_bits_int8").value(), 16);
  // Steps of 0.1: 0.04 becomes 0, the ends of the other entry are met.
  EXPECT_NEAR(Figure(evaluation, "int8_mse_per_element").value(), 0.04 * 0.04 / 4, 1e-7);
  EXPECT_LT(Figure(evaluation, "float16_mse_per_element").value(), 1e-9);
  EXPECT_DOUBLE_EQ(Figure(evaluation, "int8_entropy_bits").value(), 2);
}

// A fake whose weights of fewer bits lengthen codes and shift rows.
class NarrowingModel final : public FakeModel {
 public:
  using FakeModel::FakeModel;
  std::unique_ptr<Autoencoder> Narrowed(WeightFormat format) const override {
    auto narrow = std::make_unique<FakeModel>(columns(), latent_dim());
    narrow->gain = format == WeightFormat::kInt8 ? 1.1f : 1.01f;
    narrow->shift = format == WeightFormat::kInt8 ? 0.5f : 0;
    return narrow;
  }
};

TEST(EvaluateTest, MeasuresWhatNarrowWeightsLoseOnValidationRows) {
  const NarrowingModel model(2, 2);
  const auto data =
      MakeDataset({.columns = 2}, {{1, 2, 3, 4}, {}}, {{3, 4, 0, 0}, {}}, {{7, 7, 7, 7}, {}});
  const Evaluation evaluation = Report(model, *data);
  const double length = std::sqrt((25.0 + 0) / 2);
  const auto code = Figure(evaluation, "float16_weights_code_error");
  EXPECT_EQ(code.part(), v1::PART_VALIDATION);
  EXPECT_NEAR(code.value(), 0.01 * 5 / length, 1e-6);
  EXPECT_EQ(Figure(evaluation, "float16_weights_reconstruction_error").value(), 0);
  EXPECT_NEAR(Figure(evaluation, "int8_weights_code_error").value(), 0.1 * 5 / length, 1e-6);
  EXPECT_NEAR(Figure(evaluation, "int8_weights_reconstruction_error").value(),
              std::sqrt(0.5) / length, 1e-6);
  EXPECT_THAT(Names(Report(FakeModel(2, 2), *data)), Not(Contains("int8_weights_code_error")));
}

TEST(EvaluateTest, ComputesMetricsWithTheScalesOfAVersion) {
  const FakeModel model(2, 2);
  const auto data = MakeDataset({.columns = 2}, {{0, 0, 1, 1}, {}}, {}, {});
  const CodeScales coarse = {.scale = {1, 1}, .offset = {0.5f, 0.5f}};
  const auto metrics = ComputeMetrics(model, Plan(), *data, coarse, {});
  ASSERT_TRUE(metrics.ok());
  EXPECT_DOUBLE_EQ(FindMetric(*metrics, "int8_mse_per_element")->value(), 0.25);
  const auto without = ComputeMetrics(model, Plan(), *data, {}, {});
  EXPECT_EQ(FindMetric(*without, "int8_mse_per_element").status().code(),
            absl::StatusCode::kNotFound);
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

// Codes of two groups, one of four values each.
class QuantisedModel : public FakeModel {
 public:
  QuantisedModel() : FakeModel(4, 2) {}
  std::optional<Codebook> codebook() const override {
    return Codebook{.groups = 2, .vectors = ConstMatrix(kValues, 1, 4)};
  }

 private:
  static constexpr float kValues[] = {0, 1, 2, 3};
};

TEST(EvaluateTest, TellsHowACodebookIsUsed) {
  const QuantisedModel model;
  // The first index is 0 and 1 by turns; the second 0, 1, 0, 2, again and again; 3 is never met.
  std::vector<float> cells;
  for (int r = 0; r < 80; ++r) {
    const int second = r % 2 == 0 ? 0 : 1 + r / 2 % 2;
    for (const int cell : {r % 2, second, 0, 0}) cells.push_back(static_cast<float>(cell));
  }
  const auto data =
      MakeDataset({.columns = 4}, {Uniform(1600, 1), {}}, {Uniform(240, 2), {}}, {cells, {}});
  const Evaluation evaluation = Report(model, *data);
  EXPECT_EQ(Figure(evaluation, "code_bits_indices").value(), 4);
  EXPECT_NEAR(Figure(evaluation, "indices_entropy_bits").value(), 1 + 1.5, 1e-12);
  // Shares 1/2, 3/8, 1/8 of all.
  const double bits = 0.5 + 0.375 * std::log2(8.0 / 3) + 0.125 * 3;
  EXPECT_NEAR(Figure(evaluation, "codebook_perplexity").value(), std::exp2(bits), 1e-12);
  EXPECT_EQ(Figure(evaluation, "codebook_unused").value(), 1);
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
  for (const std::string_view name : {"validation_objective",
                                      "test_mse_per_element",
                                      "test_sse_per_row",
                                      "psnr_db",
                                      "r2",
                                      "pca_test_mse_per_element",
                                      "nll",
                                      "neg_elbo",
                                      "reconstruction_nats",
                                      "kl_nats",
                                      "rate_bits",
                                      "bits_per_dim",
                                      "ssim",
                                      "pca_r2",
                                      "code_l0",
                                      "knn5_raw_accuracy",
                                      "knn5_pca_accuracy",
                                      "linear_code_accuracy",
                                      "linear_raw_accuracy",
                                      "linear_pca_accuracy",
                                      "auroc",
                                      "average_precision",
                                      "active_units",
                                      "code_density",
                                      "dead_units",
                                      "code_bits_indices",
                                      "indices_entropy_bits",
                                      "codebook_perplexity",
                                      "codebook_unused",
                                      "float16_weights_code_error",
                                      "float16_weights_reconstruction_error",
                                      "int8_weights_code_error",
                                      "int8_weights_reconstruction_error",
                                      "noisy_psnr_db",
                                      "denoised_psnr_db",
                                      "knn5_code_accuracy"}) {
    EXPECT_NE(FindMetricDefinition(name), nullptr) << name;
  }
}

}  // namespace
}  // namespace latent

// Figures of models that take missing cells.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/eval/evaluation.h"
#include "tests/unit/eval/fake_model.h"

namespace latent {
namespace {

using testing::FakeModel;

// Two equal numbers and a category that says whether they are above 1/2: answers each from the
// others, and with 1/4 or the first category where nothing is known.
class Knowing : public FakeModel {
 public:
  Knowing() : FakeModel(4, 1) {
    v1::ColumnRun& run = *model_spec.mutable_likelihood()->mutable_mixed()->add_categorical();
    run.set_first(2);
    run.set_count(2);
  }
  bool takes_missing() const override { return true; }
  void Forward(const LabelledRows& rows, const ForwardOutputs& out, Workspace& ws) const override {
    std::vector<float> cells;
    for (std::size_t r = 0; r < rows.rows; ++r) {
      const float number = std::isnan(rows(r, 0)) ? rows(r, 1) : rows(r, 0);
      const bool above = std::isnan(rows(r, 2)) ? number > 0.5f : rows(r, 3) == 1;
      const float told = std::isnan(number) ? (above ? 0.75f : 0.25f) : number;
      cells.insert(cells.end(), {told, told, above ? 0.0f : 1.0f, above ? 1.0f : 0.0f});
    }
    FakeModel::Forward(ConstMatrix(cells.data(), rows.rows, 4), out, ws);
  }
};

std::shared_ptr<const Dataset> TableData(bool with_holes = false) {
  const auto part = [with_holes](std::size_t rows, std::uint64_t seed) {
    InMemoryPart made;
    for (std::size_t r = 0; r < rows; ++r) {
      const float x = UniformAt({.seed = seed}, r);
      made.cells.insert(made.cells.end(), {x, x, x > 0.5f ? 0.0f : 1.0f, x > 0.5f ? 1.0f : 0.0f});
      if (with_holes) made.missing.push_back(r % 4 == 0 ? 0b0010 : 0);
    }
    return made;
  };
  return MakeDataset({.columns = 4}, part(400, 1), part(60, 2), part(600, 3));
}

v1::TrainingPlan ThreadedPlan() {
  v1::TrainingPlan plan;
  plan.mutable_training()->set_threads(1);
  plan.mutable_training()->set_anomaly_quantile(0.5);
  return plan;
}

double Figure(const Autoencoder& model, const Dataset& data, const std::string& name) {
  const auto metrics = ComputeMetrics(model, ThreadedPlan(), data, {}, {});
  EXPECT_TRUE(metrics.ok()) << metrics.status();
  if (!metrics.ok()) return std::nan("");
  const auto metric = FindMetric(*metrics, name);
  EXPECT_TRUE(metric.ok()) << metric.status();
  return metric.ok() ? metric->value() : std::nan("");
}

TEST(ImputationTest, AsksOnlyForWhatWasHidden) {
  // Told exactly but where the other number is hidden too; the fake model's means are 0.
  EXPECT_LT(Figure(Knowing(), *TableData(), "imputation_rmse"), 0.2);
  EXPECT_GT(Figure(Knowing(), *TableData(), "imputation_rmse"), 0);
  EXPECT_NEAR(Figure(Knowing(), *TableData(), "mean_imputation_rmse"), std::sqrt(1.0 / 3), 0.05);
}

TEST(ImputationTest, CountsCategoriesThatAreTold) {
  // All but those whose numbers are hidden too, one in 25, of which half are right.
  EXPECT_NEAR(Figure(Knowing(), *TableData(), "imputation_accuracy"), 0.98, 0.02);
  EXPECT_NEAR(Figure(Knowing(), *TableData(), "mode_imputation_accuracy"), 0.5, 0.1);
}

TEST(ImputationTest, IsForModelsThatTakeMissingCells) {
  const auto metrics = ComputeMetrics(FakeModel(4, 1), ThreadedPlan(), *TableData(), {}, {});
  ASSERT_TRUE(metrics.ok());
  EXPECT_FALSE(FindMetric(*metrics, "imputation_rmse").ok());
}

TEST(ImputationTest, NeverAsksForWhatIsNotKnown) {
  EXPECT_TRUE(std::isfinite(Figure(Knowing(), *TableData(true), "imputation_rmse")));
  EXPECT_TRUE(std::isfinite(Figure(Knowing(), *TableData(true), "imputation_accuracy")));
}

TEST(ImputationTest, LeavesMissingCellsOutOfOtherFigures) {
  Knowing model;
  model.shift = 0.5f;
  const auto metrics = ComputeMetrics(model, ThreadedPlan(), *TableData(true), {}, {});
  ASSERT_TRUE(metrics.ok());
  for (const v1::Metric& metric : *metrics) {
    EXPECT_TRUE(std::isfinite(metric.value())) << metric.name();
  }
  EXPECT_FALSE(FindMetric(*metrics, "pca_test_mse_per_element").ok());
}

}  // namespace
}  // namespace latent

// Figures of real models on the digits against what is known of them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/data/parse.h"
#include "core/eval/evaluation.h"
#include "core/train/plan.h"
#include "core/train/trainer.h"
#include "google/protobuf/text_format.h"

namespace latent {
namespace {

// Digits / 16 with labels, in the default parts or all in TRAIN.
std::shared_ptr<const Dataset> Digits(const SplitOptions& split) {
  const std::string dir = ::testing::TempDir() + "/latent_eval_digits_" +
                          std::to_string(::getpid()) + "_" + std::to_string(split.test_fraction);
  std::filesystem::remove_all(dir);
  std::filesystem::create_directory(dir);
  ParseRequest request;
  request.name = "digits";
  request.files = {{.name = "digits.csv.gz", .path = LATENT_TEST_DATA "/digits/digits.csv.gz"}};
  request.csv.label_column = "-1";
  request.value_scale = 1.0 / 16;
  request.split = split;
  EXPECT_TRUE(ParseDataset(request, dir).ok());
  const auto dataset = OpenDataset(dir);
  std::filesystem::remove_all(dir);  // what is mapped stays
  EXPECT_TRUE(dataset.ok()) << dataset.status();
  return dataset.ok() ? *dataset : nullptr;
}

Evaluation TrainAndEvaluate(const Dataset& data, const std::string& text) {
  v1::TrainJobSpec request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request));
  request.set_model("m");
  request.set_dataset("digits");
  const auto plan = Resolve(request, data.info(), {});
  EXPECT_TRUE(plan.ok()) << plan.status();
  const auto result = Train(*plan, data, "", TrainingPriority::kNormal, {}, {});
  EXPECT_TRUE(result.ok()) << result.status();
  auto evaluation = Evaluate(*result->model, *plan, data, {});
  EXPECT_TRUE(evaluation.ok()) << evaluation.status();
  return *std::move(evaluation);
}

double Value(const Evaluation& evaluation, const std::string& name) {
  const auto metric = FindMetric(evaluation.metrics, name);
  EXPECT_TRUE(metric.ok()) << metric.status();
  return metric->value();
}

// Sum of the eigenvalues of the covariance (1/N) from the 9th on, computed in float64.
constexpr double kRestBeyond8 = 1.530448;

TEST(DigitsEvaluationTest, PcaLeavesTheSumOfTheOtherEigenvalues) {
  const auto data = Digits({.test_fraction = 0, .validation_fraction = 0});
  const Evaluation pca =
      TrainAndEvaluate(*data, "preset: 'pca' architecture { latent { dim: 8 } }");
  EXPECT_NEAR(Value(pca, "test_sse_per_row"), kRestBeyond8, 2e-6);
  EXPECT_NEAR(Value(pca, "pca_test_mse_per_element") * 64, kRestBeyond8, 2e-6);
}

TEST(DigitsEvaluationTest, PcaEqualsItsBaselineOnTestRows) {
  const auto data = Digits({});
  const Evaluation pca =
      TrainAndEvaluate(*data, "preset: 'pca' architecture { latent { dim: 8 } }");
  const double mse = Value(pca, "test_mse_per_element");
  EXPECT_NEAR(Value(pca, "pca_test_mse_per_element"), mse, 1e-6 * mse);
  EXPECT_NEAR(Value(pca, "r2"), 0.67, 0.05);
  EXPECT_GT(Value(pca, "knn5_code_accuracy"), 0.9);
  EXPECT_NEAR(Value(pca, "pca_r2"), Value(pca, "r2"), 1e-6);
  // Codes are the components themselves; neighbours differ by standardisation, the linear probe
  // not.
  EXPECT_NEAR(Value(pca, "linear_code_accuracy"), Value(pca, "linear_pca_accuracy"), 0.01);
  EXPECT_GT(Value(pca, "linear_raw_accuracy"), Value(pca, "linear_pca_accuracy"));
  EXPECT_GT(Value(pca, "knn5_raw_accuracy"), 0.95);
}

TEST(DigitsEvaluationTest, ReportsAVariationalModel) {
  const auto data = Digits({});
  const Evaluation vae = TrainAndEvaluate(*data,
                                          "preset: 'vae' architecture { latent { dim: 4 } } "
                                          "training { solver { gradient { epochs: 5 } } }");
  const double bound = Value(vae, "neg_elbo");
  EXPECT_NEAR(Value(vae, "reconstruction_nats") + Value(vae, "kl_nats"), bound, 1e-9 * bound);
  EXPECT_GE(Value(vae, "kl_nats"), 0);
  EXPECT_LE(Value(vae, "active_units"), 4);
  EXPECT_GT(Value(vae, "validation_objective"), 0);
}

}  // namespace
}  // namespace latent

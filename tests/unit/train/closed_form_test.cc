// Principal components of the digits against eigenvalues, and linear training against both.
#include "core/train/closed_form.h"

#include <gtest/gtest.h>

#include <stop_token>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/nn/linalg.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

std::string PcaRequest(int k, const std::string& more = "") {
  return absl::StrCat("preset: 'pca' architecture { latent { dim: ", k, " } ", more, " }");
}

// The sum of the covariance's eigenvalues beyond the first k.
double TailVariance(const Dataset& data, std::size_t k) {
  const auto moments = MeanAndCovariance(data.rows(v1::PART_TRAIN));
  const auto eigen = EigenSymmetric(moments.covariance).value();
  double sum = 0;
  for (std::size_t i = k; i < eigen.values.size(); ++i) sum += eigen.values[i];
  return sum;
}

// Rows that span what the decoder can reach: its answer to each unit code, less that to none.
DoubleMatrix DecoderSpan(const Autoencoder& model) {
  const std::size_t k = model.latent_dim();
  std::vector<float> codes((k + 1) * k), rows((k + 1) * model.columns());
  for (std::size_t i = 0; i < k; ++i) codes[i * k + i] = 1;
  Workspace workspace;
  model.Decode(ConstMatrix(codes.data(), k + 1, k), {rows.data(), k + 1, model.columns()},
               workspace);
  DoubleMatrix span(k, model.columns());
  for (std::size_t i = 0; i < k; ++i) {
    for (std::size_t c = 0; c < model.columns(); ++c) {
      span(i, c) = rows[i * model.columns() + c] - rows[k * model.columns() + c];
    }
  }
  return span;
}

struct Optimum {
  int k;
  double squared_error;
};
class PcaTest : public testing::TestWithParam<Optimum> {};

TEST_P(PcaTest, ReachesTheOptimumOfTheDigits) {
  const auto data = AllDigits();
  const auto result = Fit(PlanFor(*data, PcaRequest(GetParam().k)), *data);
  ASSERT_TRUE(result.ok()) << result.status();
  const double tail = TailVariance(*data, static_cast<std::size_t>(GetParam().k));
  EXPECT_NEAR(tail, GetParam().squared_error, 5.1e-7);
  EXPECT_NEAR(SquaredErrorPerRow(*result->model, *data) / tail, 1, 1e-6);
  EXPECT_EQ(result->ended_because, "closed form");
}
INSTANTIATE_TEST_SUITE_P(Digits, PcaTest,
                         testing::Values(Optimum{2, 3.355253}, Optimum{8, 1.530448},
                                         Optimum{16, 0.706796}, Optimum{32, 0.157909}),
                         [](const auto& param) { return absl::StrCat("k", param.param.k); });

TEST(PcaTest, SparseRowsGiveTheWeightsOfTheSameDenseRows) {
  const auto dense = SomeDigits(600, 0);
  const auto sparse = MakeSparse(*dense);
  const auto weights = FitWeights(PlanFor(*dense, PcaRequest(5)), *dense);
  EXPECT_EQ(FitWeights(PlanFor(*sparse, PcaRequest(5)), *sparse), weights);
}

TEST(ClosedFormTest, UntiedWeightsGiveTheSameProjection) {
  const auto data = AllDigits();
  const auto tied = Fit(PlanFor(*data, PcaRequest(8)), *data);
  const auto untied = Fit(PlanFor(*data, PcaRequest(8, "tied_weights: false")), *data);
  ASSERT_TRUE(untied.ok()) << untied.status();
  EXPECT_NEAR(SquaredErrorPerRow(*tied->model, *data), SquaredErrorPerRow(*untied->model, *data),
              1e-6);
}

TEST(ClosedFormTest, ComponentsOfScaledRowsAreOtherOnes) {
  const auto data = AllDigits();
  const auto plain = Fit(PlanFor(*data, PcaRequest(8)), *data);
  const auto scaled = Fit(PlanFor(*data, PcaRequest(8, "scaling { standardise {} }")), *data);
  ASSERT_TRUE(scaled.ok()) << scaled.status();
  // In dataset units nothing beats the unscaled components.
  EXPECT_GT(SquaredErrorPerRow(*scaled->model, *data), SquaredErrorPerRow(*plain->model, *data));
  EXPECT_LT(SquaredErrorPerRow(*scaled->model, *data), 2.5);
}

TEST(ClosedFormTest, ThreadsDoNotChangeTheResult) {
  const auto data = AllDigits();
  v1::TrainingPlan plan = PlanFor(*data, PcaRequest(8));
  const auto one = FitWeights(plan, *data);
  plan.mutable_training()->set_threads(2);
  EXPECT_EQ(FitWeights(plan, *data), one);
}

TEST(ClosedFormTest, OneRowHasNoComponentsButIsReconstructed) {
  const auto data = SomeDigits(1, 0);
  const auto result = Fit(PlanFor(*data, PcaRequest(2)), *data);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_NEAR(SquaredErrorPerRow(*result->model, *data), 0, 1e-9);
}

TEST(ClosedFormTest, EndsWhenItsTimeIsUpOrItIsStopped) {
  const auto data = AllDigits();
  v1::TrainingPlan plan = PlanFor(*data, PcaRequest(8));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(Train(plan, *data, "", TrainingPriority::kNormal, {}, stop.get_token()).status().code(),
            absl::StatusCode::kCancelled);
  plan.mutable_training()->set_max_duration_seconds(1e-9);
  const absl::Status late = Fit(plan, *data).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(DetailsOf(late).reason, "MAX_DURATION");
}

TEST(ClosedFormTest, LinearTrainingFindsTheSameSubspace) {
  const auto data = AllDigits();
  const auto plan =
      PlanFor(*data,
              "architecture { encoder {} latent { dim: 8 } } training { solver { gradient {"
              " epochs: 1300 batch_size: 2000 optimizer { adam { weight_decay: 0 } }"
              " schedule { learning_rate: 0.1 } } } }");
  const auto trained = Fit(plan, *data);
  ASSERT_TRUE(trained.ok()) << trained.status();
  const double error = SquaredErrorPerRow(*trained->model, *data);
  EXPECT_GT(error, 1.530448 - 1e-6);  // nothing linear is better
  EXPECT_NEAR(error / 1.530448, 1, 1e-3);
  const auto pca = Fit(PlanFor(*data, PcaRequest(8)), *data);
  EXPECT_GT(PrincipalCosines(DecoderSpan(*trained->model), DecoderSpan(*pca->model)).back(), 0.999);
}

}  // namespace
}  // namespace latent

#include "core/eval/importance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/base/random.h"
#include "tests/unit/eval/fake_model.h"

namespace latent {
namespace {

using testing::FakeModel;

constexpr std::size_t kColumns = 4;
constexpr std::size_t kDim = 2;

std::vector<float> Rows(std::size_t count) {
  std::vector<float> cells(count * kColumns);
  FillUniform({.seed = 4}, cells);
  return cells;
}

double Nll(const Autoencoder& model, std::size_t rows, std::size_t draws, std::size_t threads = 1) {
  const std::vector<float> cells = Rows(rows);
  return ImportanceNll(model, RowsView(cells.data(), rows, kColumns), draws, 1, threads, {})
      ->mean();
}

// The fake's exp(-|x - z|^2 / 2) under z ~ N(0, I) is exp(-|x|^2 / 4) / 2^(dim / 2), and its exact
// posterior N(x / 2, I / 2).
double Exact(std::size_t rows) {
  const std::vector<float> cells = Rows(rows);
  double sum = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < kDim; ++i) {
      const double x = cells[r * kColumns + i];
      sum += x * x / 4 + std::numbers::ln2 / 2;
    }
  }
  return sum / static_cast<double>(rows);
}

FakeModel ExactPosterior() {
  FakeModel model(kColumns, kDim);
  model.gain = 0.5;
  model.sigma = static_cast<float>(std::sqrt(0.5));
  return model;
}

FakeModel WidePosterior() {
  FakeModel model = ExactPosterior();
  model.gain = 0.2F;
  model.sigma = 1;
  return model;
}

TEST(ImportanceTest, IsExactForTheExactPosteriorWhateverTheDraws) {
  const FakeModel model = ExactPosterior();
  EXPECT_NEAR(Nll(model, 50, 1), Exact(50), 1e-6);
  EXPECT_NEAR(Nll(model, 50, 20), Exact(50), 1e-6);
}

TEST(ImportanceTest, FallsTowardsTheTruthFromAboveAsDrawsGrow) {
  const FakeModel model = WidePosterior();
  const double one = Nll(model, 400, 1), five = Nll(model, 400, 5), many = Nll(model, 400, 2000);
  EXPECT_GT(one, five);
  EXPECT_GT(five, many);
  EXPECT_NEAR(many, Exact(400), 0.005);
}

TEST(ImportanceTest, DependsNeitherOnThreadsNorOnTheOtherRows) {
  const FakeModel model = WidePosterior();
  EXPECT_EQ(Nll(model, 300, 3, 1), Nll(model, 300, 3, 4));
  const std::vector<float> cells = Rows(10);
  std::vector<double> all(10), one(1);
  ImportanceSampler(model, 3, 1).Run(ConstMatrix(cells.data(), 10, kColumns), 0, all);
  ImportanceSampler(model, 3, 1).Run(ConstMatrix(cells.data() + 7 * kColumns, 1, kColumns), 7, one);
  EXPECT_EQ(one[0], all[7]);
}

TEST(ImportanceTest, SurvivesWeightsBeyondTheRangeOfExp) {
  FakeModel model = ExactPosterior();
  model.gain = 3000;  // far from every row: log weights of millions below zero
  EXPECT_TRUE(std::isfinite(Nll(model, 5, 4)));
}

TEST(ImportanceTest, EndsWhenAskedTo) {
  std::stop_source stop;
  stop.request_stop();
  const std::vector<float> cells = Rows(3);
  const FakeModel model = ExactPosterior();
  EXPECT_EQ(ImportanceNll(model, RowsView(cells.data(), 3, kColumns), 2, 1, 1, stop.get_token())
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace latent

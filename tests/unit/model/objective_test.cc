// Objectives that a training pass computes against plain float64 versions of their formulas.
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kRows = 12;
constexpr std::size_t kColumns = 6;
constexpr char kGaussian[] =
    "encoder { layers { dense { units: 5 activation: ACTIVATION_TANH } } }"
    "latent { dim: 3 gaussian {} } likelihood { gaussian { variance: 0.5 } }";
constexpr char kMmd[] =
    "encoder {} latent { dim: 2 deterministic { activation: ACTIVATION_IDENTITY } }"
    "likelihood { gaussian { variance: 1 } } objective { mmd { weight: 3 } }";

// Mean loss over `epochs` epochs' draws of the same batch.
BatchLoss MeanLoss(const std::string& objective, std::uint64_t epochs) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(ParseSpec(kGaussian + objective), data.rows);
  TrainingPass pass(model.get(), kRows, 1);
  std::vector<std::uint64_t> indices(kRows);
  std::iota(indices.begin(), indices.end(), std::uint64_t{0});
  BatchLoss mean;
  for (std::uint64_t epoch = 0; epoch < epochs; ++epoch) {
    pass.Begin({.rows = data.rows, .indices = indices, .seed = 1, .epoch = epoch});
    for (std::size_t p = 0; p < pass.phases(); ++p) pass.RunPhase(p, 0, 0, kRows);
    mean.total += pass.Loss().total / static_cast<double>(epochs);
    mean.kl += pass.Loss().kl / static_cast<double>(epochs);
  }
  return mean;
}

TEST(IwaeTest, OfOneDrawIsTheBoundInTheMean) {
  const double bound = MeanLoss("objective { elbo { draws: 1 } }", 4000).total;
  EXPECT_NEAR(MeanLoss("objective { iwae { draws: 1 } }", 4000).total, bound, 0.02);
}

TEST(IwaeTest, IsTheTighterTheMoreDraws) {
  const double one = MeanLoss("objective { iwae { draws: 1 } }", 300).total;
  const double five = MeanLoss("objective { iwae { draws: 5 } }", 300).total;
  const double fifty = MeanLoss("objective { iwae { draws: 50 } }", 300).total;
  EXPECT_LT(five, one);
  EXPECT_LT(fifty, five);
}

TEST(IwaeTest, EqualsItsFormula) {
  constexpr std::size_t kDraws = 5, kDim = 3;
  const UniformRows data(kRows, kColumns);
  const auto model =
      MakeModel(ParseSpec(absl::StrCat(kGaussian, "objective { iwae { draws: 5 } }")), data.rows);
  OneBatch batch(model.get(), data.rows);
  const double total = batch.Forward().total;

  // The same noise by its keys; everything else from the served model, in float64.
  std::vector<float> mu(kRows * kDim), sigma(mu.size()), code(kDim), noise(kDraws * kDim);
  Workspace ws;
  model->Forward(
      data.rows,
      {.codes = Matrix(mu.data(), kRows, kDim), .sigma = Matrix(sigma.data(), kRows, kDim)}, ws);
  double expected = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    FillNormal({.seed = DeriveSeed(3, 3), .stream = 2, .sample = r}, noise);
    double sum = 0;
    for (std::size_t d = 0; d < kDraws; ++d) {
      double log_ratio = 0;
      for (std::size_t i = 0; i < kDim; ++i) {
        const double e = noise[d * kDim + i], s = sigma[r * kDim + i];
        const double z = mu[r * kDim + i] + s * e;
        code[i] = static_cast<float>(z);
        log_ratio += -z * z / 2 + e * e / 2 + std::log(s);
      }
      double nats = 0;
      model->ReconstructionNats(data.rows.slice_rows(r, 1), Matrix(code.data(), 1, kDim),
                                {&nats, 1}, ws);
      sum += std::exp(log_ratio - nats);
    }
    expected -= std::log(sum / kDraws) / kRows;
  }
  EXPECT_NEAR(total, expected, 1e-5);
}

TEST(CapacityTest, ChargesTheMeanKlsDistance) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(
      ParseSpec(absl::StrCat(kGaussian, "objective { elbo { capacity: 2 } }")), data.rows);
  TrainingPass pass(model.get(), kRows, 2);
  std::vector<std::uint64_t> indices(kRows);
  std::iota(indices.begin(), indices.end(), std::uint64_t{0});
  for (const double capacity : {0.0, 5.0}) {
    pass.Begin({.rows = data.rows, .indices = indices, .beta = 7, .capacity = capacity});
    for (std::size_t p = 0; p < pass.phases(); ++p) {
      pass.RunPhase(p, 0, 0, 5);
      pass.RunPhase(p, 1, 5, kRows - 5);
    }
    const BatchLoss loss = pass.Loss();
    EXPECT_NEAR(loss.total - loss.reconstruction, 7 * std::abs(loss.kl - capacity), 1e-9);
  }
}

// Loss of a deterministic Bernoulli model at the start of an epoch.
double BernoulliLoss(const std::string& more, ConstMatrix rows, std::uint64_t epoch) {
  const auto model = MakeModel(
      ParseSpec("encoder {} latent { dim: 2 deterministic { activation: ACTIVATION_IDENTITY } }"
                "likelihood { bernoulli {} } objective { reconstruction {} } " +
                more),
      rows);
  TrainingPass pass(model.get(), rows.rows, 1);
  std::vector<std::uint64_t> indices(rows.rows);
  std::iota(indices.begin(), indices.end(), std::uint64_t{0});
  pass.Begin({.rows = rows, .indices = indices, .epoch = epoch});
  pass.RunPhase(0, 0, 0, rows.rows);
  return pass.Loss().total;
}

TEST(BinariseTest, DrawsRowsAnewInEveryEpoch) {
  const UniformRows data(kRows, kColumns);
  EXPECT_NE(BernoulliLoss("binarise: BINARISE_DYNAMIC", data.rows, 0),
            BernoulliLoss("binarise: BINARISE_DYNAMIC", data.rows, 1));
  EXPECT_EQ(BernoulliLoss("binarise: BINARISE_NONE", data.rows, 0),
            BernoulliLoss("binarise: BINARISE_NONE", data.rows, 1));
}

TEST(BinariseTest, LeavesZerosAndOnesAsTheyAre) {
  UniformRows data(kRows, kColumns);
  for (float& cell : data.cells) cell = cell < 0.5F ? 0 : 1;
  EXPECT_EQ(BernoulliLoss("binarise: BINARISE_DYNAMIC", data.rows, 3),
            BernoulliLoss("", data.rows, 3));
}

double Kernel(const double* a, const double* b) {
  const double d = (a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]);
  return 4 / (4 + d);  // C = 2 dim
}

TEST(MmdTest, EqualsItsFormula) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(ParseSpec(kMmd), data.rows);
  OneBatch batch(model.get(), data.rows, 3);
  const BatchLoss loss = batch.Forward();
  std::vector<float> codes(kRows * 2), prior(2);
  Workspace ws;
  model->Forward(data.rows, {.codes = Matrix(codes.data(), kRows, 2)}, ws);
  std::vector<double> z(codes.begin(), codes.end()), y;
  for (std::size_t r = 0; r < kRows; ++r) {
    FillNormal({.seed = DeriveSeed(3, 3), .stream = 2, .sample = r}, prior);
    y.insert(y.end(), prior.begin(), prior.end());
  }
  constexpr double n = kRows;
  double expected = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kRows; ++j) {
      expected -= 2 / (n * n) * Kernel(&z[2 * i], &y[2 * j]);
      if (i == j) continue;
      expected += (Kernel(&z[2 * i], &z[2 * j]) + Kernel(&y[2 * i], &y[2 * j])) / (n * (n - 1));
    }
  }
  EXPECT_NEAR(loss.kl, expected, 1e-6);
  EXPECT_NEAR(loss.total - loss.reconstruction, 3 * expected, 3e-6);
  EXPECT_EQ(batch.pass.Terms(loss)[1].name, "mmd");
}

TEST(MmdTest, ChargesNothingForABatchOfOne) {
  const UniformRows data(1, kColumns);
  const auto model = MakeModel(ParseSpec(kMmd), data.rows);
  OneBatch batch(model.get(), data.rows);
  EXPECT_EQ(batch.ForwardBackward().kl, 0);
}

TEST(CoupledTest, GivesTheSameBitsForAnyNumberOfThreads) {
  const std::string capacity =
      absl::StrCat(kGaussian, "objective { elbo { capacity: 2 capacity_weight: 4 } }");
  for (const std::string& spec : {std::string(kMmd), capacity}) {
    const auto trained = [&](std::size_t threads) {
      const UniformRows data(kRows, kColumns);
      const auto model = MakeModel(ParseSpec(spec), data.rows);
      OneBatch batch(model.get(), data.rows, threads);
      for (int i = 0; i < 4; ++i) batch.Step(0.05F);
      const std::span<const float> values = std::as_const(*model).parameters().values();
      return std::vector<float>(values.begin(), values.end());
    };
    EXPECT_EQ(trained(1), trained(3)) << spec;
  }
}

}  // namespace
}  // namespace latent

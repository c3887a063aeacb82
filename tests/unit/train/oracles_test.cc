// Models whose optimum has a closed form, and inequalities that hold for every one, on the digits.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/base/thread_pool.h"
#include "core/eval/importance.h"
#include "core/model/column_statistics.h"
#include "core/model/composed_autoencoder.h"
#include "core/model/model_io.h"
#include "core/model/presets.h"
#include "core/nn/linalg.h"
#include "core/train/plan.h"
#include "core/train/validation.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kDim = 8;
constexpr std::size_t kColumns = 64;
// Mean log density of the probabilistic principal components of 8 dimensions (1,797 rows,
// value / 16), in float64.
constexpr double kLogDensity = 14.2098;

struct Ppca {
  std::vector<double> mean;
  SymmetricEigen eigen;
  double variance = 0;  // of the noise
};

Ppca FitPpca(const Dataset& data) {
  const Moments moments = MeanAndCovariance(data.rows(v1::PART_TRAIN));
  Ppca ppca{.mean = moments.mean, .eigen = *EigenSymmetric(moments.covariance)};
  const auto& values = ppca.eigen.values;
  ppca.variance = std::accumulate(values.begin() + kDim, values.end(), 0.0) / (kColumns - kDim);
  return ppca;
}

v1::TrainingPlan LinearVae(const Dataset& data, double variance, const std::string& training) {
  v1::TrainingPlan plan =
      PlanFor(data,
              "preset: 'vae' architecture { encoder {} decoder {} latent { dim: 8 } "
              "likelihood { gaussian { learned_variance: false } } } " +
                  training);
  plan.mutable_architecture()->mutable_likelihood()->mutable_gaussian()->set_variance(variance);
  return plan;
}

// The linear model that is the principal components' own: w_j = sqrt(lambda_j - s^2) u_j and the
// exact posterior, N(w_j (x - m) / lambda_j, s^2 / lambda_j).
std::unique_ptr<ComposedAutoencoder> ImportPpca(const Dataset& data, const Ppca& ppca) {
  const v1::TrainingPlan plan = LinearVae(data, ppca.variance, "");
  auto model = *CreateModel(plan, ComputeColumnStatistics(data.rows(v1::PART_TRAIN)));
  ParameterSet& p = model->parameters();
  const Matrix encoder = p.matrix(p.Find("latent.mu.weight"));
  const Matrix decoder = p.matrix(p.Find("output.weight"));
  for (float& w : p.span(p.Find("latent.log_variance.weight"))) w = 0;
  for (std::size_t j = 0; j < kDim; ++j) {
    const double lambda = ppca.eigen.values[j];
    const double length = std::sqrt(lambda - ppca.variance);
    double offset = 0;
    for (std::size_t c = 0; c < kColumns; ++c) {
      const double u = ppca.eigen.vectors(j, c);
      decoder(j, c) = static_cast<float>(length * u);
      encoder(c, j) = static_cast<float>(length * u / lambda);
      offset += length * u / lambda * ppca.mean[c];
    }
    p.span(p.Find("latent.mu.bias"))[j] = static_cast<float>(-offset);
    p.span(p.Find("latent.log_variance.bias"))[j] =
        static_cast<float>(10 * std::atanh(std::log(ppca.variance / lambda) / 10));
  }
  for (std::size_t c = 0; c < kColumns; ++c) {
    p.span(p.Find("output.bias"))[c] = static_cast<float>(ppca.mean[c]);
  }
  model->RefreshPacked();
  return model;
}

// The negative bound of a linear model, its expectation over draws in closed form: what the mean
// code leaves, plus the draws' spread |w_j|^2 sigma_j^2 / (2 s^2), plus the KL.
double NegativeBound(const ComposedAutoencoder& model, const Dataset& data, double variance) {
  const ConstMatrix rows = data.rows(v1::PART_TRAIN).dense();
  std::vector<double> score(rows.rows);
  std::vector<float> sigma(rows.rows * kDim);
  Workspace ws;
  model.Forward(rows, {.sigma = Matrix(sigma.data(), rows.rows, kDim), .score = score}, ws);
  const ParameterSet& p = model.parameters();
  const ConstMatrix decoder = p.matrix(p.Find("output.weight"));
  double sum = std::accumulate(score.begin(), score.end(), 0.0);
  for (std::size_t j = 0; j < kDim; ++j) {
    double squares = 0;
    for (const float w : decoder.row(j)) squares += double{w} * double{w};
    for (std::size_t r = 0; r < rows.rows; ++r) {
      const double s = sigma[r * kDim + j];
      sum += squares * s * s / (2 * variance);
    }
  }
  return sum / static_cast<double>(rows.rows);
}

TEST(PpcaOracleTest, EveryImportanceWeightIsTheDensity) {
  const auto data = AllDigits();
  const Ppca ppca = FitPpca(*data);
  const auto model = ImportPpca(*data, ppca);
  const ConstMatrix rows = data->rows(v1::PART_TRAIN).dense();
  EXPECT_NEAR(ImportanceNll(*model, rows, 1, 1, 1, {})->mean(), -kLogDensity, 6e-5);
  EXPECT_NEAR(ImportanceNll(*model, rows, 50, 2, 1, {})->mean(), -kLogDensity, 6e-5);
  std::vector<double> one(100), another(100);
  ImportanceSampler(*model, 1, 1).Run(rows.slice_rows(0, 100), 0, one);
  ImportanceSampler(*model, 1, 2).Run(rows.slice_rows(0, 100), 0, another);
  for (std::size_t r = 0; r < 100; ++r) EXPECT_NEAR(one[r], another[r], 1e-3);
}

TEST(PpcaOracleTest, TheBoundIsTheDensity) {
  const auto data = AllDigits();
  const Ppca ppca = FitPpca(*data);
  EXPECT_NEAR(NegativeBound(*ImportPpca(*data, ppca), *data, ppca.variance), -kLogDensity, 6e-5);
}

TEST(PpcaOracleTest, TrainingALinearModelReachesTheDensity) {
  const auto data = AllDigits();
  const Ppca ppca = FitPpca(*data);
  // The last to come right is the rotation of the code's axes, slowly: hence many small steps.
  v1::TrainingPlan plan =
      LinearVae(*data, ppca.variance,
                "training { solver { gradient { epochs: 500 batch_size: 64 clip_norm: 0 "
                "schedule { learning_rate: 0.03 } optimizer { adam { weight_decay: 0 } } } } }");
  plan.mutable_architecture()->mutable_objective()->mutable_elbo()->set_warm_up_fraction(0);
  const auto result = Fit(plan, *data);
  ASSERT_TRUE(result.ok()) << result.status();
  const auto& model = dynamic_cast<const ComposedAutoencoder&>(*result->model);
  const double bound = NegativeBound(model, *data, ppca.variance);
  EXPECT_GE(bound, -kLogDensity - 1e-4);
  EXPECT_NEAR(bound, -kLogDensity, 0.05);
  // Whatever the rotation of the axes, W W' has the eigenvalues lambda_j - s^2.
  const ParameterSet& p = model.parameters();
  const ConstMatrix w = p.matrix(p.Find("output.weight"));
  std::vector<double> gram(kDim * kDim);
  for (std::size_t i = 0; i < kDim; ++i) {
    for (std::size_t j = 0; j < kDim; ++j) {
      for (std::size_t c = 0; c < kColumns; ++c)
        gram[i * kDim + j] += double{w(i, c)} * double{w(j, c)};
    }
  }
  DoubleMatrix squares(kDim, kDim);
  for (std::size_t i = 0; i < gram.size(); ++i) squares(i / kDim, i % kDim) = gram[i];
  const auto lengths = EigenSymmetric(squares)->values;
  for (std::size_t j = 0; j < kDim; ++j) {
    EXPECT_NEAR(lengths[j] / (ppca.eigen.values[j] - ppca.variance), 1, 0.1) << j;
  }
}

// Where the noise is greater than every variance there is nothing to tell: all codes collapse.
TEST(PpcaOracleTest, CodesBelowTheNoiseCollapse) {
  const auto data = AllDigits();
  const double variance = 1.2 * FitPpca(*data).eigen.values[0];
  const auto result = Fit(
      LinearVae(*data, variance, "training { solver { gradient { epochs: 60 batch_size: 64 } } }"),
      *data);
  ASSERT_TRUE(result.ok()) << result.status();
  const ConstMatrix rows = data->rows(v1::PART_TRAIN).dense();
  std::vector<double> kl(rows.rows);
  Workspace ws;
  result->model->Forward(rows, {.kl = kl}, ws);
  EXPECT_LT(std::accumulate(kl.begin(), kl.end(), 0.0) / static_cast<double>(rows.rows), 0.05);
}

// Squared error a row of a linear model whose rows have noise of deviation `sigma`, against the
// rows without it; its mean over the noise in closed form: noise passes the product A of both
// layers.
double ErrorUnderNoise(const Autoencoder& model, const Dataset& data, double sigma) {
  const ParameterSet& p = dynamic_cast<const ComposedAutoencoder&>(model).parameters();
  const ConstMatrix encoder = p.matrix(p.Find("latent.code.weight"));
  const ConstMatrix decoder = p.matrix(p.Find("output.weight"));
  double passed = 0;
  for (std::size_t i = 0; i < kColumns; ++i) {
    for (std::size_t c = 0; c < kColumns; ++c) {
      double a = 0;
      for (std::size_t j = 0; j < kDim; ++j) a += double{encoder(i, j)} * double{decoder(j, c)};
      passed += a * a;
    }
  }
  return SquaredErrorPerRow(model, data) + sigma * sigma * passed;
}

// With rank k and noise s the best is sum_(j<=k) l_j s^2 / (l_j + s^2) + sum_(j>k) l_j.
TEST(DenoisingOracleTest, LinearModelsReachTheClosedForm) {
  const auto data = AllDigits();
  for (const auto& [sigma, expected] :
       {std::pair{"0.1", 1.607937}, std::pair{"0.3", 2.093486}, std::pair{"0.5", 2.683427}}) {
    const auto result =
        Fit(PlanFor(*data, std::string("preset: 'denoising' architecture { encoder {} decoder {} "
                                       "latent { dim: 8 } corruption { gaussian { sigma: ") +
                               sigma +
                               " } } } training { solver { gradient { epochs: 120 batch_size: 64 "
                               "schedule { learning_rate: 0.005 } optimizer { adam { "
                               "weight_decay: 0 } } } } }"),
            *data);
    ASSERT_TRUE(result.ok()) << result.status();
    const double error = ErrorUnderNoise(*result->model, *data, std::stod(sigma));
    EXPECT_GE(error, expected * (1 - 1e-5)) << sigma;
    EXPECT_NEAR(error / expected, 1, 0.005) << sigma;
  }
}

// Noise on the target as on the input adds s^2 to every variance and turns no axis, so that the
// best is to pass all of the first k axes: sum_(j>k) l_j + k s^2.
TEST(DenoisingOracleTest, ANoisyTargetTeachesWorse) {
  constexpr std::size_t kCopies = 10;
  constexpr double kSigma = 0.3, kClean = 2.093486;
  const auto data = AllDigits();
  const ConstMatrix rows = data->rows(v1::PART_TRAIN).dense();
  const std::size_t count = rows.rows * kColumns;
  std::vector<float> cells(kCopies * count);
  FillNormal({.seed = 5}, cells);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i] = static_cast<float>(kSigma) * cells[i] + rows.data[i % count];
  }
  DatasetInfo info = data->info();
  info.content_hash = "noisy";
  const auto noisy = MakeDataset(info, {std::move(cells), {}}, {}, {});
  const auto result = Fit(
      PlanFor(*noisy,
              "preset: 'plain' architecture { encoder {} decoder {} latent { dim: 8 } scaling { "
              "none {} } } training { solver { gradient { epochs: 20 batch_size: 64 schedule { "
              "learning_rate: 0.005 } optimizer { adam { weight_decay: 0 } } } } }"),
      *noisy);
  ASSERT_TRUE(result.ok()) << result.status();
  const double error = ErrorUnderNoise(*result->model, *data, kSigma);
  EXPECT_NEAR(error / (1.530448 + kDim * kSigma * kSigma), 1, 0.01);
  EXPECT_GT(error, 1.05 * kClean);
}

TEST(IndependentPixelsTest, AreBeatenOnBinarisedDigits) {
  const auto digits = AllDigits();
  const ConstMatrix rows = digits->rows(v1::PART_TRAIN).dense();
  std::vector<float> cells(rows.data, rows.data + rows.rows * kColumns);
  std::vector<double> shares(kColumns);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i] = cells[i] >= 0.5F ? 1 : 0;
    shares[i % kColumns] += double{cells[i]} / static_cast<double>(rows.rows);
  }
  double independent = 0;  // nats a row
  for (const double p : shares) {
    if (p > 0 && p < 1) independent -= p * std::log(p) + (1 - p) * std::log(1 - p);
  }
  EXPECT_NEAR(independent, 24.91, 0.2);
  DatasetInfo info = digits->info();
  info.content_hash = "binarised";
  const auto data = MakeDataset(info, {std::move(cells), {}}, {}, {});
  const auto result =
      Fit(PlanFor(*data,
                  "preset: 'vae' architecture { latent { dim: 8 } likelihood { "
                  "bernoulli {} } } training { solver { gradient { epochs: 20 } } }"),
          *data);
  ASSERT_TRUE(result.ok()) << result.status();
  ThreadPool pool(1);
  const double bound =
      ValidationPass(data->rows(v1::PART_TRAIN).dense()).Objective(*result->model, 5, pool);
  EXPECT_LT(bound, independent - 2);
}

// A single column: each preset trains on it or says what it wants.
TEST(OneColumnTest, TrainsOrIsRefused) {
  constexpr std::size_t kRows = 40;
  std::vector<float> cells(kRows);
  std::vector<std::int32_t> labels(kRows);
  for (std::size_t r = 0; r < kRows; ++r) {
    cells[r] = static_cast<float>(r % 5) / 4;
    labels[r] = static_cast<std::int32_t>(r % 2);
  }
  DatasetInfo info;
  info.name = info.content_hash = "one";
  info.columns = 1;
  info.row_shape = {1};
  const auto data = MakeDataset(info, {cells, labels}, {}, {});
  std::size_t trained = 0;
  for (const Preset& preset : Presets()) {
    v1::TrainJobSpec request;
    request.set_model("m");
    request.set_dataset("one");
    request.set_preset(std::string(preset.name));
    const auto plan = Resolve(request, data->info(), {.default_threads = 1});
    if (!plan.ok()) {
      EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << preset.name;
      EXPECT_FALSE(DetailsOf(plan.status()).fields.empty()) << preset.name;
      continue;
    }
    v1::TrainingPlan few = *plan;
    if (few.training().solver().has_gradient()) {
      few.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(3);
    }
    const auto result = Fit(few, *data);
    ASSERT_TRUE(result.ok()) << preset.name << ": " << result.status();
    ++trained;
    std::vector<float> scratch;
    std::vector<double> errors(kRows);
    Workspace ws;
    result->model->Forward(
        RowsFor(few.architecture(), *data, v1::PART_TRAIN).Read(0, kRows, scratch),
        {.squared_error = errors}, ws);
    for (const double error : errors) EXPECT_TRUE(std::isfinite(error)) << preset.name;
  }
  EXPECT_GE(trained, 8u);
}

struct Terms {
  double reconstruction = 0, kl = 0, bound = 0, nll1 = 0, nll5 = 0, nll50 = 0;
  int active = 0;  // entries whose mean code varies by more than 0.01
};

Terms TermsOf(const std::string& objective) {
  const auto data = SomeDigits(600, 0);
  const auto result =
      Fit(PlanFor(*data, "preset: 'vae' architecture { latent { dim: 6 } " + objective +
                             " } training { solver { gradient { epochs: 40 } } }"),
          *data);
  EXPECT_TRUE(result.ok()) << result.status();
  const ConstMatrix rows = data->rows(v1::PART_TRAIN).dense();
  std::vector<double> kl(rows.rows);
  std::vector<float> codes(rows.rows * 6);
  Workspace ws;
  result->model->Forward(rows, {.codes = Matrix(codes.data(), rows.rows, 6), .kl = kl}, ws);
  Terms terms;
  for (std::size_t i = 0; i < 6; ++i) {
    double mean = 0, square = 0;
    for (std::size_t r = 0; r < rows.rows; ++r) {
      mean += codes[r * 6 + i] / static_cast<double>(rows.rows);
      square +=
          double{codes[r * 6 + i]} * double{codes[r * 6 + i]} / static_cast<double>(rows.rows);
    }
    terms.active += square - mean * mean > 0.01 ? 1 : 0;
  }
  for (const double row : kl) {
    EXPECT_GE(row, 0);
    terms.kl += row / static_cast<double>(rows.rows);
  }
  ThreadPool pool(1);
  terms.bound = ValidationPass(rows).Objective(*result->model, 5, pool);
  terms.reconstruction = terms.bound - terms.kl;
  terms.nll1 = ImportanceNll(*result->model, rows, 1, 5, 1, {})->mean();
  terms.nll5 = ImportanceNll(*result->model, rows, 5, 5, 1, {})->mean();
  terms.nll50 = ImportanceNll(*result->model, rows, 50, 5, 1, {})->mean();
  return terms;
}

TEST(InequalityTest, MoreBetaMeansLessKlAndMoreError) {
  const Terms none = TermsOf("objective { elbo { beta: 0 } }");
  const Terms one = TermsOf("objective { elbo { beta: 1 } }");
  const Terms four = TermsOf("objective { elbo { beta: 4 } }");
  EXPECT_GT(none.kl, one.kl);
  EXPECT_GT(one.kl, four.kl);
  EXPECT_LT(none.reconstruction, one.reconstruction);
  EXPECT_LT(one.reconstruction, four.reconstruction);
  EXPECT_EQ(none.active, 6);
  EXPECT_GE(none.active, one.active);
  EXPECT_GT(one.active, four.active);
  for (const Terms& terms : {none, one, four}) {
    EXPECT_GE(terms.bound, terms.nll50);
    EXPECT_GE(terms.nll1, terms.nll5);
    EXPECT_GE(terms.nll5, terms.nll50);
  }
}

TEST(InequalityTest, MoreL1MeansFewerActiveEntries) {
  const auto data = SomeDigits(600, 0);
  double denser = 65;
  for (const char* const weight : {"0", "0.01", "0.1"}) {
    const auto result = Fit(
        PlanFor(*data,
                std::string("architecture { encoder {} latent { dim: 64 deterministic { "
                            "activation: ACTIVATION_RELU } } penalties { unit_norm_decoder: true "
                            "l1 { code_weight: ") +
                    weight + " } } } training { solver { gradient { epochs: 40 } } }"),
        *data);
    ASSERT_TRUE(result.ok()) << result.status();
    const ConstMatrix rows = data->rows(v1::PART_TRAIN).dense();
    std::vector<float> codes(rows.rows * 64);
    Workspace ws;
    result->model->Forward(rows, {.codes = Matrix(codes.data(), rows.rows, 64)}, ws);
    const auto active =
        std::count_if(codes.begin(), codes.end(), [](float h) { return h > 1e-5f; });
    const double l0 = static_cast<double>(active) / static_cast<double>(rows.rows);
    EXPECT_LT(l0, 0.95 * denser) << weight;
    denser = l0;
  }
}

// The simplest gate of all: a nonlinear model that keeps less than principal components is
// mistrained.
TEST(InequalityTest, PlainBeatsPrincipalComponentsOnHeldOutRows) {
  const auto data = SomeDigits(1297, 500);
  const auto error = [&](const std::string& preset) {
    const auto result =
        Fit(PlanFor(*data, "preset: '" + preset + "' architecture { latent { dim: 8 } }"), *data);
    EXPECT_TRUE(result.ok()) << result.status();
    const ConstMatrix rows = data->rows(v1::PART_VALIDATION).dense();
    std::vector<double> errors(rows.rows);
    ForwardOutputs out;
    out.squared_error = errors;
    Workspace ws;
    result->model->Forward(rows, out, ws);
    return std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(rows.rows);
  };
  EXPECT_LT(error("plain"), 0.8 * error("pca"));
}

TEST(InequalityTest, ACapacityHoldsTheKl) {
  const Terms held =
      TermsOf("objective { elbo { capacity: 3 capacity_weight: 30 warm_up_fraction: 0.2 } }");
  EXPECT_NEAR(held.kl, 3, 0.5);
}

}  // namespace
}  // namespace latent

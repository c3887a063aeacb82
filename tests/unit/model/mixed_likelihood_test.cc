// Rows of tables: numbers beside one-hot categories, and cells without a value.
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

#include "core/model/likelihood.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::FloatEq;
using testing::FloatNear;

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

struct Made {
  Made(const std::string& kind, std::size_t columns)
      : likelihood(MakeLikelihood(ParseSpec("likelihood { " + kind + " }").likelihood(), columns,
                                  &parameters)) {
    parameters.Allocate();
    likelihood->InitialiseLearned(parameters);
  }
  const RowLikelihood* operator->() const { return likelihood.get(); }
  ParameterSet parameters;
  std::unique_ptr<RowLikelihood> likelihood;
};

constexpr char kTable[] = "mixed { variance: 0.5 categorical { first: 1 count: 3 } }";

TEST(MixedLikelihoodTest, EqualsTheGaussianWhereAllIsNumericAndKnown) {
  const UniformRows rows(2, 37);
  for (const char* parts : {"variance: 0.5", "variance: 0.5 learned_variance: true"}) {
    const Made gaussian(std::string("gaussian { ") + parts + " }", 37);
    const Made mixed(std::string("mixed { ") + parts + " }", 37);
    std::vector<float> expected(37), gradient(37), expected_cells(37), cells(37);
    const double nats =
        gaussian->Nats(rows.rows.row(0), rows.rows.row(1), 0.3F, expected, expected_cells);
    EXPECT_NEAR(mixed->Nats(rows.rows.row(0), rows.rows.row(1), 0.3F, gradient, cells), nats,
                1e-5 * std::abs(nats));
    for (std::size_t c = 0; c < 37; ++c) {
      EXPECT_NEAR(gradient[c], expected[c], 1e-6) << c;
      EXPECT_NEAR(cells[c], expected_cells[c], 1e-6) << c;
    }
  }
}

TEST(MixedLikelihoodTest, ChargesACategoryByItsProbability) {
  // softmax(0, ln 2, ln 5) is (1, 2, 5) / 8.
  const std::vector<float> parameters = {3, 0, std::log(2.0F), std::log(5.0F)}, row = {3, 0, 1, 0};
  std::vector<float> gradient(4), cells(4);
  const double constant = std::log(2 * std::numbers::pi * 0.5) / 2;
  EXPECT_NEAR(Made(kTable, 4)->Nats(parameters, row, 2, gradient, cells), constant + std::log(4.0),
              1e-6);
  EXPECT_THAT(gradient, ElementsAre(0, FloatNear(0.25F, 1e-6F), FloatNear(-1.5F, 1e-6F),
                                    FloatNear(1.25F, 1e-6F)));
  EXPECT_THAT(cells, ElementsAre(FloatEq(static_cast<float>(constant)), 0,
                                 FloatNear(std::log(4.0F), 1e-6F), 0));
}

TEST(MixedLikelihoodTest, IsStableAtHugeLogits) {
  const std::vector<float> parameters = {0, 1000, -1000, 1000}, row = {0, 0, 1, 0};
  std::vector<float> gradient(4);
  const Made table(kTable, 4);
  EXPECT_NEAR(table->Nats(parameters, row, 1, gradient), 2000 + std::log(2) + 0.572, 1e-2);
  EXPECT_THAT(gradient, ElementsAre(0, 0.5F, -1, 0.5F));
  std::vector<float> mean = parameters;
  table->ToMean(mean);
  EXPECT_THAT(mean, ElementsAre(0, 0.5F, 0, 0.5F));
}

TEST(MixedLikelihoodTest, LeavesOutWhatIsMissing) {
  const std::vector<float> parameters = {1, 2, 3, 4},
                           row = {kMissing, kMissing, kMissing, kMissing};
  std::vector<float> gradient(4, 9), cells(4, 9);
  EXPECT_EQ(Made(kTable, 4)->Nats(parameters, row, 1, gradient, cells), 0);
  EXPECT_THAT(gradient, Each(0));
  EXPECT_THAT(cells, Each(0));
}

TEST(MixedLikelihoodTest, TakesACategoryOfWhichAnyCellIsMissingForMissing) {
  const std::vector<float> parameters = {1, 2, 3, 4};
  const Made table(kTable, 4);
  EXPECT_EQ(table->Nats(parameters, std::vector<float>{1, 1, kMissing, 0}, 1, {}),
            table->Nats(parameters, std::vector<float>{1, kMissing, kMissing, kMissing}, 1, {}));
}

TEST(MixedLikelihoodTest, DrawsOneCategoryByItsProbabilityAndNumbersAroundTheirMean) {
  const Made table(kTable, 4);
  std::vector<float> share(3), noise(4);
  double squares = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    std::vector<float> cells = {7, 0.25F, 0, 0.75F};
    table->Draw({.seed = 5, .sample = i}, cells, noise);
    squares += (cells[0] - 7.0) * (cells[0] - 7.0) / 4000;
    EXPECT_EQ(cells[1] + cells[2] + cells[3], 1);
    for (std::size_t c = 0; c < 3; ++c) share[c] += cells[c + 1] / 4000;
  }
  EXPECT_NEAR(squares, 0.5, 0.04);
  EXPECT_NEAR(share[0], 0.25, 0.03);
  EXPECT_EQ(share[1], 0);
}

TEST(MixedLikelihoodTest, KnowsWhatCategoriesMayBe) {
  const Made table(kTable, 4);
  EXPECT_FALSE(table->range(0).has_value());
  EXPECT_TRUE(table->range(1).has_value());
  EXPECT_TRUE(table->range(3).has_value());
}

TEST(MixedLikelihoodTest, NamesRunsThatAreNone) {
  const auto fault = [](const char* text) {
    return FaultOfRuns(
        ParseSpec(std::string("likelihood { mixed {") + text + "} }").likelihood().mixed(), 5);
  };
  EXPECT_EQ(fault("categorical { first: 0 count: 2 } categorical { first: 2 count: 3 }"), "");
  for (const char* bad : {"categorical { first: 0 count: 0 }", "categorical { first: 3 count: 3 }",
                          "categorical { first: 4294967295 count: 4294967295 }",
                          "categorical { first: 0 count: 2 } categorical { first: 1 count: 2 }",
                          "categorical { first: 2 count: 2 } categorical { first: 0 count: 1 }"}) {
    EXPECT_NE(fault(bad), "") << bad;
  }
}

// Two numbers and a category of two; the last row lacks a number, the one before it the category.
struct Table {
  std::vector<float> cells = {1,  10, 1, 0, 3,    30, 0,        1,        5, 10,       1, 0,
                              -1, 50, 0, 1, 0.5F, 20, kMissing, kMissing, 2, kMissing, 0, 1};
  Matrix rows{cells.data(), 6, 4};
};

constexpr char kModel[] =
    "scaling { standardise {} } encoder { layers { dense { units: 5 activation: ACTIVATION_TANH } "
    "} }"
    "latent { dim: 2 gaussian {} } objective { elbo { draws: 1 } }"
    "likelihood { mixed { learned_variance: true categorical { first: 2 count: 2 } } }";

TEST(MixedModelTest, StandardisesNumbersByWhatIsKnownAndNoCategory) {
  Table table;
  const auto model = MakeModel(ParseSpec(kModel), table.rows);
  std::vector<float> row = {0, 24, 1, 0};
  const Matrix one(row.data(), 1, 4);
  EXPECT_EQ(model->column_means()[1], 24);  // of five rows
  model->ScaleRows(one, one);
  EXPECT_EQ(row[1], 0);
  EXPECT_EQ(row[2], 1);
  EXPECT_EQ(row[3], 0);
}

TEST(MixedModelTest, ReadsTheMeanOfAMissingNumberAndZerosOfACategory) {
  Table table;
  const auto model = MakeModel(ParseSpec(kModel), table.rows);
  std::vector<float> filled(table.cells.begin() + 16, table.cells.end());
  filled[2] = filled[3] = 0;
  filled[5] = model->column_means()[1];
  std::vector<float> codes(4), expected(4);
  Workspace ws;
  ForwardOutputs outputs;
  outputs.codes = Matrix(codes.data(), 2, 2);
  model->Forward(table.rows.slice_rows(4, 2), outputs, ws);
  outputs.codes = Matrix(expected.data(), 2, 2);
  model->Forward(Matrix(filled.data(), 2, 4), outputs, ws);
  EXPECT_EQ(codes, expected);
}

TEST(MixedModelTest, AnswersEveryCellAndJudgesOnlyKnownOnes) {
  Table table;
  const auto model = MakeModel(ParseSpec(kModel), table.rows);
  std::vector<float> rebuilt(24), terms(24);
  std::vector<double> error(6), score(6), nats(6), kl(6);
  Workspace ws;
  ForwardOutputs outputs;
  outputs.reconstruction = Matrix(rebuilt.data(), 6, 4);
  outputs.feature_nats = Matrix(terms.data(), 6, 4);
  outputs.squared_error = error;
  outputs.score = score;
  outputs.reconstruction_nats = nats;
  outputs.kl = kl;
  model->Forward(table.rows, outputs, ws);
  for (std::size_t r = 0; r < 6; ++r) {
    EXPECT_NEAR(rebuilt[4 * r + 2] + rebuilt[4 * r + 3], 1, 1e-6) << r;
    EXPECT_NEAR(score[r], nats[r] + kl[r], 1e-9) << r;
    EXPECT_NEAR(nats[r], std::accumulate(&terms[4 * r], &terms[4 * r] + 4, 0.0), 1e-5) << r;
    double expected = 0;
    for (std::size_t c = 0; c < 4; ++c) {
      const double d = rebuilt[4 * r + c] - table.rows(r, c);
      if (!std::isnan(d)) expected += d * d;
    }
    EXPECT_NEAR(error[r], expected, 1e-3 * expected) << r;
  }
  EXPECT_EQ(terms[21], 0);
}

TEST(MixedModelTest, RefusesToScoreWhatIsNoCategory) {
  Table table;
  const auto model = MakeModel(ParseSpec(kModel), table.rows);
  EXPECT_TRUE(model->CheckTargets(table.rows, 0).ok());
  table.rows(1, 3) = 2;
  EXPECT_EQ(model->CheckTargets(table.rows, 0).code(), absl::StatusCode::kInvalidArgument);
}

TEST(MixedModelTest, LeavesMissingCellsMissingWhenItAddsNoise) {
  Table table;
  const auto model = MakeModel(ParseSpec(kModel), table.rows);
  std::vector<float> noisy(24);
  ASSERT_TRUE(model
                  ->Corrupt(table.rows,
                            ParseSpec("corruption { masking { fraction: 1 } }").corruption(), 1,
                            Matrix(noisy.data(), 6, 4))
                  .ok());
  EXPECT_TRUE(std::isnan(noisy[21]));
  EXPECT_FALSE(std::isnan(noisy[20]));
}

}  // namespace
}  // namespace latent

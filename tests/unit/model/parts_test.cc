// The parts alone: scaling, corruption, Gaussian latent, likelihoods, penalties.
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "core/model/corruption.h"
#include "core/model/kl_sparsity.h"
#include "core/model/latent.h"
#include "core/model/likelihood.h"
#include "core/model/penalty.h"
#include "core/model/scaling.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::FloatEq;

ColumnStatistics StatisticsOf(std::vector<float> cells, std::size_t columns) {
  return ComputeColumnStatistics(ConstMatrix(cells.data(), cells.size() / columns, columns));
}

TEST(ColumnStatisticsTest, ComputesEachColumn) {
  const ColumnStatistics s = StatisticsOf({1, 10, 3, 10, 8, 10}, 2);
  EXPECT_EQ(s.rows, 3);
  EXPECT_THAT(s.min, ElementsAre(1, 10));
  EXPECT_THAT(s.max, ElementsAre(8, 10));
  EXPECT_THAT(s.mean, ElementsAre(4, 10));
  EXPECT_NEAR(s.variance[0], 26.0 / 3, 1e-12);
  EXPECT_EQ(s.variance[1], 0);
}

TEST(ColumnStatisticsTest, HasNoVarianceInAConstantColumnWhoseSumRounds) {
  const ColumnStatistics s = StatisticsOf(std::vector<float>(7, 0.1F), 1);
  EXPECT_EQ(s.mean[0], static_cast<double>(0.1F));
  EXPECT_EQ(s.variance[0], 0);
}

std::vector<float> Scaled(const char* kind, const ColumnStatistics& s, std::vector<float> row) {
  ColumnScaling(ParseSpec(std::string("scaling { ") + kind + " {} }").scaling(), s).Apply(row, row);
  return row;
}

TEST(ColumnScalingTest, LeavesRowsAsTheyAre) {
  EXPECT_THAT(Scaled("none", StatisticsOf({1, 2, 3, 4}, 2), {5, 6}), ElementsAre(5, 6));
}

TEST(ColumnScalingTest, MapsExtremesToZeroAndOneExactly) {
  const ColumnStatistics s = StatisticsOf({-0.3F, 0.1F, 7.7F, 0.1F}, 2);
  EXPECT_THAT(Scaled("min_max", s, {-0.3F, 0.1F}), ElementsAre(0, 0));
  EXPECT_THAT(Scaled("min_max", s, {7.7F, 0.1F}), ElementsAre(1, 0));
}

TEST(ColumnScalingTest, StandardisesAndDividesConstantColumnsByOne) {
  const ColumnStatistics s = StatisticsOf({1, 5, 3, 5}, 2);
  EXPECT_THAT(Scaled("standardise", s, {3, 6}), ElementsAre(1, 1));
}

TEST(ColumnScalingTest, InvertsItself) {
  const ColumnStatistics s = StatisticsOf({-2, 1, 5, 9}, 2);
  const ColumnScaling scaling(ParseSpec("scaling { standardise {} }").scaling(), s);
  std::vector<float> row = {0.25F, 3};
  scaling.Apply(row, row);
  scaling.Invert(row, row);
  EXPECT_THAT(row, ElementsAre(FloatEq(0.25F), FloatEq(3)));
}

TEST(ColumnScalingTest, DividesRowsByTheirNormAndLeavesEmptyOnes) {
  const ColumnStatistics s = StatisticsOf({1, 2, 3, 4}, 2);
  EXPECT_THAT(Scaled("l2_row", s, {3, -4}), ElementsAre(FloatEq(0.6F), FloatEq(-0.8F)));
  EXPECT_THAT(Scaled("l2_row", s, {0, 0}), ElementsAre(0, 0));
  EXPECT_THAT(Scaled("l2_row", s, {1e-30F, 0}), ElementsAre(1, 0));
}

TEST(ColumnScalingTest, LeavesTargetsAndAnswersInDatasetUnitsWhereRowsAreScaled) {
  const ColumnScaling scaling(ParseSpec("scaling { l2_row {} }").scaling(),
                              StatisticsOf({1, 2, 3, 4}, 2));
  EXPECT_FALSE(scaling.identity());
  EXPECT_FALSE(scaling.invertible());
  std::vector<float> row = {3, 4};
  scaling.ApplyToTarget(row, row);
  scaling.Invert(row, row);
  EXPECT_THAT(row, ElementsAre(3, 4));
}

// A row of ones after the corruption; columns run from -1 to 2.
std::vector<float> Corrupted(const std::string& kind, std::size_t columns, std::uint64_t seed = 1) {
  std::vector<float> two_rows(2 * columns, -1);
  std::fill(two_rows.begin() + static_cast<std::ptrdiff_t>(columns), two_rows.end(), 2.0F);
  const ColumnStatistics s = StatisticsOf(two_rows, columns);
  const ColumnScaling none(v1::Scaling(), s);
  std::vector<float> row(columns, 1);
  std::vector<float> noise(columns);
  CorruptRow(ParseSpec("corruption { " + kind + " }").corruption(), CellExtremes(s, none),
             {.seed = seed}, row, noise);
  return row;
}

double ShareOf(const std::vector<float>& row, float value) {
  return static_cast<double>(std::count(row.begin(), row.end(), value)) /
         static_cast<double>(row.size());
}

TEST(CorruptionTest, TouchesNothingAtLevelZero) {
  for (const char* kind : {"none {}", "gaussian { sigma: 0 }", "masking { fraction: 0 }",
                           "salt_and_pepper { fraction: 0 }", "dropout { fraction: 0 }"}) {
    EXPECT_THAT(Corrupted(kind, 50), Each(1.0F)) << kind;
  }
}

TEST(CorruptionTest, AddsGaussianNoiseOfItsSigma) {
  const std::vector<float> row = Corrupted("gaussian { sigma: 0.5 }", 20000);
  double squares = 0;
  for (const float v : row) squares += (v - 1.0) * (v - 1.0);
  EXPECT_NEAR(std::sqrt(squares / 20000), 0.5, 0.01);
}

TEST(CorruptionTest, MasksItsShareAndKeepsTheRest) {
  const std::vector<float> row = Corrupted("masking { fraction: 0.25 }", 20000);
  EXPECT_NEAR(ShareOf(row, 0), 0.25, 0.01);
  EXPECT_EQ(ShareOf(row, 0) + ShareOf(row, 1), 1);
}

TEST(CorruptionTest, MasksEverythingAtOne) {
  EXPECT_THAT(Corrupted("masking { fraction: 1 }", 1000), Each(0.0F));
}

TEST(CorruptionTest, DropsItsShareAndMakesUpForIt) {
  const std::vector<float> row = Corrupted("dropout { fraction: 0.2 }", 20000);
  EXPECT_NEAR(ShareOf(row, 0), 0.2, 0.01);
  EXPECT_EQ(ShareOf(row, 0) + ShareOf(row, 1.25F), 1);
}

TEST(CorruptionTest, SetsHalfOfItsShareToEachExtreme) {
  const std::vector<float> row = Corrupted("salt_and_pepper { fraction: 0.4 }", 20000);
  EXPECT_NEAR(ShareOf(row, -1), 0.2, 0.01);
  EXPECT_NEAR(ShareOf(row, 2), 0.2, 0.01);
}

TEST(CorruptionTest, FollowsFromItsSeed) {
  EXPECT_EQ(Corrupted("gaussian { sigma: 1 }", 9), Corrupted("gaussian { sigma: 1 }", 9));
  EXPECT_NE(Corrupted("gaussian { sigma: 1 }", 9), Corrupted("gaussian { sigma: 1 }", 9, 2));
}

TEST(CorruptionTest, RefusesBadLevels) {
  for (const char* kind : {"", "gaussian { sigma: -1 }", "gaussian { sigma: nan }",
                           "gaussian { sigma: inf }", "masking { fraction: 1.1 }",
                           "masking { fraction: nan }", "salt_and_pepper { fraction: -0.1 }",
                           "dropout { fraction: 1 }", "dropout { fraction: nan }"}) {
    const v1::ModelSpec spec = ParseSpec(std::string("corruption { ") + kind + " }");
    EXPECT_EQ(CheckCorruption(spec.corruption()).code(), absl::StatusCode::kInvalidArgument)
        << kind;
  }
}

double Kl(float mu, float log_variance) { return KlOf(mu, log_variance, std::exp(log_variance)); }

TEST(GaussianLatentTest, HasTheClosedFormsKl) {
  EXPECT_EQ(Kl(0, 0), 0);
  EXPECT_EQ(Kl(1, 0), 0.5);
  EXPECT_NEAR(Kl(0, std::log(4.0F)), 0.806853, 1e-6);
}

TEST(GaussianLatentTest, BoundsLogVariancesAndStaysFinite) {
  std::vector<float> lv = {-100, -1, 0, 1, 100};
  BoundLogVariance(lv);
  EXPECT_NEAR(lv[0], -10, 1e-5);
  EXPECT_NEAR(lv[1], -0.99668, 1e-4);
  EXPECT_EQ(lv[2], 0);
  EXPECT_NEAR(lv[4], 10, 1e-5);
  EXPECT_TRUE(std::isfinite(Kl(0, lv[0])));
  EXPECT_TRUE(std::isfinite(Kl(0, lv[4])));
}

TEST(GaussianLatentTest, ChargesAtLeastTheFreeBitsAndNoGradientBelow) {
  const std::vector<float> mu = {0.1F, 2}, lv = {0, 0}, variance = {1, 1};
  std::vector<float> dmu(2), dlv(2);
  const KlCharge charge = ChargeKl(mu, lv, variance, 0.5, 1, dmu, dlv);
  EXPECT_NEAR(charge.kl, 0.005 + 2, 1e-6);
  EXPECT_NEAR(charge.charged, 0.5 + 2, 1e-6);
  EXPECT_THAT(dmu, ElementsAre(0, 2));
}

TEST(GaussianLatentTest, LetsNanThrough) {
  EXPECT_TRUE(std::isnan(KlOf(std::numeric_limits<float>::quiet_NaN(), 0, 1)));
}

// A likelihood with the one number that it may learn.
struct LikelihoodOf {
  explicit LikelihoodOf(const std::string& kind, float learned = 0, std::size_t columns = 1)
      : likelihood(MakeLikelihood(ParseSpec("likelihood { " + kind + " }").likelihood(), columns,
                                  &parameters)) {
    parameters.Allocate();
    if (likelihood->learned()) parameters.span(*likelihood->learned())[0] = learned;
  }
  const RowLikelihood* operator->() const { return likelihood.get(); }
  ParameterSet parameters;
  std::unique_ptr<RowLikelihood> likelihood;
};

TEST(LikelihoodTest, CountsTheGaussiansConstant) {
  const std::vector<float> mean = {1, 2}, row = {1, 4};
  const double expected = 4 / (2 * 0.5) + std::log(2 * std::numbers::pi * 0.5);
  EXPECT_NEAR(LikelihoodOf("gaussian { variance: 0.5 }")->Nats(mean, row, 0, {}), expected, 1e-12);
}

TEST(LikelihoodTest, TakesALearnedVariance) {
  const std::vector<float> mean = {0}, row = {2};
  const double expected = 2 / std::numbers::e + (std::log(2 * std::numbers::pi) + 1) / 2;
  EXPECT_NEAR(LikelihoodOf("gaussian { learned_variance: true }", 1)->Nats(mean, row, 0, {}),
              expected, 1e-7);
}

TEST(LikelihoodTest, SplitsARowIntoItsCells) {
  const std::vector<float> mean = {0.25F, 2, -3}, row = {0, 1, 1};
  for (const char* kind : {"gaussian { variance: 2 }", "bernoulli {}", "multinomial {}"}) {
    std::vector<float> cells(3);
    const double nats = LikelihoodOf(kind)->Nats(mean, row, 0, {}, cells);
    EXPECT_NEAR(cells[0] + cells[1] + cells[2], nats, 1e-5) << kind;
  }
}

TEST(LikelihoodTest, IsStableAtHugeLogits) {
  const std::vector<float> logits = {1000, -1000, 1000, -1000}, row = {1, 0, 0, 1};
  std::vector<float> gradient(4);
  EXPECT_NEAR(LikelihoodOf("bernoulli {}")->Nats(logits, row, 1, gradient), 2000, 1e-3);
  EXPECT_THAT(gradient, ElementsAre(0, 0, 1, -1));
}

TEST(LikelihoodTest, ChargesEachDrawOfAMultinomialByItsLogit) {
  // softmax(0, ln 3) is (1/4, 3/4).
  const std::vector<float> logits = {0, static_cast<float>(std::log(3))}, row = {2, 1};
  std::vector<float> gradient(2);
  EXPECT_NEAR(LikelihoodOf("multinomial {}")->Nats(logits, row, 2, gradient),
              2 * std::log(4) + std::log(4.0 / 3), 1e-6);
  EXPECT_THAT(gradient, ElementsAre(FloatEq(2 * (3 * 0.25F - 2)), FloatEq(2 * (3 * 0.75F - 1))));
}

TEST(LikelihoodTest, TakesHugeLogitsAndEmptyRowsOfAMultinomial) {
  const std::vector<float> logits = {1000, -1000, 1000}, row = {0, 1, 1}, empty(3);
  std::vector<float> gradient(3);
  const auto multinomial = LikelihoodOf("multinomial {}");
  EXPECT_NEAR(multinomial->Nats(logits, row, 1, gradient), 2000 + 2 * std::log(2), 1e-3);
  EXPECT_THAT(gradient, ElementsAre(1, -1, 0));
  EXPECT_EQ(multinomial->Nats(logits, empty, 1, gradient), 0);
  EXPECT_THAT(gradient, Each(0));
  std::vector<float> mean = logits;
  multinomial->ToMean(mean);
  EXPECT_THAT(mean, ElementsAre(0.5F, 0, 0.5F));
}

TEST(LikelihoodTest, DrawsOneOfAllColumnsOfAMultinomial) {
  const auto multinomial = LikelihoodOf("multinomial {}");
  std::vector<float> counts(3), noise(3);
  for (std::uint64_t i = 0; i < 4000; ++i) {
    std::vector<float> cells = {0.5F, 0, 0.5F};
    multinomial->Draw({.seed = 5, .sample = i}, cells, noise);
    EXPECT_EQ(cells[0] + cells[1] + cells[2], 1);
    for (std::size_t c = 0; c < 3; ++c) counts[c] += cells[c] / 4000;
  }
  EXPECT_NEAR(counts[0], 0.5, 0.04);
  EXPECT_EQ(counts[1], 0);
}

TEST(LikelihoodTest, DrawsCellsOfTheirMean) {
  std::vector<float> cells(20000, 0.3F), noise(20000);
  LikelihoodOf("bernoulli {}")->Draw({.seed = 5}, cells, noise);
  EXPECT_NEAR(ShareOf(cells, 1), 0.3, 0.01);
  EXPECT_EQ(ShareOf(cells, 1) + ShareOf(cells, 0), 1);
}

TEST(PenaltyTest, ReadsOneWeightForAllOrOneForEach) {
  const v1::ModelSpec spec =
      ParseSpec("penalties { l1 { weight: 2 } l2 { per_layer: [3, 0, 5] } }");
  const std::vector<LayerPenalty> penalties = PenaltiesOf(spec.penalties(), 3);
  EXPECT_EQ(penalties[1].l1, 2);
  EXPECT_EQ(penalties[1].l2, 0);
  EXPECT_EQ(penalties[2].l2, 5);
}

TEST(PenaltyTest, ChargesAbsoluteAndSquaredActivations) {
  const std::vector<float> h = {-2, 0, 1};
  std::vector<float> gradient(3);
  const PenaltySums sums = ChargeActivity({.l1 = 2, .l2 = 0.5}, h, 1, gradient);
  EXPECT_EQ(sums.l1, 6);
  EXPECT_EQ(sums.l2, 2.5);
  EXPECT_THAT(gradient, ElementsAre(-4, 0, 3));
}

TEST(PenaltyTest, NormalisesRowsOrColumnsAndLeavesZeros) {
  std::vector<float> rows = {3, 4, 0, 0};
  NormaliseVectors(Matrix(rows.data(), 2, 2), false);
  EXPECT_THAT(rows, ElementsAre(FloatEq(0.6F), FloatEq(0.8F), 0, 0));
  std::vector<float> columns = {3, 0, 4, 0};
  NormaliseVectors(Matrix(columns.data(), 2, 2), true);
  EXPECT_THAT(columns, ElementsAre(FloatEq(0.6F), 0, FloatEq(0.8F), 0));
}

TEST(KlSparsityTest, ChargesTheDivergenceFromItsTarget) {
  EXPECT_EQ(ChargeKlSparsity(0.3, 0.3).value, 0);
  EXPECT_EQ(ChargeKlSparsity(0.3, 0.3).slope, 0);
  EXPECT_NEAR(ChargeKlSparsity(0.5, 0.25).value, 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3),
              1e-15);
  EXPECT_NEAR(ChargeKlSparsity(0.5, 0.25).slope, 0.5 / 0.75 - 2, 1e-15);
}

TEST(KlSparsityTest, IsFiniteAtSaturatedEntries) {
  for (const double mean : {0.0, 1.0}) {
    EXPECT_TRUE(std::isfinite(ChargeKlSparsity(0.05, mean).value));
    EXPECT_GT(std::abs(ChargeKlSparsity(0.05, mean).slope), 1e4);
  }
  EXPECT_TRUE(std::isnan(ChargeKlSparsity(0.05, std::nan("")).value));
}

}  // namespace
}  // namespace latent

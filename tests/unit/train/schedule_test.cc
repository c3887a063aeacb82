#include "core/train/schedule.h"

#include <gtest/gtest.h>

#include <vector>

namespace latent {
namespace {

v1::Schedule Cosine(double warm_up) {
  v1::Schedule schedule;
  schedule.set_learning_rate(2);
  schedule.set_warm_up_fraction(warm_up);
  schedule.mutable_cosine()->set_final_fraction(0.01);
  return schedule;
}

TEST(ScheduleTest, RateRisesLinearlyAndIsFullAtTheEndOfTheWarmUp) {
  EXPECT_DOUBLE_EQ(LearningRate(Cosine(0.1), 1, 100), 0.2);
  EXPECT_DOUBLE_EQ(LearningRate(Cosine(0.1), 5, 100), 1);
  EXPECT_DOUBLE_EQ(LearningRate(Cosine(0.1), 10, 100), 2);
}

TEST(ScheduleTest, CosineEndsAtItsFinalShare) {
  EXPECT_NEAR(LearningRate(Cosine(0), 50, 100), 2 * 0.505, 1e-12);
  EXPECT_NEAR(LearningRate(Cosine(0.1), 100, 100), 0.02, 1e-12);
}

TEST(ScheduleTest, ConstantStays) {
  v1::Schedule schedule = Cosine(0);
  schedule.mutable_constant();
  EXPECT_EQ(LearningRate(schedule, 1, 100), 2);
  EXPECT_EQ(LearningRate(schedule, 100, 100), 2);
}

TEST(ScheduleTest, WarmUpMayBeAllOrOneUpdate) {
  EXPECT_EQ(LearningRate(Cosine(1), 100, 100), 2);
  EXPECT_GT(LearningRate(Cosine(1), 1, 1), 0);
  EXPECT_GT(LearningRate(Cosine(0), 1, 1), 0);
}

TEST(ScheduleTest, PlateauFallsAfterItsPatienceAndWaitsAnew) {
  v1::PlateauSchedule rule;
  rule.set_factor(0.5);
  rule.set_patience(2);
  PlateauState state;
  std::vector<double> shares;
  for (const bool best : {true, false, true, false, false, false, false, true}) {
    state.Observe(rule, best);
    shares.push_back(state.share);
  }
  EXPECT_EQ(shares, (std::vector<double>{1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25}));
}

TEST(ScheduleTest, KlWeightRisesToBetaAndStays) {
  v1::ElboObjective elbo;
  elbo.set_beta(4);
  elbo.set_warm_up_fraction(0.5);
  EXPECT_DOUBLE_EQ(KlWeight(elbo, 1, 100), 0.08);
  EXPECT_DOUBLE_EQ(KlWeight(elbo, 25, 100), 2);
  EXPECT_DOUBLE_EQ(KlWeight(elbo, 50, 100), 4);
  EXPECT_DOUBLE_EQ(KlWeight(elbo, 100, 100), 4);
  elbo.set_warm_up_fraction(0);
  EXPECT_DOUBLE_EQ(KlWeight(elbo, 1, 100), 4);
}

TEST(ScheduleTest, CapacityRisesWhileItsWeightStays) {
  v1::ElboObjective elbo;
  elbo.set_beta(4);
  elbo.set_warm_up_fraction(0.5);
  elbo.set_capacity(10);
  elbo.set_capacity_weight(30);
  EXPECT_DOUBLE_EQ(KlWeight(elbo, 1, 100), 30);
  EXPECT_DOUBLE_EQ(Capacity(elbo, 25, 100), 5);
  EXPECT_DOUBLE_EQ(Capacity(elbo, 80, 100), 10);
}

}  // namespace
}  // namespace latent

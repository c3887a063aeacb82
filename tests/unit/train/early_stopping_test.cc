#include "core/train/early_stopping.h"

#include <gtest/gtest.h>

namespace latent {
namespace {

v1::EarlyStopping Rule(bool enabled, std::uint32_t patience) {
  v1::EarlyStopping rule;
  rule.set_enabled(enabled);
  rule.set_patience(patience);
  return rule;
}

TEST(EarlyStoppingTest, FirstObjectiveIsTheBest) {
  EarlyStopping state;
  EXPECT_TRUE(state.Observe(5));
  EXPECT_EQ(state.best, 5);
}

TEST(EarlyStoppingTest, EqualIsNoImprovement) {
  EarlyStopping state;
  state.Observe(5);
  EXPECT_FALSE(state.Observe(5));
  EXPECT_TRUE(state.Observe(4));
}

TEST(EarlyStoppingTest, StopsAfterAsManyEpochsAsPatience) {
  EarlyStopping state;
  state.Observe(5);
  state.Observe(6);
  EXPECT_FALSE(state.ShouldStop(Rule(true, 2)));
  state.Observe(7);
  EXPECT_TRUE(state.ShouldStop(Rule(true, 2)));
  EXPECT_FALSE(state.ShouldStop(Rule(false, 2)));
  state.Observe(1);
  EXPECT_FALSE(state.ShouldStop(Rule(true, 2)));
}

}  // namespace
}  // namespace latent

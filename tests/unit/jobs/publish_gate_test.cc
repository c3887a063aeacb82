#include "core/jobs/publish_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace latent {
namespace {

using testing::HasSubstr;

constexpr auto kAlways = v1::PUBLISH_POLICY_ALWAYS;
constexpr auto kNever = v1::PUBLISH_POLICY_NEVER;
constexpr auto kIfBetter = v1::PUBLISH_POLICY_IF_BETTER;
constexpr auto kUnspecified = v1::PUBLISH_POLICY_UNSPECIFIED;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct GateCase {
  const char* name;
  v1::PublishPolicy policy;
  std::uint64_t current_version = 0;  // 0: the model is new
  double candidate = 0;
  std::optional<double> current = std::nullopt;
  bool higher_is_better = false;
  std::optional<double> bound = std::nullopt;
  std::string schema_change = {};
  bool allow_schema_change = false;
  bool damaged = false;
  // What shall come of it.
  bool publishes = true;
  bool moves = false;
  const char* why = "";
};

GateDecision Decide(const GateCase& c) {
  GateFacts facts;
  facts.publish.set_policy(c.policy);
  facts.publish.set_allow_schema_change(c.allow_schema_change);
  if (c.bound) facts.publish.set_bound(*c.bound);
  facts.first_version = c.current_version == 0;
  facts.candidate = GateFigure{"the figure", "nats/row", c.candidate, c.higher_is_better};
  GateAlias alias;
  alias.alias = "production";
  alias.current_version = c.current_version;
  alias.schema_change = c.schema_change;
  alias.not_comparable = c.schema_change;
  alias.current_damaged = c.damaged;
  if (c.current) alias.current = GateFigure{"the figure", "nats/row", *c.current, false};
  facts.aliases.push_back(alias);
  return DecidePublish(facts);
}

TEST(PublishGateTest, DecidesAsTheTableSays) {
  const GateCase cases[] = {
      {.name = "first version", .policy = kUnspecified, .moves = true, .why = "first version"},
      {.name = "always", .policy = kAlways, .current_version = 2, .moves = true, .why = "ALWAYS"},
      {.name = "never", .policy = kNever, .publishes = false, .why = "policy NEVER"},
      {.name = "better",
       .policy = kUnspecified,
       .current_version = 2,
       .candidate = 1,
       .current = 2,
       .moves = true,
       .why = "version 2 has 2 nats/row"},
      {.name = "equal",
       .policy = kUnspecified,
       .current_version = 2,
       .candidate = 2,
       .current = 2,
       .why = "not better"},
      {.name = "worse",
       .policy = kIfBetter,
       .current_version = 2,
       .candidate = 3,
       .current = 2,
       .why = "not better"},
      {.name = "higher is better",
       .policy = kIfBetter,
       .current_version = 2,
       .candidate = 3,
       .current = 2,
       .higher_is_better = true,
       .moves = true},
      {.name = "not a number",
       .policy = kIfBetter,
       .current_version = 2,
       .candidate = kNaN,
       .current = 2,
       .why = "not better"},
      {.name = "nothing to beat",
       .policy = kIfBetter,
       .candidate = 3,
       .moves = true,
       .why = "named no version"},
      {.name = "bound reached",
       .policy = kIfBetter,
       .current_version = 2,
       .candidate = 3,
       .bound = 3,
       .moves = true,
       .why = "reaches the bound of at most 3"},
      {.name = "bound missed",
       .policy = kIfBetter,
       .candidate = 3,
       .bound = 2.5,
       .why = "misses the bound"},
      {.name = "bound from below",
       .policy = kIfBetter,
       .candidate = 3,
       .higher_is_better = true,
       .bound = 2.5,
       .moves = true,
       .why = "at least 2.5"},
      {.name = "schema change",
       .policy = kAlways,
       .current_version = 2,
       .schema_change = "rows have 3 cells",
       .why = "set allow_schema_change"},
      {.name = "allowed schema change",
       .policy = kAlways,
       .current_version = 2,
       .schema_change = "rows have 3 cells",
       .allow_schema_change = true,
       .moves = true},
      {.name = "allowed schema change, not comparable",
       .policy = kIfBetter,
       .current_version = 2,
       .schema_change = "rows have 3 cells",
       .allow_schema_change = true,
       .moves = true,
       .why = "not comparable with version 2: rows have 3 cells"},
      {.name = "damaged",
       .policy = kIfBetter,
       .current_version = 2,
       .damaged = true,
       .moves = true,
       .why = "version 2 is damaged"},
  };
  for (const GateCase& c : cases) {
    SCOPED_TRACE(c.name);
    const GateDecision decision = Decide(c);
    EXPECT_EQ(decision.publish, c.publishes);
    EXPECT_THAT(decision.ToText(3), HasSubstr(c.why));
    if (!c.publishes) continue;
    EXPECT_EQ(decision.aliases[0].moves, c.moves) << decision.ToText(3);
  }
}

TEST(PublishGateTest, AFigureThatIsNotDefinedMovesNothing) {
  GateFacts facts;
  facts.publish.set_policy(kIfBetter);
  facts.candidate_missing = "there is no figure kl_nats";
  facts.aliases.resize(1);
  facts.aliases[0].current_version = 2;
  facts.aliases[0].current = GateFigure{"kl_nats", "nats/row", 1, false};
  EXPECT_FALSE(DecidePublish(facts).aliases[0].moves);
  EXPECT_THAT(DecidePublish(facts).ToText(3), HasSubstr("there is no figure kl_nats"));
  facts.publish.set_bound(1);
  EXPECT_FALSE(DecidePublish(facts).aliases[0].moves);
}

TEST(PublishGateTest, TheTextNamesVersionsAliasesAndReasons) {
  EXPECT_EQ(Decide({.name = "", .policy = kAlways, .current_version = 2}).ToText(3),
            "published as version 3; alias production moved from version 2 (policy ALWAYS)");
  EXPECT_EQ(Decide({.name = "", .policy = kNever}).ToText(0), "not published: policy NEVER");
}

v1::TrainingPlan PlanOf(std::uint32_t columns) {
  v1::TrainingPlan plan;
  plan.mutable_data()->set_columns(columns);
  plan.mutable_data()->add_row_shape(columns);
  plan.mutable_architecture()->mutable_likelihood()->mutable_gaussian();
  return plan;
}

TEST(SchemaChangeTest, WidthShapeNamesAndLikelihoodMatter) {
  const v1::TrainingPlan plan = PlanOf(4);
  EXPECT_EQ(SchemaChange(plan, plan), "");
  EXPECT_THAT(SchemaChange(plan, PlanOf(5)), HasSubstr("5 cells"));
  v1::TrainingPlan shape = plan;
  shape.mutable_data()->clear_row_shape();
  shape.mutable_data()->add_row_shape(2);
  shape.mutable_data()->add_row_shape(2);
  EXPECT_THAT(SchemaChange(plan, shape), HasSubstr("shape [2, 2]"));
  v1::TrainingPlan names = plan;
  names.mutable_data()->add_column_names(std::string("a"));
  EXPECT_THAT(SchemaChange(plan, names), HasSubstr("other names"));
  v1::TrainingPlan likelihood = plan;
  likelihood.mutable_architecture()->mutable_likelihood()->mutable_bernoulli();
  EXPECT_THAT(SchemaChange(plan, likelihood), HasSubstr("Bernoulli"));
  v1::TrainingPlan learned = plan;
  learned.mutable_architecture()->mutable_likelihood()->mutable_gaussian()->set_learned_variance(
      true);
  EXPECT_EQ(SchemaChange(plan, learned), "");
}

TEST(SchemaChangeTest, LabelsThatCallsMustBringMatter) {
  const v1::TrainingPlan plain = PlanOf(4);
  v1::TrainingPlan two = plain;
  v1::LabelCondition* label = two.mutable_architecture()->mutable_condition()->mutable_label();
  for (const int value : {1, 2}) label->add_classes()->set_label(value);
  EXPECT_EQ(SchemaChange(two, two), "");
  EXPECT_THAT(SchemaChange(plain, two), HasSubstr("a label of 1, 2, that of the current version"));
  EXPECT_THAT(SchemaChange(two, plain), HasSubstr("the condition is none"));
  v1::TrainingPlan three = two;
  three.mutable_architecture()->mutable_condition()->mutable_label()->add_classes()->set_label(3);
  EXPECT_THAT(SchemaChange(two, three), HasSubstr("a label of 1, 2, 3"));
}

}  // namespace
}  // namespace latent

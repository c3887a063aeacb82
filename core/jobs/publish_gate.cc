#include "core/jobs/publish_gate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace latent {
namespace {

std::string FigureText(double value, const std::string& unit) {
  return absl::StrCat(value, unit.empty() || unit == "1" ? "" : " ", unit == "1" ? "" : unit);
}

bool Better(const GateFigure& figure, double than) {
  // A figure that is no number is never better.
  return figure.higher_is_better ? figure.value > than : figure.value < than;
}

bool Reaches(const GateFigure& figure, double bound) {
  return Better(figure, bound) || figure.value == bound;
}

const char* LikelihoodFamily(const v1::TrainingPlan& plan) {
  switch (plan.architecture().likelihood().kind_case()) {
    case v1::Likelihood::kGaussian:
      return "Gaussian";
    case v1::Likelihood::kBernoulli:
      return "Bernoulli";
    case v1::Likelihood::kMultinomial:
      return "multinomial";
    case v1::Likelihood::kMixed:
      return "mixed";
    case v1::Likelihood::kAuto:
    case v1::Likelihood::KIND_NOT_SET:
      break;
  }
  return "no";
}

AliasDecision DecideByBound(const GateFacts& facts, AliasDecision decision) {
  if (!facts.candidate) {
    decision.why = facts.candidate_missing;
    return decision;
  }
  const double bound = facts.publish.bound();
  const GateFigure& figure = *facts.candidate;
  decision.moves = Reaches(figure, bound);
  decision.why = absl::StrCat(figure.name, " is ", FigureText(figure.value, figure.unit),
                              decision.moves ? ", which reaches" : ", which misses",
                              " the bound of ", figure.higher_is_better ? "at least " : "at most ",
                              FigureText(bound, figure.unit));
  return decision;
}

AliasDecision DecideByComparison(const GateFacts& facts, const GateAlias& alias,
                                 AliasDecision decision) {
  if (alias.current_version == 0) {
    decision.moves = true;
    decision.why = "it named no version";
    return decision;
  }
  if (!alias.current) {
    // A wanted change of schema cannot be held up by figures that cannot be had.
    decision.moves = !alias.schema_change.empty();
    decision.why = absl::StrCat("not comparable with version ", alias.current_version, ": ",
                                alias.not_comparable,
                                decision.moves ? "; moved as allow_schema_change asks" : "");
    return decision;
  }
  if (!facts.candidate) {
    decision.why = facts.candidate_missing;
    return decision;
  }
  const GateFigure& figure = *facts.candidate;
  decision.moves = Better(figure, alias.current->value);
  decision.why =
      absl::StrCat(figure.name, " is ", FigureText(figure.value, figure.unit), ", version ",
                   alias.current_version, " has ", FigureText(alias.current->value, figure.unit),
                   " on the same rows", decision.moves ? "" : ": not better");
  return decision;
}

AliasDecision DecideAlias(const GateFacts& facts, const GateAlias& alias,
                          v1::PublishPolicy policy) {
  AliasDecision decision;
  decision.alias = alias.alias;
  decision.current_version = alias.current_version;
  if (alias.current_damaged) {
    decision.moves = true;
    decision.why = absl::StrCat("version ", alias.current_version, " is damaged");
    return decision;
  }
  if (!alias.schema_change.empty() && !facts.publish.allow_schema_change()) {
    decision.why = absl::StrCat(alias.schema_change, "; set allow_schema_change or move the alias");
    return decision;
  }
  if (policy == v1::PUBLISH_POLICY_IF_BETTER) {
    return facts.publish.has_bound() ? DecideByBound(facts, std::move(decision))
                                     : DecideByComparison(facts, alias, std::move(decision));
  }
  decision.moves = true;
  decision.why = facts.first_version ? "first version" : "policy ALWAYS";
  return decision;
}

std::vector<std::int32_t> ConditionLabels(const v1::TrainingPlan& plan) {
  std::vector<std::int32_t> labels;
  for (const v1::LabelClass& one : plan.architecture().condition().label().classes()) {
    labels.push_back(one.label());
  }
  return labels;
}

std::string ConditionText(const v1::TrainingPlan& plan) {
  const std::vector<std::int32_t> labels = ConditionLabels(plan);
  return labels.empty() ? "none" : absl::StrCat("a label of ", absl::StrJoin(labels, ", "));
}

std::string ShapeText(const v1::DatasetSchema& data) {
  return absl::StrCat("[", absl::StrJoin(data.row_shape(), ", "), "]");
}

}  // namespace

std::string SchemaChange(const v1::TrainingPlan& current, const v1::TrainingPlan& next) {
  const v1::DatasetSchema& a = current.data();
  const v1::DatasetSchema& b = next.data();
  if (a.columns() != b.columns()) {
    return absl::StrCat("rows have ", b.columns(), " cells, those of the current version ",
                        a.columns());
  }
  if (!std::equal(a.row_shape().begin(), a.row_shape().end(), b.row_shape().begin(),
                  b.row_shape().end())) {
    return absl::StrCat("rows have shape ", ShapeText(b), ", those of the current version ",
                        ShapeText(a));
  }
  if (!std::equal(a.column_names().begin(), a.column_names().end(), b.column_names().begin(),
                  b.column_names().end())) {
    return "columns have other names than those of the current version";
  }
  if (std::string_view(LikelihoodFamily(current)) != LikelihoodFamily(next)) {
    return absl::StrCat("the likelihood is ", LikelihoodFamily(next),
                        ", that of the current version ", LikelihoodFamily(current));
  }
  if (ConditionLabels(current) != ConditionLabels(next)) {
    return absl::StrCat("the condition is ", ConditionText(next), ", that of the current version ",
                        ConditionText(current));
  }
  return "";
}

v1::PublishPolicy EffectivePolicy(const v1::PublishSpec& publish, bool first_version) {
  if (publish.policy() != v1::PUBLISH_POLICY_UNSPECIFIED) return publish.policy();
  return first_version ? v1::PUBLISH_POLICY_ALWAYS : v1::PUBLISH_POLICY_IF_BETTER;
}

bool ComparesWithAlias(const v1::PublishSpec& publish, bool first_version) {
  return EffectivePolicy(publish, first_version) == v1::PUBLISH_POLICY_IF_BETTER &&
         !publish.has_bound();
}

GateDecision DecidePublish(const GateFacts& facts) {
  GateDecision decision;
  const v1::PublishPolicy policy = EffectivePolicy(facts.publish, facts.first_version);
  if (policy == v1::PUBLISH_POLICY_NEVER) {
    decision.why = "policy NEVER";
    return decision;
  }
  decision.publish = true;
  for (const GateAlias& alias : facts.aliases) {
    decision.aliases.push_back(DecideAlias(facts, alias, policy));
  }
  return decision;
}

std::string GateDecision::ToText(std::uint64_t version) const {
  if (!publish) return absl::StrCat("not published: ", why);
  std::string text = absl::StrCat("published as version ", version);
  for (const AliasDecision& alias : aliases) {
    absl::StrAppend(&text, "; alias ", alias.alias, alias.moves ? " moved" : " stays");
    if (alias.current_version != 0) {
      absl::StrAppend(&text, alias.moves ? " from" : " at", " version ", alias.current_version);
    }
    absl::StrAppend(&text, " (", alias.why, ")");
  }
  return text;
}

}  // namespace latent

// Whether a finished job's version is published and which aliases move to it. Pure functions over
// facts; any thread. Not its job: gathering the facts, publishing (publisher.h).
#ifndef LATENT_CORE_JOBS_PUBLISH_GATE_H_
#define LATENT_CORE_JOBS_PUBLISH_GATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "latent/v1/spec.pb.h"

namespace latent {

// Why a version trained by `next` cannot take the place of one trained by `current` unseen: the
// first of width, row shape, column names, likelihood family and condition that differs, in words;
// empty if none does.
std::string SchemaChange(const v1::TrainingPlan& current, const v1::TrainingPlan& next);

// One figure, for comparison.
struct GateFigure {
  std::string name;  // for the decision's text, with the part it was computed on
  std::string unit;
  double value = 0;
  bool higher_is_better = false;
};

// What stands behind one alias now.
struct GateAlias {
  std::string alias;
  std::uint64_t current_version = 0;  // 0: the alias does not exist
  std::string schema_change;          // of SchemaChange
  std::optional<GateFigure> current;  // on the new job's rows; absent if it has none
  std::string not_comparable;         // why `current` is absent, where it should be there
  bool current_damaged = false;       // it cannot answer any more
};

struct GateFacts {
  v1::PublishSpec publish;
  bool first_version = false;           // the model has no version yet
  std::optional<GateFigure> candidate;  // present where the policy needs it and it is defined
  std::string candidate_missing;        // why it is absent, where the policy needs it
  std::vector<GateAlias> aliases;
};

// The policy that is meant: UNSPECIFIED is ALWAYS for a first version, IF_BETTER afterwards.
v1::PublishPolicy EffectivePolicy(const v1::PublishSpec& publish, bool first_version);
// Whether figures of versions that aliases name now are needed.
bool ComparesWithAlias(const v1::PublishSpec& publish, bool first_version);

struct AliasDecision {
  std::string alias;
  std::uint64_t current_version = 0;
  bool moves = false;
  std::string why;  // "improves on version 2: ..."
};

struct GateDecision {
  bool publish = false;
  std::string why;  // of not publishing
  std::vector<AliasDecision> aliases;

  // The job's publish_decision; `version` is the published one.
  std::string ToText(std::uint64_t version) const;
};

GateDecision DecidePublish(const GateFacts& facts);

}  // namespace latent

#endif  // LATENT_CORE_JOBS_PUBLISH_GATE_H_

// A plan as it stands on disk: JSON with the field names of spec.proto. Pure functions; any thread.
#ifndef LATENT_CORE_TRAIN_PLAN_JSON_H_
#define LATENT_CORE_TRAIN_PLAN_JSON_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// Format that this build writes; it reads this and every earlier one.
inline constexpr std::uint32_t kPlanFormatVersion = 1;

// Indented JSON; the same plan always gives the same text.
std::string PlanToJson(const v1::TrainingPlan& plan);

// FAILED_PRECONDITION, reason PLAN_FORMAT, naming both format versions, if the plan is of a later
// format or has fields that this build does not know; DATA_LOSS if it is no plan at all.
absl::StatusOr<v1::TrainingPlan> ParsePlan(std::string_view json);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_PLAN_JSON_H_

#include "core/train/plan_json.h"

#include <cassert>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "google/protobuf/util/json_util.h"

namespace latent {
namespace {

namespace proto_json = google::protobuf::util;

}  // namespace

std::string PlanToJson(const v1::TrainingPlan& plan) {
  proto_json::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = proto_json::MessageToJsonString(plan, &text, options);
  assert(status.ok());
  static_cast<void>(status);
  return text;
}

absl::StatusOr<v1::TrainingPlan> ParsePlan(std::string_view text) {
  const google::protobuf::StringPiece piece(text.data(), text.size());
  v1::TrainingPlan plan;
  proto_json::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  // Fields that a later format added must not hide the version that explains them.
  if (const auto status = proto_json::JsonStringToMessage(piece, &plan, options); !status.ok()) {
    return MakeError(absl::StatusCode::kDataLoss, "PLAN_CORRUPT",
                     absl::StrCat("expected a training plan as JSON: ", status.ToString()));
  }
  const std::uint32_t version = plan.format_version();
  if (version == 0) {
    return MakeError(absl::StatusCode::kDataLoss, "PLAN_CORRUPT",
                     "expected a training plan with format_version >= 1, got none");
  }
  plan.Clear();
  options.ignore_unknown_fields = false;
  const auto status = proto_json::JsonStringToMessage(piece, &plan, options);
  if (version > kPlanFormatVersion || !status.ok()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "PLAN_FORMAT",
                     absl::StrCat("the plan has format version ", version,
                                  ", this build reads up to ", kPlanFormatVersion,
                                  status.ok() ? "" : ": ", status.ok() ? "" : status.ToString(),
                                  "; use a build that is at least as new as the plan"));
  }
  return plan;
}

}  // namespace latent

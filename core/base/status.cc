#include "core/base/status.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace latent {
namespace {

constexpr char kPayloadUrl[] = "latent/error_details";

}  // namespace

absl::Status MakeError(absl::StatusCode code, std::string_view message, ErrorDetails details) {
  absl::Status status(code, {message.data(), message.size()});
  nlohmann::json json;
  json["reason"] = details.reason;
  json["metadata"] = details.metadata;
  for (const auto& field : details.fields) {
    json["fields"].push_back({field.path, field.description});
  }
  if (details.retry_after) json["retry_ms"] = details.retry_after->count();
  status.SetPayload(
      kPayloadUrl, absl::Cord(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  return status;
}

absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message) {
  ErrorDetails details;
  details.reason = reason;
  return MakeError(code, message, std::move(details));
}

absl::Status InvalidField(std::string_view path, std::string_view description) {
  FieldErrors errors;
  errors.Add(path, description);
  return errors.ToStatus();
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload) return details;
  const auto json = nlohmann::json::parse(std::string(*payload), nullptr, false);
  if (json.is_discarded()) return details;
  details.reason = json.value("reason", "");
  if (json.contains("metadata") && json["metadata"].is_object()) {
    details.metadata = json["metadata"].get<std::map<std::string, std::string>>();
  }
  if (json.contains("fields")) {
    for (const auto& field : json["fields"]) details.fields.push_back({field[0], field[1]});
  }
  if (json.contains("retry_ms")) {
    details.retry_after = std::chrono::milliseconds(json["retry_ms"].get<int64_t>());
  }
  return details;
}

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(
      status.code(),
      absl::StrCat(absl::string_view(prefix.data(), prefix.size()), ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

void FieldErrors::Add(std::string_view path, std::string_view description) {
  fields_.push_back({std::string(path), std::string(description)});
}

absl::Status FieldErrors::ToStatus() const {
  if (fields_.empty()) return absl::OkStatus();
  std::string message;
  for (const auto& field : fields_) {
    absl::StrAppend(&message, message.empty() ? "" : "; ", field.path, ": ", field.description);
  }
  ErrorDetails details;
  details.reason = "INVALID_FIELD";
  details.fields = fields_;
  return MakeError(absl::StatusCode::kInvalidArgument, message, std::move(details));
}

}  // namespace latent

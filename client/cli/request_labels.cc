#include "client/cli/request_labels.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/table_file.h"
#include "core/base/status.h"

namespace latent::cli {

absl::StatusOr<std::int32_t> ParseLabel(const v1::Condition& condition, const std::string& text) {
  std::int32_t value = 0;
  const bool number = absl::SimpleAtoi(text, &value);
  std::string known;
  for (const v1::LabelClass& one : condition.label().classes()) {
    if ((number && one.label() == value) || (!text.empty() && one.name() == text)) {
      return one.label();
    }
    absl::StrAppend(&known, known.empty() ? "" : ", ", one.label());
    if (!one.name().empty()) absl::StrAppend(&known, " (", one.name(), ")");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--label: expected one of the version's labels, ", known, ", got ", text));
}

absl::StatusOr<RequestLabels> RequestLabels::Make(Context& context, const Target& target,
                                                  const std::string& label,
                                                  std::vector<std::int32_t> own) {
  RequestLabels labels;
  if (label.empty() && own.empty()) return labels;
  LATENT_ASSIGN_OR_RETURN(const v1::TrainingPlan plan, FetchPlan(context, target));
  const v1::Condition& condition = plan.architecture().condition();
  if (!condition.has_label()) {
    if (label.empty()) return labels;  // the rows' own are for pictures then
    return absl::InvalidArgumentError(
        absl::StrCat("--label: the version (preset ", plan.preset(),
                     ") reads no labels; leave it out, or train with --preset cvae"));
  }
  if (label.empty()) {
    labels.own_ = std::move(own);
    return labels;
  }
  LATENT_ASSIGN_OR_RETURN(labels.one_, ParseLabel(condition, label));
  return labels;
}

std::vector<std::int32_t> RequestLabels::Of(std::size_t first, std::size_t count) const {
  if (one_) return std::vector<std::int32_t>(count, *one_);
  if (own_.empty()) return {};
  const auto begin = own_.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace latent::cli

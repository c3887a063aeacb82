#include "client/cli/request_labels.h"

#include "absl/strings/str_cat.h"
#include "client/cli/table_file.h"
#include "core/base/status.h"
#include "core/data/formats/readers.h"

namespace latent::cli {
namespace {

constexpr std::int32_t kMaxNamedLabel = 1 << 16;  // names are listed by label, from 0 on

}  // namespace

absl::StatusOr<std::int32_t> ParseLabel(const v1::Condition& condition, std::string_view text) {
  const std::optional<std::int32_t> value = ParseLabelNumber(text);
  const v1::LabelClass* by_value = nullptr;
  std::string known;
  for (const v1::LabelClass& one : condition.label().classes()) {
    if (!text.empty() && one.name() == text) return one.label();
    if (value == one.label()) by_value = &one;
    absl::StrAppend(&known, known.empty() ? "" : ", ", one.label());
    if (!one.name().empty()) absl::StrAppend(&known, " (", one.name(), ")");
  }
  if (by_value != nullptr) return by_value->label();
  return absl::InvalidArgumentError(absl::StrCat("expected one of the version's labels, ", known,
                                                 ", got ",
                                                 text.empty() ? "an empty text" : Shown(text)));
}

std::vector<std::string> LabelNames(const v1::Condition& condition) {
  std::vector<std::string> names;
  for (const v1::LabelClass& one : condition.label().classes()) {
    if (one.name().empty() || one.label() < 0 || one.label() >= kMaxNamedLabel) continue;
    const auto label = static_cast<std::size_t>(one.label());
    while (names.size() <= label) names.push_back(absl::StrCat(names.size()));
    names[label] = one.name();
  }
  return names;
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
  const absl::StatusOr<std::int32_t> one = ParseLabel(condition, label);
  if (!one.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--label: ", std::string(one.status().message())));
  }
  labels.one_ = *one;
  return labels;
}

std::vector<std::int32_t> RequestLabels::Of(std::size_t first, std::size_t count) const {
  if (one_) return std::vector<std::int32_t>(count, *one_);
  if (own_.empty()) return {};
  const auto begin = own_.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace latent::cli

#include "core/model/condition.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"

LATENT_NUMERICS_BEGIN

Condition::Condition(const v1::Condition& spec) {
  for (const v1::LabelClass& one : spec.label().classes()) {
    labels_.push_back(one.label());
    names_.push_back(one.name());
  }
}

std::string Condition::Text() const {
  constexpr std::size_t kShown = 20;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, labels_.size()); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", labels_[i]);
    if (!names_[i].empty()) absl::StrAppend(&text, " (", names_[i], ")");
  }
  if (labels_.size() > kShown) absl::StrAppend(&text, " and ", labels_.size() - kShown, " more");
  return text;
}

std::optional<std::uint32_t> Condition::ClassOf(std::int32_t label) const {
  const auto found = std::lower_bound(labels_.begin(), labels_.end(), label);
  if (found == labels_.end() || *found != label) return std::nullopt;
  return static_cast<std::uint32_t>(found - labels_.begin());
}

void Condition::ClassesOf(LabelView labels, std::span<std::uint32_t> classes) const {
  if (!labels.given()) std::abort();  // whoever passes rows on has lost their labels
  for (std::size_t r = 0; r < classes.size(); ++r) {
    const std::optional<std::uint32_t> found = ClassOf(labels[r]);
    if (!found) std::abort();  // Resolve, CheckFits or a request's checks came before
    classes[r] = *found;
  }
}

std::string FaultOfClasses(const v1::LabelCondition& condition) {
  const int count = condition.classes_size();
  if (count < 2 || count > kMaxClasses) {
    return absl::StrCat("expected 2 to ", kMaxClasses, " classes, got ", count);
  }
  for (int i = 1; i < count; ++i) {
    const std::int32_t last = condition.classes(i - 1).label(), next = condition.classes(i).label();
    if (next > last) continue;
    return absl::StrCat("expected each label once, rising, got ", last, " before ", next);
  }
  return "";
}

LATENT_NUMERICS_END

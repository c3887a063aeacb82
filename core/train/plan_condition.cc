#include <string>

#include "absl/strings/str_cat.h"
#include "core/model/condition.h"
#include "core/train/fits.h"
#include "core/train/plan_parts.h"

namespace latent::internal {

void FillCondition(const DatasetInfo& data, v1::Condition& condition) {
  if (condition.kind_case() == v1::Condition::KIND_NOT_SET) condition.mutable_none();
  if (!condition.has_label()) return;
  v1::LabelCondition& label = *condition.mutable_label();
  if (label.classes().empty()) {
    for (const std::int32_t value : data.labels(v1::PART_TRAIN)) {
      label.add_classes()->set_label(value);
    }
  }
  for (v1::LabelClass& one : *label.mutable_classes()) {
    if (one.has_name()) continue;
    const bool named =
        one.label() >= 0 && static_cast<std::size_t>(one.label()) < data.label_names.size();
    one.set_name(named ? data.label_names[static_cast<std::size_t>(one.label())] : "");
  }
}

void CheckCondition(const v1::Condition& condition, const DatasetInfo& data, FieldErrors& errors) {
  if (!condition.has_label()) return;
  const std::string path = "spec.architecture.condition.label";
  if (!data.has_labels) {
    errors.Add(path, absl::StrCat("needs a dataset with labels, and ", data.name,
                                  " has none; upload it with labels, or use condition none (e.g. "
                                  "preset vae)"));
    return;
  }
  if (data.labels(v1::PART_TRAIN).empty()) {
    errors.Add(path, absl::StrCat("needs to know the dataset's labels, and ", data.name,
                                  " was stored before they were listed; upload it again"));
    return;
  }
  const std::string fault = FaultOfClasses(condition.label());
  if (!fault.empty()) {
    errors.Add(path + ".classes", absl::StrCat(fault,
                                               "; leave them out for a dataset whose labels "
                                               "are few classes, or use condition none"));
    return;
  }
  const std::string unknown = FindLabelFault(condition, data, "the condition");
  if (!unknown.empty()) errors.Add("spec.dataset", unknown);
}

}  // namespace latent::internal

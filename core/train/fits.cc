#include "core/train/fits.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/ids.h"
#include "core/base/status.h"
#include "core/model/condition.h"

namespace latent {
namespace {

// Cells that are read at once.
constexpr std::size_t kPieceCells = 1 << 20;

bool IsCategorical(const v1::ColumnGroup& group) {
  return group.kind() == v1::COLUMN_KIND_CATEGORICAL;
}

// The categorical group that begins at a column; null if there is none.
template <typename Groups>
const v1::ColumnGroup* CategoricalAt(const Groups& groups, std::uint32_t first) {
  for (const v1::ColumnGroup& group : groups) {
    if (IsCategorical(group) && group.first() == first) return &group;
  }
  return nullptr;
}

std::string GroupText(const v1::ColumnGroup* group) {
  if (group == nullptr) return "a number";
  return absl::StrCat("column ", Quoted(group->name()), " of ", group->count(), " categories");
}

std::string FindGroupFault(const v1::DatasetSchema& trained, const DatasetInfo& data,
                           absl::string_view version) {
  for (std::uint32_t c = 0; c < data.columns; ++c) {
    const v1::ColumnGroup* const want = CategoricalAt(trained.column_groups(), c);
    const v1::ColumnGroup* const got = CategoricalAt(data.column_groups, c);
    if (want == nullptr && got == nullptr) continue;
    if (want == nullptr || got == nullptr || want->count() != got->count()) {
      return absl::StrCat("expected ", GroupText(want), " at cell ", c, ", as ", version,
                          " takes, got ", GroupText(got));
    }
    for (int i = 0; i < want->categories_size(); ++i) {
      if (want->categories(i) == got->categories(i)) continue;
      return absl::StrCat("expected category ", i, " of ", GroupText(want), " to be ",
                          Quoted(want->categories(i)), ", as ", version, " takes, got ",
                          Quoted(got->categories(i)));
    }
  }
  return "";
}

const char* NameOf(v1::Part part) {
  return part == v1::PART_TRAIN ? "TRAIN" : part == v1::PART_VALIDATION ? "VALIDATION" : "TEST";
}

}  // namespace

std::string FindColumnFault(const v1::DatasetSchema& trained, const DatasetInfo& data,
                            std::string_view version) {
  const absl::string_view who(version.data(), version.size());
  if (trained.columns() != data.columns) {
    return absl::StrCat("expected rows of ", trained.columns(), " cells, as ", who, " takes, got ",
                        data.columns);
  }
  if (!trained.column_names().empty() && !data.column_names.empty()) {
    for (std::uint32_t c = 0; c < data.columns; ++c) {
      const std::string& want = trained.column_names(static_cast<int>(c));
      if (want == data.column_names[c]) continue;
      return absl::StrCat("expected the columns of ", who, ", of which column ", c, " is ",
                          Quoted(want), ", got ", Quoted(data.column_names[c]));
    }
  }
  return FindGroupFault(trained, data, who);
}

std::string FindLabelFault(const v1::Condition& condition, const DatasetInfo& data,
                           std::string_view version) {
  if (!condition.has_label()) return "";
  const absl::string_view who(version.data(), version.size());
  if (!data.has_labels) {
    return absl::StrCat("expected labels, which ", who, " reads beside the rows, got none");
  }
  const Condition known(condition);
  for (const v1::Part part : {v1::PART_TRAIN, v1::PART_VALIDATION, v1::PART_TEST}) {
    const std::vector<std::int32_t>& labels = data.labels(part);
    if (labels.empty() && data.rows(part) > 0) {
      return "expected a dataset whose labels are listed, got one that was stored before they "
             "were; "
             "upload it again";
    }
    for (const std::int32_t label : labels) {
      if (known.ClassOf(label)) continue;
      return absl::StrCat("expected labels that ", who, " knows, ", known.Text(), ", got ", label,
                          " in ", NameOf(part));
    }
  }
  return "";
}

absl::Status CheckFits(const v1::TrainingPlan& plan, const DatasetInfo& data) {
  const std::string fault = FindColumnFault(plan.data(), data, "the version");
  if (!fault.empty()) return InvalidField("dataset", fault);
  const v1::ModelSpec& model = plan.architecture();
  const std::string unknown = FindLabelFault(model.condition(), data, "the version");
  if (!unknown.empty()) return InvalidField("dataset", unknown);
  const bool scaled = model.scaling().has_min_max() || model.scaling().has_standardise();
  if (model.likelihood().has_bernoulli() && !scaled && (data.min < 0 || data.max > 1)) {
    return InvalidField("dataset", absl::StrCat("expected cells from 0 to 1, as the version's "
                                                "Bernoulli likelihood needs, got ",
                                                data.min, " to ", data.max));
  }
  if (model.likelihood().has_multinomial() && !scaled && data.min < 0) {
    return InvalidField("dataset", absl::StrCat("expected counts or weights >= 0, as the version's "
                                                "multinomial likelihood needs, got ",
                                                data.min));
  }
  return absl::OkStatus();
}

absl::Status CheckTargetsOf(const Autoencoder& model, const Dataset& data,
                            std::span<const v1::Part> parts,
                            absl::FunctionRef<absl::Status()> check) {
  std::vector<float> scratch;
  for (const v1::Part part : parts) {
    const RowsView rows = RowsFor(model.spec(), data, part);
    const std::size_t piece =
        std::max<std::size_t>(1, kPieceCells / std::max<std::size_t>(1, rows.columns));
    for (std::size_t first = 0; first < rows.rows; first += piece) {
      LATENT_RETURN_IF_ERROR(check());
      const std::size_t count = std::min(piece, rows.rows - first);
      const absl::Status status = model.CheckTargets(rows.Read(first, count, scratch), first);
      if (!status.ok()) return Annotate(status, absl::StrCat("dataset, ", NameOf(part)));
    }
  }
  return absl::OkStatus();
}

}  // namespace latent

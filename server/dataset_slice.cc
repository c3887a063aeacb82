#include "server/dataset_slice.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {

absl::StatusOr<Cells> SliceCells(DatasetStore& datasets, const v1::DatasetSlice& slice,
                                 const ServedModel& model, const RequestLimits& limits,
                                 std::string_view field) {
  const std::string path = absl::StrCat(std::string(field), ".dataset_slice");
  LATENT_ASSIGN_OR_RETURN(const auto dataset, datasets.OpenRows(slice.dataset()));
  const v1::Part part = slice.part() == v1::PART_UNSPECIFIED ? v1::PART_TEST : slice.part();
  if (part < v1::PART_TRAIN || part > v1::PART_TEST) {
    return InvalidField(path + ".part", absl::StrCat("expected TRAIN, VALIDATION or TEST, got ",
                                                     static_cast<int>(part)));
  }
  const auto rows = RowsFor(model.plan().architecture(), *dataset, part);
  LATENT_RETURN_IF_ERROR(CheckLimits({slice.count(), rows.columns}, limits, path + ".count"));
  if (slice.offset() >= rows.rows || slice.count() > rows.rows - slice.offset()) {
    return InvalidField(path, absl::StrCat("expected rows within the part's ", rows.rows, ", got ",
                                           slice.count(), " from ", slice.offset()));
  }
  Cells cells(slice.count(), rows.columns);
  for (std::size_t r = 0; r < cells.rows; ++r) {
    rows.CopyRow(slice.offset() + r, cells.view().row(r));
    if (rows.labels().given()) cells.labels.push_back(rows.labels()[slice.offset() + r]);
  }
  return cells;
}

absl::Status AddSliceLabels(DatasetStore& datasets, const v1::DatasetSlice& slice,
                            google::protobuf::RepeatedField<std::int32_t>& labels) {
  LATENT_ASSIGN_OR_RETURN(const auto dataset, datasets.OpenRows(slice.dataset()));
  const v1::Part part = slice.part() == v1::PART_UNSPECIFIED ? v1::PART_TEST : slice.part();
  const auto all = dataset->labels(part);
  if (all.empty()) return absl::OkStatus();
  if (slice.offset() > all.size() || slice.count() > all.size() - slice.offset()) {
    return absl::AbortedError("the dataset was replaced while it was read; call again");
  }
  const auto chosen = all.subspan(slice.offset(), slice.count());
  labels.Assign(chosen.begin(), chosen.end());
  return absl::OkStatus();
}

}  // namespace latent

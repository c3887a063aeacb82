#include "core/data/dataset.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <set>
#include <utility>

namespace latent {
namespace {

constexpr std::array<v1::Part, 3> kParts = {v1::PART_TRAIN, v1::PART_VALIDATION, v1::PART_TEST};

class InMemoryDataset : public Dataset {
 public:
  InMemoryDataset(DatasetInfo info, std::array<InMemoryPart, 4> parts)
      : info_(std::move(info)), parts_(std::move(parts)) {}

  const DatasetInfo& info() const override { return info_; }
  RowsView rows(v1::Part part) const override {
    return {parts_[static_cast<std::size_t>(part)].cells.data(), info_.rows(part), info_.columns};
  }
  std::span<const std::int32_t> labels(v1::Part part) const override {
    return parts_[static_cast<std::size_t>(part)].labels;
  }
  std::string_view row_id(v1::Part, std::size_t) const override { return ""; }
  MissingMask missing(v1::Part part) const override {
    const std::vector<std::uint8_t>& bits = parts_[static_cast<std::size_t>(part)].missing;
    return bits.empty() ? MissingMask() : MissingMask(bits.data(), info_.columns);
  }

 private:
  const DatasetInfo info_;
  const std::array<InMemoryPart, 4> parts_;
};

struct SparsePart {
  std::vector<std::uint64_t> offsets = {0};
  std::vector<std::uint32_t> indices;
  std::vector<float> values;
  std::vector<std::int32_t> labels;
};

class SparseDataset : public Dataset {
 public:
  SparseDataset(DatasetInfo info, std::array<SparsePart, 4> parts)
      : info_(std::move(info)), parts_(std::move(parts)) {}

  const DatasetInfo& info() const override { return info_; }
  RowsView rows(v1::Part part) const override {
    const SparsePart& rows = parts_[static_cast<std::size_t>(part)];
    return RowsView(SparseRows{.row_offsets = rows.offsets.data(),
                               .indices = rows.indices.data(),
                               .values = rows.values.data(),
                               .rows = rows.offsets.size() - 1,
                               .columns = info_.columns});
  }
  std::span<const std::int32_t> labels(v1::Part part) const override {
    return parts_[static_cast<std::size_t>(part)].labels;
  }
  std::string_view row_id(v1::Part, std::size_t) const override { return ""; }

 private:
  const DatasetInfo info_;
  const std::array<SparsePart, 4> parts_;
};

SparsePart SparseCopy(const RowsView& rows) {
  SparsePart part;
  std::vector<float> scratch(rows.columns);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const std::span<const float> cells = rows.row(r, scratch);
    for (std::uint32_t c = 0; c < cells.size(); ++c) {
      if (cells[c] == 0) continue;
      part.indices.push_back(c);
      part.values.push_back(cells[c]);
    }
    part.offsets.push_back(part.values.size());
  }
  return part;
}

}  // namespace

std::uint64_t DatasetInfo::stored_cells() const {
  std::uint64_t cells = 0;
  for (const v1::Part part : kParts) {
    cells += sparse ? part_cells[static_cast<std::size_t>(part)] : rows(part) * columns;
  }
  return cells;
}

std::vector<std::int32_t> DistinctLabels(std::span<const std::int32_t> labels) {
  std::set<std::int32_t> distinct;
  for (const std::int32_t label : labels) {
    distinct.insert(label);
    if (distinct.size() > kMaxListedLabels + 1) distinct.erase(std::prev(distinct.end()));
  }
  return {distinct.begin(), distinct.end()};
}

v1::DatasetSchema SchemaOf(const DatasetInfo& info) {
  v1::DatasetSchema schema;
  schema.set_dataset(info.name);
  schema.set_content_hash(info.content_hash);
  schema.set_columns(info.columns);
  schema.mutable_row_shape()->Add(info.row_shape.begin(), info.row_shape.end());
  for (const std::string& name : info.column_names) schema.add_column_names(name);
  schema.set_value_scale(info.value_scale);
  schema.set_train_rows(info.rows(v1::PART_TRAIN));
  schema.set_validation_rows(info.rows(v1::PART_VALIDATION));
  schema.set_test_rows(info.rows(v1::PART_TEST));
  schema.set_train_min(info.train_min);
  schema.set_train_max(info.train_max);
  if (info.sparse) {
    schema.set_sparse(true);
    schema.set_stored_cells(info.stored_cells());
  }
  schema.set_may_miss(info.may_miss);
  const bool plain =
      !info.may_miss && std::all_of(info.column_groups.begin(), info.column_groups.end(),
                                    [](const v1::ColumnGroup& group) {
                                      return group.kind() != v1::COLUMN_KIND_CATEGORICAL;
                                    });
  if (!plain)
    schema.mutable_column_groups()->Assign(info.column_groups.begin(), info.column_groups.end());
  return schema;
}

RowsView RowsFor(const v1::ModelSpec& spec, const Dataset& dataset, v1::Part part) {
  RowsView rows = dataset.rows(part);
  if (spec.condition().has_label() && dataset.info().has_labels)
    rows = rows.WithLabels(dataset.labels(part));
  const MissingMask missing = dataset.missing(part);
  return spec.likelihood().has_mixed() && missing.any() ? rows.WithMissing(missing.bits()) : rows;
}

std::shared_ptr<const Dataset> MakeDataset(DatasetInfo info, InMemoryPart train,
                                           InMemoryPart validation, InMemoryPart test) {
  assert(info.columns > 0);
  std::array<InMemoryPart, 4> parts;
  parts[v1::PART_TRAIN] = std::move(train);
  parts[v1::PART_VALIDATION] = std::move(validation);
  parts[v1::PART_TEST] = std::move(test);
  if (info.row_shape.empty()) info.row_shape = {info.columns};
  bool first = true;
  for (const v1::Part part : kParts) {
    const InMemoryPart& rows = parts[static_cast<std::size_t>(part)];
    assert(rows.cells.size() % info.columns == 0);
    info.part_rows[static_cast<std::size_t>(part)] = rows.cells.size() / info.columns;
    info.has_labels = info.has_labels || !rows.labels.empty();
    info.part_labels[static_cast<std::size_t>(part)] = DistinctLabels(rows.labels);
    info.may_miss = info.may_miss || !rows.missing.empty();
    if (rows.cells.empty()) continue;
    const auto [low, high] = std::minmax_element(rows.cells.begin(), rows.cells.end());
    info.min = first ? *low : std::min<double>(info.min, *low);
    info.max = first ? *high : std::max<double>(info.max, *high);
    first = false;
    if (part == v1::PART_TRAIN) {
      info.train_min = *low;
      info.train_max = *high;
    }
  }
  return std::make_shared<InMemoryDataset>(std::move(info), std::move(parts));
}

std::shared_ptr<const Dataset> MakeSparse(const Dataset& dataset) {
  DatasetInfo info = dataset.info();
  info.sparse = true;
  std::array<SparsePart, 4> parts;
  for (const v1::Part part : kParts) {
    const auto index = static_cast<std::size_t>(part);
    const std::span<const std::int32_t> labels = dataset.labels(part);
    parts[index] = SparseCopy(dataset.rows(part));
    parts[index].labels.assign(labels.begin(), labels.end());
    info.part_cells[index] = parts[index].values.size();
  }
  return std::make_shared<SparseDataset>(std::move(info), std::move(parts));
}

}  // namespace latent

#include "client/cli/table_file.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/request_labels.h"
#include "client/render/text.h"
#include "core/base/status.h"
#include "core/data/byte_source.h"
#include "core/data/formats/csv_lines.h"
#include "core/data/formats/readers.h"

namespace latent::cli {
namespace {

bool IsFeature(const v1::ColumnGroup& group) { return group.count() > 0; }

std::string FeatureNames(const v1::DatasetSchema& schema) {
  std::vector<std::string> names;
  for (const v1::ColumnGroup& group : schema.column_groups()) {
    if (IsFeature(group)) names.push_back(group.name());
  }
  return absl::StrJoin(names, ", ");
}

// The file's columns, each with the group of the schema that it is, or null.
struct FileColumns {
  bool has_header = false;
  std::vector<std::string> names;
  std::vector<const v1::ColumnGroup*> groups;
  std::optional<std::size_t> label;  // the column of labels
};

// The place that an index, negative from the end, means in a line of `width` cells.
std::optional<std::size_t> FindIndex(const std::string& wanted, std::size_t width) {
  std::int64_t index = 0;
  const auto end = static_cast<std::int64_t>(width);
  if (!absl::SimpleAtoi(wanted, &index) || index < -end || index >= end) return std::nullopt;
  return static_cast<std::size_t>(index < 0 ? index + end : index);
}

// The place of a column, by name or else by index; nothing for "".
std::optional<std::size_t> FindColumn(const std::string& wanted,
                                      const std::vector<std::string>& names) {
  if (wanted.empty()) return std::nullopt;
  const auto named = std::find(names.begin(), names.end(), wanted);
  if (named != names.end()) return static_cast<std::size_t>(named - names.begin());
  return FindIndex(wanted, names.size());
}

// Finds the column of labels: the wanted one, or if none is wanted, the dataset's.
absl::Status SettleLabel(const std::string& path, const std::string& wanted, FileColumns& layout) {
  if (!wanted.empty()) {
    layout.label = FindColumn(wanted, layout.names);
  } else {
    const auto found =
        std::find_if(layout.groups.begin(), layout.groups.end(), [](const v1::ColumnGroup* group) {
          return group != nullptr && group->kind() == v1::COLUMN_KIND_LABEL;
        });
    if (found != layout.groups.end()) {
      layout.label = static_cast<std::size_t>(found - layout.groups.begin());
    }
  }
  if (!layout.label) return absl::OkStatus();
  const v1::ColumnGroup* const group = layout.groups[*layout.label];
  if (group == nullptr || !IsFeature(*group)) return absl::OkStatus();
  return BadFile(path, absl::StrCat("--label-column: expected a column of labels, got ", wanted,
                                    ", whose cells (\"", group->name(), "\") the model reads"));
}

absl::StatusOr<FileColumns> LayoutByNames(const std::string& path, const std::string& label_column,
                                          const v1::DatasetSchema& schema,
                                          const std::vector<std::string>& names) {
  FileColumns layout{.has_header = true, .names = names, .groups = {}, .label = {}};
  const std::optional<std::size_t> label = FindColumn(label_column, names);
  for (const std::string& name : names) {
    const auto found =
        std::find_if(schema.column_groups().begin(), schema.column_groups().end(),
                     [&](const v1::ColumnGroup& group) { return group.name() == name; });
    const bool known = found != schema.column_groups().end();
    if (!known && layout.groups.size() != label) {
      return BadFile(path, absl::StrCat("column \"", name, "\" is none of the model's, which are ",
                                        FeatureNames(schema), "; leave it out"));
    }
    const v1::ColumnGroup* const group = known ? &*found : nullptr;
    if (group != nullptr && std::count(layout.groups.begin(), layout.groups.end(), group) > 0) {
      return BadFile(path, absl::StrCat("has two columns called \"", name, "\""));
    }
    layout.groups.push_back(group);
  }
  for (const v1::ColumnGroup& group : schema.column_groups()) {
    if (!IsFeature(group) || std::count(layout.groups.begin(), layout.groups.end(), &group) > 0) {
      continue;
    }
    return BadFile(path, absl::StrCat("lacks column \"", group.name(),
                                      "\"; add it, with empty cells if its values are not known"));
  }
  return layout;
}

absl::StatusOr<FileColumns> LayoutByPlace(const std::string& path, const std::string& label_column,
                                          const v1::DatasetSchema& schema, std::size_t width) {
  FileColumns all, features;
  for (const v1::ColumnGroup& group : schema.column_groups()) {
    for (FileColumns* layout : {&all, &features}) {
      if (layout == &features && !IsFeature(group)) continue;
      layout->names.push_back(group.name());
      layout->groups.push_back(&group);
    }
  }
  const auto label = FindIndex(label_column, width);
  if (width == all.groups.size() && !(label && IsFeature(*all.groups[*label]))) return all;
  if (width == features.groups.size() + 1 && label) {
    const auto place = static_cast<std::ptrdiff_t>(*label);
    features.names.emplace(features.names.begin() + place);
    features.groups.insert(features.groups.begin() + place, nullptr);
    return features;
  }
  if (width == all.groups.size()) return all;
  if (width == features.groups.size()) return features;
  return BadFile(path, absl::StrCat("has ", width, " columns and no header, expected ",
                                    features.groups.size(), ": ", FeatureNames(schema)));
}

absl::StatusOr<std::unique_ptr<CsvLines>> OpenLines(const std::string& path,
                                                    const ReadOptions& options) {
  LATENT_ASSIGN_OR_RETURN(auto file, OpenFile(path));
  LATENT_ASSIGN_OR_RETURN(auto bytes, UnpackIfGzip(std::move(file), path));
  return std::make_unique<CsvLines>(std::move(bytes), path, DelimiterOf(options.csv, path));
}

absl::StatusOr<FileColumns> LayoutOf(const std::string& path, const ReadOptions& options,
                                     const v1::DatasetSchema& schema) {
  LATENT_ASSIGN_OR_RETURN(const auto lines, OpenLines(path, options));
  LATENT_ASSIGN_OR_RETURN(const bool any, lines->Next());
  if (!any) return BadFile(path, "holds no rows");
  const std::vector<std::string> first(lines->cells().begin(), lines->cells().end());
  const bool names = std::any_of(schema.column_groups().begin(), schema.column_groups().end(),
                                 [&](const v1::ColumnGroup& group) {
                                   return IsFeature(group) &&
                                          std::count(first.begin(), first.end(), group.name()) > 0;
                                 });
  const std::string& label = options.csv.label_column;
  LATENT_ASSIGN_OR_RETURN(FileColumns layout,
                          options.csv.header.value_or(names)
                              ? LayoutByNames(path, label, schema, first)
                              : LayoutByPlace(path, label, schema, first.size()));
  LATENT_RETURN_IF_ERROR(SettleLabel(path, label, layout));
  return layout;
}

// The labels of a file whose lines are known to be as wide as the first.
absl::StatusOr<std::vector<std::int32_t>> LabelsOf(const std::string& path,
                                                   const ReadOptions& options,
                                                   const FileColumns& layout,
                                                   const v1::Condition& condition) {
  std::vector<std::int32_t> labels;
  if (!layout.label || !condition.has_label()) return labels;
  LATENT_ASSIGN_OR_RETURN(const auto lines, OpenLines(path, options));
  if (layout.has_header) LATENT_RETURN_IF_ERROR(lines->Next().status());
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, lines->Next());
    if (!more) return labels;
    const auto label = ParseLabel(condition, lines->cells()[*layout.label]);
    if (!label.ok()) {
      return BadCell(path, labels.size() + 1, *layout.label + 1,
                     std::string(label.status().message()));
    }
    labels.push_back(*label);
  }
}

std::shared_ptr<const CsvSchema> CsvSchemaOf(const FileColumns& layout) {
  auto csv = std::make_shared<CsvSchema>();
  csv->has_header = layout.has_header;
  for (std::size_t c = 0; c < layout.groups.size(); ++c) {
    const v1::ColumnGroup* const group = layout.groups[c];
    CsvColumn& column = csv->columns.emplace_back();
    column.name = layout.names[c];
    column.kind = CsvColumnKind::kIgnored;
    if (group == nullptr || c == layout.label) continue;
    if (IsFeature(*group)) column.kind = static_cast<CsvColumnKind>(group->kind());
    if (group->kind() == v1::COLUMN_KIND_ID) column.kind = CsvColumnKind::kId;
    column.categories.assign(group->categories().begin(), group->categories().end());
  }
  return csv;
}

// The model's column of each cell that the reader yields.
std::vector<std::size_t> PlacesOf(const FileColumns& layout) {
  std::vector<std::size_t> places;
  for (const v1::ColumnGroup* const group : layout.groups) {
    if (group == nullptr) continue;
    for (std::uint32_t i = 0; i < group->count(); ++i) places.push_back(group->first() + i);
  }
  return places;
}

}  // namespace

absl::StatusOr<v1::TrainingPlan> FetchPlan(Context& context, const Target& target) {
  v1::GetModelVersionRequest request;
  request.set_model(target.selector().model());
  if (target.selector().has_version()) request.set_version(target.selector().version());
  if (target.selector().has_alias()) request.set_alias(target.selector().alias());
  LATENT_ASSIGN_OR_RETURN(auto response, context.client().GetModelVersion(request, context.Call()));
  return std::move(*response.mutable_version()->mutable_plan());
}

absl::StatusOr<v1::DatasetSchema> FetchSchema(Context& context, const Target& target) {
  LATENT_ASSIGN_OR_RETURN(v1::TrainingPlan plan, FetchPlan(context, target));
  return std::move(*plan.mutable_data());
}

bool IsTable(const v1::DatasetSchema& schema) { return schema.column_groups_size() > 0; }

absl::StatusOr<TableRows> ReadTable(const std::string& path, const ReadOptions& options,
                                    double value_scale, const v1::DatasetSchema& schema,
                                    const v1::Condition& condition, std::uint64_t max_cells) {
  LATENT_ASSIGN_OR_RETURN(const FileColumns layout, LayoutOf(path, options, schema));
  ReadOptions by_schema = options;
  by_schema.csv.schema = CsvSchemaOf(layout);
  by_schema.csv.allow_missing = true;
  by_schema.csv.label_column.clear();
  LATENT_ASSIGN_OR_RETURN(const auto reader, OpenRows(path, FileFormat::kCsv, by_schema));
  const std::vector<std::size_t> places = PlacesOf(layout);
  TableRows table;
  table.cells.columns = schema.columns();
  std::vector<double> cells(places.size());
  std::int32_t label = 0;
  for (std::size_t begin = 0;; begin += table.cells.columns) {
    LATENT_ASSIGN_OR_RETURN(const bool more, reader->Next(cells, &label));
    if (!more) break;
    if (begin + table.cells.columns > max_cells) {
      return BadFile(path, absl::StrCat("has more than ", max_cells, " cells; use a dataset"));
    }
    table.cells.cells.resize(begin + table.cells.columns);
    const std::span<float> row = std::span(table.cells.cells).subspan(begin);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      row[places[i]] = static_cast<float>(cells[i] * value_scale);
    }
    for (const std::uint32_t i : reader->missing()) {
      row[places[i]] = std::numeric_limits<float>::quiet_NaN();
    }
    if (reader->header().has_ids) table.ids.emplace_back(reader->id());
  }
  LATENT_ASSIGN_OR_RETURN(table.labels, LabelsOf(path, options, layout, condition));
  return table;
}

Answer TableAnswer(const Matrix& rows, const std::vector<std::string>& ids,
                   const v1::DatasetSchema& schema) {
  Answer answer;
  answer.rows = rows.rows();
  answer.matrix = &rows;
  for (const v1::ColumnGroup& group : schema.column_groups()) {
    if (IsFeature(group)) answer.headers.push_back(group.name());
    if (group.kind() == v1::COLUMN_KIND_ID && !ids.empty()) {
      answer.headers.insert(answer.headers.begin(), group.name());
    }
  }
  answer.row = [&rows, ids, schema](std::size_t r) {
    std::vector<std::string> texts;
    if (!ids.empty()) texts.push_back(ids[r]);
    for (const v1::ColumnGroup& group : schema.column_groups()) {
      if (!IsFeature(group)) continue;
      const auto cells = rows.row(r).subspan(group.first(), group.count());
      if (group.kind() != v1::COLUMN_KIND_CATEGORICAL) {
        texts.push_back(FormatFloat(cells[0]));
        continue;
      }
      const auto likeliest = std::max_element(cells.begin(), cells.end()) - cells.begin();
      texts.push_back(group.categories(static_cast<int>(likeliest)));
    }
    return texts;
  };
  return answer;
}

absl::StatusOr<Answer> RowsAnswer(Context& context, const Target& target, const Matrix& rows,
                                  const std::vector<std::string>& ids) {
  LATENT_ASSIGN_OR_RETURN(const v1::DatasetSchema schema, FetchSchema(context, target));
  if (!IsTable(schema) || rows.columns != schema.columns()) return MatrixAnswer(rows, "x_");
  return TableAnswer(rows, ids, schema);
}

}  // namespace latent::cli

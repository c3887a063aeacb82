#include "client/cli/row_source.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/table_file.h"
#include "client/render/text.h"
#include "core/base/status.h"
#include "core/data/byte_source.h"
#include "core/data/csv_schema.h"
#include "core/data/formats.h"

namespace latent::cli {
namespace {

constexpr std::uint64_t kMaxCells = 1ull << 28;  // 1 GiB as float32
constexpr char kGroup[] = "Rows";
constexpr std::size_t kRowsPerRequest = 1024;
constexpr std::size_t kCellsPerRequest = 1 << 20;

ReadOptions OptionsOf(const std::string& path, const RowFlags& flags) {
  ReadOptions options;
  options.name = path;
  if (flags.header || flags.no_header) options.csv.header = flags.header;
  options.csv.label_column = flags.label_column;
  return options;
}

// Texts that the label column of a CSV file holds, in the order in which an upload numbers them;
// none where labels are numbers.
absl::StatusOr<std::vector<std::string>> LabelTexts(const ReadOptions& options) {
  LATENT_ASSIGN_OR_RETURN(const FileFormat format,
                          FormatOf(options.name, FileFormat::kGuess, options.name));
  if (format != FileFormat::kCsv || options.csv.label_column.empty()) {
    return std::vector<std::string>();
  }
  LATENT_ASSIGN_OR_RETURN(auto bytes, OpenFile(options.name));
  CsvScan scan(options);
  LATENT_RETURN_IF_ERROR(scan.Add(std::move(bytes), options.name));
  LATENT_ASSIGN_OR_RETURN(const CsvScan::Decision decision, scan.Decide());
  for (const CsvColumn& column : decision.schema->columns) {
    if (column.kind == CsvColumnKind::kLabel) return column.categories;
  }
  return std::vector<std::string>();
}

// Of a file with the columns of a plain dataset and one more that is called as labels are: its
// name, as an upload would have guessed. Else empty.
absl::StatusOr<std::string> LabelColumnBeside(const v1::DatasetSchema& schema,
                                              const ReadOptions& options) {
  LATENT_ASSIGN_OR_RETURN(const auto reader, OpenRows(options.name, FileFormat::kCsv, options));
  const std::vector<std::string>& names = reader->header().column_names;
  if (names.size() != schema.column_names_size() + std::size_t{1}) return std::string();
  std::string label;
  for (const std::string& name : names) {
    const auto& known = schema.column_names();
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (!label.empty() || !IsNameOfLabels(name)) return std::string();
    label = name;
  }
  return label;
}

// How many of `available` rows are meant.
absl::StatusOr<std::size_t> CountOf(const RowFlags& flags, std::uint64_t available) {
  if (flags.offset >= available) {
    return absl::InvalidArgumentError(absl::StrCat("--offset: expected less than the ", available,
                                                   " rows there are, got ", flags.offset));
  }
  const std::uint64_t left = available - flags.offset;
  if (flags.count && (*flags.count == 0 || *flags.count > left)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--count: expected 1 to ", left, ", the rows from --offset on, got ", *flags.count));
  }
  return flags.count.value_or(left);
}

// Of what all rows of a file have, that of the `rows` that are meant.
template <typename T>
std::vector<T> Chosen(const RowFlags& flags, std::size_t rows, const std::vector<T>& all) {
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(flags.offset);
  return {first, first + static_cast<std::ptrdiff_t>(rows)};
}

}  // namespace

void AddRowOptions(CLI::App& command, RowFlags& flags) {
  const auto add = [&command](const char* name, auto& value, const char* text) {
    return command.add_option(name, value, text)->group(kGroup);
  };
  add("--input", flags.input, "File of rows: CSV, NPY or IDX, also .gz");
  add("--dataset", flags.dataset, "Dataset on the server, in place of a file");
  add("--part", flags.part, "Part of the dataset: train, validation or test (default)")
      ->check(CLI::IsMember({"train", "validation", "test"}));
  add("--offset", flags.offset, "First row (default: 0)");
  add("--count", flags.count, "Number of rows (default: all)");
  add("--value-scale", flags.value_scale,
      "Factor on the file's values, as when its dataset was uploaded");
  add("--label-column", flags.label_column,
      "CSV column that is a label and no cell (default: the one that the dataset's were in, where "
      "the file has it)");
  AddLabelOptions(command, flags);
  command.add_flag("--header", flags.header, "The CSV file has a header")->group(kGroup);
  command.add_flag("--no-header", flags.no_header, "The CSV file has none")->group(kGroup);
}

void AddLabelOptions(CLI::App& command, RowFlags& flags) {
  command
      .add_option("--labels", flags.labels,
                  "File of labels, one a row: for conditional models and coloured scatters")
      ->group(kGroup);
  command
      .add_option("--label", flags.label,
                  "Label of all rows, by value or name (conditional models)")
      ->group(kGroup);
}

absl::StatusOr<RowSource> RowSource::Open(Context& context, const RowFlags& flags,
                                          const ModelFlags& model) {
  if (flags.input.empty() == flags.dataset.empty()) {
    return absl::InvalidArgumentError("expected rows: give either --input FILE or --dataset NAME");
  }
  RowSource source;
  if (!flags.input.empty()) {
    LATENT_ASSIGN_OR_RETURN(const FileFormat format,
                            FormatOf(flags.input, FileFormat::kGuess, flags.input));
    v1::TrainingPlan plan;
    if (format == FileFormat::kCsv) {
      LATENT_ASSIGN_OR_RETURN(plan, FetchPlan(context, Target(model)));
    }
    v1::Condition condition;  // none where the file's own labels do not go to the model
    if (flags.label.empty() && flags.labels.empty()) condition = plan.architecture().condition();
    if (IsTable(plan.data())) {
      LATENT_RETURN_IF_ERROR(source.ReadTableFile(flags, plan.data(), condition));
    } else {
      RowFlags settled = flags;
      if (format == FileFormat::kCsv && flags.label_column.empty()) {
        LATENT_ASSIGN_OR_RETURN(settled.label_column,
                                LabelColumnBeside(plan.data(), OptionsOf(flags.input, flags)));
      }
      LATENT_RETURN_IF_ERROR(source.ReadFile(settled, condition));
    }
  } else {
    LATENT_RETURN_IF_ERROR(source.AskDataset(context, flags));
  }
  if (!flags.labels.empty()) LATENT_RETURN_IF_ERROR(source.ReadLabels(flags));
  LATENT_ASSIGN_OR_RETURN(source.request_labels_,
                          RequestLabels::Make(context, Target(model), flags.label, source.labels_));
  return source;
}

absl::StatusOr<RowSource> RowSource::OpenCodes(const std::string& path) {
  RowFlags flags;
  flags.input = path;
  flags.value_scale = 1;
  RowSource source;
  LATENT_RETURN_IF_ERROR(source.ReadFile(flags, {}));
  return source;
}

absl::StatusOr<RowSource> RowSource::OpenCodes(Context& context, const RowFlags& flags,
                                               const ModelFlags& model) {
  LATENT_ASSIGN_OR_RETURN(RowSource source, OpenCodes(flags.input));
  if (!flags.labels.empty()) LATENT_RETURN_IF_ERROR(source.ReadLabels(flags));
  LATENT_ASSIGN_OR_RETURN(source.request_labels_,
                          RequestLabels::Make(context, Target(model), flags.label, source.labels_));
  return source;
}

absl::Status RowSource::ReadFile(const RowFlags& flags, const v1::Condition& condition) {
  ReadOptions options = OptionsOf(flags.input, flags);
  LATENT_ASSIGN_OR_RETURN(label_names_, LabelTexts(options));
  options.label_names = label_names_;
  LATENT_ASSIGN_OR_RETURN(RowTable table, ReadRows(flags.input, FileFormat::kGuess, options,
                                                   flags.value_scale, kMaxCells));
  LATENT_RETURN_IF_ERROR(
      TakeRows(flags, {.columns = table.header.columns, .cells = std::move(table.cells)}));
  if (table.labels.empty()) return absl::OkStatus();
  labels_ = Chosen(flags, rows_, table.labels);
  if (!condition.has_label()) return absl::OkStatus();
  // Texts were numbered as this file has them, which need not be as the model does.
  for (std::size_t r = 0; r < rows_; ++r) {
    const auto number = static_cast<std::size_t>(labels_[r]);
    const std::string text =
        number < label_names_.size() ? label_names_[number] : absl::StrCat(labels_[r]);
    const absl::StatusOr<std::int32_t> label = ParseLabel(condition, text);
    if (!label.ok()) {
      return BadFile(flags.input, absl::StrCat("row ", flags.offset + r + 1,
                                               ", label: ", std::string(label.status().message())));
    }
    labels_[r] = *label;
  }
  label_names_ = LabelNames(condition);
  return absl::OkStatus();
}

absl::Status RowSource::ReadTableFile(const RowFlags& flags, const v1::DatasetSchema& schema,
                                      const v1::Condition& condition) {
  const double scale = flags.value_scale.value_or(schema.value_scale());
  LATENT_ASSIGN_OR_RETURN(TableRows table, ReadTable(flags.input, OptionsOf(flags.input, flags),
                                                     scale, schema, condition, kMaxCells));
  is_table_ = true;
  LATENT_RETURN_IF_ERROR(TakeRows(flags, table.cells));
  if (!table.ids.empty()) ids_ = Chosen(flags, rows_, table.ids);
  if (table.labels.empty()) return absl::OkStatus();
  labels_ = Chosen(flags, rows_, table.labels);
  label_names_ = LabelNames(condition);
  return absl::OkStatus();
}

absl::Status RowSource::TakeRows(const RowFlags& flags, const Matrix& all) {
  LATENT_ASSIGN_OR_RETURN(rows_, CountOf(flags, all.rows()));
  columns_ = all.columns;
  const std::span<const float> chosen = all.Rows(flags.offset, rows_);
  cells_ = Matrix{.columns = columns_, .cells = {chosen.begin(), chosen.end()}};
  description_ = absl::StrCat("rows ", flags.offset, " to ", flags.offset + rows_ - 1, " of ",
                              std::filesystem::path(flags.input).filename().string());
  return absl::OkStatus();
}

absl::Status RowSource::AskDataset(Context& context, const RowFlags& flags) {
  v1::GetDatasetRequest request;
  request.set_dataset(flags.dataset);
  LATENT_ASSIGN_OR_RETURN(const auto response,
                          context.client().GetDataset(request, context.Call()));
  v1::Part part = v1::PART_TEST;
  v1::Part_Parse("PART_" + absl::AsciiStrToUpper(flags.part), &part);
  std::uint64_t available = 0;
  for (const v1::PartInfo& info : response.dataset().parts()) {
    if (info.part() == part) available = info.rows();
  }
  if (available == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("dataset ", flags.dataset, " has no ", flags.part, " rows"));
  }
  LATENT_ASSIGN_OR_RETURN(rows_, CountOf(flags, available));
  columns_ = response.dataset().columns();
  label_names_.assign(response.dataset().label_names().begin(),
                      response.dataset().label_names().end());
  slice_.set_dataset(flags.dataset);
  slice_.set_part(part);
  slice_.set_offset(flags.offset);
  description_ = absl::StrCat(flags.part, " rows ", flags.offset, " to ", flags.offset + rows_ - 1,
                              " of ", flags.dataset);
  return absl::OkStatus();
}

absl::Status RowSource::ReadLabels(const RowFlags& flags) {
  RowFlags plain;
  plain.header = flags.header;
  plain.no_header = flags.no_header;
  LATENT_ASSIGN_OR_RETURN(
      const RowTable table,
      ReadRows(flags.labels, FileFormat::kGuess, OptionsOf(flags.labels, plain), 1.0, kMaxCells));
  if (table.header.columns != 1 || table.rows < flags.offset + rows_) {
    return absl::InvalidArgumentError(
        absl::StrCat("--labels: expected one column of at least ", flags.offset + rows_,
                     " labels, got ", table.header.columns, " columns of ", table.rows, " rows"));
  }
  labels_.clear();
  for (std::size_t r = 0; r < rows_; ++r) {
    labels_.push_back(static_cast<std::int32_t>(std::lround(table.cells[flags.offset + r])));
  }
  return absl::OkStatus();
}

v1::Rows RowSource::Slice(std::size_t first, std::size_t count) const {
  v1::Rows rows;
  if (cells_) {
    *rows.mutable_dense() = ToDenseRows(*cells_, first, count);
  } else {
    *rows.mutable_dataset_slice() = slice_;
    rows.mutable_dataset_slice()->set_offset(slice_.offset() + first);
    rows.mutable_dataset_slice()->set_count(static_cast<std::uint32_t>(count));
  }
  return rows;
}

std::size_t RowSource::rows_per_request() const {
  return std::clamp<std::size_t>(kCellsPerRequest / std::max<std::size_t>(columns_, 1), 1,
                                 kRowsPerRequest);
}

void RowSource::ReportProgress(LiveLine& line, const std::string& verb, std::size_t done) const {
  if (rows_ <= rows_per_request()) return;
  const double share = static_cast<double>(done) / static_cast<double>(rows_);
  line.Update(absl::StrCat(Bar(share, 24, line.terminal().unicode), " ", verb, " ",
                           FormatCount(done), " of ", FormatCount(rows_)));
}

absl::Status RowSource::ForEachRequest(
    const Context& context, const std::string& verb,
    const std::function<absl::Status(std::size_t, v1::Rows)>& send) const {
  LiveLine line = context.Progress();
  const std::size_t step = rows_per_request();
  for (std::size_t first = 0; first < rows_; first += step) {
    ReportProgress(line, verb, first);
    LATENT_RETURN_IF_ERROR(send(first, Slice(first, piece_rows(first))));
  }
  return absl::OkStatus();
}

}  // namespace latent::cli

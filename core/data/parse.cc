#include "core/data/parse.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/data/csv_schema.h"
#include "core/data/dataset_files.h"
#include "core/data/ids.h"

namespace latent {
namespace {

constexpr std::uint64_t kRowsBetweenStopChecks = 256;
// Of the files that rows wait in while they are dealt to parts.
constexpr char kWholeStem[] = "whole";

class Parser {
 public:
  Parser(const ParseRequest& request, const std::string& dir, std::stop_token stop)
      : request_(request), dir_(dir), stop_(std::move(stop)), csv_(request.csv) {}

  absl::StatusOr<DatasetInfo> Run();

 private:
  using Labels = std::vector<std::int32_t>;

  absl::Status HashFiles();
  absl::Status ReadPart(v1::Part part);
  // Learns what the columns of CSV files hold.
  absl::Status SettleCsv();
  absl::Status SettleGroups(const CsvSchema& schema);
  // Joins the named columns of sparse files.
  void SettleNames();
  void MoveColumns(const std::vector<std::uint32_t>& places);
  // Gives missing cells their column's mean over TRAIN.
  absl::Status FillMissing();
  absl::StatusOr<std::vector<float>> TrainMeans();
  void SettleMissingShares();
  // Opens every ROWS file and settles what all of them share.
  absl::Status OpenReaders();
  absl::Status OpenReader(std::size_t file);
  absl::Status ReadRowsFile(std::size_t index, PartWriter& writer, Labels& labels);
  absl::Status CheckSize(const ParseFile& file);
  absl::Status ReadLabelsFile(const ParseFile& file, Labels& labels);
  // Takes over what the first ROWS file declares, and compares another one with it.
  absl::Status SettleFirst(const ParseFile& file, const RowsHeader& header);
  absl::Status SettleOther(const ParseFile& file, const RowsHeader& header);
  absl::Status SettleIndexBase();
  absl::Status SettleShape(const ParseFile& file);
  absl::Status Scale(const ParseFile& file, std::uint64_t row, std::span<const double> cells);
  absl::Status CheckLabels(const ParseFile& file, const Labels& labels, std::size_t first) const;
  absl::Status MatchLabels(v1::Part part, bool inline_labels, const Labels& labels,
                           std::uint64_t rows);
  // Moves rows of TRAIN to the parts that no file brought.
  absl::Status Split();
  absl::Status DealRows(const std::vector<v1::Part>& parts);
  void DealLabels(const std::vector<v1::Part>& parts);
  absl::Status WriteLabels();
  absl::Status FinishPart(v1::Part part, PartWriter& writer);
  void SettleRange();
  absl::Status CheckStop() const {
    return stop_.stop_requested() ? absl::CancelledError("parsing was stopped") : absl::OkStatus();
  }
  bool Brings(v1::Part part) const;
  ReadOptions OptionsOf(const ParseFile& file) const {
    return {.name = file.name,
            .csv = csv_,
            .libsvm = request_.libsvm,
            .pairs = request_.pairs,
            .array = file.array,
            .label_names = info_.label_names};
  }

  const ParseRequest& request_;
  const std::string& dir_;
  const std::stop_token stop_;
  CsvOptions csv_;  // with the schema, once it is known
  DatasetInfo info_;
  DatasetHashes hashes_;
  std::array<Labels, 4> labels_;
  std::array<float, 4> min_{};
  std::array<float, 4> max_{};
  std::vector<std::unique_ptr<RowReader>> readers_;  // of ROWS files, by place in the request
  const ParseFile* first_ = nullptr;                 // ROWS file that settled the header
  RowLayout layout_;
  std::uint64_t total_rows_ = 0;
  std::uint64_t total_bytes_ = 0;
  std::vector<double> cells_;  // of the row being read
  SparseValues sparse_cells_;
  std::vector<std::vector<std::uint32_t>> column_places_;  // by file: of its columns; empty: same
  std::vector<std::uint64_t> missing_;                     // by column, of all parts
  StoredRow row_;
};

absl::StatusOr<DatasetInfo> Parser::Run() {
  info_.name = request_.name;
  info_.label_names = request_.label_names;
  LATENT_RETURN_IF_ERROR(HashFiles());
  LATENT_RETURN_IF_ERROR(SettleCsv());
  LATENT_RETURN_IF_ERROR(OpenReaders());
  for (const v1::Part part : kDatasetParts) {
    if (Brings(part)) LATENT_RETURN_IF_ERROR(ReadPart(part));
  }
  LATENT_RETURN_IF_ERROR(Split());
  if (info_.may_miss) LATENT_RETURN_IF_ERROR(FillMissing());
  SettleMissingShares();
  LATENT_RETURN_IF_ERROR(WriteLabels());
  SettleRange();
  LATENT_RETURN_IF_ERROR(WriteDatasetInfo(dir_, info_, hashes_));
  return std::move(info_);
}

bool Parser::Brings(v1::Part part) const {
  return std::any_of(request_.files.begin(), request_.files.end(), [part](const ParseFile& file) {
    return file.part == part && file.role == FileRole::kRows;
  });
}

absl::Status Parser::HashFiles() {
  Sha256 hash;
  hash.Update(CanonicalDeclaration(request_));
  std::vector<char> buffer(256 << 10);
  for (const ParseFile& file : request_.files) {
    LATENT_ASSIGN_OR_RETURN(const auto bytes, OpenFile(file.path));
    const std::uint64_t size = bytes->remaining_bound();
    hash.Update(BytesOf(std::span(&size, 1)));
    for (;;) {
      LATENT_RETURN_IF_ERROR(CheckStop());
      LATENT_ASSIGN_OR_RETURN(const std::size_t got, bytes->Read(buffer));
      hash.Update({buffer.data(), got});
      if (got < buffer.size()) break;
    }
  }
  info_.content_hash = hash.Finish();
  return absl::OkStatus();
}

absl::Status Parser::ReadPart(v1::Part part) {
  LATENT_ASSIGN_OR_RETURN(PartWriter writer, PartWriter::Create(dir_, PartFileStem(part), layout_));
  Labels inline_labels;
  Labels file_labels;
  for (std::size_t f = 0; f < request_.files.size(); ++f) {
    const ParseFile& file = request_.files[f];
    if (file.part != part) continue;
    LATENT_RETURN_IF_ERROR(file.role == FileRole::kRows ? ReadRowsFile(f, writer, inline_labels)
                                                        : ReadLabelsFile(file, file_labels));
  }
  if (!inline_labels.empty() && !file_labels.empty()) {
    return BadFile(PartFileStem(part),
                   "has labels both in csv.label_column and in files of labels; give one of them");
  }
  const bool is_inline = !inline_labels.empty();
  Labels& labels = labels_[static_cast<std::size_t>(part)];
  labels = std::move(is_inline ? inline_labels : file_labels);
  LATENT_RETURN_IF_ERROR(MatchLabels(part, is_inline, labels, writer.rows()));
  return FinishPart(part, writer);
}

absl::Status Parser::SettleCsv() {
  ReadOptions options;
  options.csv = request_.csv;
  options.label_names = request_.label_names;
  CsvScan scan(options);
  bool any = false;
  for (const ParseFile& file : request_.files) {
    if (file.role != FileRole::kRows) continue;
    LATENT_RETURN_IF_ERROR(CheckStop());
    LATENT_ASSIGN_OR_RETURN(const FileFormat format, FormatOf(file.path, file.format, file.name));
    if (format != FileFormat::kCsv) continue;
    any = true;
    LATENT_ASSIGN_OR_RETURN(auto bytes, OpenFile(file.path));
    LATENT_RETURN_IF_ERROR(scan.Add(std::move(bytes), file.name));
  }
  if (!any) return absl::OkStatus();
  LATENT_ASSIGN_OR_RETURN(const CsvScan::Decision decision, scan.Decide());
  if (!decision.plain) csv_.schema = decision.schema;
  return SettleGroups(*decision.schema);
}

absl::Status Parser::SettleGroups(const CsvSchema& schema) {
  std::uint32_t first = 0;
  for (const CsvColumn& column : schema.columns) {
    v1::ColumnGroup& group = info_.column_groups.emplace_back();
    group.set_name(column.name);
    group.set_kind(static_cast<v1::ColumnKind>(column.kind));
    group.set_first(first);
    if (column.kind == CsvColumnKind::kNumeric) group.set_count(1);
    if (column.kind == CsvColumnKind::kLabel && info_.label_names.empty()) {
      info_.label_names = column.categories;
    }
    if (column.kind == CsvColumnKind::kCategorical) {
      group.set_count(static_cast<std::uint32_t>(column.categories.size()));
      group.mutable_categories()->Assign(column.categories.begin(), column.categories.end());
      if (request_.value_scale.value_or(1) != 1) {
        return BadFile(request_.files.front().name,
                       absl::StrCat("column \"", column.name,
                                    "\" is categorical, which value_scale "
                                    "would spoil; leave value_scale out"));
      }
    }
    first += group.count();
  }
  return absl::OkStatus();
}

void Parser::SettleNames() {
  std::set<std::string> all;
  for (const auto& reader : readers_) {
    if (reader == nullptr) continue;
    const std::vector<std::string>& names = reader->header().column_names;
    all.insert(names.begin(), names.end());
  }
  info_.column_names.assign(all.begin(), all.end());
  SortIds(info_.column_names);
  info_.columns = static_cast<std::uint32_t>(info_.column_names.size());
  info_.row_shape = {info_.columns};
  IdTable places;
  for (const std::string& name : info_.column_names) places.Number(name);
  column_places_.resize(readers_.size());
  for (std::size_t f = 0; f < readers_.size(); ++f) {
    if (readers_[f] == nullptr) continue;
    for (const std::string& name : readers_[f]->header().column_names) {
      column_places_[f].push_back(places.Number(name));
    }
  }
}

void Parser::MoveColumns(const std::vector<std::uint32_t>& places) {
  std::vector<std::pair<std::uint32_t, double>> cells;
  for (std::size_t i = 0; i < sparse_cells_.columns.size(); ++i) {
    cells.emplace_back(places[sparse_cells_.columns[i]], sparse_cells_.values[i]);
  }
  // Numbers in one file and texts in another are put in another order together.
  std::sort(cells.begin(), cells.end());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    std::tie(sparse_cells_.columns[i], sparse_cells_.values[i]) = cells[i];
  }
}

absl::StatusOr<std::vector<float>> Parser::TrainMeans() {
  std::vector<double> sums(info_.columns);
  std::vector<std::uint64_t> counts(info_.columns);
  LATENT_ASSIGN_OR_RETURN(PartReader rows,
                          PartReader::Open(dir_, PartFileStem(v1::PART_TRAIN), layout_));
  for (std::uint64_t r = 0; r < info_.rows(v1::PART_TRAIN); ++r) {
    LATENT_RETURN_IF_ERROR(rows.Next(row_));
    // Missing cells hold 0.
    for (std::size_t c = 0; c < sums.size(); ++c) sums[c] += static_cast<double>(row_.cells[c]);
    for (std::uint64_t& count : counts) ++count;
    for (const std::uint32_t c : row_.missing) --counts[c];
  }
  std::vector<float> means(info_.columns);
  for (std::size_t c = 0; c < means.size(); ++c) {
    if (counts[c] > 0) means[c] = static_cast<float>(sums[c] / static_cast<double>(counts[c]));
  }
  return means;
}

absl::Status Parser::FillMissing() {
  LATENT_ASSIGN_OR_RETURN(const std::vector<float> means, TrainMeans());
  for (const v1::Part part : kDatasetParts) {
    const std::uint64_t count = info_.rows(part);
    if (count == 0) continue;
    LATENT_RETURN_IF_ERROR(CheckStop());
    LATENT_RETURN_IF_ERROR(RenamePart(dir_, PartFileStem(part), kWholeStem));
    LATENT_ASSIGN_OR_RETURN(PartReader source, PartReader::Open(dir_, kWholeStem, layout_));
    LATENT_ASSIGN_OR_RETURN(PartWriter writer,
                            PartWriter::Create(dir_, PartFileStem(part), layout_));
    for (std::uint64_t r = 0; r < count; ++r) {
      LATENT_RETURN_IF_ERROR(source.Next(row_));
      for (const std::uint32_t c : row_.missing) row_.cells[c] = means[c];
      LATENT_RETURN_IF_ERROR(writer.Append(row_));
    }
    LATENT_RETURN_IF_ERROR(FinishPart(part, writer));
    LATENT_RETURN_IF_ERROR(RemovePart(dir_, kWholeStem));
  }
  return absl::OkStatus();
}

void Parser::SettleMissingShares() {
  for (v1::ColumnGroup& group : info_.column_groups) {
    if (group.count() == 0 || total_rows_ == 0) continue;
    group.set_missing_share(static_cast<double>(missing_[group.first()]) /
                            static_cast<double>(total_rows_));
  }
}

absl::Status Parser::OpenReader(std::size_t file) {
  const ParseFile& declared = request_.files[file];
  ReadOptions options = OptionsOf(declared);
  if (info_.index_base) options.libsvm.index_base = info_.index_base;
  LATENT_ASSIGN_OR_RETURN(readers_[file], OpenRows(declared.path, declared.format, options));
  return absl::OkStatus();
}

absl::Status Parser::OpenReaders() {
  readers_.resize(request_.files.size());
  for (std::size_t f = 0; f < readers_.size(); ++f) {
    if (request_.files[f].role == FileRole::kRows) LATENT_RETURN_IF_ERROR(OpenReader(f));
    LATENT_RETURN_IF_ERROR(CheckStop());
  }
  LATENT_RETURN_IF_ERROR(SettleIndexBase());
  for (std::size_t f = 0; f < readers_.size(); ++f) {
    if (readers_[f] == nullptr) continue;
    const RowsHeader& header = readers_[f]->header();
    LATENT_RETURN_IF_ERROR(first_ == nullptr ? SettleFirst(request_.files[f], header)
                                             : SettleOther(request_.files[f], header));
  }
  if (info_.sparse && !info_.column_names.empty()) SettleNames();
  LATENT_RETURN_IF_ERROR(SettleShape(*first_));
  if (info_.columns > kMaxColumns) {
    return BadFile(first_->name, absl::StrCat("the files together have ", info_.columns,
                                              " columns; at most ", kMaxColumns, " are read"));
  }
  missing_.resize(info_.columns);
  layout_ = {.columns = info_.columns,
             .sparse = info_.sparse,
             .ids = info_.has_row_ids,
             .may_miss = info_.may_miss};
  cells_.resize(info_.sparse ? 0 : info_.columns);
  return absl::OkStatus();
}

// One file whose columns count from 0 settles it for all.
absl::Status Parser::SettleIndexBase() {
  for (const auto& reader : readers_) {
    if (reader == nullptr || !reader->header().index_base) continue;
    const int base = *reader->header().index_base;
    info_.index_base = std::min(info_.index_base.value_or(base), base);
  }
  for (std::size_t f = 0; f < readers_.size(); ++f) {
    if (readers_[f] == nullptr || !readers_[f]->header().index_base) continue;
    if (readers_[f]->header().index_base != info_.index_base) {
      LATENT_RETURN_IF_ERROR(OpenReader(f));
    }
  }
  return absl::OkStatus();
}

absl::Status Parser::ReadRowsFile(std::size_t index, PartWriter& writer, Labels& labels) {
  const ParseFile& file = request_.files[index];
  const std::unique_ptr<RowReader> reader = std::move(readers_[index]);
  const bool has_labels = reader->header().has_labels;
  const std::size_t first_label = labels.size();
  const std::uint64_t rows_before = total_rows_;
  for (std::int32_t label = 0;;) {
    if (total_rows_ % kRowsBetweenStopChecks == 0) LATENT_RETURN_IF_ERROR(CheckStop());
    LATENT_ASSIGN_OR_RETURN(const bool more, info_.sparse
                                                 ? reader->NextSparse(sparse_cells_, &label)
                                                 : reader->Next(cells_, &label));
    if (!more) break;
    LATENT_RETURN_IF_ERROR(CheckSize(file));
    if (!column_places_.empty()) MoveColumns(column_places_[index]);
    LATENT_RETURN_IF_ERROR(
        Scale(file, total_rows_ - rows_before, info_.sparse ? sparse_cells_.values : cells_));
    row_.indices = sparse_cells_.columns;
    row_.id = reader->id();
    row_.missing.assign(reader->missing().begin(), reader->missing().end());
    for (const std::uint32_t column : row_.missing) ++missing_[column];
    LATENT_RETURN_IF_ERROR(writer.Append(row_));
    if (has_labels) labels.push_back(label);
  }
  return CheckLabels(file, labels, first_label);
}

// Counts the row that was just read.
absl::Status Parser::CheckSize(const ParseFile& file) {
  ++total_rows_;
  total_bytes_ += info_.sparse ? 8 + 8 * sparse_cells_.values.size() : 4 * cells_.size();
  if (total_rows_ <= request_.limits.max_rows && total_bytes_ <= request_.limits.max_bytes) {
    return absl::OkStatus();
  }
  return BadFile(file.name, absl::StrCat("the dataset has more than ", total_rows_ - 1, " rows of ",
                                         info_.columns, " columns, the limit here"));
}

absl::Status Parser::Scale(const ParseFile& file, std::uint64_t row,
                           std::span<const double> cells) {
  row_.cells.resize(cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    row_.cells[i] = static_cast<float>(cells[i] * info_.value_scale);
    if (std::isfinite(row_.cells[i])) continue;
    const std::size_t column = info_.sparse ? sparse_cells_.columns[i] : i;
    return BadFile(file.name, absl::StrCat("row ", row, ", column ", column + 1, ": ", cells[i],
                                           " times value_scale ", info_.value_scale,
                                           " is beyond float32's range"));
  }
  return absl::OkStatus();
}

absl::Status Parser::SettleFirst(const ParseFile& file, const RowsHeader& header) {
  first_ = &file;
  info_.columns = header.columns;
  info_.row_shape = header.row_shape;
  info_.column_names = header.column_names;
  info_.value_scale = request_.value_scale.value_or(header.bytes ? 1.0 / 255 : 1.0);
  info_.sparse = header.sparse;
  info_.has_row_ids = header.has_ids;
  info_.may_miss = header.may_miss;
  return absl::OkStatus();
}

absl::Status Parser::SettleOther(const ParseFile& file, const RowsHeader& header) {
  if (header.sparse != info_.sparse) {
    return BadFile(file.name, absl::StrCat("only one of ", first_->name, " and this file is of a ",
                                           "sparse format; upload both in one format"));
  }
  if (info_.sparse && info_.column_names.empty() != header.column_names.empty()) {
    return BadFile(file.name, absl::StrCat("only one of ", first_->name, " and this file names ",
                                           "its columns; upload both in one format"));
  }
  // Sparse files need not use their last columns, nor the same ones.
  if (info_.sparse) {
    info_.columns = std::max(info_.columns, header.columns);
    info_.row_shape = {info_.columns};  // of named ones, SettleNames has the last word
  } else if (header.columns != info_.columns) {
    return BadFile(file.name, absl::StrCat("expected ", info_.columns, " columns as in ",
                                           first_->name, ", got ", header.columns));
  }
  if (!info_.sparse && !header.column_names.empty() && header.column_names != info_.column_names) {
    return BadFile(file.name, "its header names other columns than that of " + first_->name);
  }
  if (header.has_ids != info_.has_row_ids) {
    return BadFile(file.name,
                   absl::StrCat("only one of ", first_->name, " and this file gives rows ids"));
  }
  const double scale = request_.value_scale.value_or(header.bytes ? 1.0 / 255 : 1.0);
  if (scale == info_.value_scale) return absl::OkStatus();
  return BadFile(file.name, absl::StrCat("only one of ", first_->name, " and this file holds ",
                                         "uint8; give value_scale for both"));
}

absl::Status Parser::SettleShape(const ParseFile& file) {
  if (request_.row_shape.empty()) return absl::OkStatus();
  info_.row_shape = request_.row_shape;
  std::uint64_t product = 1;
  for (const std::uint32_t size : info_.row_shape) product *= size;
  if (info_.sparse && info_.column_names.empty() && product > info_.columns) {
    info_.columns = static_cast<std::uint32_t>(product);
  }
  if (product == info_.columns) return absl::OkStatus();
  return BadFile(file.name,
                 absl::StrCat("has rows of ", info_.columns, " columns, but row_shape [",
                              absl::StrJoin(info_.row_shape, ", "), "] needs ", product));
}

absl::Status Parser::ReadLabelsFile(const ParseFile& file, Labels& labels) {
  ReadOptions options = OptionsOf(file);
  options.csv = {.header = request_.csv.header, .delimiter = request_.csv.delimiter};
  LATENT_ASSIGN_OR_RETURN(const auto reader, OpenRows(file.path, file.format, options));
  if (reader->header().columns != 1) {
    return BadFile(file.name, absl::StrCat("expected one label a row, got ",
                                           reader->header().columns, " columns"));
  }
  const std::size_t first = labels.size();
  for (double value = 0;;) {
    if (labels.size() % kRowsBetweenStopChecks == 0) LATENT_RETURN_IF_ERROR(CheckStop());
    LATENT_ASSIGN_OR_RETURN(const bool more, reader->Next({&value, 1}, nullptr));
    if (!more) break;
    if (value != std::floor(value) || std::abs(value) > 2147483647) {
      return BadFile(file.name, absl::StrCat("row ", labels.size() - first + 1,
                                             ", column 1: expected a whole number, got ", value));
    }
    labels.push_back(static_cast<std::int32_t>(value));
    if (labels.size() > request_.limits.max_rows) {
      return BadFile(file.name, absl::StrCat("has more than ", request_.limits.max_rows,
                                             " labels, the limit here"));
    }
  }
  return CheckLabels(file, labels, first);
}

absl::Status Parser::CheckLabels(const ParseFile& file, const Labels& labels,
                                 std::size_t first) const {
  const std::size_t names = info_.label_names.size();
  for (std::size_t i = first; names > 0 && i < labels.size(); ++i) {
    if (labels[i] >= 0 && static_cast<std::size_t>(labels[i]) < names) continue;
    return BadFile(file.name, absl::StrCat("row ", i - first + 1, ": expected a label from 0 to ",
                                           names - 1, " (label_names), got ", labels[i]));
  }
  return absl::OkStatus();
}

absl::Status Parser::MatchLabels(v1::Part part, bool inline_labels, const Labels& labels,
                                 std::uint64_t rows) {
  const std::string stem = PartFileStem(part);
  if ((inline_labels || !labels.empty()) && labels.size() != rows) {
    return BadFile(stem, absl::StrCat("has ", labels.size(), " labels for ", rows,
                                      " rows; expected one label a row"));
  }
  if (part == v1::PART_TRAIN) info_.has_labels = !labels.empty();
  if (info_.has_labels == !labels.empty()) return absl::OkStatus();
  return BadFile(stem, absl::StrCat(labels.empty() ? "has no labels, but train has them"
                                                   : "has labels, but train has none",
                                    "; label all parts or none"));
}

absl::Status Parser::FinishPart(v1::Part part, PartWriter& writer) {
  const auto index = static_cast<std::size_t>(part);
  LATENT_ASSIGN_OR_RETURN(hashes_[index], writer.Close());
  info_.part_rows[index] = writer.rows();
  info_.part_cells[index] = info_.sparse ? writer.cells() : 0;
  min_[index] = writer.min();
  max_[index] = writer.max();
  return absl::OkStatus();
}

absl::Status Parser::Split() {
  SplitOptions options = request_.split;
  if (Brings(v1::PART_TEST)) options.test_fraction = 0;
  if (Brings(v1::PART_VALIDATION)) options.validation_fraction = 0;
  const std::vector<v1::Part> parts = SplitRows(info_.rows(v1::PART_TRAIN), options);
  if (std::all_of(parts.begin(), parts.end(), [](v1::Part p) { return p == v1::PART_TRAIN; })) {
    return absl::OkStatus();
  }
  LATENT_RETURN_IF_ERROR(RenamePart(dir_, PartFileStem(v1::PART_TRAIN), kWholeStem));
  LATENT_RETURN_IF_ERROR(DealRows(parts));
  LATENT_RETURN_IF_ERROR(RemovePart(dir_, kWholeStem));
  if (info_.has_labels) DealLabels(parts);
  return absl::OkStatus();
}

absl::Status Parser::DealRows(const std::vector<v1::Part>& parts) {
  LATENT_ASSIGN_OR_RETURN(PartReader source, PartReader::Open(dir_, kWholeStem, layout_));
  std::array<std::optional<PartWriter>, 4> writers;
  for (std::size_t r = 0; r < parts.size(); ++r) {
    if (r % kRowsBetweenStopChecks == 0) LATENT_RETURN_IF_ERROR(CheckStop());
    LATENT_RETURN_IF_ERROR(source.Next(row_));
    auto& writer = writers[static_cast<std::size_t>(parts[r])];
    if (!writer) {
      LATENT_ASSIGN_OR_RETURN(writer, PartWriter::Create(dir_, PartFileStem(parts[r]), layout_));
    }
    LATENT_RETURN_IF_ERROR(writer->Append(row_));
  }
  for (const v1::Part part : kDatasetParts) {
    auto& writer = writers[static_cast<std::size_t>(part)];
    if (writer) LATENT_RETURN_IF_ERROR(FinishPart(part, *writer));
  }
  return absl::OkStatus();
}

void Parser::DealLabels(const std::vector<v1::Part>& parts) {
  const Labels whole = std::exchange(labels_[v1::PART_TRAIN], {});
  for (std::size_t r = 0; r < parts.size(); ++r) {
    labels_[static_cast<std::size_t>(parts[r])].push_back(whole[r]);
  }
}

absl::Status Parser::WriteLabels() {
  for (const v1::Part part : kDatasetParts) {
    const auto index = static_cast<std::size_t>(part);
    if (labels_[index].empty()) continue;
    const std::string path = PartPath(dir_, PartFileStem(part), PartFile::kLabels);
    LATENT_ASSIGN_OR_RETURN(HashingFile file, HashingFile::Create(path));
    LATENT_RETURN_IF_ERROR(file.Append(BytesOf(std::span<const std::int32_t>(labels_[index]))));
    LATENT_ASSIGN_OR_RETURN(hashes_[index][static_cast<std::size_t>(PartFile::kLabels)],
                            file.Close());
  }
  return absl::OkStatus();
}

void Parser::SettleRange() {
  info_.min = info_.train_min = min_[v1::PART_TRAIN];
  info_.max = info_.train_max = max_[v1::PART_TRAIN];
  for (const v1::Part part : kDatasetParts) {
    if (info_.rows(part) == 0) continue;
    info_.min = std::min<double>(info_.min, min_[static_cast<std::size_t>(part)]);
    info_.max = std::max<double>(info_.max, max_[static_cast<std::size_t>(part)]);
  }
}

}  // namespace

absl::StatusOr<DatasetInfo> ParseDataset(const ParseRequest& request, const std::string& out_dir,
                                         std::stop_token stop) {
  LATENT_RETURN_IF_ERROR(CheckDeclaration(request));
  return Parser(request, out_dir, std::move(stop)).Run();
}

}  // namespace latent

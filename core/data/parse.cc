#include "core/data/parse.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/data/dataset_files.h"

namespace latent {
namespace {

constexpr std::uint64_t kRowsBetweenStopChecks = 256;
// Of the files that rows wait in while they are dealt to parts.
constexpr char kWholeStem[] = "whole";

class Parser {
 public:
  Parser(const ParseRequest& request, const std::string& dir, std::stop_token stop)
      : request_(request), dir_(dir), stop_(std::move(stop)) {}

  absl::StatusOr<DatasetInfo> Run();

 private:
  using Labels = std::vector<std::int32_t>;

  absl::Status HashFiles();
  absl::Status ReadPart(v1::Part part);
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
            .csv = request_.csv,
            .libsvm = request_.libsvm,
            .label_names = request_.label_names};
  }

  const ParseRequest& request_;
  const std::string& dir_;
  const std::stop_token stop_;
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
  StoredRow row_;
};

absl::StatusOr<DatasetInfo> Parser::Run() {
  info_.name = request_.name;
  info_.label_names = request_.label_names;
  LATENT_RETURN_IF_ERROR(HashFiles());
  LATENT_RETURN_IF_ERROR(OpenReaders());
  for (const v1::Part part : kDatasetParts) {
    if (Brings(part)) LATENT_RETURN_IF_ERROR(ReadPart(part));
  }
  LATENT_RETURN_IF_ERROR(Split());
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
  LATENT_RETURN_IF_ERROR(SettleShape(*first_));
  layout_ = {.columns = info_.columns, .sparse = info_.sparse, .ids = info_.has_row_ids};
  cells_.resize(info_.sparse ? 0 : info_.columns);
  return absl::OkStatus();
}

// One file whose columns count from 0 settles it for all.
absl::Status Parser::SettleIndexBase() {
  const auto settled = [this] { return info_.index_base; };
  for (const auto& reader : readers_) {
    if (reader == nullptr || !reader->header().index_base) continue;
    const int base = *reader->header().index_base;
    info_.index_base = settled() ? std::min(*info_.index_base, base) : base;
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
    LATENT_RETURN_IF_ERROR(
        Scale(file, total_rows_ - rows_before, info_.sparse ? sparse_cells_.values : cells_));
    row_.indices = sparse_cells_.columns;
    row_.id = reader->id();
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
  return absl::OkStatus();
}

absl::Status Parser::SettleOther(const ParseFile& file, const RowsHeader& header) {
  if (header.sparse != info_.sparse) {
    return BadFile(file.name, absl::StrCat("only one of ", first_->name, " and this file is of a ",
                                           "sparse format; upload both in one format"));
  }
  // Sparse files need not use their last columns.
  if (info_.sparse && info_.column_names.empty()) {
    info_.columns = std::max(info_.columns, header.columns);
    info_.row_shape = {info_.columns};
  } else if (header.columns != info_.columns) {
    return BadFile(file.name, absl::StrCat("expected ", info_.columns, " columns as in ",
                                           first_->name, ", got ", header.columns));
  }
  if (!header.column_names.empty() && header.column_names != info_.column_names) {
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
  options.csv.label_column = "";
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

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

class Parser {
 public:
  Parser(const ParseRequest& request, const std::string& dir, std::stop_token stop)
      : request_(request), dir_(dir), stop_(std::move(stop)) {}

  absl::StatusOr<DatasetInfo> Run();

 private:
  using Labels = std::vector<std::int32_t>;

  absl::Status HashFiles();
  absl::Status ReadPart(v1::Part part);
  absl::Status ReadRowsFile(const ParseFile& file, PartWriter& writer, Labels& labels);
  absl::Status ReadLabelsFile(const ParseFile& file, Labels& labels);
  // Compares a ROWS file with the first one, or takes over what it declares.
  absl::Status SettleHeader(const ParseFile& file, const RowsHeader& header);
  absl::Status Scale(const ParseFile& file, std::uint64_t row, std::span<const double> cells,
                     std::span<float> scaled) const;
  absl::Status CheckLabels(const ParseFile& file, const Labels& labels, std::size_t first) const;
  absl::Status MatchLabels(v1::Part part, bool inline_labels, const Labels& labels,
                           std::uint64_t rows);
  // Moves rows of TRAIN to the parts that no file brought.
  absl::Status Split();
  absl::Status DealRows(const std::string& whole, const std::vector<v1::Part>& parts);
  void DealLabels(const std::vector<v1::Part>& parts);
  absl::Status WriteLabels();
  absl::Status FinishPart(v1::Part part, PartWriter& writer);
  void SettleRange();
  absl::Status CheckStop() const {
    return stop_.stop_requested() ? absl::CancelledError("parsing was stopped") : absl::OkStatus();
  }
  bool Brings(v1::Part part) const;
  ReadOptions OptionsOf(const ParseFile& file) const {
    return {.name = file.name, .csv = request_.csv, .label_names = request_.label_names};
  }

  const ParseRequest& request_;
  const std::string& dir_;
  const std::stop_token stop_;
  DatasetInfo info_;
  DatasetHashes hashes_;
  std::array<Labels, 4> labels_;
  std::array<float, 4> min_{};
  std::array<float, 4> max_{};
  const ParseFile* first_ = nullptr;  // ROWS file that settled the header
  std::uint64_t total_rows_ = 0;
};

absl::StatusOr<DatasetInfo> Parser::Run() {
  info_.name = request_.name;
  info_.label_names = request_.label_names;
  LATENT_RETURN_IF_ERROR(HashFiles());
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
  LATENT_ASSIGN_OR_RETURN(PartWriter writer, PartWriter::Create(RowsPath(dir_, part)));
  Labels inline_labels;
  Labels file_labels;
  for (const ParseFile& file : request_.files) {
    if (file.part != part) continue;
    LATENT_RETURN_IF_ERROR(file.role == FileRole::kRows ? ReadRowsFile(file, writer, inline_labels)
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

absl::Status Parser::ReadRowsFile(const ParseFile& file, PartWriter& writer, Labels& labels) {
  LATENT_ASSIGN_OR_RETURN(const auto reader, OpenRows(file.path, file.format, OptionsOf(file)));
  const RowsHeader& header = reader->header();
  LATENT_RETURN_IF_ERROR(SettleHeader(file, header));
  std::vector<double> cells(header.columns);
  std::vector<float> scaled(header.columns);
  const std::size_t first_label = labels.size();
  const std::uint64_t rows_before = total_rows_;
  const std::uint64_t max_rows = std::min(
      request_.limits.max_rows, request_.limits.max_bytes / (header.columns * sizeof(float)));
  for (std::int32_t label = 0;;) {
    if (total_rows_ % kRowsBetweenStopChecks == 0) LATENT_RETURN_IF_ERROR(CheckStop());
    LATENT_ASSIGN_OR_RETURN(const bool more, reader->Next(cells, &label));
    if (!more) break;
    if (++total_rows_ > max_rows) {
      return BadFile(file.name, absl::StrCat("the dataset has more than ", max_rows, " rows of ",
                                             header.columns, " columns, the limit here"));
    }
    LATENT_RETURN_IF_ERROR(Scale(file, total_rows_ - rows_before, cells, scaled));
    LATENT_RETURN_IF_ERROR(writer.Append(scaled));
    if (header.has_labels) labels.push_back(label);
  }
  return CheckLabels(file, labels, first_label);
}

absl::Status Parser::Scale(const ParseFile& file, std::uint64_t row, std::span<const double> cells,
                           std::span<float> scaled) const {
  for (std::size_t c = 0; c < cells.size(); ++c) {
    scaled[c] = static_cast<float>(cells[c] * info_.value_scale);
    if (std::isfinite(scaled[c])) continue;
    return BadFile(file.name, absl::StrCat("row ", row, ", column ", c + 1, ": ", cells[c],
                                           " times value_scale ", info_.value_scale,
                                           " is beyond float32's range"));
  }
  return absl::OkStatus();
}

absl::Status Parser::SettleHeader(const ParseFile& file, const RowsHeader& header) {
  const double scale = request_.value_scale.value_or(header.bytes ? 1.0 / 255 : 1.0);
  if (first_ == nullptr) {
    first_ = &file;
    info_.columns = header.columns;
    info_.row_shape = request_.row_shape.empty() ? header.row_shape : request_.row_shape;
    info_.column_names = header.column_names;
    info_.value_scale = scale;
    std::uint64_t product = 1;
    for (const std::uint32_t size : info_.row_shape) product *= size;
    if (product == info_.columns) return absl::OkStatus();
    return BadFile(file.name,
                   absl::StrCat("has rows of ", info_.columns, " columns, but row_shape [",
                                absl::StrJoin(info_.row_shape, ", "), "] needs ", product));
  }
  if (header.columns != info_.columns) {
    return BadFile(file.name, absl::StrCat("expected ", info_.columns, " columns as in ",
                                           first_->name, ", got ", header.columns));
  }
  if (!header.column_names.empty() && header.column_names != info_.column_names) {
    return BadFile(file.name, "its header names other columns than that of " + first_->name);
  }
  if (scale != info_.value_scale) {
    return BadFile(file.name, absl::StrCat("only one of ", first_->name, " and this file holds ",
                                           "uint8; give value_scale for both"));
  }
  return absl::OkStatus();
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
  LATENT_ASSIGN_OR_RETURN(hashes_.rows[index], writer.Close());
  info_.part_rows[index] = writer.rows();
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
  const std::string whole = dir_ + "/whole.rows";
  if (std::rename(RowsPath(dir_, v1::PART_TRAIN).c_str(), whole.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, "renaming to " + whole);
  }
  LATENT_RETURN_IF_ERROR(DealRows(whole, parts));
  if (std::remove(whole.c_str()) != 0) return absl::ErrnoToStatus(errno, "removing " + whole);
  if (info_.has_labels) DealLabels(parts);
  return absl::OkStatus();
}

absl::Status Parser::DealRows(const std::string& whole, const std::vector<v1::Part>& parts) {
  LATENT_ASSIGN_OR_RETURN(const auto source, OpenFile(whole));
  std::array<std::optional<PartWriter>, 4> writers;
  std::vector<float> row(info_.columns);
  const std::span<char> row_bytes(reinterpret_cast<char*>(row.data()), row.size() * sizeof(float));
  for (std::size_t r = 0; r < parts.size(); ++r) {
    if (r % kRowsBetweenStopChecks == 0) LATENT_RETURN_IF_ERROR(CheckStop());
    LATENT_ASSIGN_OR_RETURN(const std::size_t got, source->Read(row_bytes));
    if (got < row_bytes.size()) return absl::DataLossError(whole + " changed while it was read");
    auto& writer = writers[static_cast<std::size_t>(parts[r])];
    if (!writer) {
      LATENT_ASSIGN_OR_RETURN(writer, PartWriter::Create(RowsPath(dir_, parts[r])));
    }
    LATENT_RETURN_IF_ERROR(writer->Append(row));
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
    LATENT_ASSIGN_OR_RETURN(HashingFile file, HashingFile::Create(LabelsPath(dir_, part)));
    LATENT_RETURN_IF_ERROR(file.Append(BytesOf(std::span<const std::int32_t>(labels_[index]))));
    LATENT_ASSIGN_OR_RETURN(hashes_.labels[index], file.Close());
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

#include "core/data/parse.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/sha256.h"
#include "core/base/status.h"
#include "core/data/parser.h"

namespace latent {
namespace internal {

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

absl::Status Parser::FinishPart(v1::Part part, PartWriter& writer) {
  const auto index = static_cast<std::size_t>(part);
  LATENT_ASSIGN_OR_RETURN(hashes_[index], writer.Close());
  info_.part_rows[index] = writer.rows();
  info_.part_cells[index] = info_.sparse ? writer.cells() : 0;
  min_[index] = writer.min();
  max_[index] = writer.max();
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

}  // namespace internal

absl::StatusOr<DatasetInfo> ParseDataset(const ParseRequest& request, const std::string& out_dir,
                                         std::stop_token stop) {
  LATENT_RETURN_IF_ERROR(CheckDeclaration(request));
  return internal::Parser(request, out_dir, std::move(stop)).Run();
}

}  // namespace latent

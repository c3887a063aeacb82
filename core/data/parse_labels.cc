// Labels: read, matched with rows, written.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/parser.h"

namespace latent::internal {

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

absl::Status Parser::WriteLabels() {
  for (const v1::Part part : kDatasetParts) {
    const auto index = static_cast<std::size_t>(part);
    if (labels_[index].empty()) continue;
    info_.part_labels[index] = DistinctLabels(labels_[index]);
    const std::string path = PartPath(dir_, PartFileStem(part), PartFile::kLabels);
    LATENT_ASSIGN_OR_RETURN(HashingFile file, HashingFile::Create(path));
    LATENT_RETURN_IF_ERROR(file.Append(BytesOf(std::span<const std::int32_t>(labels_[index]))));
    LATENT_ASSIGN_OR_RETURN(hashes_[index][static_cast<std::size_t>(PartFile::kLabels)],
                            file.Close());
  }
  return absl::OkStatus();
}

}  // namespace latent::internal

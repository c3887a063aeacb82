// What happens to rows once they are read: dealt to parts, missing cells filled.
#include <algorithm>
#include <optional>

#include "core/base/status.h"
#include "core/data/parser.h"
#include "core/data/split.h"

namespace latent::internal {
namespace {

// Of the files that rows wait in while they are dealt or filled.
constexpr char kWholeStem[] = "whole";

}  // namespace

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

}  // namespace latent::internal

// What the columns are, and what all files of rows share.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/data/ids.h"
#include "core/data/parser.h"

namespace latent::internal {

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

absl::Status Parser::SettleCsv() {
  ReadOptions options;
  options.csv = request_.csv;
  options.label_names = request_.label_names;
  const bool labels_elsewhere =
      std::any_of(request_.files.begin(), request_.files.end(),
                  [](const ParseFile& file) { return file.role == FileRole::kLabels; });
  CsvScan scan(options, labels_elsewhere);
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

}  // namespace latent::internal

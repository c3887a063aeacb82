#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/data/csv_schema.h"
#include "core/data/formats/csv_lines.h"
#include "core/data/formats/readers.h"
#include "core/data/ids.h"
#include "core/data/utf8.h"

namespace latent {
namespace {

constexpr std::size_t kMaxColumnNameBytes = 256;
constexpr char kMissingHint[] =
    "; if cells may be missing, set csv.allow_missing (latent: --missing allow)";

// What a cell of a categorical column may hold, for a message.
std::string NamesOf(const CsvColumn& column) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> names(
      column.categories.begin(),
      column.categories.begin() +
          static_cast<std::ptrdiff_t>(std::min(kShown, column.categories.size())));
  for (std::string& name : names) name = Shown(name);
  if (column.categories.size() > kShown) {
    names.push_back(absl::StrCat("... (", column.categories.size(), " in all)"));
  }
  return absl::StrCat("a category of column ", Shown(column.name), ", ",
                      absl::StrJoin(names, ", "));
}

class CsvReader : public RowReader {
 public:
  CsvReader(std::unique_ptr<ByteSource> bytes, const ReadOptions& options)
      : options_(options),
        schema_(options.csv.schema),
        lines_(std::move(bytes), options.name, DelimiterOf(options.csv, options.name)) {}

  // Reads the first line and settles the header. Call once, first.
  absl::Status Start();

  const RowsHeader& header() const override { return header_; }

  absl::StatusOr<bool> Next(std::span<double> cells, std::int32_t* label) override {
    if (!std::exchange(first_line_is_row_, false)) {
      LATENT_ASSIGN_OR_RETURN(const bool more, lines_.Next());
      if (!more && row_ == 0) return BadFile(options_.name, "holds no rows");
      if (!more) return false;
    }
    ++row_;
    LATENT_RETURN_IF_ERROR(schema_ == nullptr ? ParseRow(cells, label)
                                              : ParseBySchema(cells, label));
    return true;
  }

  std::string_view id() const override { return id_; }
  std::span<const std::uint32_t> missing() const override { return missing_; }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  bool IsLabelName(std::string_view cell) const {
    return std::find(options_.label_names.begin(), options_.label_names.end(), cell) !=
           options_.label_names.end();
  }
  // Whether the first line names the columns, if nobody said so.
  bool LooksLikeHeader() const;
  // Finds label_ by options_.csv.label_column.
  absl::Status FindLabel(bool has_header);
  absl::Status SetNames();
  // The same by options_.csv.schema.
  absl::Status StartBySchema();
  absl::Status CheckWidth() const;
  absl::Status ParseRow(std::span<double> cells, std::int32_t* label);
  absl::Status ParseBySchema(std::span<double> cells, std::int32_t* label);
  // One cell; `out` are the cells that it becomes, the first of which is in column `first`.
  absl::Status ParseFeature(std::size_t c, std::uint32_t first, std::span<double> out);
  absl::Status ParseNumberAt(std::size_t c, double* out) const;
  absl::StatusOr<std::int32_t> ParseLabel(std::string_view cell) const;
  absl::Status Bad(std::size_t column, std::string_view what) const {
    return BadCell(options_.name, row_, column + 1,
                   absl::StrCat(std::string(what), " (line ", lines_.number(), ")"));
  }

  const ReadOptions options_;
  const std::shared_ptr<const CsvSchema> schema_;  // may be null
  CsvLines lines_;
  RowsHeader header_;
  std::size_t width_ = 0;  // cells a line
  std::size_t label_ = kNone;
  bool first_line_is_row_ = false;
  std::uint64_t row_ = 0;
  std::string id_;
  std::vector<std::uint32_t> missing_;
  // Of each categorical column: the places of its categories.
  std::vector<absl::flat_hash_map<std::string_view, std::uint32_t>> categories_;
};

absl::Status CsvReader::Start() {
  LATENT_ASSIGN_OR_RETURN(const bool more, lines_.Next());
  if (!more) return BadFile(options_.name, "holds no rows");
  width_ = lines_.cells().size();
  if (schema_ != nullptr) return StartBySchema();
  const bool has_header = options_.csv.header.value_or(LooksLikeHeader());
  LATENT_RETURN_IF_ERROR(FindLabel(has_header));
  header_.has_labels = label_ != kNone;
  const std::size_t columns = width_ - (header_.has_labels ? 1 : 0);
  if (columns == 0) return BadFile(options_.name, "has no column beside the label");
  if (columns > kMaxColumns) {
    return BadFile(options_.name,
                   absl::StrCat("has ", columns, " columns; at most ", kMaxColumns, " are read"));
  }
  header_.columns = static_cast<std::uint32_t>(columns);
  header_.row_shape = {header_.columns};
  first_line_is_row_ = !has_header;
  return has_header ? SetNames() : absl::OkStatus();
}

bool CsvReader::LooksLikeHeader() const {
  return std::any_of(lines_.cells().begin(), lines_.cells().end(), [this](std::string_view cell) {
    return !cell.empty() && !ParseNumber(cell) && !IsLabelName(cell);
  });
}

absl::Status CsvReader::FindLabel(bool has_header) {
  const std::string& wanted = options_.csv.label_column;
  if (wanted.empty()) return absl::OkStatus();
  const auto& cells = lines_.cells();
  const auto named = std::find(cells.begin(), cells.end(), wanted);
  if (has_header && named != cells.end()) {
    label_ = static_cast<std::size_t>(named - cells.begin());
    return absl::OkStatus();
  }
  std::int64_t index = 0;
  if (!absl::SimpleAtoi(wanted, &index)) {
    return BadFile(options_.name,
                   absl::StrCat("expected a label column called ", Shown(wanted), ", but ",
                                has_header ? "the header has none" : "there is no header"));
  }
  const auto width = static_cast<std::int64_t>(width_);
  if (index >= width || index < -width) {
    return BadFile(options_.name,
                   absl::StrCat("expected a label column ", index, ", but there are ", width,
                                " columns (0 to ", width - 1, ")"));
  }
  label_ = static_cast<std::size_t>(index < 0 ? index + width : index);
  return absl::OkStatus();
}

absl::Status CsvReader::SetNames() {
  for (std::size_t c = 0; c < width_; ++c) {
    const std::string_view name = lines_.cells()[c];
    if (name.size() > kMaxColumnNameBytes || !IsUtf8(name)) {
      return BadFile(options_.name,
                     absl::StrCat("column ", c + 1, ": expected a name of at most ",
                                  kMaxColumnNameBytes, " bytes of UTF-8, got ", Shown(name)));
    }
    if (c != label_) header_.column_names.emplace_back(name);
  }
  return absl::OkStatus();
}

absl::Status CsvReader::CheckWidth() const {
  const std::size_t got = lines_.cells().size();
  if (got == width_) return absl::OkStatus();
  return BadFile(options_.name,
                 absl::StrCat("row ", row_, ": expected ", width_, " cells as in the first line, ",
                              "got ", got, " (line ", lines_.number(), ")"));
}

absl::Status CsvReader::ParseRow(std::span<double> cells, std::int32_t* label) {
  const auto& texts = lines_.cells();
  LATENT_RETURN_IF_ERROR(CheckWidth());
  std::size_t out = 0;
  for (std::size_t c = 0; c < width_; ++c) {
    if (c == label_) {
      auto value = ParseLabel(texts[c]);
      if (!value.ok()) return Bad(c, value.status().message().data());
      *label = *value;
      continue;
    }
    LATENT_RETURN_IF_ERROR(ParseNumberAt(c, &cells[out++]));
  }
  return absl::OkStatus();
}

absl::Status CsvReader::ParseNumberAt(std::size_t c, double* out) const {
  const std::string_view text = lines_.cells()[c];
  const auto value = ParseNumber(text);
  if (!value) {
    const std::string what = text.empty()
                                 ? "expected a number, got an empty cell"
                                 : absl::StrCat("expected a number of at most ", kMaxNumberBytes,
                                                " bytes, got ", Shown(text));
    return Bad(c, absl::StrCat(what, IsMissingCell(text) ? kMissingHint : ""));
  }
  if (std::isnan(*value)) {
    return Bad(c, absl::StrCat("expected a finite number, got ", Shown(text), kMissingHint));
  }
  *out = *value;
  return CheckCell(*value, options_.name, row_, c + 1);
}

absl::Status CsvReader::StartBySchema() {
  if (width_ != schema_->columns.size()) {
    return BadFile(options_.name,
                   absl::StrCat("expected ", schema_->columns.size(),
                                " columns as in the dataset's first file, got ", width_));
  }
  categories_.resize(width_);
  for (std::size_t c = 0; c < width_; ++c) {
    const CsvColumn& column = schema_->columns[c];
    if (schema_->has_header && lines_.cells()[c] != column.name) {
      return BadFile(
          options_.name,
          absl::StrCat("column ", c + 1, ": expected the name ", Shown(column.name),
                       " as in the dataset's first file, got ", Shown(lines_.cells()[c])));
    }
    header_.has_labels = header_.has_labels || column.kind == CsvColumnKind::kLabel;
    header_.has_ids = header_.has_ids || column.kind == CsvColumnKind::kId;
    if (column.kind != CsvColumnKind::kNumeric && column.kind != CsvColumnKind::kCategorical) {
      continue;
    }
    if (column.kind == CsvColumnKind::kNumeric) header_.column_names.push_back(column.name);
    for (const std::string& category : column.categories) {
      categories_[c].emplace(category, static_cast<std::uint32_t>(categories_[c].size()));
      header_.column_names.push_back(absl::StrCat(column.name, "=", category));
    }
  }
  header_.columns = static_cast<std::uint32_t>(header_.column_names.size());
  header_.row_shape = {header_.columns};
  header_.may_miss = options_.csv.allow_missing;
  first_line_is_row_ = !schema_->has_header;
  return absl::OkStatus();
}

absl::Status CsvReader::ParseBySchema(std::span<double> cells, std::int32_t* label) {
  LATENT_RETURN_IF_ERROR(CheckWidth());
  missing_.clear();
  std::uint32_t first = 0;
  for (std::size_t c = 0; c < width_; ++c) {
    const CsvColumn& column = schema_->columns[c];
    const std::string_view text = lines_.cells()[c];
    switch (column.kind) {
      case CsvColumnKind::kLabel: {
        auto value = ParseLabel(text);
        if (!value.ok()) {
          // It may have been taken for labels by its name and its first cells.
          return Bad(c, absl::StrCat(value.status().message(),
                                     options_.csv.label_column.empty()
                                         ? "; if these are no labels, declare the column as "
                                           "numeric in csv.columns"
                                         : ""));
        }
        *label = *value;
        break;
      }
      case CsvColumnKind::kId:
        if (text.size() > kMaxIdBytes || !IsUtf8(text)) {
          return Bad(c, absl::StrCat("expected an id of at most ", kMaxIdBytes,
                                     " bytes of UTF-8, got ", Shown(text)));
        }
        id_ = text;
        break;
      case CsvColumnKind::kNumeric:
      case CsvColumnKind::kCategorical: {
        const std::size_t count =
            column.kind == CsvColumnKind::kNumeric ? 1 : column.categories.size();
        LATENT_RETURN_IF_ERROR(ParseFeature(c, first, cells.subspan(first, count)));
        first += static_cast<std::uint32_t>(count);
        break;
      }
      case CsvColumnKind::kGuess:
      case CsvColumnKind::kIgnored:
        break;
    }
  }
  return absl::OkStatus();
}

absl::Status CsvReader::ParseFeature(std::size_t c, std::uint32_t first, std::span<double> out) {
  const std::string_view text = lines_.cells()[c];
  std::fill(out.begin(), out.end(), 0.0);
  if (options_.csv.allow_missing && IsMissingCell(text)) {
    for (std::uint32_t i = 0; i < out.size(); ++i) missing_.push_back(first + i);
    return absl::OkStatus();
  }
  const CsvColumn& column = schema_->columns[c];
  if (column.kind == CsvColumnKind::kNumeric) return ParseNumberAt(c, &out[0]);
  const auto found = categories_[c].find(text);
  if (found == categories_[c].end()) {
    return Bad(c, absl::StrCat("expected ", NamesOf(column), ", got ",
                               text.empty() ? "an empty cell" : Shown(text),
                               IsMissingCell(text) ? kMissingHint : ""));
  }
  out[found->second] = 1;
  return absl::OkStatus();
}

// On failure the status carries what was expected and what came, not where.
absl::StatusOr<std::int32_t> CsvReader::ParseLabel(std::string_view cell) const {
  const auto& names = options_.label_names;
  const auto name = std::find(names.begin(), names.end(), cell);
  if (name != names.end()) return static_cast<std::int32_t>(name - names.begin());
  if (const auto value = ParseLabelNumber(cell)) return *value;
  return absl::InvalidArgumentError(absl::StrCat("expected a whole number",
                                                 names.empty() ? "" : " or one of label_names",
                                                 " as the label, got ", Shown(cell)));
}

}  // namespace

bool LooksLikeCsv(std::string_view head) {
  return !head.empty() && std::none_of(head.begin(), head.end(), [](char c) {
    return static_cast<unsigned char>(c) < 32 && c != '\t' && c != '\n' && c != '\r';
  });
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenCsv(std::unique_ptr<ByteSource> bytes,
                                                   const ReadOptions& options) {
  auto reader = std::make_unique<CsvReader>(std::move(bytes), options);
  LATENT_RETURN_IF_ERROR(reader->Start());
  return reader;
}

}  // namespace latent

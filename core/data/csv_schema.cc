#include "core/data/csv_schema.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats/csv_lines.h"
#include "core/data/formats/readers.h"
#include "core/data/ids.h"
#include "core/data/utf8.h"

namespace latent {
namespace {

// Fewer rows say nothing about whether texts repeat.
constexpr std::uint64_t kLeastRowsOfIds = 10;
// Different texts that a scan keeps, of all columns.
constexpr std::uint64_t kMaxScannedValues = 4'000'000;

std::string NumberedName(std::size_t column) { return absl::StrCat("c", column); }

bool IsNameOfIds(const std::string& name) {
  return absl::EqualsIgnoreCase(name, "id") || absl::EqualsIgnoreCase(name, "row_id");
}

bool IsLabel(const std::string& text) {
  std::int32_t label = 0;
  return absl::SimpleAtoi(text, &label) && label >= 0;
}

}  // namespace

bool IsMissingCell(std::string_view cell) {
  constexpr std::array<std::string_view, 5> kWords = {"NA", "N/A", "NaN", "null", "?"};
  return cell.empty() || std::any_of(kWords.begin(), kWords.end(), [cell](std::string_view word) {
           return absl::EqualsIgnoreCase({cell.data(), cell.size()}, {word.data(), word.size()});
         });
}

bool IsNameOfLabels(std::string_view name) {
  constexpr std::array<std::string_view, 3> kNames = {"label", "class", "target"};
  return std::any_of(kNames.begin(), kNames.end(), [name](std::string_view word) {
    return absl::EqualsIgnoreCase({name.data(), name.size()}, {word.data(), word.size()});
  });
}

absl::Status CsvScan::Add(std::unique_ptr<ByteSource> bytes, const std::string& name) {
  LATENT_ASSIGN_OR_RETURN(auto unpacked, UnpackIfGzip(std::move(bytes), name));
  CsvLines lines(std::move(unpacked), name, DelimiterOf(options_.csv, name));
  LATENT_ASSIGN_OR_RETURN(bool more, lines.Next());
  if (!more) return BadFile(name, "holds no rows");
  if (columns_.empty()) {
    first_name_ = name;
    LATENT_RETURN_IF_ERROR(Begin(lines.cells()));
  }
  bool skip = has_header_;
  for (std::uint64_t row = 0; more; ++row) {
    // What is wrong with a line is for the reader to say.
    if (!std::exchange(skip, false) && lines.cells().size() == columns_.size()) {
      Observe(lines.cells());
    }
    if (row == kCsvSampleRows) {
      LATENT_RETURN_IF_ERROR(VerifyHeader());
      if (!NeedsAll()) return absl::OkStatus();
    }
    LATENT_ASSIGN_OR_RETURN(more, lines.Next());
  }
  return VerifyHeader();
}

absl::Status CsvScan::Begin(const std::vector<std::string_view>& cells) {
  has_header_ = options_.csv.header.value_or(
      std::any_of(cells.begin(), cells.end(), [this](std::string_view cell) {
        const auto& names = options_.label_names;
        const bool label = std::find(names.begin(), names.end(), cell) != names.end();
        return !IsMissingCell(cell) && !ParseNumber(cell) && !label;
      }));
  columns_.resize(cells.size());
  if (has_header_ && !options_.csv.header) first_line_.assign(cells.begin(), cells.end());
  for (std::size_t c = 0; c < cells.size(); ++c) {
    columns_[c].name = has_header_ ? std::string(cells[c]) : NumberedName(c);
  }
  return ApplyDeclared();
}

// A first line of texts names the columns if it stands above numbers; where there are none, if its
// texts do not come again.
absl::Status CsvScan::VerifyHeader() {
  const std::vector<std::string> first = std::exchange(first_line_, {});
  if (first.empty() || declared_by_name_) return absl::OkStatus();
  bool above_numbers = false, numbers = false, repeats = false;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    numbers = numbers || !columns_[c].is_text();
    above_numbers = above_numbers ||
                    (!columns_[c].is_text() && !ParseNumber(first[c]) && !IsMissingCell(first[c]));
    repeats = repeats || columns_[c].values.contains(first[c]);
  }
  if (numbers ? above_numbers : !repeats) return absl::OkStatus();
  has_header_ = false;
  for (std::size_t c = 0; c < columns_.size(); ++c) columns_[c].name = NumberedName(c);
  Observe({first.begin(), first.end()});
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> CsvScan::FindColumn(const std::string& wanted,
                                                const std::string& field) {
  std::int64_t index = 0;
  const auto width = static_cast<std::int64_t>(columns_.size());
  const bool is_index = absl::SimpleAtoi(wanted, &index) && index >= -width && index < width;
  // What may turn out to be no header is not searched for numbers.
  const bool searched = has_header_ && (!is_index || options_.csv.header);
  for (std::size_t c = 0; searched && c < columns_.size(); ++c) {
    if (columns_[c].name != wanted) continue;
    declared_by_name_ = true;
    return c;
  }
  if (is_index) return static_cast<std::size_t>(index < 0 ? index + width : index);
  return BadFile(first_name_, absl::StrCat("has no column ", Shown(wanted), " as ", field,
                                           " asks; it has ", width, " columns (0 to ", width - 1,
                                           ")", has_header_ ? "" : " and no header"));
}

absl::Status CsvScan::ApplyDeclared() {
  if (!options_.csv.label_column.empty()) {
    LATENT_ASSIGN_OR_RETURN(const std::size_t c,
                            FindColumn(options_.csv.label_column, "csv.label_column"));
    columns_[c].declared = CsvColumnKind::kLabel;
  }
  for (const CsvDeclaredColumn& declared : options_.csv.columns) {
    LATENT_ASSIGN_OR_RETURN(const std::size_t c, FindColumn(declared.column, "csv.columns"));
    if (columns_[c].declared != CsvColumnKind::kGuess) {
      return BadFile(first_name_,
                     absl::StrCat("column ", Shown(declared.column), " is declared twice"));
    }
    columns_[c].declared = declared.kind;
  }
  return absl::OkStatus();
}

void CsvScan::Observe(const std::vector<std::string_view>& cells) {
  ++rows_;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    Column& column = columns_[c];
    if (IsMissingCell(cells[c])) {
      ++column.missing;
      continue;
    }
    ++column.cells;
    const bool number = ParseNumber(cells[c]).has_value();
    column.numbers += number ? 1 : 0;
    if (Keeps(column, number) && cells[c].size() <= kMaxIdBytes) {
      values_ += column.values.emplace(cells[c]).second ? 1 : 0;
    }
  }
}

// Whether a cell's text may come to matter. Numbers do where a column is of texts after all.
bool CsvScan::Keeps(const Column& column, bool number) const {
  if (values_ >= kMaxScannedValues) return false;
  switch (column.declared) {
    case CsvColumnKind::kNumeric:
    case CsvColumnKind::kId:
    case CsvColumnKind::kIgnored:
      return false;
    case CsvColumnKind::kCategorical:
    case CsvColumnKind::kLabel:
      return column.values.size() <= kMaxColumns;
    case CsvColumnKind::kGuess:
      return column.values.size() <=
             (number && !IsNameOfIds(column.name) ? kMaxGuessedCategories : kMaxColumns);
  }
  return false;
}

bool CsvScan::NeedsAll() const {
  return std::any_of(columns_.begin(), columns_.end(), [](const Column& column) {
    return column.declared == CsvColumnKind::kCategorical ||
           (column.is_text() &&
            (column.declared == CsvColumnKind::kGuess || column.declared == CsvColumnKind::kLabel));
  });
}

// Whether the column's name says label and its cells, all there and few different ones, may be
// labels: whole numbers or texts.
bool CsvScan::LooksLikeLabels(const Column& column) const {
  const std::size_t different = column.values.size();
  if (!has_header_ || !IsNameOfLabels(column.name) || column.missing > 0) return false;
  if (different > kMaxGuessedLabels || 2 * different > column.cells) return false;
  return column.numbers == 0 || (column.numbers == column.cells &&
                                 std::all_of(column.values.begin(), column.values.end(), IsLabel));
}

absl::StatusOr<CsvColumnKind> CsvScan::Guess(const Column& column, bool* has_id) const {
  const std::size_t different = column.values.size();
  const bool differ = different == column.cells || different > kMaxColumns;
  const bool ids = differ && rows_ > kLeastRowsOfIds && !*has_id;
  if (ids && (column.is_text() || IsNameOfIds(column.name))) {
    *has_id = true;
    return CsvColumnKind::kId;
  }
  if (!column.is_text()) return CsvColumnKind::kNumeric;
  if (different <= kMaxGuessedCategories) return CsvColumnKind::kCategorical;
  return BadFile(first_name_, absl::StrCat("column ", Shown(column.name), " holds ", different,
                                           " different texts or more; declare it as id, ignored or "
                                           "categorical in csv.columns"));
}

absl::Status CsvScan::CheckText(const std::string& text, std::string_view what) const {
  if (text.size() <= kMaxIdBytes && IsUtf8(text)) return absl::OkStatus();
  return BadFile(first_name_, absl::StrCat("expected ", std::string(what), " of at most ",
                                           kMaxIdBytes, " bytes of UTF-8, got ", Shown(text)));
}

absl::StatusOr<CsvScan::Decision> CsvScan::Decide() {
  auto schema = std::make_shared<CsvSchema>();
  schema->has_header = has_header_;
  if (values_ >= kMaxScannedValues) {
    return BadFile(first_name_, absl::StrCat("its columns hold more than ", kMaxScannedValues,
                                             " different texts; declare columns of them as id or "
                                             "ignored in csv.columns"));
  }
  bool has_id = std::any_of(columns_.begin(), columns_.end(), [](const Column& column) {
    return column.declared == CsvColumnKind::kId;
  });
  for (const CsvColumnKind kind : {CsvColumnKind::kLabel, CsvColumnKind::kId}) {
    const auto declared = [kind](const Column& column) { return column.declared == kind; };
    if (std::count_if(columns_.begin(), columns_.end(), declared) > 1) {
      return BadFile(first_name_, "more than one column is declared as label or as id");
    }
  }
  const bool has_label = std::any_of(columns_.begin(), columns_.end(), [](const Column& column) {
    return column.declared == CsvColumnKind::kLabel;
  });
  const auto label = has_label || labels_elsewhere_
                         ? columns_.end()
                         : std::find_if(columns_.begin(), columns_.end(), [this](const Column& c) {
                             return c.declared == CsvColumnKind::kGuess && LooksLikeLabels(c);
                           });
  bool plain =
      !options_.csv.allow_missing && options_.csv.columns.empty() && label == columns_.end();
  std::uint64_t width = 0;
  for (Column& column : columns_) {
    CsvColumn& decided = schema->columns.emplace_back();
    decided.name = column.name;
    decided.kind = column.declared;
    if (label != columns_.end() && &column == &*label) {
      decided.kind = CsvColumnKind::kLabel;
    } else if (decided.kind == CsvColumnKind::kGuess) {
      LATENT_ASSIGN_OR_RETURN(decided.kind, Guess(column, &has_id));
    }
    LATENT_RETURN_IF_ERROR(CheckText(column.name, "a name"));
    const bool names =
        decided.kind == CsvColumnKind::kCategorical ||
        (decided.kind == CsvColumnKind::kLabel && column.is_text() && options_.label_names.empty());
    if (names) {
      decided.categories.assign(column.values.begin(), column.values.end());
      SortIds(decided.categories);
      for (const std::string& category : decided.categories) {
        LATENT_RETURN_IF_ERROR(CheckText(category, "categories"));
      }
    }
    plain = plain && (decided.kind == CsvColumnKind::kNumeric ||
                      (decided.kind == CsvColumnKind::kLabel && !names));
    width += decided.kind == CsvColumnKind::kNumeric       ? 1
             : decided.kind == CsvColumnKind::kCategorical ? decided.categories.size()
                                                           : 0;
  }
  if (!plain && (width == 0 || width > kMaxColumns)) {
    return BadFile(first_name_, absl::StrCat("its columns make rows of ", width,
                                             " cells; expected 1 to ", kMaxColumns));
  }
  return Decision{.schema = std::move(schema), .plain = plain};
}

}  // namespace latent

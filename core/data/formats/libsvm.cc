#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats/csv_lines.h"
#include "core/data/formats/readers.h"
#include "core/data/formats/sparse_table.h"

namespace latent {
namespace {

class LibsvmParser {
 public:
  explicit LibsvmParser(const ReadOptions& options) : options_(options) {}

  absl::StatusOr<std::unique_ptr<RowReader>> Parse(std::unique_ptr<ByteSource> bytes) {
    CsvLines lines(std::move(bytes), options_.name, ' ');
    for (;;) {
      LATENT_ASSIGN_OR_RETURN(const bool more, lines.Next());
      empty_lines_ += lines.number() - line_ - 1;  // that Next passed over
      line_ = lines.number();
      if (!more) break;
      LATENT_RETURN_IF_ERROR(ParseLine(lines.cells()));
    }
    return Finish();
  }

 private:
  absl::Status ParseLine(const std::vector<std::string_view>& cells);
  absl::Status ParseLabel(std::string_view text);
  absl::Status ParseEntry(std::string_view text);
  // Makes rows of the empty lines since the last row, unless rows carry labels: there every row
  // shows at least that.
  absl::Status TakeEmptyLines(bool labelled);
  // `count` rows that end where the entries do now.
  absl::Status EndRows(std::uint64_t count);
  absl::StatusOr<std::unique_ptr<RowReader>> Finish();
  absl::Status Bad(std::string_view what) const {
    return BadFile(options_.name, absl::StrCat("row ", rows() + 1, ": ", std::string(what),
                                               " (line ", line_, ")"));
  }
  std::uint64_t rows() const { return table_.row_ends.size(); }

  const ReadOptions& options_;
  SparseTable table_;  // columns as the file numbers them
  std::uint64_t line_ = 0;
  std::uint64_t empty_lines_ = 0;  // since the last row
  std::uint64_t row_begin_ = 0;
  std::uint32_t least_ = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t greatest_ = 0;
};

absl::Status LibsvmParser::ParseLine(const std::vector<std::string_view>& cells) {
  bool first = true;
  bool labelled = false;
  for (std::string_view cell : cells) {
    if (cell.empty()) continue;  // several spaces
    if (cell.front() == '#') break;
    if (std::exchange(first, false)) {
      labelled = cell.find(':') == std::string_view::npos;
      LATENT_RETURN_IF_ERROR(TakeEmptyLines(rows() == 0 ? labelled : !table_.labels.empty()));
      if (labelled) {
        LATENT_RETURN_IF_ERROR(ParseLabel(cell));
        continue;
      }
    }
    LATENT_RETURN_IF_ERROR(ParseEntry(cell));
  }
  if (first) return absl::OkStatus();  // a comment
  if (!labelled && !table_.labels.empty()) return Bad("has no label, but rows before have one");
  return EndRows(1);
}

absl::Status LibsvmParser::TakeEmptyLines(bool labelled) {
  const std::uint64_t lines = std::exchange(empty_lines_, 0);
  return labelled ? absl::OkStatus() : EndRows(lines);
}

absl::Status LibsvmParser::EndRows(std::uint64_t count) {
  // Lines that hold nothing cost a packed file next to nothing.
  if (count > kMaxSparseEntries - rows()) {
    return Bad(absl::StrCat("the file has more than ", kMaxSparseEntries, " rows"));
  }
  row_begin_ = table_.columns.size();
  table_.row_ends.insert(table_.row_ends.end(), count, row_begin_);
  return absl::OkStatus();
}

absl::Status LibsvmParser::ParseLabel(std::string_view text) {
  const std::optional<std::int32_t> label = ParseLabelNumber(text);
  if (!label) return Bad(absl::StrCat("expected a whole number as the label, got ", Shown(text)));
  if (table_.labels.size() < rows()) return Bad("has a label, but rows before have none");
  table_.labels.push_back(*label);
  return absl::OkStatus();
}

absl::Status LibsvmParser::ParseEntry(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view number = text.substr(0, colon);
  std::uint32_t index = 0;
  if (colon == std::string_view::npos ||
      number.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(absl::string_view(number.data(), number.size()), &index) ||
      index > kMaxColumns) {
    return Bad(absl::StrCat("expected <index>:<value> with an index of at most ", kMaxColumns,
                            ", got ", Shown(text)));
  }
  const std::optional<double> value = ParseNumber(text.substr(colon + 1));
  if (!value) return Bad(absl::StrCat("expected a number after the colon, got ", Shown(text)));
  LATENT_RETURN_IF_ERROR(CheckCell(*value, options_.name, rows() + 1, index));
  if (table_.columns.size() > row_begin_ && index <= table_.columns.back()) {
    return Bad(
        absl::StrCat("expected rising indices, got ", index, " after ", table_.columns.back()));
  }
  if (table_.columns.size() == kMaxSparseEntries) {
    return Bad(absl::StrCat("the file has more than ", kMaxSparseEntries, " entries"));
  }
  least_ = std::min(least_, index);
  greatest_ = std::max(greatest_, index);
  table_.columns.push_back(index);
  table_.values.push_back(static_cast<float>(*value));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RowReader>> LibsvmParser::Finish() {
  LATENT_RETURN_IF_ERROR(TakeEmptyLines(!table_.labels.empty()));
  if (rows() == 0) return BadFile(options_.name, "holds no rows");
  if (table_.columns.empty()) return BadFile(options_.name, "holds no <index>:<value>");
  const int base = options_.libsvm.index_base.value_or(least_ == 0 ? 0 : 1);
  if (base > 0 && least_ == 0) {
    return BadFile(options_.name, "has an index of 0, but libsvm.index_base is 1");
  }
  if (base == 0 && greatest_ == kMaxColumns) {
    return BadFile(options_.name, absl::StrCat("has an index of ", greatest_, "; counted from 0, ",
                                               kMaxColumns - 1, " is the greatest"));
  }
  for (std::uint32_t& column : table_.columns) column -= static_cast<std::uint32_t>(base);
  RowsHeader header;
  header.columns = greatest_ + 1 - static_cast<std::uint32_t>(base);
  header.row_shape = {header.columns};
  header.index_base = base;
  return ReadTable(std::move(header), std::move(table_));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowReader>> OpenLibsvm(std::unique_ptr<ByteSource> bytes,
                                                      const ReadOptions& options) {
  return LibsvmParser(options).Parse(std::move(bytes));
}

}  // namespace latent

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats/csv_lines.h"
#include "core/data/formats/readers.h"
#include "core/data/utf8.h"

namespace latent {
namespace {

constexpr std::size_t kMaxColumnNameBytes = 256;

class CsvReader : public RowReader {
 public:
  CsvReader(std::unique_ptr<ByteSource> bytes, const ReadOptions& options)
      : options_(options), lines_(std::move(bytes), options.name, options.csv.delimiter) {}

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
    LATENT_RETURN_IF_ERROR(ParseRow(cells, label));
    return true;
  }

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
  absl::Status ParseRow(std::span<double> cells, std::int32_t* label);
  absl::StatusOr<std::int32_t> ParseLabel(std::string_view cell) const;
  absl::Status Bad(std::size_t column, std::string_view what) const {
    return BadCell(options_.name, row_, column + 1,
                   absl::StrCat(std::string(what), " (line ", lines_.number(), ")"));
  }

  const ReadOptions options_;
  CsvLines lines_;
  RowsHeader header_;
  std::size_t width_ = 0;  // cells a line
  std::size_t label_ = kNone;
  bool first_line_is_row_ = false;
  std::uint64_t row_ = 0;
};

absl::Status CsvReader::Start() {
  LATENT_ASSIGN_OR_RETURN(const bool more, lines_.Next());
  if (!more) return BadFile(options_.name, "holds no rows");
  width_ = lines_.cells().size();
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

absl::Status CsvReader::ParseRow(std::span<double> cells, std::int32_t* label) {
  const auto& texts = lines_.cells();
  if (texts.size() != width_) {
    return BadFile(options_.name, absl::StrCat("row ", row_, ": expected ", width_,
                                               " cells as in the first line, ", "got ",
                                               texts.size(), " (line ", lines_.number(), ")"));
  }
  std::size_t out = 0;
  for (std::size_t c = 0; c < width_; ++c) {
    if (c == label_) {
      auto value = ParseLabel(texts[c]);
      if (!value.ok()) return Bad(c, value.status().message().data());
      *label = *value;
      continue;
    }
    const auto value = ParseNumber(texts[c]);
    if (!value) {
      return Bad(c, texts[c].empty()
                        ? "expected a number, got an empty cell"
                        : absl::StrCat("expected a number of at most ", kMaxNumberBytes,
                                       " bytes, got ", Shown(texts[c])));
    }
    LATENT_RETURN_IF_ERROR(CheckCell(*value, options_.name, row_, c + 1));
    cells[out++] = *value;
  }
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

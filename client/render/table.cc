#include "client/render/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/render/text.h"

namespace latent {
namespace {

// Whether a cell reads as a number, perhaps with thousands separators, a unit or nothing at all.
bool LooksNumeric(const std::string& cell) {
  if (cell.empty() || cell == "-") return true;
  const std::string first = cell.substr(0, cell.find(' '));
  double value = 0;
  return absl::SimpleAtod(absl::StrReplaceAll(first, {{",", ""}, {"%", ""}}), &value);
}

void AppendCell(std::string* line, const std::string& cell, std::size_t width, bool right,
                bool last) {
  const std::string padding(width - DisplayWidth(cell), ' ');
  if (right) *line += padding;
  *line += cell;
  if (!right && !last) *line += padding;
  if (!last) *line += "  ";
}

}  // namespace

std::string Table::ToText(bool bold) const {
  std::vector<std::vector<std::string>> cells = rows_;
  for (auto& row : cells) {
    for (std::string& cell : row) cell = Printable(cell);
  }
  const std::size_t columns = headers_.size();
  std::vector<std::size_t> widths(columns);
  std::vector<bool> right(columns, true);
  bool has_headers = false;
  for (std::size_t c = 0; c < columns; ++c) {
    has_headers = has_headers || !headers_[c].empty();
    widths[c] = DisplayWidth(headers_[c]);
    for (const auto& row : cells) {
      widths[c] = std::max(widths[c], DisplayWidth(row[c]));
      right[c] = right[c] && LooksNumeric(row[c]);
    }
  }
  std::string text;
  if (has_headers) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
      AppendCell(&line, absl::AsciiStrToUpper(headers_[c]), widths[c], right[c], c + 1 == columns);
    }
    text += bold ? absl::StrCat("\x1b[1m", line, "\x1b[0m\n") : line + "\n";
  }
  for (const auto& row : cells) {
    for (std::size_t c = 0; c < columns; ++c) {
      AppendCell(&text, row[c], widths[c], has_headers && right[c], c + 1 == columns);
    }
    text += "\n";
  }
  return text;
}

std::string Table::ToCsv() const {
  std::string text;
  const auto append = [&text](const std::vector<std::string>& cells) {
    for (std::size_t c = 0; c < cells.size(); ++c) {
      absl::StrAppend(&text, c == 0 ? "" : ",", CsvCell(cells[c]));
    }
    text += "\n";
  };
  append(headers_);
  for (const auto& row : rows_) append(row);
  return text;
}

std::string CsvCell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll({text.data(), text.size()}, {{"\"", "\"\""}}),
                      "\"");
}

}  // namespace latent

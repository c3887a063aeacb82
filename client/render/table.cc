#include "client/render/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/render/html.h"
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
  std::vector<std::vector<std::string>> cells;
  for (const std::vector<Cell>& row : rows_) {
    std::vector<std::string>& texts = cells.emplace_back();
    for (const Cell& cell : row) texts.push_back(Printable(cell.text));
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

std::string Table::ToHtml() const {
  std::string html = "<table><tr>";
  for (const std::string& header : headers_) {
    absl::StrAppend(&html, "<th>", HtmlText(header), "</th>");
  }
  html += "</tr>\n";
  for (const auto& row : rows_) {
    html += "<tr>";
    for (const Cell& cell : row) {
      absl::StrAppend(&html, "<td class=\"text\">", HtmlText(Printable(cell.text)), "</td>");
    }
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

std::string Table::ToCsv() const {
  std::string text;
  const auto append = [&text](std::size_t column, const std::string& cell) {
    absl::StrAppend(&text, column == 0 ? "" : ",", CsvCell(cell));
  };
  for (std::size_t c = 0; c < headers_.size(); ++c) append(c, headers_[c]);
  text += "\n";
  for (const std::vector<Cell>& row : rows_) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      append(c, row[c].raw.empty() ? row[c].text : row[c].raw);
    }
    text += "\n";
  }
  return text;
}

Table::Cell CountCell(std::uint64_t count) { return {FormatCount(count), absl::StrCat(count)}; }
Table::Cell BytesCell(std::uint64_t bytes) { return {FormatBytes(bytes), absl::StrCat(bytes)}; }
Table::Cell DurationCell(double seconds) {
  return {FormatDuration(seconds), FormatNumber(seconds, 17)};
}

std::string CsvCell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll({text.data(), text.size()}, {{"\"", "\"\""}}),
                      "\"");
}

}  // namespace latent

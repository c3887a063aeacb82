// A table of text: aligned for people, CSV for programs. A value; one thread at a time.
#ifndef LATENT_CLIENT_RENDER_TABLE_H_
#define LATENT_CLIENT_RENDER_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace latent {

class Table {
 public:
  // What people read and, where that differs, what programs do.
  struct Cell {
    Cell(std::string shown) : text(std::move(shown)) {}  // NOLINT(google-explicit-constructor)
    Cell(const char* shown) : text(shown) {}             // NOLINT(google-explicit-constructor)
    Cell(std::string shown, std::string plain) : text(std::move(shown)), raw(std::move(plain)) {}
    std::string text;
    std::string raw;  // for CSV; empty: the text
  };
  // Cells may hold anything; ToText makes them printable, ToCsv quotes them.
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

  // As many cells as there are headers.
  void AddRow(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  std::size_t rows() const { return rows_.size(); }

  // Columns two spaces apart, numbers to the right, headers in capitals; bold where `bold`. A table
  // whose headers are empty has no header line.
  std::string ToText(bool bold = false) const;
  // An HTML table; cells' markup is made harmless.
  std::string ToHtml() const;
  // RFC 4180, with "\n" line ends and a header line.
  std::string ToCsv() const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<Cell>> rows_;
};

// Cells that read "60,000", "52.4 MB" and "3 min 20 s", in CSV 60000, bytes and seconds.
Table::Cell CountCell(std::uint64_t count);
Table::Cell BytesCell(std::uint64_t bytes);
Table::Cell DurationCell(double seconds);

// A cell of CSV, quoted where it must be.
std::string CsvCell(std::string_view text);

}  // namespace latent

#endif  // LATENT_CLIENT_RENDER_TABLE_H_

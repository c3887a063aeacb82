// A table of text: aligned for people, CSV for programs. A value; one thread at a time.
#ifndef LATENT_CLIENT_RENDER_TABLE_H_
#define LATENT_CLIENT_RENDER_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

namespace latent {

class Table {
 public:
  // Cells may hold anything; ToText makes them printable, ToCsv quotes them.
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

  // As many cells as there are headers.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::size_t rows() const { return rows_.size(); }

  // Columns two spaces apart, numbers to the right, headers in capitals; bold where `bold`. A table
  // whose headers are empty has no header line.
  std::string ToText(bool bold = false) const;
  // RFC 4180, with "\n" line ends and a header line.
  std::string ToCsv() const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
};

// A cell of CSV, quoted where it must be.
std::string CsvCell(std::string_view text);

}  // namespace latent

#endif  // LATENT_CLIENT_RENDER_TABLE_H_

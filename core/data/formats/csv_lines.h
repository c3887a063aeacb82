// The lines and cells of a CSV file, not yet understood. One file, one thread.
#ifndef LATENT_CORE_DATA_FORMATS_CSV_LINES_H_
#define LATENT_CORE_DATA_FORMATS_CSV_LINES_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/byte_source.h"
#include "core/data/formats.h"

namespace latent {

// As many columns as are read at all, each in full precision ("-1.234567890123456789e+00,"),
// quoted.
inline constexpr std::size_t kMaxCsvLineBytes = std::size_t{kMaxColumns} * 32;

class CsvLines {
 public:
  // Where `delimiter` is '\0', the first line that is not blank says it: "," if it has one outside
  // quotes, else the first ";" or tab; "," without any.
  CsvLines(std::unique_ptr<ByteSource> bytes, std::string name, char delimiter);

  // Goes to the next line that is not blank and splits it into cells() without their quotes and
  // the spaces around them, within quotes too. Lines end in LF, CR LF or CR. False at the end of
  // the file.
  absl::StatusOr<bool> Next();
  // Views into this object, good until Next().
  const std::vector<std::string_view>& cells() const { return cells_; }
  // Of the line, from 1; at the end of the file one more than there are lines.
  std::uint64_t number() const { return number_; }

 private:
  // Puts the next line, without its end, into line_. False at the end.
  absl::StatusOr<bool> ReadLine();
  absl::Status Split();
  // Takes a quoted cell off the front of `rest`, up to the delimiter.
  absl::StatusOr<std::string_view> TakeQuoted(std::string_view& rest);

  const std::unique_ptr<ByteSource> bytes_;
  const std::string name_;
  char delimiter_;  // '\0' before the first line if that is to say it
  std::vector<char> buffer_;
  std::string_view unread_;  // of buffer_
  bool at_start_ = true;
  bool after_cr_ = false;  // a line feed that comes next ends no line
  std::uint64_t number_ = 0;
  std::string line_;
  std::deque<std::string> unquoted_;  // texts of quoted cells; stay where they are
  std::vector<std::string_view> cells_;
};

}  // namespace latent

#endif  // LATENT_CORE_DATA_FORMATS_CSV_LINES_H_

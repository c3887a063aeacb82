// What the formats' readers share with their table (core/data/formats.cc) and no one else.
#ifndef LATENT_CORE_DATA_FORMATS_READERS_H_
#define LATENT_CORE_DATA_FORMATS_READERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/formats.h"

namespace latent {

bool LooksLikeIdx(std::string_view head);
bool LooksLikeNpy(std::string_view head);
bool LooksLikeCsv(std::string_view head);
bool LooksLikeZip(std::string_view head);
bool LooksLikeSafetensors(std::string_view head);

// Big-endian header 0, 0, type, dimensions; then big-endian elements, row-major.
absl::StatusOr<std::unique_ptr<RowReader>> OpenIdx(std::unique_ptr<ByteSource> bytes,
                                                   const ReadOptions& options);
// NumPy's .npy, versions 1 to 3, little-endian; matrices also in Fortran order.
absl::StatusOr<std::unique_ptr<RowReader>> OpenNpy(std::unique_ptr<ByteSource> bytes,
                                                   const ReadOptions& options);
// Lines of numbers; at most 1 MiB a line and 64 bytes a cell. Cells may be quoted ("" is a quote
// within); a quote ends on its line. Blank lines are skipped, lines end in LF or CRLF.
absl::StatusOr<std::unique_ptr<RowReader>> OpenCsv(std::unique_ptr<ByteSource> bytes,
                                                   const ReadOptions& options);
// Lines "<label> <index>:<value> ..." or without label, all alike; indices rise. "#" begins a
// comment.
absl::StatusOr<std::unique_ptr<RowReader>> OpenLibsvm(std::unique_ptr<ByteSource> bytes,
                                                      const ReadOptions& options);

// Lines of a user, an item and perhaps a weight. Rows are users, columns items, both in order of
// their ids (ids.h). Without weights a pair is 1, however often it comes; weights of equal pairs
// add up.
absl::StatusOr<std::unique_ptr<RowReader>> OpenPairs(std::unique_ptr<ByteSource> bytes,
                                                     const ReadOptions& options);
// The .npy member options.array of a zip archive, as OpenNpy.
absl::StatusOr<std::unique_ptr<RowReader>> OpenNpz(std::unique_ptr<ByteSource> bytes,
                                                   const ReadOptions& options);
// A zip archive of PNG files of one size and kind, in order of their names, which are the rows'
// ids; other members are passed over. Row shape [height, width, 1 or 3].
absl::StatusOr<std::unique_ptr<RowReader>> OpenPngZip(std::unique_ptr<ByteSource> bytes,
                                                      const ReadOptions& options);
// The tensor options.array, of type F32, F16 or U8.
absl::StatusOr<std::unique_ptr<RowReader>> OpenSafetensors(std::unique_ptr<ByteSource> bytes,
                                                           const ReadOptions& options);

inline constexpr std::size_t kMaxNumberBytes = 64;
// A decimal number with nothing around it; "nan" and "inf" count as (unwelcome)
// numbers. None if it is longer than kMaxNumberBytes.
std::optional<double> ParseNumber(std::string_view text);
// A whole number that an int32 holds.
std::optional<std::int32_t> ParseLabelNumber(std::string_view text);

// "<file>: row <row>, column <column>: <what>"; both from 1.
absl::Status BadCell(std::string_view file, std::uint64_t row, std::uint64_t column,
                     std::string_view what);
// Foreign text, fit to be shown: escaped, in quotes, at most 64 characters of it.
std::string Shown(std::string_view text);
// OK if `value` is a float32's finite number.
absl::Status CheckCell(double value, std::string_view file, std::uint64_t row,
                       std::uint64_t column);
// Splits dimensions (rows first) into `header` and the number of rows. Refuses zero sizes, more
// than 8 dimensions, more than kMaxColumns columns.
absl::StatusOr<std::uint64_t> SetShape(std::string_view file,
                                       const std::vector<std::uint64_t>& dimensions,
                                       RowsHeader& header);

}  // namespace latent

#endif  // LATENT_CORE_DATA_FORMATS_READERS_H_

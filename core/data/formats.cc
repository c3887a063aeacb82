#include "core/data/formats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/data/formats/readers.h"

namespace latent {
namespace {

// Of formats that are known by name alone.
bool LooksLikeNothing(std::string_view) { return false; }

constexpr std::array<Format, 8> kFormats = {{
    {FileFormat::kIdx, "idx", "ubyte", &LooksLikeIdx, &OpenIdx},
    {FileFormat::kNpy, "npy", ".npy", &LooksLikeNpy, &OpenNpy},
    {FileFormat::kNpz, "npz", ".npz", &LooksLikeNothing, &OpenNpz},
    {FileFormat::kPngZip, "png-zip", ".zip", &LooksLikeZip, &OpenPngZip},
    {FileFormat::kSafetensors, "safetensors", ".safetensors", &LooksLikeSafetensors,
     &OpenSafetensors},
    {FileFormat::kLibsvm, "libsvm", "svm", &LooksLikeNothing, &OpenLibsvm},
    {FileFormat::kPairs, "pairs", ".pairs", &LooksLikeNothing, &OpenPairs},
    // Last: nearly every text may be CSV.
    {FileFormat::kCsv, "csv", ".csv", &LooksLikeCsv, &OpenCsv},
}};

constexpr std::size_t kHeadBytes = 8;

std::string LowerStem(std::string_view name) {
  std::string lower = absl::AsciiStrToLower({name.data(), name.size()});
  if (lower.ends_with(".gz")) lower.resize(lower.size() - 3);
  return lower;
}

absl::StatusOr<const Format*> FindFormat(FileFormat wanted, const std::string& name,
                                         std::string_view head) {
  const std::string stem = LowerStem(name);
  for (const Format& format : kFormats) {
    if (wanted == FileFormat::kGuess ? stem.ends_with(format.suffix) : format.format == wanted) {
      return &format;
    }
  }
  for (const Format& format : kFormats) {
    if (format.recognises(head)) return &format;
  }
  return BadFile(
      name, absl::StrCat("its format was not recognised by its name or first bytes ", Shown(head),
                         "; expected ",
                         absl::StrJoin(kFormats, ", ", [](std::string* out, const Format& format) {
                           out->append(format.name);
                         })));
}

}  // namespace

std::span<const Format> Formats() { return kFormats; }

absl::StatusOr<bool> RowReader::NextSparse(SparseValues& cells, std::int32_t* label) {
  std::vector<double> dense(header().columns);
  LATENT_ASSIGN_OR_RETURN(const bool more, Next(dense, label));
  cells.columns.clear();
  cells.values.clear();
  for (std::uint32_t c = 0; more && c < dense.size(); ++c) {
    if (dense[c] == 0) continue;
    cells.columns.push_back(c);
    cells.values.push_back(dense[c]);
  }
  return more;
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenRows(const std::string& path, FileFormat format,
                                                    const ReadOptions& options) {
  LATENT_ASSIGN_OR_RETURN(auto bytes, OpenFile(path));
  return OpenRows(std::move(bytes), format, options);
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenRows(std::unique_ptr<ByteSource> bytes,
                                                    FileFormat format, const ReadOptions& options) {
  LATENT_ASSIGN_OR_RETURN(auto unpacked, UnpackIfGzip(std::move(bytes), options.name));
  LATENT_ASSIGN_OR_RETURN(const std::string head, Peek(unpacked, kHeadBytes));
  if (head.empty()) return BadFile(options.name, "is empty");
  LATENT_ASSIGN_OR_RETURN(const Format* const found, FindFormat(format, options.name, head));
  return found->open(std::move(unpacked), options);
}

absl::StatusOr<FileFormat> FormatOf(const std::string& path, FileFormat declared,
                                    const std::string& name) {
  if (declared != FileFormat::kGuess) return declared;
  LATENT_ASSIGN_OR_RETURN(auto bytes, OpenFile(path));
  LATENT_ASSIGN_OR_RETURN(auto unpacked, UnpackIfGzip(std::move(bytes), name));
  LATENT_ASSIGN_OR_RETURN(const std::string head, Peek(unpacked, kHeadBytes));
  if (head.empty()) return BadFile(name, "is empty");
  LATENT_ASSIGN_OR_RETURN(const Format* const found, FindFormat(declared, name, head));
  return found->format;
}

char DelimiterOf(const CsvOptions& csv, std::string_view file_name) {
  if (csv.delimiter != '\0') return csv.delimiter;
  return LowerStem(file_name).ends_with(".tsv") ? '\t' : '\0';
}

absl::StatusOr<RowTable> ReadRows(const std::string& path, FileFormat format,
                                  const ReadOptions& options, std::optional<double> value_scale,
                                  std::uint64_t max_cells) {
  LATENT_ASSIGN_OR_RETURN(const auto reader, OpenRows(path, format, options));
  RowTable table;
  table.header = reader->header();
  const double scale = value_scale.value_or(table.header.bytes ? 1.0 / 255 : 1.0);
  std::vector<double> cells(table.header.columns);
  for (std::int32_t label = 0;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, reader->Next(cells, &label));
    if (!more) return table;
    if (++table.rows * cells.size() > max_cells) {
      return BadFile(options.name, absl::StrCat("has more than ", max_cells, " cells"));
    }
    for (const double cell : cells) table.cells.push_back(static_cast<float>(cell * scale));
    if (table.header.has_labels) table.labels.push_back(label);
  }
}

absl::Status BadFile(std::string_view file, std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "BAD_DATASET",
                   absl::StrCat(std::string(file), ": ", std::string(what)));
}

absl::Status BadCell(std::string_view file, std::uint64_t row, std::uint64_t column,
                     std::string_view what) {
  return BadFile(file, absl::StrCat("row ", row, ", column ", column, ": ", std::string(what)));
}

std::string Shown(std::string_view text) {
  constexpr std::size_t kMost = 64;
  const std::string_view shown = text.substr(0, kMost);
  return absl::StrCat("\"", absl::CHexEscape({shown.data(), shown.size()}), "\"",
                      text.size() > kMost ? "..." : "");
}

absl::Status CheckCell(double value, std::string_view file, std::uint64_t row,
                       std::uint64_t column) {
  if (std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max())) {
    return absl::OkStatus();
  }
  return BadCell(file, row, column,
                 absl::StrCat("expected a finite number within float32's range, got ", value));
}

absl::StatusOr<std::uint64_t> SetShape(std::string_view file,
                                       const std::vector<std::uint64_t>& dimensions,
                                       RowsHeader& header) {
  const std::string shown = absl::StrCat("[", absl::StrJoin(dimensions, ", "), "]");
  if (dimensions.empty() || dimensions.size() > 8) {
    return BadFile(file, absl::StrCat("expected 1 to 8 dimensions (rows first), got ", shown));
  }
  std::uint64_t columns = 1;
  for (std::size_t d = 0; d < dimensions.size(); ++d) {
    if (dimensions[d] == 0) return BadFile(file, absl::StrCat("is empty: its shape is ", shown));
    if (d == 0) continue;
    if (dimensions[d] > kMaxColumns || (columns *= dimensions[d]) > kMaxColumns) {
      return BadFile(file, absl::StrCat("rows of shape ", shown, " (rows first) have more than ",
                                        kMaxColumns, " columns"));
    }
    header.row_shape.push_back(static_cast<std::uint32_t>(dimensions[d]));
  }
  header.columns = static_cast<std::uint32_t>(columns);
  if (header.row_shape.empty()) header.row_shape = {1};
  if (header.row_shape.size() == 2) header.row_shape.push_back(1);
  return dimensions[0];
}

}  // namespace latent

// Files of rows: one reader a format, all in one table. A reader streams one file; it belongs to
// its caller and to one thread at a time. Bytes are not trusted: declared sizes are checked against
// what is present before anything is allocated by them. A new format: one file and one table row.
// Not its job: parts, scaling of values, what labels mean (core/data/parse).
#ifndef LATENT_CORE_DATA_FORMATS_H_
#define LATENT_CORE_DATA_FORMATS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/byte_source.h"

namespace latent {

inline constexpr std::uint32_t kMaxColumns = 65'536;

// Numbers are those of latent.v1.FileFormat.
enum class FileFormat { kGuess = 0, kIdx = 1, kCsv = 2, kNpy = 3, kLibsvm = 4 };

struct CsvOptions {
  std::optional<bool> header = {};  // absent: there is one if a cell of the first line is no number
  std::string label_column = {};    // by name or 0-based index, negative from the end; "" for none
  char delimiter = ',';
};

struct LibsvmOptions {
  std::optional<int> index_base = {};  // 0 or 1; absent: 0 if an index of 0 is met, else 1
};

struct ReadOptions {
  std::string name = {};  // what errors call the file
  CsvOptions csv = {};
  LibsvmOptions libsvm = {};
  // Names that a CSV label cell may hold in place of the label 0, 1, 2, ...
  std::vector<std::string> label_names = {};
};

// What is known of a file once its beginning was read.
struct RowsHeader {
  std::uint32_t columns = 0;
  std::vector<std::uint32_t> row_shape;   // product is `columns`; [28,28,1] for an IDX of 28 x 28
  std::vector<std::string> column_names;  // empty or one a column
  bool bytes = false;                     // values are uint8: 0 to 255
  bool has_labels = false;                // rows carry a label of their own (CSV label_column)
  bool sparse = false;                    // read rows by NextSparse
  bool has_ids = false;                   // rows have ids: RowReader::id
  std::optional<int> index_base = {};     // libsvm: the number of the first column
};

// The cells of a row that are not 0.
struct SparseValues {
  std::vector<std::uint32_t> columns;  // rising
  std::vector<double> values;
};

class RowReader {
 public:
  virtual ~RowReader() = default;
  virtual const RowsHeader& header() const = 0;
  // Reads the next row into `cells` (header().columns values, finite, as the file has them) and,
  // with has_labels, its label. False at the end of the file, once that was found to be proper.
  virtual absl::StatusOr<bool> Next(std::span<double> cells, std::int32_t* label) = 0;
  // The same row as its cells that are not 0; of formats that hold such rows without making dense
  // ones.
  virtual absl::StatusOr<bool> NextSparse(SparseValues& cells, std::int32_t* label);
  // With has_ids: the id of the row that was read last.
  virtual std::string_view id() const { return ""; }
};

// One row of the table of formats.
struct Format {
  FileFormat format;
  std::string_view name;    // "idx"
  std::string_view suffix;  // of file names, before ".gz"
  // Whether a file that begins with `head` (up to 8 bytes, unpacked) may be of this format.
  bool (*recognises)(std::string_view head);
  absl::StatusOr<std::unique_ptr<RowReader>> (*open)(std::unique_ptr<ByteSource> bytes,
                                                     const ReadOptions& options);
};
std::span<const Format> Formats();

// A reader over a file or over bytes; gzip is recognised and unpacked. INVALID_ARGUMENT with reason
// BAD_DATASET for what the bytes hold.
absl::StatusOr<std::unique_ptr<RowReader>> OpenRows(const std::string& path, FileFormat format,
                                                    const ReadOptions& options);
absl::StatusOr<std::unique_ptr<RowReader>> OpenRows(std::unique_ptr<ByteSource> bytes,
                                                    FileFormat format, const ReadOptions& options);

// A whole file in memory, for small inputs such as those of the command line.
struct RowTable {
  RowsHeader header;
  std::size_t rows = 0;
  std::vector<float> cells;  // rows x header.columns, times `scale`
  std::vector<std::int32_t> labels;
};
// As OpenRows; also INVALID_ARGUMENT beyond `max_cells`. Without `value_scale`, bytes are divided
// by 255 and other values are taken as they are.
absl::StatusOr<RowTable> ReadRows(const std::string& path, FileFormat format,
                                  const ReadOptions& options, std::optional<double> value_scale,
                                  std::uint64_t max_cells);

// The error of every reader: INVALID_ARGUMENT, reason BAD_DATASET, "<file>: <what>".
absl::Status BadFile(std::string_view file, std::string_view what);

}  // namespace latent

#endif  // LATENT_CORE_DATA_FORMATS_H_

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
enum class FileFormat {
  kGuess = 0,
  kIdx = 1,
  kCsv = 2,
  kNpy = 3,
  kLibsvm = 4,
  kPairs = 5,
  kNpz = 6,
  kPngZip = 7,
  kSafetensors = 8,
};

// What a column of a CSV file holds. Numbers are those of latent.v1.ColumnKind.
enum class CsvColumnKind {
  kGuess = 0,
  kNumeric = 1,
  kCategorical = 2,  // becomes one cell a category, 1 in the one that is met
  kLabel = 3,
  kId = 4,       // the row's id, no cell
  kIgnored = 5,  // no cell
};
struct CsvDeclaredColumn {
  std::string column;  // by name or 0-based index, negative from the end
  CsvColumnKind kind = CsvColumnKind::kGuess;
};
// A column of a file as it is read.
struct CsvColumn {
  std::string name;
  CsvColumnKind kind = CsvColumnKind::kNumeric;
  std::vector<std::string> categories;  // of categorical columns; of labels that are texts
};
// All columns of the files of a dataset (csv_schema.h).
struct CsvSchema {
  bool has_header = false;
  std::vector<CsvColumn> columns;
};

struct CsvOptions {
  std::optional<bool> header = {};  // absent: there is one if a cell of the first line is no number
  std::string label_column = {};    // by name or 0-based index, negative from the end; "" for none
  // Absent: tab in files called .tsv; else "," or, if the first line has none, ";" or tab.
  char delimiter = '\0';
  // Whether cells may be missing: empty, NA, N/A, NaN, null or ?. Takes effect with a schema.
  bool allow_missing = false;
  std::vector<CsvDeclaredColumn> columns = {};   // what is not to be guessed
  std::shared_ptr<const CsvSchema> schema = {};  // absent: all columns but the label are numeric
};
// '\0' where the first line is to say it.
char DelimiterOf(const CsvOptions& csv, std::string_view file_name);

// Columns of user-item pairs: by name or 0-based index. Without any, the first column is the user,
// the second the item, a third and last one the weight.
struct PairsOptions {
  std::string user_column = {};
  std::string item_column = {};
  std::string weight_column = {};
  // Given, pairs of less weight are left out and all others count 1.
  std::optional<double> binarise_at = {};
};

struct LibsvmOptions {
  std::optional<int> index_base = {};  // 0 or 1; absent: 0 if an index of 0 is met, else 1
};

struct ReadOptions {
  std::string name = {};  // what errors call the file
  CsvOptions csv = {};
  LibsvmOptions libsvm = {};
  PairsOptions pairs = {};
  std::string array = {};  // of NPZ and safetensors files: which array; "" for the only one
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
  bool may_miss = false;                  // cells may be missing: RowReader::missing
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
  // With may_miss: the columns, rising, that the row that was read last has no value for; its cells
  // are 0 there.
  virtual std::span<const std::uint32_t> missing() const { return {}; }
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

// The format that a file is read in: the declared one, else by name, else by its first bytes.
absl::StatusOr<FileFormat> FormatOf(const std::string& path, FileFormat declared,
                                    const std::string& name);

// The error of every reader: INVALID_ARGUMENT, reason BAD_DATASET, "<file>: <what>".
absl::Status BadFile(std::string_view file, std::string_view what);

}  // namespace latent

#endif  // LATENT_CORE_DATA_FORMATS_H_

// What the columns of CSV files hold: learnt from the cells, or declared. A scan belongs to one
// thread; a schema is a value. Not its job: rows (formats/csv.cc).
#ifndef LATENT_CORE_DATA_CSV_SCHEMA_H_
#define LATENT_CORE_DATA_CSV_SCHEMA_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/formats.h"

namespace latent {

// Different texts of a column that is taken for categorical without a word; declared ones may have
// as many as a dataset has columns.
inline constexpr std::size_t kMaxGuessedCategories = 1000;
// Different labels of a column that is taken for labels by its name.
inline constexpr std::size_t kMaxGuessedLabels = 256;
// Rows whose cells settle what is guessed; the rest is read only if a column is not numeric.
inline constexpr std::uint64_t kCsvSampleRows = 10'000;

// Whether a cell stands for a missing value: empty, NA, N/A, NaN, null or ?.
bool IsMissingCell(std::string_view cell);

// Whether a column is likely to hold labels by its name: label, class or target.
bool IsNameOfLabels(std::string_view name);

// Reads CSV files of one dataset, then decides. Call Add for every file, then Decide once.
class CsvScan {
 public:
  // `options` are those of the dataset; all files must have the same columns. `labels_elsewhere`:
  // the dataset has its labels in other files, so that no column is guessed to hold them.
  explicit CsvScan(const ReadOptions& options, bool labels_elsewhere = false)
      : options_(options), labels_elsewhere_(labels_elsewhere) {}

  // INVALID_ARGUMENT, reason BAD_DATASET, for a file that is no CSV or has other columns.
  absl::Status Add(std::unique_ptr<ByteSource> bytes, const std::string& name);
  struct Decision {
    std::shared_ptr<const CsvSchema> schema;
    // Every column but the label is numeric and nothing was declared: files need no schema.
    bool plain = false;
  };
  // INVALID_ARGUMENT if declarations do not fit or a column of texts has too many different ones to
  // guess by.
  absl::StatusOr<Decision> Decide();

 private:
  struct Column {
    std::string name;
    std::uint64_t cells = 0, numbers = 0, missing = 0;
    absl::flat_hash_set<std::string> values;  // different ones, at most kMaxColumns + 1 of them
    CsvColumnKind declared = CsvColumnKind::kGuess;
    bool is_text() const { return 2 * numbers < cells; }
  };

  absl::Status Begin(const std::vector<std::string_view>& cells);
  absl::Status VerifyHeader();
  absl::Status ApplyDeclared();
  absl::StatusOr<std::size_t> FindColumn(const std::string& wanted, const std::string& field);
  bool Keeps(const Column& column, bool number) const;
  void Observe(const std::vector<std::string_view>& cells);
  // Whether rows beyond the sample can change the schema.
  bool NeedsAll() const;
  absl::Status CheckText(const std::string& text, std::string_view what) const;
  bool LooksLikeLabels(const Column& column) const;
  absl::StatusOr<CsvColumnKind> Guess(const Column& column, bool* has_id) const;

  const ReadOptions& options_;
  const bool labels_elsewhere_;
  std::string first_name_;
  bool has_header_ = false;
  bool declared_by_name_ = false;        // which only a header makes possible
  std::vector<std::string> first_line_;  // until it is known whether it is a header
  std::uint64_t rows_ = 0;
  std::uint64_t values_ = 0;  // in all columns
  std::vector<Column> columns_;
};

}  // namespace latent

#endif  // LATENT_CORE_DATA_CSV_SCHEMA_H_

// The rows that an inference command is about: a file's or a dataset's. A value; one thread.
#ifndef LATENT_CLIENT_CLI_ROW_SOURCE_H_
#define LATENT_CLIENT_CLI_ROW_SOURCE_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/answer.h"
#include "client/cli/context.h"
#include "client/cli/matrix.h"
#include "client/cli/request_labels.h"
#include "latent/v1/rows.pb.h"
#include "latent/v1/spec.pb.h"

namespace CLI {
class App;
}

namespace latent::cli {

struct RowFlags {
  std::string input, label_column, labels, label, dataset, part = "test";
  std::optional<double> value_scale;
  bool header = false, no_header = false;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> count;
};
void AddRowOptions(CLI::App& command, RowFlags& flags);
// Of them --labels and --label alone.
void AddLabelOptions(CLI::App& command, RowFlags& flags);

class RowSource {
 public:
  // Reads the file, or asks how many rows the dataset's part has. INVALID_ARGUMENT unless exactly
  // one of --input and --dataset is given, or for an empty choice of rows.
  // Rows of CSV files are read as `model` was trained on them (table_file.h) if it is one of
  // tables; their labels by its names, if it knows some and neither --label nor --labels is given.
  static absl::StatusOr<RowSource> Open(Context& context, const RowFlags& flags,
                                        const ModelFlags& model);
  // A file whose cells are codes: read as they are.
  static absl::StatusOr<RowSource> OpenCodes(const std::string& path);
  // The same, --input of `flags`, for `model`, which may want labels.
  static absl::StatusOr<RowSource> OpenCodes(Context& context, const RowFlags& flags,
                                             const ModelFlags& model);

  std::size_t rows() const { return rows_; }
  // "test rows 0 to 99 of digits" or "rows 0 to 99 of digits.csv".
  const std::string& description() const { return description_; }
  // The cells, if they come from a file; else nothing.
  const std::optional<Matrix>& cells() const { return cells_; }
  // One a row if labels came with the rows or by --labels; else none.
  const std::vector<std::int32_t>& labels() const { return labels_; }
  // Whether the file was read as one of a table, so that NaN marks what is missing.
  bool is_table() const { return is_table_; }
  // One a row if the file is one of a table and has a column of ids; else none.
  const std::vector<std::string>& ids() const { return ids_; }
  // Names of labels 0, 1, 2, ..., if the dataset or the file has them.
  const std::vector<std::string>& label_names() const { return label_names_; }
  v1::Rows Slice(std::size_t first, std::size_t count) const;
  // Gives a request for those rows their labels, if the model that the rows are for reads them. Of
  // a dataset's rows the server knows them.
  template <typename Request>
  void AddLabels(std::size_t first, std::size_t count, Request* request) const {
    request_labels_.AddTo(first, count, request);
  }
  // Likewise for the request that ForEachRequest sends from row `first` on.
  template <typename Request>
  void AddLabels(std::size_t first, Request* request) const {
    AddLabels(first, piece_rows(first), request);
  }
  // Rows that one request carries: bounded by the server's limits and by memory.
  std::size_t rows_per_request() const;
  // Rows of the request that ForEachRequest sends from row `first` on.
  std::size_t piece_rows(std::size_t first) const {
    return std::min(rows_per_request(), rows_ - first);
  }

  // Says on stderr how many rows have been done, where one request does not carry all.
  void ReportProgress(LiveLine& line, const std::string& verb, std::size_t done) const;

  // Calls `send` for pieces of up to rows_per_request() rows, in order, with progress on stderr,
  // until one fails.
  absl::Status ForEachRequest(
      const Context& context, const std::string& verb,
      const std::function<absl::Status(std::size_t first, v1::Rows rows)>& send) const;

 private:
  // If `condition` is that of a model that knows labels, those of the file must be of them.
  absl::Status ReadFile(const RowFlags& flags, const v1::Condition& condition);
  absl::Status ReadTableFile(const RowFlags& flags, const v1::DatasetSchema& schema,
                             const v1::Condition& condition);
  // Settles rows_ and cells_ by all rows of a file.
  absl::Status TakeRows(const RowFlags& flags, const Matrix& all);
  absl::Status AskDataset(Context& context, const RowFlags& flags);
  absl::Status ReadLabels(const RowFlags& flags);

  std::size_t rows_ = 0, columns_ = 0;
  std::string description_;
  std::optional<Matrix> cells_;
  std::vector<std::int32_t> labels_;
  RequestLabels request_labels_;
  bool is_table_ = false;
  std::vector<std::string> ids_;
  std::vector<std::string> label_names_;
  v1::DatasetSlice slice_;
};

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_ROW_SOURCE_H_

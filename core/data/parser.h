// What ParseDataset does, step by step: files to parts. Belongs to one call of it; one thread. Its
// steps stand in parse.cc (rows), parse_columns.cc (what the files share), parse_labels.cc and
// parse_parts.cc (what happens to rows once they are read). Not its job: formats (formats.h).
#ifndef LATENT_CORE_DATA_PARSER_H_
#define LATENT_CORE_DATA_PARSER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/csv_schema.h"
#include "core/data/dataset_files.h"
#include "core/data/formats.h"
#include "core/data/parse.h"

namespace latent::internal {

inline constexpr std::uint64_t kRowsBetweenStopChecks = 256;

class Parser {
 public:
  Parser(const ParseRequest& request, const std::string& dir, std::stop_token stop)
      : request_(request), dir_(dir), stop_(std::move(stop)), csv_(request.csv) {}

  absl::StatusOr<DatasetInfo> Run();

 private:
  using Labels = std::vector<std::int32_t>;

  absl::Status HashFiles();
  absl::Status ReadPart(v1::Part part);
  // Learns what the columns of CSV files hold.
  absl::Status SettleCsv();
  absl::Status SettleGroups(const CsvSchema& schema);
  // Joins the named columns of sparse files.
  void SettleNames();
  void MoveColumns(const std::vector<std::uint32_t>& places);
  // Gives missing cells their column's mean over TRAIN.
  absl::Status FillMissing();
  absl::StatusOr<std::vector<float>> TrainMeans();
  void SettleMissingShares();
  // Opens every ROWS file and settles what all of them share.
  absl::Status OpenReaders();
  absl::Status OpenReader(std::size_t file);
  absl::Status ReadRowsFile(std::size_t index, PartWriter& writer, Labels& labels);
  absl::Status CheckSize(const ParseFile& file);
  absl::Status ReadLabelsFile(const ParseFile& file, Labels& labels);
  // Takes over what the first ROWS file declares, and compares another one with it.
  absl::Status SettleFirst(const ParseFile& file, const RowsHeader& header);
  absl::Status SettleOther(const ParseFile& file, const RowsHeader& header);
  absl::Status SettleIndexBase();
  absl::Status SettleShape(const ParseFile& file);
  absl::Status Scale(const ParseFile& file, std::uint64_t row, std::span<const double> cells);
  absl::Status CheckLabels(const ParseFile& file, const Labels& labels, std::size_t first) const;
  absl::Status MatchLabels(v1::Part part, bool inline_labels, const Labels& labels,
                           std::uint64_t rows);
  // Moves rows of TRAIN to the parts that no file brought.
  absl::Status Split();
  absl::Status DealRows(const std::vector<v1::Part>& parts);
  void DealLabels(const std::vector<v1::Part>& parts);
  absl::Status WriteLabels();
  absl::Status FinishPart(v1::Part part, PartWriter& writer);
  void SettleRange();
  absl::Status CheckStop() const {
    return stop_.stop_requested() ? absl::CancelledError("parsing was stopped") : absl::OkStatus();
  }
  bool Brings(v1::Part part) const;
  ReadOptions OptionsOf(const ParseFile& file) const {
    return {.name = file.name,
            .csv = csv_,
            .libsvm = request_.libsvm,
            .pairs = request_.pairs,
            .array = file.array,
            .label_names = info_.label_names};
  }

  const ParseRequest& request_;
  const std::string& dir_;
  const std::stop_token stop_;
  CsvOptions csv_;  // with the schema, once it is known
  DatasetInfo info_;
  DatasetHashes hashes_;
  std::array<Labels, 4> labels_;
  std::array<float, 4> min_{};
  std::array<float, 4> max_{};
  std::vector<std::unique_ptr<RowReader>> readers_;  // of ROWS files, by place in the request
  const ParseFile* first_ = nullptr;                 // ROWS file that settled the header
  RowLayout layout_;
  std::uint64_t total_rows_ = 0;
  std::uint64_t total_bytes_ = 0;
  std::vector<double> cells_;  // of the row being read
  SparseValues sparse_cells_;
  std::vector<std::vector<std::uint32_t>> column_places_;  // by file: of its columns; empty: same
  std::vector<std::uint64_t> missing_;                     // by column, of all parts
  StoredRow row_;
};

}  // namespace latent::internal

#endif  // LATENT_CORE_DATA_PARSER_H_

// CSV files of tables: their cells by the columns that a model was trained on, whatever their
// order, and a model's rows as such cells again. Free functions and values; one thread.
#ifndef LATENT_CLIENT_CLI_TABLE_FILE_H_
#define LATENT_CLIENT_CLI_TABLE_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/answer.h"
#include "client/cli/context.h"
#include "client/cli/matrix.h"
#include "core/data/formats.h"
#include "latent/v1/spec.pb.h"

namespace latent::cli {

// How the version that answers, or will, was made.
absl::StatusOr<v1::TrainingPlan> FetchPlan(Context& context, const Target& target);
// What it was trained on.
absl::StatusOr<v1::DatasetSchema> FetchSchema(Context& context, const Target& target);

// Whether rows are more than the numbers of a file: categories, or cells that may be missing.
bool IsTable(const v1::DatasetSchema& schema);

struct TableRows {
  Matrix cells;  // NaN: missing
  // The rows' ids, if the file has the column that the dataset's ids were in.
  std::vector<std::string> ids;
  // The rows' labels, if the model reads any and the file has the column of them.
  std::vector<std::int32_t> labels;
};
// `schema` is one that IsTable takes. Columns go by the header's names; without a header they are
// those of the dataset's files, or its numeric and categorical ones, in that order, with or without
// options.csv.label_column. Labels stand in that column, by default in the one that the dataset's
// were in, and are read if `condition` is that of a model that knows some; other columns that are
// no cells are passed over. INVALID_ARGUMENT for columns that are not known or lacking, a label
// column that the model reads as cells, more than `max_cells` cells, and with row and column for a
// cell that is no number, none of its column's categories or none of the model's labels.
absl::StatusOr<TableRows> ReadTable(const std::string& path, const ReadOptions& options,
                                    double value_scale, const v1::DatasetSchema& schema,
                                    const v1::Condition& condition, std::uint64_t max_cells);

// Numbers, and of every category the likeliest text. With `ids`, one a row, those come first.
Answer TableAnswer(const Matrix& rows, const std::vector<std::string>& ids,
                   const v1::DatasetSchema& schema);

// Rows of the version that answered: as a table if it is one's, else cells "x_0", "x_1", ...
absl::StatusOr<Answer> RowsAnswer(Context& context, const Target& target, const Matrix& rows,
                                  const std::vector<std::string>& ids = {});

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_TABLE_FILE_H_

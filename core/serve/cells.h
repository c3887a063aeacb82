// Row-major float32 cells that an operation owns: a request's rows or codes, or a reply's; and the
// labels of rows or codes.
// A movable value; one thread at a time.
#ifndef LATENT_CORE_SERVE_CELLS_H_
#define LATENT_CORE_SERVE_CELLS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/nn/labelled_rows.h"
#include "core/nn/matrix.h"

namespace latent {

struct Cells {
  std::vector<float> values;  // rows x columns
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<std::int32_t> labels = {};  // one a row, for conditional models; else none

  Cells() = default;
  Cells(std::size_t row_count, std::size_t column_count)
      : values(row_count * column_count), rows(row_count), columns(column_count) {}
  Cells(std::size_t row_count, std::size_t column_count, std::vector<float> cells)
      : values(std::move(cells)), rows(row_count), columns(column_count) {}

  // Another shape, in the same memory if that is enough; cells are what they were or 0.
  void Resize(std::size_t row_count, std::size_t column_count) {
    values.resize(row_count * column_count);
    rows = row_count;
    columns = column_count;
  }
  bool empty() const { return values.empty(); }
  MatrixView<float> view() { return {values.data(), rows, columns}; }
  MatrixView<const float> view() const { return {values.data(), rows, columns}; }
  LabelledRows labelled() const { return {view(), labels}; }
};

// What NaN in a row is.
enum class MissingCells { kRefused, kTaken };

// INVALID_ARGUMENT for the field `path` unless there is at least one row, every row has `columns`
// cells ("what the model takes" is `width_of`, e.g. "digits version 3") and every cell is finite,
// or NaN where those stand for missing ones.
absl::Status CheckCells(std::string_view path, MatrixView<const float> cells, std::size_t columns,
                        std::string_view width_of, MissingCells missing = MissingCells::kRefused);
inline absl::Status CheckCells(std::string_view path, const Cells& cells, std::size_t columns,
                               std::string_view width_of,
                               MissingCells missing = MissingCells::kRefused) {
  return CheckCells(path, cells.view(), columns, width_of, missing);
}

// The first row in which a number is NaN or infinite.
std::optional<std::size_t> FirstNotFinite(MatrixView<const float> rows);
std::optional<std::size_t> FirstNotFinite(std::span<const double> rows);
// INVALID_ARGUMENT for the field `path`: what came was finite, but so large that `row` of the
// answer is not.
absl::Status AnswerNotFinite(std::string_view path, std::size_t row, std::string_view model);

}  // namespace latent

#endif  // LATENT_CORE_SERVE_CELLS_H_

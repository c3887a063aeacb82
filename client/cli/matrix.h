// Rows and codes in the command line's hands. A value; one thread at a time.
#ifndef LATENT_CLIENT_CLI_MATRIX_H_
#define LATENT_CLIENT_CLI_MATRIX_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "latent/v1/rows.pb.h"

namespace latent::cli {

struct Matrix {
  std::size_t columns = 0;
  std::vector<float> cells;  // rows() x columns

  std::size_t rows() const { return columns == 0 ? 0 : cells.size() / columns; }
  std::span<const float> row(std::size_t r) const { return Rows(r, 1); }
  std::span<const float> Rows(std::size_t first, std::size_t count) const {
    return std::span(cells).subspan(first * columns, count * columns);
  }
  // Adds the rows of a reply below, indices as the numbers that they are. INTERNAL if their width
  // differs or the bytes are no rows.
  absl::Status Append(const v1::DenseRows& rows);
};

// Rows `first` to `first + count - 1` as they travel.
v1::DenseRows ToDenseRows(const Matrix& matrix, std::size_t first, std::size_t count);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_MATRIX_H_

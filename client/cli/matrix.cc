#include "client/cli/matrix.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"

namespace latent::cli {

static_assert(std::endian::native == std::endian::little, "cells travel as they lie in memory");

absl::Status Matrix::Append(const v1::DenseRows& rows) {
  if (columns == 0) columns = rows.columns();
  const std::string& data = rows.data();
  const bool indices = rows.dtype() == v1::DTYPE_UINT16;
  const std::size_t row_bytes = columns * (indices ? sizeof(std::uint16_t) : sizeof(float));
  if (rows.columns() != columns || row_bytes == 0 || data.size() % row_bytes != 0) {
    return absl::InternalError(absl::StrCat("the server sent ", data.size(), " bytes as rows of ",
                                            rows.columns(), " cells, expected ", columns));
  }
  if (indices) {
    std::vector<std::uint16_t> numbers(data.size() / sizeof(std::uint16_t));
    std::memcpy(numbers.data(), data.data(), data.size());
    cells.insert(cells.end(), numbers.begin(), numbers.end());
    return absl::OkStatus();
  }
  const std::size_t before = cells.size();
  cells.resize(before + data.size() / sizeof(float));
  std::memcpy(cells.data() + before, data.data(), data.size());
  return absl::OkStatus();
}

v1::DenseRows ToDenseRows(const Matrix& matrix, std::size_t first, std::size_t count) {
  const std::span<const float> cells = matrix.Rows(first, count);
  v1::DenseRows rows;
  rows.set_columns(static_cast<std::uint32_t>(matrix.columns));
  rows.set_dtype(v1::DTYPE_FLOAT32);
  rows.set_data(cells.data(), cells.size_bytes());
  return rows;
}

}  // namespace latent::cli

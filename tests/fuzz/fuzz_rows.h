// What the fuzz targets of the row formats share: read everything, and check what a reader promises
// of the rows it yields.
#ifndef LATENT_TESTS_FUZZ_FUZZ_ROWS_H_
#define LATENT_TESTS_FUZZ_FUZZ_ROWS_H_

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/data/formats.h"

namespace latent {

inline void Require(bool promise) {
  if (!promise) std::abort();
}

inline void CheckSparseRow(const SparseValues& cells, std::uint32_t columns) {
  Require(cells.columns.size() == cells.values.size());
  for (std::size_t i = 0; i < cells.columns.size(); ++i) {
    Require(cells.columns[i] < columns);
    Require(i == 0 || cells.columns[i - 1] < cells.columns[i]);
    Require(cells.values[i] != 0 && std::isfinite(static_cast<float>(cells.values[i])));
  }
}

inline void FuzzRows(const std::uint8_t* data, std::size_t size, FileFormat format,
                     ReadOptions options = {}) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  options.name = "file";
  options.label_names = {"no", "yes"};
  const auto reader = OpenRows(FromMemory(bytes), format, options);
  if (!reader.ok()) {
    Require(reader.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  const RowsHeader& header = (*reader)->header();
  Require(header.columns > 0 && header.columns <= kMaxColumns);
  std::uint64_t product = 1;
  for (const std::uint32_t dimension : header.row_shape) product *= dimension;
  Require(product == header.columns);
  Require(header.column_names.empty() || header.column_names.size() == header.columns);
  std::vector<double> cells(header.columns);
  SparseValues sparse;
  std::int32_t label = 0;
  // Packed files may hold many rows; a fuzzer wants its answer soon.
  for (int row = 0; row < 1000; ++row) {
    const auto more =
        header.sparse ? (*reader)->NextSparse(sparse, &label) : (*reader)->Next(cells, &label);
    if (!more.ok()) Require(more.status().code() == absl::StatusCode::kInvalidArgument);
    if (!more.ok() || !*more) return;
    if (header.sparse) CheckSparseRow(sparse, header.columns);
    for (const double cell : cells) Require(std::isfinite(static_cast<float>(cell)));
  }
}

}  // namespace latent

#endif  // LATENT_TESTS_FUZZ_FUZZ_ROWS_H_

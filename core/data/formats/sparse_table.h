// Sparse rows of one file in memory, and the reader of formats that must be read to their end
// before their first row is known. One thread.
#ifndef LATENT_CORE_DATA_FORMATS_SPARSE_TABLE_H_
#define LATENT_CORE_DATA_FORMATS_SPARSE_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/data/formats.h"

namespace latent {

// Entries of one file: 8 bytes each while it is read.
inline constexpr std::uint64_t kMaxSparseEntries = 1ull << 28;

struct SparseTable {
  std::vector<std::uint64_t> row_ends;  // into columns and values
  std::vector<std::uint32_t> columns;   // rising within a row
  std::vector<float> values;
  std::vector<std::int32_t> labels;  // none, or one a row
  std::vector<std::string> ids;      // none, or one a row
};

// `header` must fit the table; its sparse, has_labels and has_ids are set here.
std::unique_ptr<RowReader> ReadTable(RowsHeader header, SparseTable table);

}  // namespace latent

#endif  // LATENT_CORE_DATA_FORMATS_SPARSE_TABLE_H_

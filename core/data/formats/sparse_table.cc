#include "core/data/formats/sparse_table.h"

#include <algorithm>
#include <utility>

#include "core/base/status.h"

namespace latent {
namespace {

class TableReader : public RowReader {
 public:
  TableReader(RowsHeader header, SparseTable table)
      : header_(std::move(header)), table_(std::move(table)) {
    header_.sparse = true;
    header_.has_labels = !table_.labels.empty();
    header_.has_ids = !table_.ids.empty();
  }

  const RowsHeader& header() const override { return header_; }

  absl::StatusOr<bool> Next(std::span<double> cells, std::int32_t* label) override {
    SparseValues row;
    LATENT_ASSIGN_OR_RETURN(const bool more, NextSparse(row, label));
    std::fill(cells.begin(), cells.end(), 0.0);
    for (std::size_t i = 0; i < row.columns.size(); ++i) cells[row.columns[i]] = row.values[i];
    return more;
  }

  absl::StatusOr<bool> NextSparse(SparseValues& cells, std::int32_t* label) override {
    cells.columns.clear();
    cells.values.clear();
    if (next_ == table_.row_ends.size()) return false;
    const std::uint64_t end = table_.row_ends[next_];
    for (; entry_ < end; ++entry_) {
      // What is not stored is 0.
      if (table_.values[entry_] == 0) continue;
      cells.columns.push_back(table_.columns[entry_]);
      cells.values.push_back(table_.values[entry_]);
    }
    if (header_.has_labels) *label = table_.labels[next_];
    ++next_;
    return true;
  }

  std::string_view id() const override {
    return header_.has_ids && next_ > 0 ? std::string_view(table_.ids[next_ - 1]) : "";
  }

 private:
  RowsHeader header_;
  const SparseTable table_;
  std::size_t next_ = 0;
  std::uint64_t entry_ = 0;
};

}  // namespace

std::unique_ptr<RowReader> ReadTable(RowsHeader header, SparseTable table) {
  return std::make_unique<TableReader>(std::move(header), std::move(table));
}

}  // namespace latent

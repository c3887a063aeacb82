#include "core/data/formats/fixed_rows.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats/readers.h"

namespace latent {
namespace {

class FixedRowReader : public RowReader {
 public:
  FixedRowReader(std::unique_ptr<ByteSource> bytes, std::string name, RowsHeader header,
                 std::uint64_t rows, Element element)
      : bytes_(std::move(bytes)),
        name_(std::move(name)),
        header_(std::move(header)),
        rows_(rows),
        element_(element),
        buffer_(header_.columns * element.size) {}

  const RowsHeader& header() const override { return header_; }

  absl::StatusOr<bool> Next(std::span<double> cells, std::int32_t*) override {
    if (row_ == rows_) {
      LATENT_RETURN_IF_ERROR(CheckEnd());
      return false;
    }
    ++row_;
    LATENT_ASSIGN_OR_RETURN(const std::size_t got, bytes_->Read(buffer_));
    if (got < buffer_.size()) {
      return BadCell(name_, row_, got / element_.size + 1,
                     absl::StrCat("the file ends here, but its header declares ", rows_,
                                  " rows of ", header_.columns, " columns"));
    }
    for (std::size_t c = 0; c < header_.columns; ++c) {
      cells[c] = element_.decode(buffer_.data() + c * element_.size);
      LATENT_RETURN_IF_ERROR(CheckCell(cells[c], name_, row_, c + 1));
    }
    return true;
  }

 private:
  absl::Status CheckEnd() {
    char extra = 0;
    LATENT_ASSIGN_OR_RETURN(const std::size_t got, bytes_->Read({&extra, 1}));
    if (got == 0) return absl::OkStatus();
    return BadFile(name_, absl::StrCat("bytes follow the ", rows_, " rows of ", header_.columns,
                                       " columns that its header declares"));
  }

  const std::unique_ptr<ByteSource> bytes_;
  const std::string name_;
  const RowsHeader header_;
  const std::uint64_t rows_;
  const Element element_;
  std::vector<char> buffer_;  // one row
  std::uint64_t row_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RowReader>> FixedRows(std::unique_ptr<ByteSource> bytes,
                                                     std::string name, RowsHeader header,
                                                     std::uint64_t rows, Element element) {
  const std::uint64_t row_bytes = header.columns * std::uint64_t{element.size};
  const std::uint64_t bound = bytes->remaining_bound();
  if (rows > bound / row_bytes) {
    return BadFile(name, absl::StrCat("its header declares ", rows, " rows of ", row_bytes,
                                      " bytes, but at most ", bound, " bytes follow"));
  }
  return std::make_unique<FixedRowReader>(std::move(bytes), std::move(name), std::move(header),
                                          rows, element);
}

}  // namespace latent

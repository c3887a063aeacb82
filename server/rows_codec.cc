#include "server/rows_codec.h"

#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/half.h"
#include "core/base/status.h"

namespace latent {
namespace {

static_assert(std::endian::native == std::endian::little, "wire floats are copied as they are");

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

template <typename... Parts>
absl::Status Bad(std::string_view field, std::string_view below, const Parts&... description) {
  return InvalidField(absl::StrCat(Absl(field), Absl(below)), absl::StrCat(description...));
}

absl::StatusOr<RowsShape> DenseShape(const v1::DenseRows& dense, std::size_t width,
                                     std::string_view field) {
  const std::size_t cell_bytes = CellBytes(dense.dtype());
  if (cell_bytes == 0) {
    return Bad(field, ".dense.dtype",
               "expected DTYPE_FLOAT32, DTYPE_FLOAT16, DTYPE_INT8 or "
               "DTYPE_UINT16, got ",
               dense.dtype());
  }
  if (!dense.data().empty() && dense.values_size() > 0) {
    return Bad(field, ".dense", "expected data or values, got both");
  }
  const std::size_t columns = dense.columns() > 0 ? dense.columns() : width;
  const std::size_t row_bytes = columns * cell_bytes;
  if (dense.data().size() % row_bytes != 0) {
    return Bad(field, ".dense.data", "expected a multiple of ", row_bytes, " bytes (rows of ",
               columns, " cells of ", cell_bytes, "), got ", dense.data().size(), " bytes");
  }
  const auto values = static_cast<std::size_t>(dense.values_size());
  if (values % columns != 0) {
    return Bad(field, ".dense.values", "expected a multiple of ", columns,
               " cells (rows of that width), got ", values);
  }
  return RowsShape{dense.data().size() / row_bytes + values / columns, columns};
}

// Offsets, indices and values fit together; indices rise within each row and are below `columns`.
absl::Status CheckSparse(const v1::SparseRows& sparse, std::size_t columns,
                         std::string_view field) {
  const int entries = sparse.indices_size();
  if (sparse.values_size() != entries) {
    return Bad(field, ".sparse.values", "expected one for each index (", entries, "), got ",
               sparse.values_size());
  }
  if (sparse.row_offsets(0) != 0) {
    return Bad(field, ".sparse.row_offsets", "expected 0 first, got ", sparse.row_offsets(0));
  }
  const int rows = sparse.row_offsets_size() - 1;
  if (sparse.row_offsets(rows) != static_cast<std::uint32_t>(entries)) {
    return Bad(field, ".sparse.row_offsets", "expected the number of entries (", entries,
               ") last, got ", sparse.row_offsets(rows));
  }
  for (int r = 0; r < rows; ++r) {
    const std::uint32_t first = sparse.row_offsets(r), end = sparse.row_offsets(r + 1);
    if (end < first || end > static_cast<std::uint32_t>(entries)) {
      return Bad(field, ".sparse.row_offsets", "expected offsets that never fall, got ", first,
                 " before ", end, " at row ", r);
    }
    for (std::uint32_t e = first; e < end; ++e) {
      const std::uint32_t column = sparse.indices(static_cast<int>(e));
      if (column >= columns) {
        return Bad(field, ".sparse.indices", "expected columns below ", columns, ", got ", column,
                   " in row ", r);
      }
      if (e > first && column <= sparse.indices(static_cast<int>(e) - 1)) {
        return Bad(field, ".sparse.indices", "expected rising columns within a row, got ", column,
                   " after ", sparse.indices(static_cast<int>(e) - 1), " in row ", r);
      }
    }
  }
  return absl::OkStatus();
}

Cells Densified(const v1::SparseRows& sparse, const RowsShape& shape) {
  Cells cells(shape.rows, shape.columns);
  const MatrixView<float> view = cells.view();
  for (std::size_t r = 0; r < shape.rows; ++r) {
    const auto row = static_cast<int>(r);
    for (std::uint32_t e = sparse.row_offsets(row); e < sparse.row_offsets(row + 1); ++e) {
      view(r, sparse.indices(static_cast<int>(e))) = sparse.values(static_cast<int>(e));
    }
  }
  return cells;
}

// Cells of bytes that have the right size.
Cells FromBytes(const v1::DenseRows& dense, const RowsShape& shape) {
  Cells cells(shape.rows, shape.columns);
  const std::string& data = dense.data();
  const bool whole = dense.dtype() == v1::DTYPE_UINT16;
  switch (CellBytes(dense.dtype())) {
    case 1:
      for (std::size_t i = 0; i < data.size(); ++i) {
        cells.values[i] = static_cast<signed char>(data[i]);
      }
      break;
    case 2:
      for (std::size_t i = 0; i < cells.values.size(); ++i) {
        std::uint16_t cell;
        std::memcpy(&cell, data.data() + 2 * i, sizeof(cell));
        cells.values[i] = whole ? static_cast<float>(cell) : FromHalf(cell);
      }
      break;
    default:
      std::memcpy(cells.values.data(), data.data(), data.size());
  }
  return cells;
}

}  // namespace

std::size_t CellBytes(v1::Dtype dtype) {
  switch (dtype) {
    case v1::DTYPE_UNSPECIFIED:
    case v1::DTYPE_FLOAT32:
      return 4;
    case v1::DTYPE_FLOAT16:
    case v1::DTYPE_UINT16:
      return 2;
    case v1::DTYPE_INT8:
      return 1;
    default:  // of newer clients
      return 0;
  }
}

absl::Status CheckLimits(const RowsShape& shape, const RequestLimits& limits,
                         std::string_view field) {
  if (shape.rows == 0 || shape.rows > limits.rows) {
    return Bad(field, "", "expected 1 to ", limits.rows, " rows a request, got ", shape.rows,
               shape.rows == 0 ? "" : "; send several requests");
  }
  if (shape.columns > limits.columns) {
    return Bad(field, "", "expected at most ", limits.columns, " columns, got ", shape.columns);
  }
  if (shape.rows * shape.columns > limits.cells) {
    return Bad(field, "", "expected at most ", limits.cells, " cells a request, got ", shape.rows,
               " x ", shape.columns, " = ", shape.rows * shape.columns, "; send several requests");
  }
  return absl::OkStatus();
}

absl::StatusOr<RowsShape> ShapeOf(const v1::Rows& rows, std::size_t width,
                                  const RequestLimits& limits, std::string_view field) {
  RowsShape shape;
  switch (rows.kind_case()) {
    case v1::Rows::kDense: {
      LATENT_ASSIGN_OR_RETURN(shape, DenseShape(rows.dense(), width, field));
      break;
    }
    case v1::Rows::kSparse: {
      const auto& sparse = rows.sparse();
      shape.columns = sparse.columns() > 0 ? sparse.columns() : width;
      if (sparse.row_offsets_size() > 0) {
        shape.rows = static_cast<std::size_t>(sparse.row_offsets_size()) - 1;
      }
      break;
    }
    case v1::Rows::kDatasetSlice:
      return Bad(field, ".dataset_slice", "expected dense or sparse codes; datasets hold rows");
    case v1::Rows::KIND_NOT_SET:
      return Bad(field, "", "expected dense, sparse or dataset_slice, got none of them");
  }
  LATENT_RETURN_IF_ERROR(CheckLimits(shape, limits, field));
  return shape;
}

absl::StatusOr<Cells> ToCells(const v1::Rows& rows, std::size_t width, const RequestLimits& limits,
                              std::string_view field) {
  LATENT_ASSIGN_OR_RETURN(const RowsShape shape, ShapeOf(rows, width, limits, field));
  if (rows.has_sparse()) {
    LATENT_RETURN_IF_ERROR(CheckSparse(rows.sparse(), shape.columns, field));
    return Densified(rows.sparse(), shape);
  }
  const v1::DenseRows& dense = rows.dense();
  if (dense.data().empty()) {
    return Cells(shape.rows, shape.columns, {dense.values().begin(), dense.values().end()});
  }
  return FromBytes(dense, shape);
}

absl::StatusOr<EncodeOperation::Rows> ToRows(const v1::Rows& rows, std::size_t width,
                                             const RequestLimits& limits, std::string_view field) {
  EncodeOperation::Rows out;
  if (rows.has_dense() && CellBytes(rows.dense().dtype()) == sizeof(float)) {
    const v1::DenseRows& dense = rows.dense();
    LATENT_ASSIGN_OR_RETURN(const RowsShape shape, ShapeOf(rows, width, limits, field));
    // Strings of bytes stand at least as aligned as floats.
    const float* cells = dense.data().empty() ? dense.values().data()
                                              : reinterpret_cast<const float*>(dense.data().data());
    out.lent = {cells, shape.rows, shape.columns};
    return out;
  }
  LATENT_ASSIGN_OR_RETURN(out.owned, ToCells(rows, width, limits, field));
  return out;
}

void SetDense(const Cells& cells, v1::DenseRows* out) {
  out->set_columns(static_cast<std::uint32_t>(cells.columns));
  out->set_dtype(v1::DTYPE_FLOAT32);
  // set_data would make a string of its own first.
  out->mutable_data()->assign(reinterpret_cast<const char*>(cells.values.data()),
                              cells.values.size() * sizeof(float));
}

void SetSparse(const SparseCells& cells, v1::SparseRows* out) {
  out->set_columns(static_cast<std::uint32_t>(cells.columns));
  out->mutable_row_offsets()->Assign(cells.row_offsets.begin(), cells.row_offsets.end());
  out->mutable_indices()->Assign(cells.indices.begin(), cells.indices.end());
  out->mutable_values()->Assign(cells.values.begin(), cells.values.end());
}

}  // namespace latent

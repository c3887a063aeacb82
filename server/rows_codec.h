// Rows between the wire and core's cells: dense bytes (little-endian float32), plain numbers, or
// compressed sparse rows, which are filled with zeros. Free functions; any thread. Not its job:
// dataset slices (inference_service), whether width and cells suit the model (core/serve).
#ifndef LATENT_SERVER_ROWS_CODEC_H_
#define LATENT_SERVER_ROWS_CODEC_H_

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/serve/cells.h"
#include "core/serve/operations.h"
#include "latent/v1/rows.pb.h"
#include "server/config.h"

namespace latent {

struct RowsShape {
  std::size_t rows = 0;
  std::size_t columns = 0;
};

// The shape of dense or sparse rows, from their sizes alone; `width` stands in where they name no
// columns. INVALID_ARGUMENT naming the field below `field` for rows that are missing, in no form or
// two, of an unknown type, ragged, or over a limit.
absl::StatusOr<RowsShape> ShapeOf(const v1::Rows& rows, std::size_t width,
                                  const RequestLimits& limits, std::string_view field);
// Bounds of a request, for rows that come by other ways too.
absl::Status CheckLimits(const RowsShape& shape, const RequestLimits& limits,
                         std::string_view field);

// Bytes a cell of `dtype`; 0 if it is unknown.
std::size_t CellBytes(v1::Dtype dtype);

// The cells. INT8 and UINT16 cells come as the numbers that their bytes are; whoever takes them
// checks that they are codes and applies the scales or looks the indices up. INVALID_ARGUMENT as
// ShapeOf, and for sparse rows that are malformed, with row and entry.
absl::StatusOr<Cells> ToCells(const v1::Rows& rows, std::size_t width, const RequestLimits& limits,
                              std::string_view field);

// The same for Encode: float32 cells are lent by the message, others become cells of their own.
absl::StatusOr<EncodeOperation::Rows> ToRows(const v1::Rows& rows, std::size_t width,
                                             const RequestLimits& limits, std::string_view field);

void SetDense(const Cells& cells, v1::DenseRows* out);
void SetSparse(const SparseCells& cells, v1::SparseRows* out);

}  // namespace latent

#endif  // LATENT_SERVER_ROWS_CODEC_H_

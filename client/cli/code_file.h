// The file that `latent compress` writes: codes of rows, with what it takes to read them again.
//
//   bytes   what
//   8       "LATENTCF"
//   4       length n of the header, little-endian
//   n       header: a JSON object with
//             format_version  1
//             model, model_version, latent_space_id   whose codes these are
//             rows, columns   shape of the codes, of UINT16 that of the indices
//             row_columns     cells of a row
//             format          "FLOAT32", "FLOAT16", "INT8" or "UINT16" (indices of a codebook)
//             scale, offset   INT8 only: entry i of a code is offset[i] + scale[i] * byte
//   ...     codes, row-major, little-endian, 4, 2, 1 or 2 bytes an entry
//   4       CRC-32C of everything before, little-endian
//
// Values and free functions; any thread.
#ifndef LATENT_CLIENT_CLI_CODE_FILE_H_
#define LATENT_CLIENT_CLI_CODE_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "latent/v1/rows.pb.h"

namespace latent::cli {

struct CodeFile {
  std::string model;
  std::uint64_t model_version = 0;
  std::string latent_space_id;
  std::uint64_t rows = 0;
  std::uint32_t columns = 0;
  std::uint32_t row_columns = 0;
  v1::Dtype format = v1::DTYPE_FLOAT32;
  std::vector<float> scale, offset;
  std::string codes;

  std::size_t bytes_per_row() const;
  // Codes `first` to `first + count - 1` as they travel: INT8 with its scales applied, so that they
  // mean the same to every version of the latent space.
  v1::DenseRows Slice(std::uint64_t first, std::uint64_t count) const;
};

std::string SerializeCodeFile(const CodeFile& file);
// DATA_LOSS for bytes that are no such file, cut or changed; FAILED_PRECONDITION for one of a later
// format.
absl::StatusOr<CodeFile> ParseCodeFile(std::string_view bytes);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_CODE_FILE_H_

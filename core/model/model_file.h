// A model's weights as a safetensors file (8-byte little-endian header length, JSON header, raw
// float32). Reads are hostile-proof: sizes are checked against the bytes present before anything is
// allocated. Free functions; any thread.
#ifndef LATENT_CORE_MODEL_MODEL_FILE_H_
#define LATENT_CORE_MODEL_MODEL_FILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace latent {

struct Tensor {
  std::vector<std::uint64_t> shape;
  std::vector<float> values;  // row-major; product of shape
};

struct TensorFile {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// The bytes of the file; the same tensors and metadata always give the same bytes.
std::string SerializeTensors(const TensorFile& file);
// INVALID_ARGUMENT or DATA_LOSS with the offset and what was expected.
absl::StatusOr<TensorFile> ParseTensors(std::string_view bytes);

}  // namespace latent

#endif  // LATENT_CORE_MODEL_MODEL_FILE_H_

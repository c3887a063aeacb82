// A model's weights as a safetensors file (8-byte little-endian header length, JSON header, raw
// float32), as values or as views of a mapped file. Reads are hostile-proof: sizes are checked
// against the bytes present before anything is allocated. Free functions; any thread.
#ifndef LATENT_CORE_MODEL_MODEL_FILE_H_
#define LATENT_CORE_MODEL_MODEL_FILE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
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

// A tensor that lies elsewhere.
struct TensorView {
  std::vector<std::uint64_t> shape;
  std::span<const float> values;  // row-major; product of shape
};

// A file's tensors where the file lies; no longer valid than its bytes.
struct TensorViews {
  std::map<std::string, TensorView> tensors;
  std::map<std::string, std::string> metadata;
  std::vector<std::vector<float>> copies;  // of tensors that do not lie on a float's boundary
};

// The bytes of the file; the same tensors and metadata always give the same bytes. Tensors whose
// size is a multiple of 64 bytes come first, so that each starts at a multiple of 64 in the file
// (the format allows no gaps); the others follow on boundaries of 4.
std::string SerializeTensors(const TensorFile& file);
// INVALID_ARGUMENT or DATA_LOSS with the offset and what was expected.
absl::StatusOr<TensorFile> ParseTensors(std::string_view bytes);
// Likewise without copies of well-placed tensors.
absl::StatusOr<TensorViews> ViewTensors(std::string_view bytes);
// Inline: the numbers' double-precision twin, which reads no files, calls it too.
inline TensorViews ViewsOf(const TensorFile& file) {
  TensorViews views;
  views.metadata = file.metadata;
  for (const auto& [name, tensor] : file.tensors) {
    views.tensors.emplace(name, TensorView{tensor.shape, tensor.values});
  }
  return views;
}
// Those that `wanted` says true of by name, copied.
TensorFile CopyTensors(const TensorViews& views,
                       absl::FunctionRef<bool(const std::string&)> wanted);

}  // namespace latent

#endif  // LATENT_CORE_MODEL_MODEL_FILE_H_

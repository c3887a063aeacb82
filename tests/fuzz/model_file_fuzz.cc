// Any bytes: ParseTensors answers, and what it takes survives a round trip to the bit.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "core/model/model_file.h"

namespace {

bool SameTensors(const latent::TensorFile& a, const latent::TensorFile& b) {
  if (a.metadata != b.metadata || a.tensors.size() != b.tensors.size()) return false;
  for (const auto& [name, tensor] : a.tensors) {
    const auto other = b.tensors.find(name);
    if (other == b.tensors.end() || other->second.shape != tensor.shape) return false;
    // As bytes: a file may hold NaNs. No bytes have no address to compare.
    const std::size_t size = tensor.values.size() * sizeof(float);
    if (other->second.values.size() != tensor.values.size()) return false;
    if (size > 0 && std::memcmp(other->second.values.data(), tensor.values.data(), size) != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = latent::ParseTensors({reinterpret_cast<const char*>(data), size});
  if (!file.ok()) return 0;
  const auto again = latent::ParseTensors(latent::SerializeTensors(*file));
  if (!again.ok() || !SameTensors(*file, *again)) std::abort();
  return 0;
}

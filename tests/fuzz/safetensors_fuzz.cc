#include "tests/fuzz/fuzz_rows.h"

// The first byte chooses the array.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  latent::FuzzRows(data + 1, size - 1, latent::FileFormat::kSafetensors,
                   {.array = (data[0] & 1) != 0 ? "x" : ""});
  return 0;
}

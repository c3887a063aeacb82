#include "tests/fuzz/fuzz_rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  latent::FuzzRows(data, size, latent::FileFormat::kPngZip);
  return 0;
}

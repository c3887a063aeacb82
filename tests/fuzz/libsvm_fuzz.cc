#include "tests/fuzz/fuzz_rows.h"

// The first byte chooses the options.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  latent::LibsvmOptions libsvm;
  if ((data[0] & 1) != 0) libsvm.index_base = data[0] >> 1 & 1;
  latent::FuzzRows(data + 1, size - 1, latent::FileFormat::kLibsvm, {.libsvm = libsvm});
  return 0;
}

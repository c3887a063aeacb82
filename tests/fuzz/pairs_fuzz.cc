#include "tests/fuzz/fuzz_rows.h"

// The first byte chooses the options.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  latent::ReadOptions options;
  if ((data[0] & 1) != 0) options.csv.header = (data[0] & 2) != 0;
  if ((data[0] & 4) != 0) options.csv.delimiter = '\t';
  if ((data[0] & 8) != 0) options.pairs.binarise_at = 2;
  if ((data[0] & 16) != 0) {
    options.pairs.user_column = "user";
    options.pairs.item_column = std::string(1, '0');
  }
  if ((data[0] & 32) != 0) options.pairs.weight_column = std::string(1, '2');
  latent::FuzzRows(data + 1, size - 1, latent::FileFormat::kPairs, options);
  return 0;
}

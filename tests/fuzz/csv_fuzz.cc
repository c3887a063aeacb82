#include "tests/fuzz/fuzz_rows.h"

// The first byte chooses the options.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  latent::CsvOptions csv;
  if ((data[0] & 1) != 0) csv.header = (data[0] & 2) != 0;
  constexpr const char* kLabels[] = {"", "-1", "0", "label"};
  csv.label_column = kLabels[data[0] >> 2 & 3];
  if ((data[0] & 16) != 0) csv.delimiter = ';';
  latent::FuzzRows(data + 1, size - 1, latent::FileFormat::kCsv, {.csv = csv});
  return 0;
}

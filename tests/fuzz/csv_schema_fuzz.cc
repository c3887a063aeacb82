#include "core/data/csv_schema.h"
#include "tests/fuzz/fuzz_rows.h"

// Learns a schema and reads by it. The first byte chooses the options.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  latent::ReadOptions options;
  options.csv.allow_missing = (data[0] & 1) != 0;
  if ((data[0] & 2) != 0) options.csv.label_column = "-1";
  if ((data[0] & 4) != 0) {
    options.csv.columns = {{.column = "0", .kind = latent::CsvColumnKind::kCategorical}};
  }
  latent::CsvScan scan(options);
  if (!scan.Add(latent::FromMemory(text), "file").ok()) return 0;
  const auto decision = scan.Decide();
  if (!decision.ok()) return 0;
  if (!decision->plain) options.csv.schema = decision->schema;
  latent::FuzzRows(data + 1, size - 1, latent::FileFormat::kCsv, options);
  return 0;
}

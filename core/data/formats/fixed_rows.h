// The reader of every format whose rows are a known number of elements of one machine type.
#ifndef LATENT_CORE_DATA_FORMATS_FIXED_ROWS_H_
#define LATENT_CORE_DATA_FORMATS_FIXED_ROWS_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>

#include "absl/status/statusor.h"
#include "core/data/formats.h"

namespace latent {

struct Element {
  std::size_t size;                       // bytes
  double (*decode)(const char* element);  // its value
};

// Decodes an element of type T that is stored big-endian or little-endian.
template <typename T, std::endian kOrder>
double DecodeElement(const char* element) {
  char bytes[sizeof(T)];
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = element[kOrder == std::endian::native ? i : sizeof(T) - 1 - i];
  }
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return static_cast<double>(value);
}

// Reads `rows` rows from where `bytes` stands. INVALID_ARGUMENT at once if they cannot be there.
absl::StatusOr<std::unique_ptr<RowReader>> FixedRows(std::unique_ptr<ByteSource> bytes,
                                                     std::string name, RowsHeader header,
                                                     std::uint64_t rows, Element element);

}  // namespace latent

#endif  // LATENT_CORE_DATA_FORMATS_FIXED_ROWS_H_

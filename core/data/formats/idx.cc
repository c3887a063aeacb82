#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats/fixed_rows.h"
#include "core/data/formats/readers.h"

namespace latent {
namespace {

template <typename T>
constexpr Element BigEndian() {
  return {sizeof(T), &DecodeElement<T, std::endian::big>};
}

struct IdxType {
  unsigned char code;
  Element element;
};
constexpr std::array<IdxType, 6> kIdxTypes = {{{0x08, BigEndian<std::uint8_t>()},
                                               {0x09, BigEndian<std::int8_t>()},
                                               {0x0B, BigEndian<std::int16_t>()},
                                               {0x0C, BigEndian<std::int32_t>()},
                                               {0x0D, BigEndian<float>()},
                                               {0x0E, BigEndian<double>()}}};

const IdxType* FindType(unsigned char code) {
  const auto* type = std::find_if(kIdxTypes.begin(), kIdxTypes.end(),
                                  [code](const IdxType& t) { return t.code == code; });
  return type == kIdxTypes.end() ? nullptr : type;
}

constexpr std::size_t kMaxDimensions = 8;

}  // namespace

bool LooksLikeIdx(std::string_view head) {
  return head.size() >= 4 && head[0] == 0 && head[1] == 0 &&
         FindType(static_cast<unsigned char>(head[2])) != nullptr && head[3] > 0;
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenIdx(std::unique_ptr<ByteSource> bytes,
                                                   const ReadOptions& options) {
  std::array<char, 4> magic{};
  LATENT_ASSIGN_OR_RETURN(std::size_t got, bytes->Read(magic));
  const IdxType* type = FindType(static_cast<unsigned char>(magic[2]));
  if (got < magic.size() || magic[0] != 0 || magic[1] != 0 || type == nullptr) {
    return BadFile(options.name, absl::StrCat("not an IDX file: expected two zero bytes, a type "
                                              "(8, 9, 11 to 14) and a number of dimensions, got ",
                                              Shown({magic.data(), got})));
  }
  const auto count = static_cast<unsigned char>(magic[3]);
  if (count == 0 || count > kMaxDimensions) {
    return BadFile(options.name, absl::StrCat("expected 1 to ", kMaxDimensions,
                                              " dimensions, its header declares ", count));
  }
  std::vector<char> sizes(4 * std::size_t{count});
  LATENT_ASSIGN_OR_RETURN(got, bytes->Read(sizes));
  if (got < sizes.size()) return BadFile(options.name, "the file ends within its IDX header");
  std::vector<std::uint64_t> dimensions;
  for (std::size_t d = 0; d < count; ++d) {
    dimensions.push_back(static_cast<std::uint64_t>(
        DecodeElement<std::uint32_t, std::endian::big>(sizes.data() + 4 * d)));
  }
  RowsHeader header;
  header.bytes = type->code == 0x08;
  LATENT_ASSIGN_OR_RETURN(const std::uint64_t rows, SetShape(options.name, dimensions, header));
  return FixedRows(std::move(bytes), options.name, std::move(header), rows, type->element);
}

}  // namespace latent

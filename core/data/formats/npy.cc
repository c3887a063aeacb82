#include <array>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/formats/fixed_rows.h"
#include "core/data/formats/readers.h"

namespace latent {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeaderBytes = 64 << 10;

template <typename T>
constexpr Element LittleEndian() {
  return {sizeof(T), &DecodeElement<T, std::endian::little>};
}

struct NpyType {
  std::string_view descr;
  Element element;
};
constexpr std::array<NpyType, 6> kNpyTypes = {{{"<f4", LittleEndian<float>()},
                                               {"<f8", LittleEndian<double>()},
                                               {"|u1", LittleEndian<std::uint8_t>()},
                                               {"|i1", LittleEndian<std::int8_t>()},
                                               {"<i4", LittleEndian<std::int32_t>()},
                                               {"<i8", LittleEndian<std::int64_t>()}}};

// The dictionary literal of an .npy header, e.g.
// {'descr': '<f4', 'fortran_order': False, 'shape': (10, 28, 28), }
class HeaderText {
 public:
  explicit HeaderText(std::string_view text) : text_(text) {}

  // The text between the quotes after 'descr':, or nullopt.
  std::optional<std::string_view> Descr() const {
    std::string_view rest = After("'descr':");
    if (rest.empty() || rest.front() != '\'') return std::nullopt;
    rest.remove_prefix(1);
    const auto end = rest.find('\'');
    if (end == std::string_view::npos) return std::nullopt;
    return rest.substr(0, end);
  }
  std::optional<bool> FortranOrder() const {
    const std::string_view rest = After("'fortran_order':");
    if (rest.starts_with("True")) return true;
    if (rest.starts_with("False")) return false;
    return std::nullopt;
  }
  std::optional<std::vector<std::uint64_t>> Shape() const {
    std::string_view rest = After("'shape':");
    const auto end = rest.find(')');
    if (rest.empty() || rest.front() != '(' || end == std::string_view::npos) return std::nullopt;
    rest = rest.substr(1, end - 1);
    std::vector<std::uint64_t> shape;
    while (!Trim(rest).empty()) {
      const auto comma = rest.find(',');
      const std::string_view item = Trim(rest.substr(0, comma));
      std::uint64_t size = 0;
      if (!absl::SimpleAtoi(absl::string_view(item.data(), item.size()), &size)) {
        return std::nullopt;
      }
      shape.push_back(size);
      rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    }
    return shape;
  }

 private:
  static std::string_view Trim(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
  }
  // What follows `key`, without spaces before it; "" if the key is not there.
  std::string_view After(std::string_view key) const {
    const auto at = text_.find(key);
    return at == std::string_view::npos ? "" : Trim(text_.substr(at + key.size()));
  }

  const std::string_view text_;
};

// Reads magic number, version and length; returns the dictionary's text.
absl::StatusOr<std::string> ReadHeaderText(ByteSource& bytes, const std::string& name) {
  std::array<char, 8> start{};
  LATENT_ASSIGN_OR_RETURN(std::size_t got, bytes.Read(start));
  if (got < start.size() || !std::string_view(start.data(), start.size()).starts_with(kMagic)) {
    return BadFile(name,
                   absl::StrCat("not an NPY file: expected \"\\x93NUMPY\" and a version, got ",
                                Shown({start.data(), got})));
  }
  const int version = static_cast<unsigned char>(start[6]);
  if (version < 1 || version > 3) {
    return BadFile(name, absl::StrCat("expected NPY version 1, 2 or 3, got ", version));
  }
  std::array<char, 4> size_bytes{};
  const std::size_t size_width = version == 1 ? 2 : 4;
  LATENT_ASSIGN_OR_RETURN(got, bytes.Read(std::span(size_bytes).first(size_width)));
  const auto size = static_cast<std::size_t>(
      DecodeElement<std::uint32_t, std::endian::little>(size_bytes.data()));
  if (got < size_width || size > bytes.remaining_bound()) {
    return BadFile(name, "the file ends within its NPY header");
  }
  if (size > kMaxHeaderBytes) {
    return BadFile(name, absl::StrCat("its NPY header has ", size, " bytes; at most ",
                                      kMaxHeaderBytes, " are read"));
  }
  std::string text(size, '\0');
  LATENT_ASSIGN_OR_RETURN(got, bytes.Read(text));
  if (got < size) return BadFile(name, "the file ends within its NPY header");
  return text;
}

}  // namespace

bool LooksLikeNpy(std::string_view head) { return head.starts_with(kMagic); }

absl::StatusOr<std::unique_ptr<RowReader>> OpenNpy(std::unique_ptr<ByteSource> bytes,
                                                   const ReadOptions& options) {
  LATENT_ASSIGN_OR_RETURN(const std::string text, ReadHeaderText(*bytes, options.name));
  const HeaderText dictionary(text);
  const auto descr = dictionary.Descr();
  const auto fortran = dictionary.FortranOrder();
  const auto shape = dictionary.Shape();
  if (!descr || !fortran || !shape) {
    return BadFile(options.name, absl::StrCat("expected an NPY header with 'descr' (a plain type), "
                                              "'fortran_order' and 'shape', got ",
                                              Shown(text)));
  }
  if (*fortran) {
    return BadFile(options.name,
                   "is in Fortran order; save numpy.ascontiguousarray(array) instead");
  }
  for (const NpyType& type : kNpyTypes) {
    if (type.descr != *descr) continue;
    RowsHeader header;
    header.bytes = type.descr == "|u1";
    LATENT_ASSIGN_OR_RETURN(const std::uint64_t rows, SetShape(options.name, *shape, header));
    return FixedRows(std::move(bytes), options.name, std::move(header), rows, type.element);
  }
  return BadFile(options.name, absl::StrCat("expected type <f4, <f8, |u1, |i1, <i4 or <i8, got ",
                                            Shown(*descr), "; save array.astype(\"<f4\") instead"));
}

}  // namespace latent

#include <algorithm>
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
constexpr std::uint64_t kMaxFortranBytes = 1ull << 30;

template <typename T>
constexpr Element LittleEndian() {
  return {sizeof(T), &DecodeElement<T, std::endian::little>};
}

struct NpyType {
  std::string_view descr;
  Element element;
};
constexpr std::array<NpyType, 8> kNpyTypes = {{{"<f4", LittleEndian<float>()},
                                               {"<f8", LittleEndian<double>()},
                                               {"|u1", LittleEndian<std::uint8_t>()},
                                               {"|i1", LittleEndian<std::int8_t>()},
                                               {"<i2", LittleEndian<std::int16_t>()},
                                               {"<u2", LittleEndian<std::uint16_t>()},
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

// Bytes that the source owns, then what is left of another one.
class OwnedSource : public ByteSource {
 public:
  OwnedSource(std::string bytes, std::unique_ptr<ByteSource> rest)
      : bytes_(std::move(bytes)), rest_(std::move(rest)) {}

  absl::StatusOr<std::size_t> Read(std::span<char> out) override {
    const std::size_t own = std::min(out.size(), bytes_.size() - used_);
    std::copy_n(bytes_.data() + used_, own, out.data());
    used_ += own;
    if (own == out.size()) return own;
    LATENT_ASSIGN_OR_RETURN(const std::size_t more, rest_->Read(out.subspan(own)));
    return own + more;
  }
  std::uint64_t remaining_bound() const override {
    return bytes_.size() - used_ + rest_->remaining_bound();
  }

 private:
  const std::string bytes_;
  std::size_t used_ = 0;
  const std::unique_ptr<ByteSource> rest_;
};

// A matrix that is stored column after column, row after row. It is held in memory as a whole.
absl::StatusOr<std::unique_ptr<ByteSource>> RowsFirst(std::unique_ptr<ByteSource> bytes,
                                                      const std::string& name, std::uint64_t rows,
                                                      std::uint64_t columns, std::size_t size) {
  if (rows > kMaxFortranBytes / (columns * size)) {
    return BadFile(name, absl::StrCat("is in Fortran order and has more than ", kMaxFortranBytes,
                                      " bytes; save numpy.ascontiguousarray(array) instead"));
  }
  const auto total = static_cast<std::size_t>(rows * columns * size);
  if (total > bytes->remaining_bound()) {
    return BadFile(name,
                   absl::StrCat("its header declares ", rows, " rows of ", columns * size,
                                " bytes, but at most ", bytes->remaining_bound(), " bytes follow"));
  }
  std::string by_column(total, '\0');
  LATENT_ASSIGN_OR_RETURN(const std::size_t got, bytes->Read(by_column));
  if (got < total) {
    return BadFile(
        name, absl::StrCat("the file ends within its ", rows, " rows of ", columns, " columns"));
  }
  std::string by_row(total, '\0');
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      std::copy_n(by_column.data() + (c * rows + r) * size, size,
                  by_row.data() + (r * columns + c) * size);
    }
  }
  return std::make_unique<OwnedSource>(std::move(by_row), std::move(bytes));
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
  if (*fortran && shape->size() > 2) {
    return BadFile(options.name, absl::StrCat("is in Fortran order with ", shape->size(),
                                              " dimensions; save "
                                              "numpy.ascontiguousarray(array) instead"));
  }
  for (const NpyType& type : kNpyTypes) {
    if (type.descr != *descr) continue;
    RowsHeader header;
    header.bytes = type.descr == "|u1";
    LATENT_ASSIGN_OR_RETURN(const std::uint64_t rows, SetShape(options.name, *shape, header));
    if (*fortran && header.columns > 1) {
      LATENT_ASSIGN_OR_RETURN(bytes, RowsFirst(std::move(bytes), options.name, rows, header.columns,
                                               type.element.size));
    }
    return FixedRows(std::move(bytes), options.name, std::move(header), rows, type.element);
  }
  return BadFile(options.name,
                 absl::StrCat("expected type <f4, <f8, |u1, |i1, <i2, <u2, <i4 or <i8, got ",
                              Shown(*descr), "; save array.astype(\"<f4\") instead"));
}

}  // namespace latent

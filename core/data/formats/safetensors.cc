#include <algorithm>
#include <array>
#include <bit>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/half.h"
#include "core/base/status.h"
#include "core/data/formats/fixed_rows.h"
#include "core/data/formats/readers.h"
#include "nlohmann/json.hpp"

namespace latent {
namespace {

constexpr std::uint64_t kMaxTensorHeaderBytes = 16 << 20;

double DecodeHalf(const char* element) {
  return FromHalf(
      static_cast<std::uint16_t>(DecodeElement<std::uint16_t, std::endian::little>(element)));
}

struct TensorType {
  std::string_view name;
  Element element;
};
constexpr std::array<TensorType, 3> kTensorTypes = {
    {{"F32", {4, &DecodeElement<float, std::endian::little>}},
     {"F16", {2, &DecodeHalf}},
     {"U8", {1, &DecodeElement<std::uint8_t, std::endian::little>}}}};

struct Tensor {
  std::string name;
  std::string type;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  // from the header's end
};

absl::StatusOr<std::string> ReadTensorHeader(ByteSource& bytes, const std::string& name) {
  std::array<char, 8> size_bytes{};
  LATENT_ASSIGN_OR_RETURN(std::size_t got, bytes.Read(size_bytes));
  const auto size = std::bit_cast<std::uint64_t>(size_bytes);
  if (got < size_bytes.size() || size > bytes.remaining_bound()) {
    return BadFile(name, "the file ends within its safetensors header");
  }
  if (size > kMaxTensorHeaderBytes) {
    return BadFile(name, absl::StrCat("its safetensors header has ", size, " bytes; at most ",
                                      kMaxTensorHeaderBytes, " are read"));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  LATENT_ASSIGN_OR_RETURN(got, bytes.Read(text));
  if (got < text.size()) return BadFile(name, "the file ends within its safetensors header");
  return text;
}

// Throws nlohmann's exceptions, also for negative numbers and fractions.
std::uint64_t Unsigned(const nlohmann::json& json) {
  return json.get_ref<const nlohmann::json::number_unsigned_t&>();
}

// Throws nlohmann's exceptions.
std::vector<Tensor> TensorsOf(const std::string& text) {
  std::vector<Tensor> tensors;
  // A comment or a number in the header's place throws below.
  const nlohmann::json header = nlohmann::json::parse(text);
  for (const auto& [name, entry] : header.get<nlohmann::json::object_t>()) {
    if (name == "__metadata__") continue;
    Tensor& tensor = tensors.emplace_back();
    tensor.name = name;
    entry.at("dtype").get_to(tensor.type);
    for (const nlohmann::json& size : entry.at("shape")) tensor.shape.push_back(Unsigned(size));
    tensor.begin = Unsigned(entry.at("data_offsets").at(0));
    tensor.end = Unsigned(entry.at("data_offsets").at(1));
  }
  return tensors;
}

absl::StatusOr<Tensor> ChooseTensor(const std::vector<Tensor>& tensors,
                                    const ReadOptions& options) {
  const Tensor* found = nullptr;
  std::string names;
  for (const Tensor& tensor : tensors) {
    if (names.size() < 1000) absl::StrAppend(&names, names.empty() ? "" : ", ", Shown(tensor.name));
    if (!options.array.empty() && tensor.name != options.array) continue;
    if (found != nullptr) {
      // Only without a name.
      return BadFile(options.name,
                     absl::StrCat("holds ", tensors.size(),
                                  " tensors; say which by `array`: ", names, ", ..."));
    }
    found = &tensor;
  }
  if (found != nullptr) return *found;
  return BadFile(options.name, absl::StrCat("expected a tensor ", Shown(options.array), ", got ",
                                            names.empty() ? "none" : names));
}

absl::Status SkipBytes(ByteSource& bytes, std::uint64_t count, const std::string& name) {
  std::vector<char> buffer(64 << 10);
  while (count > 0) {
    const std::size_t wanted = std::min<std::uint64_t>(count, buffer.size());
    LATENT_ASSIGN_OR_RETURN(const std::size_t got, bytes.Read(std::span(buffer).first(wanted)));
    if (got < wanted) return BadFile(name, "the file ends before the tensor");
    count -= got;
  }
  return absl::OkStatus();
}

// A source that ends after `count` bytes: other tensors follow.
class BoundedSource : public ByteSource {
 public:
  BoundedSource(std::unique_ptr<ByteSource> bytes, std::uint64_t count)
      : bytes_(std::move(bytes)), left_(count) {}
  absl::StatusOr<std::size_t> Read(std::span<char> out) override {
    const std::size_t wanted = std::min<std::uint64_t>(out.size(), left_);
    LATENT_ASSIGN_OR_RETURN(const std::size_t got, bytes_->Read(out.first(wanted)));
    left_ -= got;
    return got;
  }
  std::uint64_t remaining_bound() const override {
    return std::min(left_, bytes_->remaining_bound());
  }

 private:
  const std::unique_ptr<ByteSource> bytes_;
  std::uint64_t left_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RowReader>> OpenSafetensors(std::unique_ptr<ByteSource> bytes,
                                                           const ReadOptions& options) {
  LATENT_ASSIGN_OR_RETURN(const std::string text, ReadTensorHeader(*bytes, options.name));
  std::vector<Tensor> tensors;
  try {
    tensors = TensorsOf(text);
  } catch (const nlohmann::json::exception& error) {
    return BadFile(options.name, absl::StrCat("not a safetensors file: its header is damaged (",
                                              error.what(), ")"));
  }
  LATENT_ASSIGN_OR_RETURN(const Tensor tensor, ChooseTensor(tensors, options));
  const auto type = std::find_if(kTensorTypes.begin(), kTensorTypes.end(),
                                 [&](const TensorType& t) { return t.name == tensor.type; });
  if (type == kTensorTypes.end()) {
    return BadFile(options.name,
                   absl::StrCat("tensor ", Shown(tensor.name),
                                ": expected type F32, F16 or U8, got ", Shown(tensor.type)));
  }
  RowsHeader header;
  header.bytes = type->name == "U8";
  LATENT_ASSIGN_OR_RETURN(const std::uint64_t rows, SetShape(options.name, tensor.shape, header));
  const std::uint64_t row_bytes = header.columns * std::uint64_t{type->element.size};
  if (tensor.begin > tensor.end || (tensor.end - tensor.begin) % row_bytes != 0 ||
      (tensor.end - tensor.begin) / row_bytes != rows) {
    return BadFile(options.name,
                   absl::StrCat("tensor ", Shown(tensor.name), ": ", rows, " rows of ", row_bytes,
                                " bytes do not fill bytes ", tensor.begin, " to ", tensor.end));
  }
  LATENT_RETURN_IF_ERROR(SkipBytes(*bytes, tensor.begin, options.name));
  auto data = std::make_unique<BoundedSource>(std::move(bytes), tensor.end - tensor.begin);
  return FixedRows(std::move(data), options.name, std::move(header), rows, type->element);
}

bool LooksLikeSafetensors(std::string_view head) {
  // The header's length; texts have no zero bytes.
  return head.size() == 8 && head.substr(4) == std::string_view("\0\0\0\0", 4);
}

}  // namespace latent

#include "core/model/model_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian");

constexpr std::uint64_t kMaxHeaderBytes = 1 << 20;
constexpr std::size_t kMaxTensors = 4096;
constexpr std::size_t kMaxDimensions = 8;
constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kDataAlignment = 64;
constexpr char kMetadataKey[] = "__metadata__";

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "BAD_MODEL_FILE",
                   absl::StrCat("not a safetensors file of float32 tensors: ",
                                absl::string_view(what.data(), what.size())));
}

absl::Status Truncated(std::string_view what) {
  return MakeError(
      absl::StatusCode::kDataLoss, "TRUNCATED_MODEL_FILE",
      absl::StrCat("safetensors file is damaged: ", absl::string_view(what.data(), what.size())));
}

struct Entry {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape, offsets;
};

// Takes exactly the grammar of a header and refuses everything else at the first token that does
// not fit, so that neither depth nor size of what is built can exceed that of a good header.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string error;

  bool null() override { return Refuse("null"); }
  bool boolean(bool) override { return Refuse("a boolean"); }
  bool number_integer(number_integer_t) override { return Refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Refuse("a fraction"); }
  bool binary(binary_t&) override { return Refuse("binary data"); }
  bool number_unsigned(number_unsigned_t value) override {
    if (list_ == nullptr) return Refuse("a number");
    if (list_->size() == kMaxDimensions) return Refuse("a list of more than 8 numbers");
    list_->push_back(value);
    return true;
  }
  bool string(string_t& value) override {
    if (list_ != nullptr || depth_ != 2) return Refuse("a string");
    if (in_metadata_) return metadata.emplace(field_, value).second || Refuse("a repeated key");
    if (field_ != "dtype" || entries.back().dtype) return Refuse("a string or repeated key");
    entries.back().dtype = value;
    return true;
  }
  bool start_object(std::size_t) override {
    if (list_ != nullptr || depth_ >= 2) return Refuse("an object");
    if (++depth_ == 1) return true;
    in_metadata_ = field_ == kMetadataKey;
    if (in_metadata_) return !std::exchange(seen_metadata_, true) || Refuse("repeated metadata");
    if (entries.size() == kMaxTensors) return Refuse("more than 4096 tensors");
    entries.push_back({field_, {}, {}, {}});
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool key(string_t& value) override {
    field_ = value;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || list_ != nullptr) return Refuse("a list");
    Entry& entry = entries.back();
    if (field_ != "shape" && field_ != "data_offsets") return Refuse("a list");
    auto& target = field_ == "shape" ? entry.shape : entry.offsets;
    if (target) return Refuse("a repeated list");
    list_ = &target.emplace();
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    error = absl::StrCat("JSON error in the header at byte ", kLengthBytes + position);
    return false;
  }

 private:
  bool Refuse(std::string_view what) {
    error = absl::StrCat("the header has ", absl::string_view(what.data(), what.size()), " at \"",
                         field_.substr(0, 64),
                         "\" where {name: {dtype, shape, data_offsets}} was expected");
    return false;
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  bool seen_metadata_ = false;
  std::string field_;
  std::vector<std::uint64_t>* list_ = nullptr;
};

// Bytes of a tensor, or nothing if they do not fit into 64 bits.
std::optional<std::uint64_t> ByteSize(const std::vector<std::uint64_t>& shape) {
  std::uint64_t bytes = sizeof(float);
  for (const std::uint64_t dimension : shape) {
    if (dimension != 0 && bytes > std::numeric_limits<std::uint64_t>::max() / dimension) return {};
    bytes *= dimension;
  }
  return bytes;
}

absl::Status CheckEntry(const Entry& entry, std::uint64_t data_bytes) {
  const std::string name = absl::StrCat("tensor \"", entry.name.substr(0, 64), "\"");
  if (!entry.dtype || !entry.shape || !entry.offsets || entry.offsets->size() != 2) {
    return Malformed(absl::StrCat(name, " needs dtype, shape and two data_offsets"));
  }
  if (*entry.dtype != "F32") {
    return Malformed(
        absl::StrCat(name, " has dtype ", entry.dtype->substr(0, 16), ", expected F32"));
  }
  const std::uint64_t begin = (*entry.offsets)[0];
  const std::uint64_t end = (*entry.offsets)[1];
  if (begin > end) return Malformed(absl::StrCat(name, " ends before it begins"));
  if (end > data_bytes) {
    return Truncated(
        absl::StrCat(name, " ends at data byte ", end, ", but there are ", data_bytes));
  }
  const std::optional<std::uint64_t> bytes = ByteSize(*entry.shape);
  if (!bytes || *bytes != end - begin) {
    return Malformed(
        absl::StrCat(name, " has ", end - begin, " bytes, which is not what its shape needs"));
  }
  return absl::OkStatus();
}

// Tensors must follow each other without holes and fill the data to its last byte. A name may not
// stand twice.
absl::Status CheckLayout(std::vector<Entry>& entries, std::uint64_t data_bytes) {
  for (const Entry& entry : entries) LATENT_RETURN_IF_ERROR(CheckEntry(entry, data_bytes));
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].name == entries[i - 1].name) {
      return Malformed(absl::StrCat("tensor \"", entries[i].name.substr(0, 64), "\" stands twice"));
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return *a.offsets < *b.offsets; });
  std::uint64_t position = 0;
  for (const Entry& entry : entries) {
    if ((*entry.offsets)[0] != position) {
      return Malformed(absl::StrCat("tensor \"", entry.name.substr(0, 64),
                                    "\" begins at data byte ", (*entry.offsets)[0], ", expected ",
                                    position));
    }
    position = (*entry.offsets)[1];
  }
  if (position == data_bytes) return absl::OkStatus();
  return Truncated(
      absl::StrCat("tensors fill ", position, " data bytes, but there are ", data_bytes));
}

// The floats of `cells` where they lie, else a copy of them in `copies`.
std::span<const float> FloatsAt(std::string_view cells, std::vector<std::vector<float>>& copies) {
  const std::size_t count = cells.size() / sizeof(float);
  if (count == 0) return {};
  if (reinterpret_cast<std::uintptr_t>(cells.data()) % alignof(float) == 0) {
    return {reinterpret_cast<const float*>(cells.data()), count};
  }
  std::vector<float>& copy = copies.emplace_back(count);
  std::memcpy(copy.data(), cells.data(), cells.size());
  return copy;
}

}  // namespace

std::string SerializeTensors(const TensorFile& file) {
  std::vector<const std::pair<const std::string, Tensor>*> order;
  for (const auto& entry : file.tensors) order.push_back(&entry);
  std::stable_partition(order.begin(), order.end(), [](const auto* entry) {
    return entry->second.values.size() * sizeof(float) % kDataAlignment == 0;
  });
  nlohmann::json header = nlohmann::json::object();
  if (!file.metadata.empty()) header[kMetadataKey] = file.metadata;
  std::uint64_t position = 0;
  for (const auto* entry : order) {
    const auto& [name, tensor] = *entry;
    const std::uint64_t end = position + tensor.values.size() * sizeof(float);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {position, end}}};
    position = end;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::size_t data =
      (kLengthBytes + text.size() + kDataAlignment - 1) / kDataAlignment * kDataAlignment;
  text.resize(data - kLengthBytes, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(kLengthBytes, '\0');
  std::memcpy(bytes.data(), &length, kLengthBytes);
  bytes.reserve(data + position);
  bytes += text;
  for (const auto* entry : order) {
    const std::vector<float>& values = entry->second.values;
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  return bytes;
}

absl::StatusOr<TensorViews> ViewTensors(std::string_view bytes) {
  std::uint64_t length = 0;
  if (bytes.size() < kLengthBytes) {
    return Truncated(absl::StrCat(bytes.size(), " bytes, expected at least 8"));
  }
  std::memcpy(&length, bytes.data(), kLengthBytes);
  bytes.remove_prefix(kLengthBytes);
  if (length > kMaxHeaderBytes) {
    return Malformed(absl::StrCat("header of ", length, " bytes, at most ", kMaxHeaderBytes));
  }
  if (length > bytes.size()) {
    return Truncated(absl::StrCat("header of ", length, " bytes, but ", bytes.size(), " follow"));
  }
  HeaderReader reader;
  const std::string_view header = bytes.substr(0, length);
  if (!nlohmann::json::sax_parse(header.begin(), header.end(), &reader)) {
    return Malformed(reader.error);
  }
  const std::string_view data = bytes.substr(length);
  LATENT_RETURN_IF_ERROR(CheckLayout(reader.entries, data.size()));
  TensorViews views;
  views.metadata = std::move(reader.metadata);
  for (Entry& entry : reader.entries) {
    const std::string_view cells =
        data.substr((*entry.offsets)[0], (*entry.offsets)[1] - (*entry.offsets)[0]);
    TensorView& view = views.tensors[entry.name];
    view.shape = *std::move(entry.shape);
    view.values = FloatsAt(cells, views.copies);
  }
  return views;
}

absl::StatusOr<TensorFile> ParseTensors(std::string_view bytes) {
  LATENT_ASSIGN_OR_RETURN(const TensorViews views, ViewTensors(bytes));
  TensorFile file = CopyTensors(views, [](const std::string&) { return true; });
  file.metadata = views.metadata;
  return file;
}

TensorFile CopyTensors(const TensorViews& views,
                       absl::FunctionRef<bool(const std::string&)> wanted) {
  TensorFile file;
  for (const auto& [name, view] : views.tensors) {
    if (!wanted(name)) continue;
    file.tensors[name] = {.shape = view.shape, .values = {view.values.begin(), view.values.end()}};
  }
  return file;
}

}  // namespace latent

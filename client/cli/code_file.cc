#include "client/cli/code_file.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/crc32c.h"
#include "core/base/status.h"
#include "nlohmann/json.hpp"

namespace latent::cli {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "LATENTCF";
constexpr std::uint64_t kFormatVersion = 1;
constexpr std::size_t kNumberBytes = 4;
constexpr std::string_view kPrefix = "DTYPE_";

std::string LittleEndian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

std::uint32_t ReadLittleEndian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = kNumberBytes; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

std::size_t CellBytes(v1::Dtype format) {
  switch (format) {
    case v1::DTYPE_INT8:
      return 1;
    case v1::DTYPE_FLOAT16:
    case v1::DTYPE_UINT16:
      return 2;
    default:
      return 4;
  }
}

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::StrCat("not a file of latent compress, or damaged: ",
                                          absl::string_view(what.data(), what.size())));
}

absl::StatusOr<CodeFile> FromHeader(const json& header) {
  CodeFile file;
  header.at("model").get_to(file.model);
  header.at("model_version").get_to(file.model_version);
  header.at("latent_space_id").get_to(file.latent_space_id);
  header.at("rows").get_to(file.rows);
  header.at("columns").get_to(file.columns);
  header.at("row_columns").get_to(file.row_columns);
  const std::string format = absl::StrCat("DTYPE_", header.at("format").get<std::string>());
  if (!v1::Dtype_Parse(format, &file.format) || file.format == v1::DTYPE_UNSPECIFIED) {
    return Damaged("its format is unknown");
  }
  if (file.format != v1::DTYPE_INT8) return file;
  header.at("scale").get_to(file.scale);
  header.at("offset").get_to(file.offset);
  if (file.scale.size() == file.columns && file.offset.size() == file.columns) return file;
  return Damaged("its scales do not fit its codes");
}

}  // namespace

std::size_t CodeFile::bytes_per_row() const { return columns * CellBytes(format); }

v1::DenseRows CodeFile::Slice(std::uint64_t first, std::uint64_t count) const {
  v1::DenseRows slice;
  slice.set_columns(columns);
  const std::string_view bytes =
      std::string_view(codes).substr(first * bytes_per_row(), count * bytes_per_row());
  if (format != v1::DTYPE_INT8) {
    slice.set_dtype(format);
    slice.set_data(std::string(bytes));
    return slice;
  }
  std::vector<float> cells(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t entry = i % columns;
    cells[i] =
        offset[entry] + scale[entry] * static_cast<float>(static_cast<signed char>(bytes[i]));
  }
  slice.set_dtype(v1::DTYPE_FLOAT32);
  slice.set_data(cells.data(), cells.size() * sizeof(float));
  return slice;
}

std::string SerializeCodeFile(const CodeFile& file) {
  json header = {{"format_version", kFormatVersion},
                 {"model", file.model},
                 {"model_version", file.model_version},
                 {"latent_space_id", file.latent_space_id},
                 {"rows", file.rows},
                 {"columns", file.columns},
                 {"row_columns", file.row_columns},
                 {"format", v1::Dtype_Name(file.format).substr(kPrefix.size())}};
  if (file.format == v1::DTYPE_INT8) {
    header["scale"] = file.scale;
    header["offset"] = file.offset;
  }
  const std::string text = header.dump();
  std::string bytes = absl::StrCat(std::string(kMagic),
                                   LittleEndian(static_cast<std::uint32_t>(text.size())), text);
  bytes += file.codes;
  return bytes + LittleEndian(Crc32c(bytes));
}

absl::StatusOr<CodeFile> ParseCodeFile(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + 2 * kNumberBytes || !bytes.starts_with(kMagic)) {
    return Damaged(absl::StrCat("it does not begin with ", std::string(kMagic)));
  }
  const std::string_view checked = bytes.substr(0, bytes.size() - kNumberBytes);
  if (ReadLittleEndian(bytes.substr(checked.size())) != Crc32c(checked)) {
    return Damaged("its checksum does not fit its content");
  }
  std::string_view rest = checked.substr(kMagic.size());
  const std::uint32_t length = ReadLittleEndian(rest);
  rest.remove_prefix(kNumberBytes);
  if (length > rest.size()) return Damaged("its header is cut");
  const json header = json::parse(rest.substr(0, length), nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return Damaged("its header is no JSON object");
  try {
    const auto format_version = header.at("format_version").get<std::uint64_t>();
    if (format_version > kFormatVersion) {
      return absl::FailedPreconditionError(
          absl::StrCat("the file has format version ", format_version,
                       ", this program reads up to ", kFormatVersion, "; use a newer one"));
    }
    LATENT_ASSIGN_OR_RETURN(CodeFile file, FromHeader(header));
    file.codes = std::string(rest.substr(length));
    const bool fits = file.columns > 0 && file.codes.size() % file.bytes_per_row() == 0 &&
                      file.codes.size() / file.bytes_per_row() == file.rows;
    if (!fits) return Damaged("its codes are not as many as its header says");
    return file;
  } catch (const json::exception& e) {  // the library's way of saying "not as expected"
    return Damaged(e.what());
  }
}

}  // namespace latent::cli

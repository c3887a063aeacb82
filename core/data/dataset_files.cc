#include "core/data/dataset_files.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/byte_source.h"
#include "core/data/parse.h"
#include "nlohmann/json.hpp"

namespace latent {
namespace {

static_assert(std::endian::native == std::endian::little, "rows are stored as they lie in memory");

constexpr int kFormatVersion = 1;
constexpr std::uint64_t kMaxInfoBytes = 64 << 20;

nlohmann::json ToJson(const DatasetInfo& info, const DatasetHashes& hashes) {
  nlohmann::json json = {{"format_version", kFormatVersion},
                         {"name", info.name},
                         {"content_hash", info.content_hash},
                         {"columns", info.columns},
                         {"row_shape", info.row_shape},
                         {"column_names", info.column_names},
                         {"value_scale", info.value_scale},
                         {"has_labels", info.has_labels},
                         {"label_names", info.label_names},
                         {"min", info.min},
                         {"max", info.max},
                         {"train_min", info.train_min},
                         {"train_max", info.train_max}};
  for (const v1::Part part : kDatasetParts) {
    const auto index = static_cast<std::size_t>(part);
    json["parts"][PartFileStem(part)] = {{"rows", info.part_rows[index]},
                                         {"rows_sha256", hashes.rows[index]},
                                         {"labels_sha256", hashes.labels[index]}};
  }
  return json;
}

// Throws nlohmann's exceptions.
StoredDatasetInfo FromJson(const nlohmann::json& json) {
  StoredDatasetInfo stored;
  DatasetInfo& info = stored.info;
  json.at("name").get_to(info.name);
  json.at("content_hash").get_to(info.content_hash);
  json.at("columns").get_to(info.columns);
  json.at("row_shape").get_to(info.row_shape);
  json.at("column_names").get_to(info.column_names);
  json.at("value_scale").get_to(info.value_scale);
  json.at("has_labels").get_to(info.has_labels);
  json.at("label_names").get_to(info.label_names);
  json.at("min").get_to(info.min);
  json.at("max").get_to(info.max);
  json.at("train_min").get_to(info.train_min);
  json.at("train_max").get_to(info.train_max);
  for (const v1::Part part : kDatasetParts) {
    const auto index = static_cast<std::size_t>(part);
    const nlohmann::json& entry = json.at("parts").at(PartFileStem(part));
    entry.at("rows").get_to(info.part_rows[index]);
    entry.at("rows_sha256").get_to(stored.hashes.rows[index]);
    entry.at("labels_sha256").get_to(stored.hashes.labels[index]);
  }
  return stored;
}

}  // namespace

std::string InfoPath(const std::string& dir) { return dir + "/dataset.json"; }
std::string PartFileStem(v1::Part part) {
  return part == v1::PART_TRAIN ? "train" : part == v1::PART_VALIDATION ? "validation" : "test";
}
std::string RowsPath(const std::string& dir, v1::Part part) {
  return absl::StrCat(dir, "/", PartFileStem(part), ".rows");
}
std::string LabelsPath(const std::string& dir, v1::Part part) {
  return absl::StrCat(dir, "/", PartFileStem(part), ".labels");
}

absl::StatusOr<HashingFile> HashingFile::Create(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "wxe");
  if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
  std::setvbuf(file, nullptr, _IOFBF, 1 << 20);
  return HashingFile(path, file);
}

absl::Status HashingFile::Append(std::string_view bytes) {
  hash_.Update(bytes);
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) == bytes.size()) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path_));
}

absl::StatusOr<std::string> HashingFile::Close() {
  if (std::fclose(file_.release()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path_));
  }
  return hash_.Finish();
}

absl::StatusOr<PartWriter> PartWriter::Create(const std::string& path) {
  LATENT_ASSIGN_OR_RETURN(HashingFile file, HashingFile::Create(path));
  return PartWriter(std::move(file));
}

absl::Status PartWriter::Append(std::span<const float> row) {
  const auto [low, high] = std::minmax_element(row.begin(), row.end());
  min_ = rows_ == 0 ? *low : std::min(min_, *low);
  max_ = rows_ == 0 ? *high : std::max(max_, *high);
  ++rows_;
  return file_.Append(BytesOf(row));
}

absl::Status WriteDatasetInfo(const std::string& dir, const DatasetInfo& info,
                              const DatasetHashes& hashes) {
  LATENT_ASSIGN_OR_RETURN(HashingFile file, HashingFile::Create(InfoPath(dir)));
  LATENT_RETURN_IF_ERROR(file.Append(ToJson(info, hashes).dump(2)));
  return file.Close().status();
}

absl::StatusOr<StoredDatasetInfo> ReadStoredInfo(const std::string& dir) {
  const std::string path = InfoPath(dir);
  LATENT_ASSIGN_OR_RETURN(const auto file, OpenFile(path));
  const std::uint64_t size = file->remaining_bound();
  if (size > kMaxInfoBytes) return absl::DataLossError(path + " is too large to be one of ours");
  std::string text(size, '\0');
  LATENT_ASSIGN_OR_RETURN(const std::size_t got, file->Read(text));
  text.resize(got);
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    const int version = json.at("format_version").get<int>();
    if (version > kFormatVersion) {
      return absl::FailedPreconditionError(absl::StrCat(
          path, " has format_version ", version, "; this program reads up to ", kFormatVersion));
    }
    StoredDatasetInfo stored = FromJson(json);
    if (stored.info.columns == 0) return absl::DataLossError(path + " declares no columns");
    return stored;
  } catch (const nlohmann::json::exception& error) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: ", error.what()));
  }
}

absl::StatusOr<DatasetInfo> ReadDatasetInfo(const std::string& dir) {
  LATENT_ASSIGN_OR_RETURN(StoredDatasetInfo stored, ReadStoredInfo(dir));
  return std::move(stored.info);
}

}  // namespace latent

#include "core/data/dataset_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/byte_source.h"
#include "core/data/parse.h"
#include "nlohmann/json.hpp"

namespace latent {
namespace {

// 2 knows sparse rows, row ids, columns that are no numbers and missing cells.
constexpr int kFormatVersion = 2;
constexpr std::uint64_t kMaxInfoBytes = 64 << 20;

std::string HashKey(PartFile file) {
  return absl::StrCat(std::string(PartFileSuffix(file)), "_sha256");
}

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
                         {"train_max", info.train_max},
                         {"sparse", info.sparse},
                         {"has_row_ids", info.has_row_ids}};
  if (info.index_base) json["index_base"] = *info.index_base;
  if (info.may_miss) json["may_miss"] = true;
  for (const v1::ColumnGroup& group : info.column_groups) {
    json["column_groups"].push_back(
        {{"name", group.name()},
         {"kind", static_cast<int>(group.kind())},
         {"first", group.first()},
         {"count", group.count()},
         {"categories",
          std::vector<std::string>(group.categories().begin(), group.categories().end())},
         {"missing_share", group.missing_share()}});
  }
  for (const v1::Part part : kDatasetParts) {
    const auto index = static_cast<std::size_t>(part);
    nlohmann::json& entry = json["parts"][PartFileStem(part)];
    entry["rows"] = info.part_rows[index];
    if (info.sparse) entry["stored_cells"] = info.part_cells[index];
    if (info.has_labels) entry["labels"] = info.part_labels[index];
    for (const PartFile file : kPartFiles) {
      const std::string& hash = hashes[index][static_cast<std::size_t>(file)];
      if (!hash.empty()) entry[HashKey(file)] = hash;
    }
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
  info.sparse = json.value("sparse", false);  // absent in version 1
  info.has_row_ids = json.value("has_row_ids", false);
  if (json.contains("index_base")) info.index_base = json.at("index_base").get<int>();
  info.may_miss = json.value("may_miss", false);
  for (const nlohmann::json& entry : json.value("column_groups", nlohmann::json::array())) {
    v1::ColumnGroup& group = info.column_groups.emplace_back();
    group.set_name(entry.at("name").get<std::string>());
    group.set_kind(static_cast<v1::ColumnKind>(entry.at("kind").get<int>()));
    group.set_first(entry.at("first").get<std::uint32_t>());
    group.set_count(entry.at("count").get<std::uint32_t>());
    for (const auto& category : entry.at("categories")) {
      group.add_categories(category.get<std::string>());
    }
    group.set_missing_share(entry.at("missing_share").get<double>());
  }
  for (const v1::Part part : kDatasetParts) {
    const auto index = static_cast<std::size_t>(part);
    const nlohmann::json& entry = json.at("parts").at(PartFileStem(part));
    entry.at("rows").get_to(info.part_rows[index]);
    if (info.sparse) entry.at("stored_cells").get_to(info.part_cells[index]);
    // Absent in files of before.
    info.part_labels[index] = entry.value("labels", std::vector<std::int32_t>());
    for (const PartFile file : kPartFiles) {
      stored.hashes[index][static_cast<std::size_t>(file)] =
          entry.value(HashKey(file), std::string());
    }
  }
  return stored;
}

}  // namespace

std::string InfoPath(const std::string& dir) { return dir + "/dataset.json"; }

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

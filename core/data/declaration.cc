#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/parse.h"
#include "core/data/utf8.h"
#include "nlohmann/json.hpp"

namespace latent {
namespace {

constexpr std::size_t kMaxFiles = 64;
constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kMaxShapeDimensions = 8;
constexpr std::size_t kMaxLabelNames = 65'536;
constexpr std::size_t kMaxLabelNameBytes = 128;
constexpr double kMaxFraction = 0.9;

bool IsPart(v1::Part part) {
  return part == v1::PART_TRAIN || part == v1::PART_VALIDATION || part == v1::PART_TEST;
}

bool HasRows(const ParseRequest& request, v1::Part part) {
  return std::any_of(request.files.begin(), request.files.end(), [part](const ParseFile& file) {
    return file.part == part && file.role == FileRole::kRows;
  });
}

void CheckFile(const ParseRequest& request, const ParseFile& file, const std::string& path,
               FieldErrors& errors) {
  const std::string& name = file.name;
  if (name.empty() || name.size() > kMaxNameBytes || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos || name == "." || name == ".." || !IsUtf8(name)) {
    errors.Add(path + ".name", absl::StrCat("expected 1 to ", kMaxNameBytes,
                                            " bytes of UTF-8 without \"/\", not \".\" or \"..\""));
  }
  if (!IsPart(file.part)) {
    errors.Add(path + ".part", "expected PART_TRAIN, PART_VALIDATION or PART_TEST");
  } else if (file.role == FileRole::kLabels && !HasRows(request, file.part)) {
    errors.Add(path + ".part",
               absl::StrCat("no file with rows has ", v1::Part_Name(file.part),
                            "; labels must have the part of the rows that they label"));
  }
}

void CheckFiles(const ParseRequest& request, const std::string& prefix, FieldErrors& errors) {
  const std::string path = prefix + "files";
  if (request.files.empty() || request.files.size() > kMaxFiles) {
    errors.Add(path,
               absl::StrCat("expected 1 to ", kMaxFiles, " files, got ", request.files.size()));
    return;
  }
  std::set<std::string> names;
  for (std::size_t f = 0; f < request.files.size(); ++f) {
    const std::string file_path = absl::StrCat(path, "[", f, "]");
    CheckFile(request, request.files[f], file_path, errors);
    if (!names.insert(request.files[f].name).second) {
      errors.Add(file_path + ".name", "another file has this name");
    }
  }
  if (!HasRows(request, v1::PART_TRAIN)) {
    errors.Add(path, "expected at least one file of rows with PART_TRAIN");
  }
}

void CheckShape(const ParseRequest& request, const std::string& prefix, FieldErrors& errors) {
  std::uint64_t columns = 1;
  for (const std::uint32_t size : request.row_shape) {
    columns = size > kMaxColumns ? 0 : columns * size;
    if (columns == 0 || columns > kMaxColumns) break;
  }
  if (columns == 0 || columns > kMaxColumns || request.row_shape.size() > kMaxShapeDimensions) {
    errors.Add(prefix + "row_shape", absl::StrCat("expected at most ", kMaxShapeDimensions,
                                                  " sizes with a product of 1 to ", kMaxColumns));
  }
}

void CheckLabelNames(const ParseRequest& request, const std::string& prefix, FieldErrors& errors) {
  const auto& names = request.label_names;
  const std::set<std::string> unique(names.begin(), names.end());
  const bool fit = std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return !name.empty() && name.size() <= kMaxLabelNameBytes && IsUtf8(name);
  });
  if (names.size() > kMaxLabelNames || unique.size() != names.size() || !fit) {
    errors.Add(prefix + "label_names",
               absl::StrCat("expected at most ", kMaxLabelNames, " different names of 1 to ",
                            kMaxLabelNameBytes, " bytes"));
  }
}

void CheckFraction(double fraction, const std::string& path, FieldErrors& errors) {
  if (fraction >= 0 && fraction <= kMaxFraction) return;
  errors.Add(path, absl::StrCat("expected 0 to ", kMaxFraction, ", got ", fraction));
}

bool IsColumn(const std::string& name) { return name.size() <= kMaxNameBytes && IsUtf8(name); }

void CheckColumns(const ParseRequest& request, const std::string& prefix, FieldErrors& errors) {
  const std::string name = absl::StrCat("expected at most ", kMaxNameBytes, " bytes of UTF-8");
  if (request.csv.columns.size() > kMaxColumns) {
    errors.Add(prefix + "csv.columns", absl::StrCat("expected at most ", kMaxColumns, ", got ",
                                                    request.csv.columns.size()));
    return;
  }
  for (std::size_t c = 0; c < request.csv.columns.size(); ++c) {
    const CsvDeclaredColumn& column = request.csv.columns[c];
    const std::string path = absl::StrCat(prefix, "csv.columns[", c, "]");
    if (column.column.empty() || !IsColumn(column.column)) {
      errors.Add(path + ".column", absl::StrCat(name, ", not empty"));
    }
    if (column.kind <= CsvColumnKind::kGuess || column.kind > CsvColumnKind::kIgnored) {
      errors.Add(path + ".kind", "expected NUMERIC, CATEGORICAL, LABEL, ID or IGNORED");
    }
  }
  if (!IsColumn(request.pairs.user_column)) errors.Add(prefix + "pairs.user_column", name);
  if (!IsColumn(request.pairs.item_column)) errors.Add(prefix + "pairs.item_column", name);
  if (!IsColumn(request.pairs.weight_column)) errors.Add(prefix + "pairs.weight_column", name);
  if (request.pairs.binarise_at && !std::isfinite(*request.pairs.binarise_at)) {
    errors.Add(prefix + "pairs.binarise_at",
               absl::StrCat("expected a finite number, got ", *request.pairs.binarise_at));
  }
  for (std::size_t f = 0; f < request.files.size(); ++f) {
    if (IsColumn(request.files[f].array)) continue;
    errors.Add(absl::StrCat(prefix, "files[", f, "].array"), name);
  }
}

}  // namespace

absl::Status CheckDeclaration(const ParseRequest& request, const std::string& prefix) {
  FieldErrors errors;
  CheckFiles(request, prefix, errors);
  CheckShape(request, prefix, errors);
  if (request.value_scale && (!std::isfinite(*request.value_scale) || *request.value_scale == 0)) {
    errors.Add(prefix + "value_scale",
               absl::StrCat("expected a finite number that is not 0, got ", *request.value_scale));
  }
  constexpr std::string_view kDelimiters = ",;:|\t ";
  if (request.csv.delimiter != '\0' &&
      kDelimiters.find(request.csv.delimiter) == std::string_view::npos) {
    errors.Add(prefix + "csv.delimiter",
               "expected one of \",\", \";\", \":\", \"|\", tab and space");
  }
  if (request.libsvm.index_base && *request.libsvm.index_base != 0 &&
      *request.libsvm.index_base != 1) {
    errors.Add(prefix + "libsvm.index_base",
               absl::StrCat("expected 0 or 1, got ", *request.libsvm.index_base));
  }
  if (request.csv.label_column.size() > kMaxNameBytes || !IsUtf8(request.csv.label_column)) {
    errors.Add(prefix + "csv.label_column",
               absl::StrCat("expected at most ", kMaxNameBytes, " bytes of UTF-8"));
  }
  CheckColumns(request, prefix, errors);
  CheckFraction(request.split.test_fraction, prefix + "split.test_fraction", errors);
  CheckFraction(request.split.validation_fraction, prefix + "split.validation_fraction", errors);
  CheckLabelNames(request, prefix, errors);
  return errors.ToStatus();
}

std::string CanonicalDeclaration(const ParseRequest& request) {
  nlohmann::json json;  // keys come out sorted, numbers in their shortest exact form
  json["canonical_version"] = 1;
  for (const ParseFile& file : request.files) {
    json["files"].push_back({{"name", file.name},
                             {"role", file.role == FileRole::kRows ? "rows" : "labels"},
                             {"part", v1::Part_Name(file.part)},
                             {"format", static_cast<int>(file.format)}});
    if (!file.array.empty()) json["files"].back()["array"] = file.array;
  }
  json["row_shape"] = request.row_shape;
  if (request.value_scale) json["value_scale"] = *request.value_scale;
  if (request.csv.header) json["csv"]["header"] = *request.csv.header;
  json["csv"]["label_column"] = request.csv.label_column;
  // An absent one has always been written so; what it means is settled by the files' names.
  json["csv"]["delimiter"] =
      std::string(1, request.csv.delimiter == '\0' ? ',' : request.csv.delimiter);
  // Left out if not given, as is every later field: hashes of older declarations stay.
  if (request.libsvm.index_base) json["libsvm"]["index_base"] = *request.libsvm.index_base;
  if (request.csv.allow_missing) json["csv"]["allow_missing"] = true;
  for (const CsvDeclaredColumn& column : request.csv.columns) {
    json["csv"]["columns"].push_back(
        {{"column", column.column}, {"kind", static_cast<int>(column.kind)}});
  }
  const PairsOptions& pairs = request.pairs;
  if (!pairs.user_column.empty()) json["pairs"]["user_column"] = pairs.user_column;
  if (!pairs.item_column.empty()) json["pairs"]["item_column"] = pairs.item_column;
  if (!pairs.weight_column.empty()) json["pairs"]["weight_column"] = pairs.weight_column;
  if (pairs.binarise_at) json["pairs"]["binarise_at"] = *pairs.binarise_at;
  json["split"] = {{"test_fraction", request.split.test_fraction},
                   {"validation_fraction", request.split.validation_fraction},
                   {"seed", request.split.seed}};
  json["label_names"] = request.label_names;
  return json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace latent

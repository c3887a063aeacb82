#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/parse.h"
#include "client/cli/verb.h"
#include "client/render/text.h"
#include "client/upload.h"
#include "core/base/status.h"
#include "core/data/png_folder.h"

namespace latent::cli {
namespace {

struct UploadFlags {
  std::string name, row_shape, label_column, delimiter, label_names, description;
  std::vector<std::string> train, train_labels, validation, validation_labels, test, test_labels;
  std::optional<double> value_scale, test_fraction, validation_fraction;
  std::optional<std::uint64_t> split_seed;
  bool header = false, no_header = false;
  std::string format, pairs_columns, array, labels_array, missing;
  std::vector<std::string> columns;
  std::optional<double> binarise_at;
  std::optional<std::uint32_t> index_base;
};

// Files that are made for an upload and go with it.
class ScratchFiles {
 public:
  ScratchFiles() = default;
  ~ScratchFiles() {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }
  ScratchFiles(const ScratchFiles&) = delete;
  ScratchFiles& operator=(const ScratchFiles&) = delete;

  // Packs a folder of pictures; the archive's path. Other paths are returned as they are.
  absl::StatusOr<std::string> Packed(const std::string& path) {
    if (!std::filesystem::is_directory(path)) return path;
    if (folder_.empty()) {
      std::string pattern = (std::filesystem::temp_directory_path() / "latent_XXXXXX").string();
      if (mkdtemp(pattern.data()) == nullptr) {
        return absl::ErrnoToStatus(errno, "making a scratch folder");
      }
      folder_ = pattern;
    }
    const std::filesystem::path folder = std::filesystem::path(path).lexically_normal();
    const std::string name =
        (folder.has_filename() ? folder : folder.parent_path()).filename().string();
    const std::string zip = absl::StrCat(folder_, "/", count_++, "/");
    std::filesystem::create_directory(zip);
    const absl::Status packed = PackPngFolder(path, absl::StrCat(zip, name, ".zip"));
    if (!packed.ok()) return packed;
    return absl::StrCat(zip, name, ".zip");
  }

 private:
  std::string folder_;
  int count_ = 0;
};

struct Declared {
  v1::DatasetDeclaration declaration;
  std::vector<std::string> paths;
};

// Names within a dataset are the files' own; equal ones are told apart by their number.
void Declare(const std::vector<std::string>& paths, v1::FileRole role, v1::Part part,
             Declared* declared) {
  for (const std::string& path : paths) {
    std::string name = std::filesystem::path(path).filename().string();
    for (const v1::DatasetFile& other : declared->declaration.files()) {
      if (other.name() != name) continue;
      name = absl::StrCat(declared->declaration.files_size(), "-", name);
      break;
    }
    v1::DatasetFile* file = declared->declaration.add_files();
    file->set_name(name);
    file->set_role(role);
    file->set_part(part);
    declared->paths.push_back(path);
  }
}

// "pairs" to FILE_FORMAT_PAIRS, for every file of rows.
absl::Status SetFormat(const std::string& name, v1::DatasetDeclaration* declaration) {
  std::string upper = absl::AsciiStrToUpper(name);
  std::replace(upper.begin(), upper.end(), '-', '_');
  v1::FileFormat format = v1::FILE_FORMAT_UNSPECIFIED;
  if (!v1::FileFormat_Parse("FILE_FORMAT_" + upper, &format)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--format: expected idx, csv, npy, libsvm, pairs, npz, png-zip or safetensors, got \"",
        name, "\""));
  }
  for (v1::DatasetFile& file : *declaration->mutable_files()) {
    if (file.role() == v1::FILE_ROLE_ROWS) file.set_format(format);
  }
  return absl::OkStatus();
}

// "user,item" or "user,item,weight".
absl::Status SetPairsColumns(const std::string& text, v1::PairsOptions* pairs) {
  const std::vector<std::string> names = absl::StrSplit(text, ',');
  if (names.size() < 2 || names.size() > 3) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--pairs-columns: expected USER,ITEM or USER,ITEM,WEIGHT, got \"", text, "\""));
  }
  pairs->set_user_column(names[0]);
  pairs->set_item_column(names[1]);
  if (names.size() == 3) pairs->set_weight_column(names[2]);
  return absl::OkStatus();
}

// "NAME=categorical".
absl::Status AddColumn(const std::string& text, v1::CsvOptions* csv) {
  const auto equals = text.rfind('=');
  const std::string kind =
      equals == std::string::npos ? "" : absl::AsciiStrToUpper(text.substr(equals + 1));
  v1::ColumnKind value = v1::COLUMN_KIND_UNSPECIFIED;
  if (!v1::ColumnKind_Parse("COLUMN_KIND_" + kind, &value)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--column: expected NAME=numeric|categorical|label|id|ignored, got \"", text, "\""));
  }
  v1::ColumnDeclaration* column = csv->add_columns();
  column->set_column(text.substr(0, equals));
  column->set_kind(value);
  return absl::OkStatus();
}

absl::Status DeclareFormats(const UploadFlags& flags, v1::DatasetDeclaration* declaration) {
  absl::Status status;
  if (!flags.format.empty()) status.Update(SetFormat(flags.format, declaration));
  if (!flags.pairs_columns.empty()) {
    status.Update(SetPairsColumns(flags.pairs_columns, declaration->mutable_pairs()));
  }
  for (const std::string& column : flags.columns) {
    status.Update(AddColumn(column, declaration->mutable_csv()));
  }
  if (flags.binarise_at) declaration->mutable_pairs()->set_binarise_at(*flags.binarise_at);
  if (flags.index_base) declaration->mutable_libsvm()->set_index_base(*flags.index_base);
  if (flags.missing == "allow") declaration->mutable_csv()->set_allow_missing(true);
  for (v1::DatasetFile& file : *declaration->mutable_files()) {
    file.set_array(file.role() == v1::FILE_ROLE_ROWS ? flags.array : flags.labels_array);
  }
  return status;
}

absl::StatusOr<Declared> DeclareUpload(const UploadFlags& flags) {
  Declared declared;
  v1::DatasetDeclaration& declaration = declared.declaration;
  declaration.set_name(flags.name);
  declaration.set_description(flags.description);
  Declare(flags.train, v1::FILE_ROLE_ROWS, v1::PART_TRAIN, &declared);
  Declare(flags.train_labels, v1::FILE_ROLE_LABELS, v1::PART_TRAIN, &declared);
  Declare(flags.validation, v1::FILE_ROLE_ROWS, v1::PART_VALIDATION, &declared);
  Declare(flags.validation_labels, v1::FILE_ROLE_LABELS, v1::PART_VALIDATION, &declared);
  Declare(flags.test, v1::FILE_ROLE_ROWS, v1::PART_TEST, &declared);
  Declare(flags.test_labels, v1::FILE_ROLE_LABELS, v1::PART_TEST, &declared);
  const auto shape = ParseShape(flags.row_shape);
  if (!shape.ok()) return shape.status();
  declaration.mutable_row_shape()->Assign(shape->begin(), shape->end());
  if (flags.value_scale) declaration.set_value_scale(*flags.value_scale);
  if (flags.header || flags.no_header) declaration.mutable_csv()->set_header(flags.header);
  if (!flags.label_column.empty()) declaration.mutable_csv()->set_label_column(flags.label_column);
  const bool tab = flags.delimiter == "tab" || flags.delimiter == "\\t";
  if (!flags.delimiter.empty()) {
    declaration.mutable_csv()->set_delimiter(tab ? "\t" : flags.delimiter);
  }
  v1::SplitOptions split;
  if (flags.test_fraction) split.set_test_fraction(*flags.test_fraction);
  if (flags.validation_fraction) split.set_validation_fraction(*flags.validation_fraction);
  if (flags.split_seed) split.set_seed(*flags.split_seed);
  if (split.ByteSizeLong() > 0) *declaration.mutable_split() = split;
  for (absl::string_view name : absl::StrSplit(flags.label_names, ',', absl::SkipEmpty())) {
    declaration.add_label_names(std::string(name));
  }
  const absl::Status formats = DeclareFormats(flags, &declaration);
  if (!formats.ok()) return formats;
  return declared;
}

std::string ProgressText(const UploadProgress& progress, bool unicode) {
  const double total = static_cast<double>(std::max<std::uint64_t>(progress.total_bytes, 1));
  const std::string sizes =
      absl::StrCat(FormatBytes(progress.bytes), " of ", FormatBytes(progress.total_bytes));
  switch (progress.step) {
    case UploadProgress::Step::kHashing:
      return absl::StrCat("hashing   ", FormatBytes(progress.bytes));
    case UploadProgress::Step::kSending:
      return absl::StrCat(Bar(static_cast<double>(progress.bytes) / total, 24, unicode),
                          " sending ", sizes);
    case UploadProgress::Step::kParsing:
      return absl::StrCat("the server reads ", FormatBytes(progress.total_bytes));
  }
  return "";
}

absl::Status UploadDataset(Context& context, const UploadFlags& given) {
  UploadFlags flags = given;
  ScratchFiles scratch;
  for (auto* paths : {&flags.train, &flags.validation, &flags.test}) {
    for (std::string& path : *paths) {
      const auto packed = scratch.Packed(path);
      if (!packed.ok()) return packed.status();
      path = *packed;
    }
  }
  const auto declared = DeclareUpload(flags);
  if (!declared.ok()) return declared.status();
  absl::StatusOr<v1::Dataset> dataset;
  {
    LiveLine line = context.Progress();
    UploadOptions options;
    options.stop = context.stop;
    options.progress = [&](const UploadProgress& progress) {
      line.Update(ProgressText(progress, line.terminal().unicode),
                  progress.step == UploadProgress::Step::kParsing);
    };
    dataset = Upload(context.client(), declared->declaration, declared->paths, options);
  }
  if (!dataset.ok()) return dataset.status();
  context.Print(DescribeDataset(*dataset), *dataset);
  if (dataset->state() == v1::Dataset::STATE_READY) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("dataset ", flags.name, " could not be read: ", dataset->error(),
                   "; delete it (latent datasets delete ", flags.name, ") and upload it again"));
}

void AddUpload(CLI::App& datasets, Context& context) {
  CLI::App* command = datasets.add_subcommand("upload", "Upload files as a dataset");
  auto flags = std::make_shared<UploadFlags>();
  command->add_option("NAME", flags->name, "Name of the dataset")->required();
  command
      ->add_option("--train", flags->train,
                   "Files of training rows (IDX, CSV, NPY, NPZ, libsvm, pairs, zip of PNG,\n"
                   "safetensors; .gz), or folders of PNG")
      ->required();
  command->add_option("--train-labels", flags->train_labels, "Files of their labels");
  command->add_option("--validation", flags->validation, "Files of validation rows");
  command->add_option("--validation-labels", flags->validation_labels, "Files of their labels");
  command->add_option("--test", flags->test, "Files of test rows");
  command->add_option("--test-labels", flags->test_labels, "Files of their labels");
  command->add_option("--row-shape", flags->row_shape, "Shape of a row, e.g. 28x28x1");
  command->add_option("--value-scale", flags->value_scale,
                      "Factor on every value (default: 1/255 for bytes, else 1)");
  command->add_option("--label-column", flags->label_column,
                      "CSV column with the label: name, or index from 0 (negative: from the end)");
  CLI::Option* header = command->add_flag("--header", flags->header, "CSV files have a header");
  command->add_flag("--no-header", flags->no_header, "CSV files have none")->excludes(header);
  command->add_option(
      "--delimiter", flags->delimiter,
      "CSV separator, or tab (default: tab in .tsv, else by the first line: , ; or tab)");
  command->add_option("--format", flags->format,
                      "idx, csv, npy, libsvm, pairs, npz, png-zip or safetensors (default: by the "
                      "file's name, then its first bytes)");
  command->add_option("--pairs-columns", flags->pairs_columns,
                      "Of pairs: USER,ITEM[,WEIGHT] by name or index (default: 0,1 and, if there "
                      "are three columns, 2)");
  command->add_option("--binarise-at", flags->binarise_at,
                      "Of pairs: leave out those of less weight, count the others as 1");
  command->add_option("--index-base", flags->index_base,
                      "Of libsvm: number of the first column, 0 or 1 (default: by the indices)");
  command->add_option("--array", flags->array, "Of npz and safetensors: which array");
  command->add_option("--labels-array", flags->labels_array, "The same of files of labels");
  command->add_option("--column", flags->columns,
                      "CSV: NAME=numeric|categorical|label|id|ignored instead of a guess");
  command->add_option("--missing", flags->missing, "CSV: whether cells may be missing")
      ->check(CLI::IsMember({"allow", "refuse"}));
  command->add_option("--test-fraction", flags->test_fraction,
                      "Share set aside as TEST without --test (default: 0.1)");
  command->add_option("--validation-fraction", flags->validation_fraction,
                      "Share of the rest set aside as VALIDATION (default: 0.1)");
  command->add_option("--split-seed", flags->split_seed, "Seed of what is set aside (default: 0)");
  command->add_option("--label-names", flags->label_names, "Names of labels 0,1,2,...: a,b,c");
  command->add_option("--description", flags->description, "Free text");
  command->footer(
      "Takes up an upload that broke off; a READY dataset of the same content is left as it is.\n"
      "Examples:\n"
      "  latent datasets upload digits --train digits.csv.gz --label-column -1 --row-shape 8x8x1\n"
      "  latent datasets upload fashion --train train-images.gz --train-labels train-labels.gz \\\n"
      "    --test test-images.gz --test-labels test-labels.gz\n"
      "  latent datasets upload films --train u.data --format pairs --delimiter tab \\\n"
      "    --pairs-columns 0,1,2 --binarise-at 4");
  OnCommand(*command, context, flags, UploadDataset);
}

absl::Status ListDatasets(Context& context) {
  LATENT_ASSIGN_OR_RETURN(const auto all, AllPages(context, &Client::ListDatasets, {}));
  Table table(
      {"name", "state", "train", "validation", "test", "row shape", "labels", "size", "created"});
  for (const v1::Dataset& dataset : all.datasets()) {
    std::uint64_t rows[4] = {};
    for (const v1::PartInfo& part : dataset.parts()) {
      if (v1::Part_IsValid(part.part())) rows[part.part()] = part.rows();
    }
    table.AddRow({dataset.declaration().name(), v1::Dataset::State_Name(dataset.state()).substr(6),
                  CountCell(rows[v1::PART_TRAIN]), CountCell(rows[v1::PART_VALIDATION]),
                  CountCell(rows[v1::PART_TEST]), FormatShape(dataset.row_shape()),
                  dataset.has_labels() ? "yes" : "no", BytesCell(dataset.bytes()),
                  FormatTime(dataset.create_time())});
  }
  context.Print(table, all);
  return absl::OkStatus();
}

absl::Status ShowDataset(Context& context, const std::string& name) {
  v1::GetDatasetRequest request;
  request.set_dataset(name);
  const auto response = context.client().GetDataset(request, context.Call());
  if (!response.ok()) return response.status();
  context.Print(DescribeDataset(response->dataset()), response->dataset());
  return absl::OkStatus();
}

absl::Status DeleteDataset(Context& context, const std::string& name) {
  v1::DeleteDatasetRequest request;
  request.set_dataset(name);
  const auto response = context.client().DeleteDataset(request, context.Call());
  if (response.ok()) context.Note(absl::StrCat("deleted dataset ", name));
  return response.status();
}

}  // namespace

void AddDatasets(CLI::App& app, Context& context) {
  CLI::App* datasets = app.add_subcommand("datasets", "Upload, list, show and delete datasets");
  datasets->require_subcommand(1);
  AddUpload(*datasets, context);
  datasets->add_subcommand("list", "List datasets")->callback([&context] {
    context.command = [&context] { return ListDatasets(context); };
  });
  auto name = std::make_shared<std::string>();
  CLI::App* show = datasets->add_subcommand("show", "Describe a dataset");
  show->add_option("NAME", *name, "Name of the dataset")->required();
  OnCommand(*show, context, name, ShowDataset);
  CLI::App* erase =
      datasets->add_subcommand("delete", "Delete a dataset; models trained on it keep working");
  erase->add_option("NAME", *name, "Name of the dataset")->required();
  OnCommand(*erase, context, name, DeleteDataset);
}

}  // namespace latent::cli

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

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

namespace latent::cli {
namespace {

struct UploadFlags {
  std::string name, row_shape, label_column, delimiter, label_names, description;
  std::vector<std::string> train, train_labels, validation, validation_labels, test, test_labels;
  std::optional<double> value_scale, test_fraction, validation_fraction;
  std::optional<std::uint64_t> split_seed;
  bool header = false, no_header = false;
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
  if (!flags.delimiter.empty()) declaration.mutable_csv()->set_delimiter(flags.delimiter);
  v1::SplitOptions split;
  if (flags.test_fraction) split.set_test_fraction(*flags.test_fraction);
  if (flags.validation_fraction) split.set_validation_fraction(*flags.validation_fraction);
  if (flags.split_seed) split.set_seed(*flags.split_seed);
  if (split.ByteSizeLong() > 0) *declaration.mutable_split() = split;
  for (absl::string_view name : absl::StrSplit(flags.label_names, ',', absl::SkipEmpty())) {
    declaration.add_label_names(std::string(name));
  }
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

absl::Status UploadDataset(Context& context, const UploadFlags& flags) {
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
  command->add_option("--train", flags->train, "Files of training rows (IDX, CSV, NPY; .gz)")
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
  command->add_option("--delimiter", flags->delimiter, "CSV separator (default: ,)");
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
      "    --test test-images.gz --test-labels test-labels.gz");
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

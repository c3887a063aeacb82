#include "server/resource_convert.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr std::size_t kMaxDescriptionBytes = 4096;

FileRole RoleOf(v1::FileRole role) {
  return role == v1::FILE_ROLE_LABELS ? FileRole::kLabels : FileRole::kRows;
}

CsvOptions CsvOf(const v1::CsvOptions& csv) {
  CsvOptions options;
  if (csv.has_header()) options.header = csv.header();
  options.label_column = csv.label_column();
  if (!csv.delimiter().empty()) options.delimiter = csv.delimiter()[0];
  options.allow_missing = csv.allow_missing();
  for (const v1::ColumnDeclaration& column : csv.columns()) {
    options.columns.push_back(
        {.column = column.column(), .kind = static_cast<CsvColumnKind>(column.kind())});
  }
  return options;
}

PairsOptions PairsOf(const v1::PairsOptions& pairs) {
  PairsOptions options;
  options.user_column = pairs.user_column();
  options.item_column = pairs.item_column();
  options.weight_column = pairs.weight_column();
  if (pairs.has_binarise_at()) options.binarise_at = pairs.binarise_at();
  return options;
}

SplitOptions SplitOf(const v1::SplitOptions& split) {
  SplitOptions options;
  if (split.has_test_fraction()) options.test_fraction = split.test_fraction();
  if (split.has_validation_fraction()) options.validation_fraction = split.validation_fraction();
  if (split.has_seed()) options.seed = split.seed();
  return options;
}

// What does not survive the way into a ParseRequest.
void CheckMessage(const v1::DatasetDeclaration& declaration, const std::string& prefix,
                  FieldErrors* errors) {
  for (int i = 0; i < declaration.files_size(); ++i) {
    const auto& file = declaration.files(i);
    const std::string path = absl::StrCat(prefix, "files[", i, "]");
    if (!v1::FileRole_IsValid(file.role())) {
      errors->Add(path + ".role", absl::StrCat("expected ROWS or LABELS, got ", file.role()));
    }
    if (!v1::Part_IsValid(file.part())) {
      errors->Add(path + ".part",
                  absl::StrCat("expected TRAIN, VALIDATION or TEST, got ", file.part()));
    }
    if (!v1::FileFormat_IsValid(file.format())) {
      errors->Add(
          path + ".format",
          absl::StrCat("expected one of the formats in GetServerInfo, got ", file.format()));
    }
  }
  if (declaration.csv().delimiter().size() > 1) {
    errors->Add(prefix + "csv.delimiter", absl::StrCat("expected one ASCII character, got ",
                                                       declaration.csv().delimiter().size()));
  }
  if (declaration.description().size() > kMaxDescriptionBytes) {
    errors->Add(prefix + "description",
                absl::StrCat("expected at most ", kMaxDescriptionBytes, " bytes, got ",
                             declaration.description().size()));
  }
}

void SetProgress(v1::JobState state, const v1::TrainProgress& progress, v1::TrainJob* out) {
  if (state != v1::JOB_STATE_QUEUED || progress.step() > 0) *out->mutable_progress() = progress;
}

}  // namespace

void SetTime(std::int64_t unix_micros, google::protobuf::Timestamp* out) {
  out->set_seconds(unix_micros / 1000000);
  out->set_nanos(static_cast<std::int32_t>(unix_micros % 1000000) * 1000);
}

absl::StatusOr<ParseRequest> ToParseRequest(const v1::DatasetDeclaration& declaration,
                                            const std::string& prefix) {
  FieldErrors errors;
  CheckMessage(declaration, prefix, &errors);
  LATENT_RETURN_IF_ERROR(errors.ToStatus());
  ParseRequest request;
  request.name = declaration.name();
  for (const auto& file : declaration.files()) {
    const v1::Part part = file.part() == v1::PART_UNSPECIFIED ? v1::PART_TRAIN : file.part();
    request.files.push_back({.name = file.name(),
                             .path = {},
                             .role = RoleOf(file.role()),
                             .part = part,
                             .format = static_cast<FileFormat>(file.format()),
                             .array = file.array()});
  }
  request.row_shape.assign(declaration.row_shape().begin(), declaration.row_shape().end());
  if (declaration.has_value_scale()) request.value_scale = declaration.value_scale();
  request.csv = CsvOf(declaration.csv());
  if (declaration.libsvm().has_index_base()) {
    request.libsvm.index_base = static_cast<int>(declaration.libsvm().index_base());
  }
  request.pairs = PairsOf(declaration.pairs());
  request.split = SplitOf(declaration.split());
  request.label_names.assign(declaration.label_names().begin(), declaration.label_names().end());
  LATENT_RETURN_IF_ERROR(CheckDeclaration(request, prefix));
  return request;
}

absl::Status AtField(const absl::Status& status, const std::string& path) {
  const absl::string_view text = status.message();
  ErrorDetails details = DetailsOf(status);
  details.fields.push_back({path, std::string(text)});
  return MakeError(status.code(), absl::StrCat(path, ": ", text), std::move(details));
}

void ToMessage(const std::vector<FileProgress>& files,
               google::protobuf::RepeatedPtrField<v1::FileProgress>* out) {
  for (const FileProgress& file : files) {
    v1::FileProgress* progress = out->Add();
    progress->set_name(file.name);
    progress->set_committed_bytes(file.committed_bytes);
  }
}

void ToMessage(const DatasetRecord& record, v1::Dataset* out) {
  // The store keeps the declaration as the bytes that CreateDataset wrote.
  out->mutable_declaration()->ParseFromString(record.declaration);
  out->set_state(static_cast<v1::Dataset::State>(record.state));
  out->set_error(record.error);
  ToMessage(record.files, out->mutable_files());
  SetTime(ToUnixMicros(record.create_time), out->mutable_create_time());
  out->set_bytes(record.bytes);
  if (record.state != DatasetState::kReady) return;
  const DatasetInfo& info = record.info;
  out->set_content_hash(info.content_hash);
  out->set_columns(info.columns);
  out->mutable_row_shape()->Assign(info.row_shape.begin(), info.row_shape.end());
  out->mutable_column_names()->Assign(info.column_names.begin(), info.column_names.end());
  for (const v1::Part part : {v1::PART_TRAIN, v1::PART_VALIDATION, v1::PART_TEST}) {
    v1::PartInfo* rows = out->add_parts();
    rows->set_part(part);
    rows->set_rows(info.rows(part));
  }
  out->set_has_labels(info.has_labels);
  out->mutable_label_names()->Assign(info.label_names.begin(), info.label_names.end());
  out->set_min(info.min);
  out->set_max(info.max);
  out->set_value_scale(info.value_scale);
  out->set_sparse(info.sparse);
  out->set_stored_cells(info.stored_cells());
  out->set_has_row_ids(info.has_row_ids);
  out->mutable_column_groups()->Assign(info.column_groups.begin(), info.column_groups.end());
  out->set_may_miss(info.may_miss);
  if (info.index_base) out->set_index_base(static_cast<std::uint32_t>(*info.index_base));
}

void ToMessage(const JobRecord& record, v1::TrainJob* out) {
  out->set_id(record.id);
  *out->mutable_plan() = record.plan;
  if (record.evaluated_version != 0) {
    out->mutable_evaluation()->set_model(record.plan.model());
    out->mutable_evaluation()->set_version(record.evaluated_version);
    out->mutable_evaluation()->set_dataset(record.plan.data().dataset());
  }
  out->set_state(record.state);
  out->set_phase(record.phase);
  SetProgress(record.state, record.progress, out);
  out->set_error(record.error);
  out->set_attempt(record.attempt);
  if (record.queue_position) out->set_queue_position(*record.queue_position);
  out->set_published_version(record.published_version);
  out->set_publish_decision(record.publish_decision);
  out->mutable_metrics()->Assign(record.metrics.begin(), record.metrics.end());
  if (record.create_time_us != 0) SetTime(record.create_time_us, out->mutable_create_time());
  if (record.start_time_us != 0) SetTime(record.start_time_us, out->mutable_start_time());
  if (record.end_time_us != 0) SetTime(record.end_time_us, out->mutable_end_time());
}

void ToMessage(const JobEvent& event, v1::JobEvent* out) {
  out->set_sequence(event.sequence);
  SetTime(event.time_us, out->mutable_time());
  out->set_state(event.state);
  out->set_phase(event.phase);
  if (event.progress) *out->mutable_progress() = *event.progress;
  out->set_message(event.message);
  out->set_stored(event.stored);
}

void ToMessage(const ModelInfo& model, v1::Model* out) {
  out->set_name(model.name);
  out->set_description(model.description);
  out->mutable_labels()->insert(model.labels.begin(), model.labels.end());
  for (const auto& [name, info] : model.aliases) {
    v1::Alias* alias = out->add_aliases();
    alias->set_name(name);
    alias->set_version(info.version);
    SetTime(ToUnixMicros(info.update_time), alias->mutable_update_time());
  }
  out->set_newest_version(model.newest());
  out->set_version_count(static_cast<std::uint32_t>(model.versions.size()));
  out->set_keep_last(model.keep_last);
  SetTime(ToUnixMicros(model.create_time), out->mutable_create_time());
}

void ToMessage(const ModelInfo& model, const VersionInfo& version, v1::ModelVersion* out) {
  out->set_model(version.model);
  out->set_version(version.version);
  out->set_latent_space_id(version.latent_space_id);
  v1::Lineage* lineage = out->mutable_lineage();
  lineage->set_job_id(version.lineage.job_id);
  lineage->set_dataset_hash(version.lineage.dataset_hash);
  lineage->set_seed(version.lineage.seed);
  lineage->set_code_revision(version.lineage.code_revision);
  for (const ArtifactInfo& info : version.artifacts) {
    v1::Artifact* artifact = out->add_artifacts();
    artifact->set_name(info.name);
    artifact->set_size(info.size);
    artifact->set_sha256(info.sha256);
  }
  SetTime(ToUnixMicros(version.create_time), out->mutable_create_time());
  for (const std::string& alias : model.AliasesOf(version.version)) out->add_aliases(alias);
  out->set_bytes(version.bytes);
}

}  // namespace latent

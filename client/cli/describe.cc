#include "client/cli/describe.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/render/progress.h"
#include "client/render/text.h"

namespace latent::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// "relu" of ACTIVATION_RELU: enum values without the enum's own name, in small letters.
std::string ShortEnum(const google::protobuf::EnumValueDescriptor& value) {
  std::string prefix;
  for (const char c : value.type()->name()) {
    if (c >= 'A' && c <= 'Z' && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  const std::string& name = value.name();
  prefix += '_';
  return absl::AsciiStrToLower(absl::StartsWith(name, prefix) ? name.substr(prefix.size()) : name);
}

// One scalar; element `index` of a repeated field, or the field itself where index < 0.
std::string ScalarText(const Message& message, const FieldDescriptor& field, int index) {
  const auto& r = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return FormatNumber(one ? r.GetDouble(message, &field)
                              : r.GetRepeatedDouble(message, &field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FormatFloat(one ? r.GetFloat(message, &field)
                             : r.GetRepeatedFloat(message, &field, index));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? r.GetBool(message, &field) : r.GetRepeatedBool(message, &field, index)) ? "yes"
                                                                                            : "no";
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(one ? r.GetUInt32(message, &field)
                              : r.GetRepeatedUInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(one ? r.GetUInt64(message, &field)
                              : r.GetRepeatedUInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(one ? r.GetInt32(message, &field)
                              : r.GetRepeatedInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(one ? r.GetInt64(message, &field)
                              : r.GetRepeatedInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_STRING:
      return one ? r.GetString(message, &field) : r.GetRepeatedString(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return ShortEnum(one ? *r.GetEnum(message, &field)
                           : *r.GetRepeatedEnum(message, &field, index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return "";
}

void AddRepeated(const Message& message, const FieldDescriptor& field, const std::string& name,
                 Table* table) {
  const int size = message.GetReflection()->FieldSize(message, &field);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    for (int i = 0; i < size; ++i) {
      AddFields(message.GetReflection()->GetRepeatedMessage(message, &field, i),
                absl::StrCat(name, "[", i, "]"), table);
    }
    return;
  }
  std::vector<std::string> values;
  values.reserve(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) values.push_back(ScalarText(message, field, i));
  table->AddRow({name, absl::StrJoin(values, ", ")});
}

std::string ActivationText(v1::Activation activation) {
  return ShortEnum(
      *google::protobuf::GetEnumDescriptor<v1::Activation>()->FindValueByNumber(activation));
}

// "256 RELU", "14x14x32 RELU (5x5, stride 2)", "28x28x1 IDENTITY (transposed 5x5, stride 2)".
std::string LayerText(const v1::Layer& layer) {
  if (!layer.has_convolution() && !layer.has_transposed_convolution()) {
    return absl::StrCat(layer.dense().units(), " ", ActivationText(layer.dense().activation()));
  }
  const v1::ConvolutionLayer& c =
      layer.has_convolution() ? layer.convolution() : layer.transposed_convolution();
  return absl::StrCat(c.output().height(), "x", c.output().width(), "x", c.output().channels(), " ",
                      ActivationText(c.activation()), " (",
                      layer.has_convolution() ? "" : "transposed ", c.kernel(), "x", c.kernel(),
                      ", stride ", c.stride(), ")");
}

void AddLabels(const google::protobuf::Map<std::string, std::string>& labels, Table* table) {
  std::vector<std::string> pairs;
  for (const auto& [key, value] : labels) pairs.push_back(absl::StrCat(key, "=", value));
  std::sort(pairs.begin(), pairs.end());
  if (!pairs.empty()) table->AddRow({"labels", absl::StrJoin(pairs, ", ")});
}

void AddIf(bool condition, const std::string& name, const Table::Cell& value, Table* table) {
  if (condition) table->AddRow({name, value});
}

// Of which part the figures are that a version is judged by: TRAIN where nothing was held out.
void AddEvaluatedOn(const google::protobuf::RepeatedPtrField<v1::Metric>& metrics, Table* table) {
  for (const v1::Metric& metric : metrics) {
    if (metric.name() != "test_mse_per_element") continue;
    table->AddRow({"evaluated_on", v1::Part_Name(metric.part()).substr(5)});
  }
}

void AddProgress(const v1::TrainProgress& progress, Table* table) {
  if (progress.steps() == 0) return;
  table->AddRow({"epoch", absl::StrCat(progress.epoch(), " of ", progress.epochs())});
  table->AddRow({"step", absl::StrCat(progress.step(), " of ", progress.steps())});
  table->AddRow({"train_loss", FormatNumber(progress.train_loss())});
  for (const v1::LossTerm& term : progress.terms()) {
    table->AddRow({absl::StrCat("train_loss.", term.name()), FormatNumber(term.value())});
  }
  AddIf(progress.has_codebook_perplexity(), "codebook_perplexity",
        FormatNumber(progress.codebook_perplexity()), table);
  AddIf(progress.has_validation_loss(), "validation_loss", FormatNumber(progress.validation_loss()),
        table);
  AddIf(progress.has_best_validation_loss(), "best_validation_loss",
        FormatNumber(progress.best_validation_loss()), table);
  table->AddRow({"samples_per_second", FormatNumber(progress.samples_per_second())});
}

// What a code is beside its width, where it is not simply a function of the row.
std::string LatentKind(const v1::Latent& latent) {
  if (latent.has_gaussian()) return " gaussian";
  if (latent.has_hierarchical()) return " in layers";
  if (latent.has_top_k()) return absl::StrCat(" top-", latent.top_k().k());
  if (latent.has_vector_quantised()) {
    const v1::VectorQuantisedLatent& quantised = latent.vector_quantised();
    return absl::StrCat(" in ", quantised.groups(), " of ", quantised.codebook_size(), " vectors");
  }
  return "";
}

}  // namespace

std::string FormatTime(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "";
  const std::time_t seconds = time.seconds();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

std::string FormatShape(const google::protobuf::RepeatedField<std::uint32_t>& shape) {
  return absl::StrJoin(shape, "x");
}

std::string FormatLayers(const v1::TrainingPlan& plan) {
  const v1::ModelSpec& model = plan.architecture();
  std::vector<std::string> steps = {absl::StrCat(plan.data().columns())};
  for (const v1::Layer& layer : model.encoder().layers()) steps.push_back(LayerText(layer));
  steps.push_back(absl::StrCat("[", model.latent().dim(), LatentKind(model.latent()), "]"));
  for (const v1::Layer& layer : model.decoder().layers()) steps.push_back(LayerText(layer));
  steps.push_back(model.decoder().has_output() ? LayerText(model.decoder().output())
                                               : absl::StrCat(plan.data().columns()));
  return absl::StrJoin(steps, " -> ");
}

void AddFields(const Message& message, const std::string& prefix, Table* table) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  if (fields.empty()) table->AddRow({prefix, "{}"});
  for (const FieldDescriptor* field : fields) {
    const std::string name = prefix.empty() ? field->name() : prefix + "." + field->name();
    if (field->is_repeated()) {
      AddRepeated(message, *field, name, table);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      AddFields(message.GetReflection()->GetMessage(message, field), name, table);
    } else {
      table->AddRow({name, ScalarText(message, *field, -1)});
    }
  }
}

// "categorical (3): no, yes, maybe; missing 1.2 %".
std::string DescribeColumn(const v1::ColumnGroup& group) {
  constexpr int kMostCategories = 8;
  std::string text = absl::AsciiStrToLower(v1::ColumnKind_Name(group.kind()).substr(12));
  if (group.categories_size() > 0) {
    std::vector<std::string> names;
    for (int i = 0; i < std::min(group.categories_size(), kMostCategories); ++i) {
      names.push_back(group.categories(i));
    }
    absl::StrAppend(&text, " (", group.categories_size(), "): ", absl::StrJoin(names, ", "),
                    group.categories_size() > kMostCategories ? ", ..." : "");
  }
  if (group.missing_share() > 0) {
    absl::StrAppend(&text, "; missing ", FormatNumber(100 * group.missing_share(), 3), " %");
  }
  return text;
}

// What is said of columns: all groups, unless all are numbers or there are very many; a long run of
// numbers is one line.
void AddColumns(const v1::Dataset& dataset, Table* table) {
  constexpr int kMostColumns = 100, kShortestRun = 8;
  int numeric = 0;
  for (const v1::ColumnGroup& group : dataset.column_groups()) {
    numeric += group.kind() == v1::COLUMN_KIND_NUMERIC && group.missing_share() == 0 ? 1 : 0;
  }
  if (numeric == dataset.column_groups_size()) return;
  const auto plain = [&](int g) {
    const v1::ColumnGroup& group = dataset.column_groups(g);
    return group.kind() == v1::COLUMN_KIND_NUMERIC && group.missing_share() == 0;
  };
  int shown = 0;
  for (int g = 0; g < dataset.column_groups_size(); ++g) {
    if (shown++ == kMostColumns) {
      table->AddRow({"...", absl::StrCat(dataset.column_groups_size() - g,
                                         " columns more; --output-format json shows all")});
      return;
    }
    int last = g;
    while (plain(g) && last + 1 < dataset.column_groups_size() && plain(last + 1)) ++last;
    if (last - g < kShortestRun) last = g;
    std::string name = absl::StrCat("column ", dataset.column_groups(g).name());
    if (last > g) {
      name = absl::StrCat("columns ", dataset.column_groups(g).name(), " to ",
                          dataset.column_groups(last).name());
    }
    table->AddRow(
        {name, absl::StrCat(DescribeColumn(dataset.column_groups(g)),
                            last > g ? absl::StrCat(", ", last - g + 1, " of them") : "")});
    g = last;
  }
}

Table DescribeDataset(const v1::Dataset& dataset) {
  Table table({"field", "value"});
  table.AddRow({"name", dataset.declaration().name()});
  table.AddRow({"state", v1::Dataset::State_Name(dataset.state()).substr(6)});
  AddIf(!dataset.error().empty(), "error", dataset.error(), &table);
  AddIf(!dataset.declaration().description().empty(), "description",
        dataset.declaration().description(), &table);
  for (const v1::PartInfo& part : dataset.parts()) {
    const std::string name = absl::AsciiStrToLower(v1::Part_Name(part.part()).substr(5));
    table.AddRow({name + "_rows", absl::StrCat(part.rows())});
  }
  AddIf(dataset.columns() > 0, "columns", absl::StrCat(dataset.columns()), &table);
  AddIf(dataset.row_shape_size() > 0, "row_shape", FormatShape(dataset.row_shape()), &table);
  if (dataset.state() == v1::Dataset::STATE_READY) {
    table.AddRow(
        {"range", absl::StrCat(FormatNumber(dataset.min()), " to ", FormatNumber(dataset.max()))});
    table.AddRow({"value_scale", FormatNumber(dataset.value_scale(), 9)});
    table.AddRow({"labels", dataset.has_labels() ? "yes" : "no"});
    AddIf(dataset.has_row_ids(), "row_ids", "yes", &table);
    AddIf(dataset.sparse(), "stored_cells", absl::StrCat(dataset.stored_cells(), " (sparse)"),
          &table);
    AddIf(dataset.has_index_base(), "index_base", absl::StrCat(dataset.index_base()), &table);
    AddColumns(dataset, &table);
  }
  AddIf(dataset.label_names_size() > 0, "label_names", absl::StrJoin(dataset.label_names(), ", "),
        &table);
  for (const v1::FileProgress& file : dataset.files()) {
    table.AddRow({"file " + file.name(), BytesCell(file.committed_bytes())});
  }
  AddIf(dataset.bytes() > 0, "size", BytesCell(dataset.bytes()), &table);
  AddIf(!dataset.content_hash().empty(), "content_hash", dataset.content_hash(), &table);
  table.AddRow({"created", FormatTime(dataset.create_time())});
  return table;
}

Table DescribeJob(const v1::TrainJob& job) {
  Table table({"field", "value"});
  table.AddRow({"id", job.id()});
  table.AddRow({"state", ShortName(job.state())});
  AddIf(job.phase() != v1::JOB_PHASE_UNSPECIFIED, "phase", ShortName(job.phase()), &table);
  AddIf(!job.error().empty(), "error", job.error(), &table);
  AddIf(job.has_queue_position(), "queue_position", absl::StrCat(job.queue_position()), &table);
  table.AddRow({"model", job.plan().model()});
  AddIf(job.has_evaluation(), "evaluates", absl::StrCat("version ", job.evaluation().version()),
        &table);
  table.AddRow({"dataset", job.plan().data().dataset()});
  table.AddRow({"preset", job.plan().preset()});
  table.AddRow({"layers", FormatLayers(job.plan())});
  AddIf(!job.plan().description().empty(), "description", job.plan().description(), &table);
  AddLabels(job.plan().labels(), &table);
  AddProgress(job.progress(), &table);
  AddIf(job.attempt() > 0, "attempt", absl::StrCat(job.attempt()), &table);
  AddIf(job.published_version() > 0, "published_version", absl::StrCat(job.published_version()),
        &table);
  AddIf(!job.publish_decision().empty(), "publish_decision", job.publish_decision(), &table);
  table.AddRow({"created", FormatTime(job.create_time())});
  AddIf(job.has_start_time(), "started", FormatTime(job.start_time()), &table);
  AddIf(job.has_end_time(), "ended", FormatTime(job.end_time()), &table);
  if (job.has_start_time() && job.has_end_time()) {
    table.AddRow({"duration", DurationCell(static_cast<double>(job.end_time().seconds() -
                                                               job.start_time().seconds()))});
  }
  return table;
}

Table DescribePlan(const v1::TrainingPlan& plan) {
  Table table({"field", "value"});
  table.AddRow({"layers", FormatLayers(plan)});
  table.AddRow({"parameters", CountCell(plan.parameters())});
  table.AddRow({"training memory", BytesCell(plan.training_bytes())});
  table.AddRow({"updates", plan.total_updates() == 0 ? Table::Cell("none (closed form)", "0")
                                                     : CountCell(plan.total_updates())});
  v1::TrainingPlan rest = plan;
  rest.clear_parameters();
  rest.clear_training_bytes();
  rest.clear_total_updates();
  rest.mutable_data()->clear_column_names();
  AddFields(rest, "", &table);
  return table;
}

Table DescribeVersion(const v1::ModelVersion& version) {
  Table table({"field", "value"});
  table.AddRow({"model", version.model()});
  table.AddRow({"version", absl::StrCat(version.version())});
  AddIf(version.aliases_size() > 0, "aliases", absl::StrJoin(version.aliases(), ", "), &table);
  table.AddRow({"latent_space_id", version.latent_space_id()});
  table.AddRow({"preset", version.plan().preset()});
  table.AddRow({"layers", FormatLayers(version.plan())});
  table.AddRow({"parameters", CountCell(version.plan().parameters())});
  table.AddRow({"row_shape", FormatShape(version.plan().data().row_shape())});
  table.AddRow({"dataset", version.plan().data().dataset()});
  AddEvaluatedOn(version.metrics(), &table);
  table.AddRow({"dataset_hash", version.lineage().dataset_hash()});
  table.AddRow({"job", version.lineage().job_id()});
  table.AddRow({"seed", absl::StrCat(version.lineage().seed())});
  AddIf(version.lineage().warm_start_version() != 0, "warm_start",
        absl::StrCat(version.lineage().warm_start_model(), "@",
                     version.lineage().warm_start_version()),
        &table);
  table.AddRow({"code_revision", version.lineage().code_revision()});
  AddIf(!version.plan().description().empty(), "description", version.plan().description(), &table);
  for (const v1::Artifact& artifact : version.artifacts()) {
    table.AddRow({"file " + artifact.name(), BytesCell(artifact.size())});
  }
  table.AddRow({"size", BytesCell(version.bytes())});
  table.AddRow({"created", FormatTime(version.create_time())});
  return table;
}

Table DescribeMetrics(const google::protobuf::RepeatedPtrField<v1::Metric>& metrics) {
  Table table({"name", "value", "unit", "standard error", "part", "better"});
  for (const v1::Metric& metric : metrics) {
    const bool known = metric.part() != v1::PART_UNSPECIFIED;
    const std::string draws =
        metric.has_draws() ? absl::StrCat(", ", metric.draws(), " draws") : "";
    table.AddRow({metric.name(), FormatNumber(metric.value(), 7), metric.unit() + draws,
                  metric.has_standard_error() ? FormatNumber(metric.standard_error(), 3) : "",
                  known ? absl::AsciiStrToLower(v1::Part_Name(metric.part()).substr(5)) : "",
                  !metric.has_higher_is_better() ? ""
                  : metric.higher_is_better()    ? "higher"
                                                 : "lower"});
  }
  return table;
}

}  // namespace latent::cli

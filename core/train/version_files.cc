#include "core/train/version_files.h"

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/durable_file.h"
#include "core/base/mapped_file.h"
#include "core/base/status.h"
#include "core/model/model_file.h"
#include "core/model/model_io.h"
#include "core/train/plan_json.h"
#include "nlohmann/json.hpp"

namespace latent {
namespace {

using nlohmann::json;

json MetricToJson(const v1::Metric& metric) {
  json out = {{"name", metric.name()},
              {"value", metric.value()},
              {"unit", metric.unit()},
              {"part", v1::Part_Name(metric.part())}};
  if (metric.has_standard_error()) out["standard_error"] = metric.standard_error();
  if (metric.has_higher_is_better()) out["higher_is_better"] = metric.higher_is_better();
  if (metric.has_draws()) out["draws"] = metric.draws();
  return out;
}

v1::Metric MetricFromJson(const json& in) {
  v1::Metric metric;
  metric.set_name(in.at("name").get<std::string>());
  // JSON has no NaN or infinity; they are written as null.
  const json& value = in.at("value");
  metric.set_value(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                   : value.get<double>());
  metric.set_unit(in.at("unit").get<std::string>());
  v1::Part part = v1::PART_UNSPECIFIED;
  v1::Part_Parse(in.at("part").get<std::string>(), &part);
  metric.set_part(part);
  if (in.contains("standard_error") && in["standard_error"].is_number()) {
    metric.set_standard_error(in["standard_error"].get<double>());
  }
  if (in.contains("draws") && in["draws"].is_number_unsigned()) {
    metric.set_draws(in["draws"].get<std::uint32_t>());
  }
  if (in.contains("higher_is_better")) {
    metric.set_higher_is_better(in["higher_is_better"].get<bool>());
  }
  return metric;
}

// What SamplerFromTensors may look at: its own tensors, and the codebook.
TensorFile SamplerTensors(const TensorViews& tensors) {
  return CopyTensors(tensors, [](const std::string& name) {
    return name.rfind("sampler.", 0) == 0 || name == "latent.codebook";
  });
}

// Far above what a model of the greatest size takes.
constexpr std::uint64_t kMaxFileBytes = 4ull << 30;

}  // namespace

std::string EvaluationToJson(const Evaluation& evaluation) {
  json metrics = json::array();
  for (const v1::Metric& metric : evaluation.metrics) metrics.push_back(MetricToJson(metric));
  json out = {{"format_version", kMetricsFormatVersion},
              {"metrics", std::move(metrics)},
              {"anomaly_threshold", evaluation.anomaly_threshold},
              {"score_quantiles", evaluation.score_quantiles}};
  if (!evaluation.code_scales.empty()) {
    out["code_scale"] = evaluation.code_scales.scale;
    out["code_offset"] = evaluation.code_scales.offset;
  }
  return out.dump(1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<Evaluation> ParseEvaluation(std::string_view text) {
  const json in = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!in.is_object()) return absl::DataLossError("metrics.json is not a JSON object");
  try {
    const auto format = in.at("format_version").get<std::uint64_t>();
    if (format > kMetricsFormatVersion) {
      return MakeError(
          absl::StatusCode::kFailedPrecondition, "METRICS_FORMAT",
          absl::StrCat("the figures have format version ", format, ", this build reads up to ",
                       kMetricsFormatVersion, "; use a build that is at least as new as they are"));
    }
    Evaluation evaluation;
    for (const json& metric : in.at("metrics")) {
      evaluation.metrics.push_back(MetricFromJson(metric));
    }
    evaluation.anomaly_threshold = in.at("anomaly_threshold").get<double>();
    evaluation.score_quantiles = in.at("score_quantiles").get<std::vector<double>>();
    if (in.contains("code_scale")) {
      evaluation.code_scales = {in.at("code_scale").get<std::vector<float>>(),
                                in.at("code_offset").get<std::vector<float>>()};
    }
    return evaluation;
  } catch (const json::exception& e) {  // the library's way of saying "not as expected"
    return absl::DataLossError(absl::StrCat("metrics.json is not as it was written: ", e.what()));
  }
}

std::map<std::string, std::string> VersionToFiles(const VersionContent& content) {
  TensorFile tensors = ToTensors(*content.model);
  content.sampler->AddTensors(tensors);
  std::map<std::string, std::string> files = {{kWeightsFile, SerializeTensors(tensors)},
                                              {kPlanFile, PlanToJson(content.plan)},
                                              {kMetricsFile, EvaluationToJson(content.evaluation)}};
  if (!content.optimizer.tensors.empty()) {
    files[kOptimizerFile] = SerializeTensors(content.optimizer);
  }
  json names = json::array();
  for (const std::string& name : content.plan.data().column_names()) names.push_back(name);
  if (!names.empty()) {
    files[kVocabularyFile] = names.dump(1, ' ', false, json::error_handler_t::replace);
  }
  return files;
}

absl::StatusOr<VersionContent> ReadVersion(const std::string& directory) {
  const auto read = [&](const char* name, auto parse) -> decltype(parse(std::string_view())) {
    const absl::StatusOr<std::string> bytes =
        ReadWholeFile(absl::StrCat(directory, "/", name), kMaxFileBytes);
    if (!bytes.ok()) return Annotate(bytes.status(), name);
    auto parsed = parse(*bytes);
    if (!parsed.ok()) return Annotate(parsed.status(), name);
    return parsed;
  };
  VersionContent content;
  LATENT_ASSIGN_OR_RETURN(content.plan, read(kPlanFile, ParsePlan));
  LATENT_ASSIGN_OR_RETURN(content.evaluation, read(kMetricsFile, ParseEvaluation));
  auto mapped = MappedFile::Open(absl::StrCat(directory, "/", kWeightsFile), kMaxFileBytes);
  if (!mapped.ok()) return Annotate(mapped.status(), kWeightsFile);
  const auto tensors = ViewTensors(mapped->bytes());
  if (!tensors.ok()) return Annotate(tensors.status(), kWeightsFile);
  auto model = FromTensors(content.plan, *tensors);
  if (!model.ok()) return Annotate(model.status(), kWeightsFile);
  content.model = *std::move(model);
  const CodeScales& scales = content.evaluation.code_scales;
  for (const std::vector<float>* numbers : {&scales.scale, &scales.offset}) {
    if (numbers->empty() || numbers->size() == content.model->latent_dim()) continue;
    return absl::DataLossError(absl::StrCat(kMetricsFile, ": expected scales for ",
                                            content.model->latent_dim(), " code entries, got ",
                                            numbers->size()));
  }
  auto sampler = SamplerFromTensors(SamplerTensors(*tensors), content.model->latent_dim());
  if (!sampler.ok()) return Annotate(sampler.status(), kWeightsFile);
  content.sampler = *std::move(sampler);
  return content;
}

}  // namespace latent

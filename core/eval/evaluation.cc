#include "core/eval/evaluation.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/eval/compression.h"
#include "core/eval/importance.h"
#include "core/eval/latent_report.h"
#include "core/eval/mean.h"
#include "core/eval/metric_table.h"
#include "core/eval/pca_baseline.h"
#include "core/eval/probe.h"
#include "core/model/image_layers.h"

namespace latent {
namespace {

constexpr std::size_t kMaxQuantiles = 10'001;

// The first of these parts that has rows.
v1::Part FirstWithRows(const Dataset& data, std::initializer_list<v1::Part> parts) {
  for (const v1::Part part : parts) {
    if (data.info().rows(part) > 0) return part;
  }
  return v1::PART_TRAIN;
}

// Of Gaussian codes, draws keyed by (seed, row); else the code itself.
class ObjectivePass {
 public:
  ObjectivePass(const Autoencoder& model, std::uint64_t seed)
      : model_(model),
        seed_(seed),
        codes_(kEvaluationBatchRows * model.latent_dim()),
        sigma_(model.variational() ? codes_.size() : 0) {
    const v1::Objective& objective = model.spec().objective();
    if (objective.has_iwae()) importance_.emplace(model, objective.iwae().draws(), seed);
  }

  // -log p(x|z) + KL of each row, or the importance-weighted bound.
  std::span<const double> Run(const LabelledRows& rows, std::size_t first_row) {
    const std::size_t n = rows.rows;
    const std::span<double> nats = std::span(nats_).first(n);
    ForwardOutputs outputs;
    if (importance_) {
      importance_->Run(rows, first_row, nats);
      return nats;
    }
    if (!model_.variational()) {
      outputs.reconstruction_nats = nats;
      model_.Forward(rows, outputs, workspace_);
      return nats;
    }
    const std::span<double> kl = std::span(kl_).first(n);
    outputs.codes = Matrix(codes_.data(), n, model_.latent_dim());
    outputs.sigma = Matrix(sigma_.data(), n, model_.latent_dim());
    outputs.kl = kl;
    model_.Forward(rows, outputs, workspace_);
    DrawCodes(outputs.codes, outputs.sigma, seed_, first_row, outputs.codes);
    model_.ReconstructionNats(rows, outputs.codes, nats, workspace_);
    for (std::size_t r = 0; r < n; ++r) nats[r] += kl[r];
    return nats;
  }

 private:
  const Autoencoder& model_;
  const std::uint64_t seed_;
  std::optional<ImportanceSampler> importance_;
  Workspace workspace_;
  std::vector<float> codes_;
  std::vector<float> sigma_;
  std::vector<double> nats_ = std::vector<double>(kEvaluationBatchRows);
  std::vector<double> kl_ = std::vector<double>(kEvaluationBatchRows);
};

absl::StatusOr<Mean> Objective(const Autoencoder& model, const Dataset& data, v1::Part part,
                               std::uint64_t seed, const std::stop_token& stop) {
  const EvaluationInput input = {model, data, part, stop};
  ObjectivePass pass(model, seed);
  Mean mean;
  const RowsView rows = input.rows();
  std::vector<float> scratch;
  for (std::size_t first = 0; first < rows.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const std::size_t count = std::min(kEvaluationBatchRows, rows.rows - first);
    for (const double nats : pass.Run(rows.Read(first, count, scratch), first)) mean.Add(nats);
  }
  return mean;
}

// The finite scores of a part's rows, ascending.
absl::StatusOr<std::vector<double>> SortedScores(const EvaluationInput& input) {
  const RowsView rows = input.rows();
  std::vector<float> scratch;
  std::vector<double> scores(rows.rows);
  Workspace workspace;
  for (std::size_t first = 0; first < rows.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const std::size_t count = std::min(kEvaluationBatchRows, rows.rows - first);
    ForwardOutputs outputs;
    outputs.score = std::span(scores).subspan(first, count);
    input.model.Forward(rows.Read(first, count, scratch), outputs, workspace);
  }
  std::erase_if(scores, [](double score) { return !std::isfinite(score); });
  std::sort(scores.begin(), scores.end());
  return scores;
}

// Linear between the two nearest order statistics; `sorted` is not empty.
double Quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

absl::Status AddScores(const EvaluationInput& input, double quantile, Evaluation& evaluation) {
  LATENT_ASSIGN_OR_RETURN(const std::vector<double> scores, SortedScores(input));
  if (scores.empty()) return absl::OkStatus();
  evaluation.anomaly_threshold = Quantile(scores, quantile);
  const std::size_t count = std::min(scores.size(), kMaxQuantiles);
  for (std::size_t i = 0; i < count; ++i) {
    const double q = count == 1 ? 0 : static_cast<double>(i) / static_cast<double>(count - 1);
    evaluation.score_quantiles.push_back(Quantile(scores, q));
  }
  return absl::OkStatus();
}

// Figures of one pass over the rows.
absl::Status AddCollected(const EvaluationInput& input, const CodeScales& scales,
                          MetricList& metrics) {
  std::vector<std::unique_ptr<Collector>> collectors;
  collectors.push_back(ReconstructionCollector(input));
  if (input.model.variational()) collectors.push_back(BoundCollector(input));
  if (input.model.latent_dim() > 0) {
    collectors.push_back(CodeCollector(input));
    collectors.push_back(CompressionCollector(input, scales));
    if (const auto codebook = input.model.codebook()) {
      collectors.push_back(CodebookCollector(input, *codebook));
    }
  }
  LATENT_RETURN_IF_ERROR(Collect(input, collectors));
  for (const auto& collector : collectors) collector->AddTo(metrics);
  return absl::OkStatus();
}

// Figures of codes and their controls.
absl::Status AddCodeFigures(const EvaluationInput& input, std::size_t threads,
                            MetricList& metrics) {
  if (input.model.latent_dim() == 0) return absl::OkStatus();
  LATENT_ASSIGN_OR_RETURN(const std::optional<PcaBasis> basis, FitPcaBasis(input, threads));
  if (basis) LATENT_RETURN_IF_ERROR(AddPcaBaseline(input, *basis, metrics));
  LATENT_RETURN_IF_ERROR(AddProbes(input, basis, metrics));
  return AddLatentReport(input, metrics);
}

v1::Part Reported(const Dataset& data) {
  return FirstWithRows(data, {v1::PART_TEST, v1::PART_VALIDATION, v1::PART_TRAIN});
}

v1::Part HeldOut(const Dataset& data) {
  return FirstWithRows(data, {v1::PART_VALIDATION, v1::PART_TRAIN});
}

}  // namespace

absl::StatusOr<std::vector<v1::Metric>> ComputeMetrics(const Autoencoder& model,
                                                       const v1::TrainingPlan& plan,
                                                       const Dataset& data,
                                                       const CodeScales& scales,
                                                       std::stop_token stop) {
  const EvaluationInput input = {model, data, Reported(data), stop};
  const v1::Part held_out = HeldOut(data);
  MetricList metrics;
  LATENT_ASSIGN_OR_RETURN(const Mean objective,
                          Objective(model, data, held_out, plan.training().seed(), stop));
  metrics.Add("validation_objective", objective.mean(), held_out, objective.standard_error());
  LATENT_RETURN_IF_ERROR(AddCollected(input, scales, metrics));
  LATENT_RETURN_IF_ERROR(AddSimilarity(input, metrics));
  LATENT_RETURN_IF_ERROR(AddImportance(input, plan.training(), metrics));
  LATENT_RETURN_IF_ERROR(AddDenoising(input, metrics));
  const std::size_t threads = std::max(1u, plan.training().threads());
  LATENT_RETURN_IF_ERROR(AddCodeFigures(input, threads, metrics));
  LATENT_RETURN_IF_ERROR(AddAnomalyDetection(input, metrics));
  LATENT_RETURN_IF_ERROR(AddRanking(input, metrics));
  LATENT_RETURN_IF_ERROR(AddImputation(input, metrics));
  LATENT_RETURN_IF_ERROR(AddServingWeights({model, data, held_out, stop}, metrics));
  return std::move(metrics).Take();
}

absl::StatusOr<Evaluation> Evaluate(const Autoencoder& model, const v1::TrainingPlan& plan,
                                    const Dataset& data, std::stop_token stop) {
  Evaluation evaluation;
  const EvaluationInput scored = {model, data, HeldOut(data), stop};
  if (model.latent_dim() > 0) {
    LATENT_ASSIGN_OR_RETURN(evaluation.code_scales, FitScales(scored));
  }
  LATENT_ASSIGN_OR_RETURN(evaluation.metrics,
                          ComputeMetrics(model, plan, data, evaluation.code_scales, stop));
  LATENT_RETURN_IF_ERROR(AddScores(scored, plan.training().anomaly_quantile(), evaluation));
  return evaluation;
}

std::uint64_t EvaluationBytes(const v1::TrainingPlan& plan) {
  const std::uint64_t columns = plan.data().columns();
  const std::uint64_t dim = plan.architecture().latent().dim();
  std::uint64_t layers = 0;
  for (const v1::Network* network :
       {&plan.architecture().encoder(), &plan.architecture().decoder()}) {
    for (const v1::Layer& layer : network->layers()) layers += OutputsOf(layer);
  }
  // A batch in all layers, of which wide ones see fewer rows at a time, and what it is compared
  // with.
  const std::uint64_t held =
      std::min(kEvaluationBatchRows * layers, 8 * layers + (std::uint64_t{1} << 20));
  const std::uint64_t passes = 4 * (kEvaluationBatchRows * (columns + dim) + held) * sizeof(float);
  return passes + std::max({PcaBasisBytes(plan), ProbeBytes(plan), CodeScaleBytes(plan)});
}

double ValidationObjective(const Autoencoder& model, const Dataset& data, v1::Part part,
                           std::uint64_t seed) {
  // Without a stop token nothing can fail.
  return Objective(model, data, part, seed, {})->mean();
}

absl::StatusOr<v1::Metric> FindMetric(const std::vector<v1::Metric>& metrics,
                                      const std::string& name) {
  for (const v1::Metric& metric : metrics) {
    if (metric.name() == name) return metric;
  }
  const std::string names =
      absl::StrJoin(metrics, ", ",
                    [](std::string* out, const v1::Metric& metric) { out->append(metric.name()); });
  return absl::NotFoundError(absl::StrCat("there is no figure \"", name, "\"; there are: ", names));
}

}  // namespace latent

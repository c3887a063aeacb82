#include "core/train/fit_sampler.h"

#include <algorithm>
#include <utility>

#include "core/base/status.h"
#include "core/base/thread_pool.h"
#include "core/eval/mean.h"
#include "core/eval/metric_table.h"
#include "core/model/code_prior.h"
#include "core/model/mixture_sampler.h"

namespace latent {
namespace {

// Rows encoded at once, so that a stop is heard soon.
constexpr std::size_t kEncodeRows = 256;
// Codes that a sampler is judged by, evenly spaced.
constexpr std::size_t kJudgedCodes = 4096;

absl::StatusOr<std::vector<float>> CodesOf(const Autoencoder& model, const RowsView& rows,
                                           absl::FunctionRef<absl::Status()> check) {
  std::vector<float> scratch;
  std::vector<float> cells(rows.rows * model.latent_dim());
  const MatrixView<float> codes(cells.data(), rows.rows, model.latent_dim());
  Workspace workspace;
  for (std::size_t first = 0; first < rows.rows; first += kEncodeRows) {
    LATENT_RETURN_IF_ERROR(check());
    const std::size_t count = std::min(kEncodeRows, rows.rows - first);
    ForwardOutputs outputs;
    outputs.codes = codes.slice_rows(first, count);
    model.Forward(rows.Read(first, count, scratch), outputs, workspace);
  }
  return cells;
}

v1::Part JudgedPart(const Dataset& data) {
  for (const v1::Part part : {v1::PART_TEST, v1::PART_VALIDATION}) {
    if (data.rows(part).rows > 0) return part;
  }
  return v1::PART_TRAIN;
}

absl::StatusOr<std::vector<v1::Metric>> Judge(const FittedSampler& fitted, const Autoencoder& model,
                                              const Dataset& data,
                                              absl::FunctionRef<absl::Status()> check) {
  const std::size_t components = fitted.density.mixture.components();
  if (components == 0) return std::vector<v1::Metric>();
  const v1::Part part = JudgedPart(data);
  const RowsView all = RowsFor(model.spec(), data, part);
  const RowsView rows = all.EveryNth((all.rows + kJudgedCodes - 1) / kJudgedCodes);
  LATENT_ASSIGN_OR_RETURN(const std::vector<float> codes, CodesOf(model, rows, check));
  Mean nll;
  for (const double density :
       fitted.density.LogDensities({codes.data(), rows.rows, model.latent_dim()})) {
    nll.Add(-density);
  }
  MetricList metrics;
  metrics.Add("sampler_components", static_cast<double>(components), v1::PART_TRAIN);
  metrics.Add("sampler_code_nll", nll.mean(), part, nll.standard_error());
  return std::move(metrics).Take();
}

}  // namespace

absl::StatusOr<SamplerResult> FitSampler(const v1::TrainingPlan& plan, const Autoencoder& model,
                                         const Dataset& data,
                                         absl::FunctionRef<absl::Status()> check) {
  SamplerResult result;
  const std::size_t dim = model.latent_dim();
  // Without a code there is nothing to draw, and nothing is.
  if (model.variational() || dim == 0) {
    result.sampler = StandardNormalSampler(dim);
    return result;
  }
  const RowsView all = RowsFor(model.spec(), data, v1::PART_TRAIN);
  const RowsView rows = all.EveryNth(SamplerStep(all.rows, dim));
  LATENT_ASSIGN_OR_RETURN(const std::vector<float> cells, CodesOf(model, rows, check));
  const MatrixView<const float> codes(cells.data(), rows.rows, dim);
  if (const auto codebook = model.codebook()) {
    LATENT_ASSIGN_OR_RETURN(result.sampler, FitCodePrior(codes, *codebook, check));
    return result;
  }
  const v1::SamplerSpec& sampler = plan.training().sampler();
  if (!sampler.has_mixture()) {
    LATENT_ASSIGN_OR_RETURN(result.sampler, FitGaussianSampler(codes, check));
    return result;
  }
  ThreadPool pool(std::max(1u, plan.training().threads()));
  LATENT_ASSIGN_OR_RETURN(FittedSampler fitted,
                          FitMixtureSampler(codes, sampler.mixture().max_components(),
                                            plan.training().seed(), &pool, check));
  LATENT_ASSIGN_OR_RETURN(result.metrics, Judge(fitted, model, data, check));
  result.sampler = std::move(fitted.sampler);
  return result;
}

}  // namespace latent

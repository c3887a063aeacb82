#include "core/eval/metric_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace latent {
namespace {

// To add a figure, add a row here and compute it in a collector (core/eval/collector.h) or beside.
constexpr auto kTable = std::to_array<MetricDefinition>({
    {"validation_objective", "nats/row", Better::kLower,
     "-log p(x|z), plus KL for Gaussian codes (beta = 1, one draw a row), of the VALIDATION rows, "
     "scaled units; what early stopping and IF_BETTER look at"},
    {"test_mse_per_element", "dataset units^2", Better::kLower,
     "squared error of the reconstruction, mean over rows and cells"},
    {"test_sse_per_row", "dataset units^2/row", Better::kLower,
     "squared error of the reconstruction, summed over cells, mean over rows"},
    {"psnr_db", "dB", Better::kHigher,
     "10 log10(R^2 / test_mse_per_element); R is 1 for data in [0, 1], else greatest less least "
     "cell; absent if the error is 0"},
    {"r2", "1", Better::kHigher,
     "1 - squared error / squared distance from the rows' own column means, both summed over all "
     "cells; absent for constant rows"},
    {"pca_test_mse_per_element", "dataset units^2", Better::kLower,
     "test_mse_per_element of principal components of the TRAIN rows, as many as the code has "
     "entries; absent above 2048 columns; fitted to evenly spaced rows where there are very many"},
    {"nll", "nats/row", Better::kLower, "-log p(x|code), scaled units; deterministic codes only"},
    {"neg_elbo", "nats/row", Better::kLower,
     "reconstruction_nats + kl_nats: the negative evidence lower bound at beta = 1; Gaussian codes "
     "only"},
    {"reconstruction_nats", "nats/row", Better::kLower,
     "-log p(x|z) of one draw of z a row (fixed seed), scaled units; Gaussian codes only"},
    {"kl_nats", "nats/row", Better::kNeither,
     "KL(q(z|x) || N(0, I)), summed over the code; Gaussian codes only"},
    {"bits_per_dim", "bits", Better::kLower, "neg_elbo / (columns ln 2); Gaussian codes only"},
    {"active_units", "1", Better::kNeither,
     "code entries whose mean varies over rows by more than 0.01 (variance); Gaussian codes only"},
    {"code_density", "1", Better::kNeither, "share of code values beyond 1e-5 in magnitude"},
    {"dead_units", "1", Better::kLower, "code entries that no row brings beyond 1e-5 in magnitude"},
    {"noisy_psnr_db", "dB", Better::kNeither,
     "psnr_db of rows with the noise that the model was trained with (fixed seed), not clipped; "
     "models trained with noise only"},
    {"denoised_psnr_db", "dB", Better::kHigher,
     "psnr_db of the reconstruction of those noisy rows, clipped to [0, 1] for data in [0, 1]"},
    {"knn5_code_accuracy", "1", Better::kHigher,
     "share of labels told rightly by the 5 nearest codes among TRAIN rows (codes standardised; at "
     "most 2000 of the rows against 10000 of TRAIN, evenly spaced); absent without labels"},
});

}  // namespace

std::span<const MetricDefinition> MetricTable() { return kTable; }

const MetricDefinition* FindMetricDefinition(std::string_view name) {
  const auto* found = std::find_if(kTable.begin(), kTable.end(),
                                   [name](const auto& metric) { return metric.name == name; });
  return found == kTable.end() ? nullptr : found;
}

void MetricList::Add(std::string_view name, double value, v1::Part part,
                     std::optional<double> standard_error) {
  const MetricDefinition* definition = FindMetricDefinition(name);
  if (definition == nullptr) std::abort();  // a figure without a row in the table
  if (!std::isfinite(value)) return;
  v1::Metric metric;
  metric.set_name(std::string(definition->name));
  metric.set_value(value);
  metric.set_unit(std::string(definition->unit));
  metric.set_part(part);
  if (standard_error && std::isfinite(*standard_error)) {
    metric.set_standard_error(*standard_error);
  }
  if (definition->better != Better::kNeither) {
    metric.set_higher_is_better(definition->better == Better::kHigher);
  }
  metrics_.push_back(std::move(metric));
}

}  // namespace latent

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
     "scaled units; of models trained with iwae its bound with as many draws; what early stopping "
     "and IF_BETTER look at"},
    {"test_mse_per_element", "dataset units^2", Better::kLower,
     "squared error of the reconstruction, mean over rows and cells; what is missing does not "
     "count, here as elsewhere, where the likelihood leaves it out"},
    {"test_sse_per_row", "dataset units^2/row", Better::kLower,
     "squared error of the reconstruction, summed over cells, mean over rows"},
    {"psnr_db", "dB", Better::kHigher,
     "10 log10(R^2 / test_mse_per_element); R is 1 for data in [0, 1], else greatest less least "
     "cell; absent if the error is 0"},
    {"r2", "1", Better::kHigher,
     "1 - squared error / squared distance from the rows' own column means, both summed over all "
     "cells; absent for constant rows"},
    {"ssim", "1", Better::kHigher,
     "structural similarity of image and reconstruction (Gaussian window of 11 x 11, sigma 1.5, "
     "K1 = 0.01, K2 = 0.03, R as in psnr_db), mean over at most 2000 evenly spaced rows; images of "
     "at least 11 x 11 only"},
    {"pca_test_mse_per_element", "dataset units^2", Better::kLower,
     "test_mse_per_element of principal components of the TRAIN rows, as many as the code has "
     "entries; absent above 2048 columns, and for more than 512 of them where rows and columns "
     "exceed 1024, and where cells that are missing do not count; fitted to evenly spaced rows "
     "where there are very many"},
    {"pca_r2", "1", Better::kHigher, "r2 of those principal components"},
    {"nll", "nats/row", Better::kLower, "-log p(x|code), scaled units; deterministic codes only"},
    {"neg_elbo", "nats/row", Better::kLower,
     "reconstruction_nats + kl_nats: the negative evidence lower bound at beta = 1; Gaussian codes "
     "only"},
    {"reconstruction_nats", "nats/row", Better::kLower,
     "-log p(x|z) of one draw of z a row (fixed seed), scaled units; Gaussian codes only"},
    {"kl_nats", "nats/row", Better::kNeither,
     "KL(q(z|x) || N(0, I)), summed over the code; Gaussian codes only"},
    {"rate_bits", "bits/row", Better::kNeither,
     "kl_nats / ln 2: what a code costs to send, beside test_mse_per_element for what it is worth; "
     "Gaussian codes only"},
    {"test_iwae_nll", "nats/row", Better::kLower,
     "-log p(x) estimated by -log (1/K) sum_k p(x, z_k) / q(z_k|x), scaled units; K = "
     "training.evaluation.importance_draws (`draws` of the figure) on at most importance_rows "
     "rows, evenly spaced; Gaussian codes only"},
    {"bits_per_dim", "bits", Better::kLower, "neg_elbo / (columns ln 2); Gaussian codes only"},
    {"active_units", "1", Better::kNeither,
     "code entries whose mean varies over rows by more than 0.01 (variance); Gaussian codes only"},
    {"code_l0", "1/row", Better::kNeither,
     "code values beyond 1e-5 in magnitude, counted over the code"},
    {"code_density", "1", Better::kNeither, "share of code values beyond 1e-5 in magnitude"},
    {"dead_units", "1", Better::kLower, "code entries that no row brings beyond 1e-5 in magnitude"},
    {"code_bits_float32", "bits/row", Better::kLower, "a code in the format FLOAT32"},
    {"code_bits_float16", "bits/row", Better::kLower, "a code in the format FLOAT16"},
    {"code_bits_int8", "bits/row", Better::kLower, "a code in the format INT8"},
    {"int8_entropy_bits", "bits/row", Better::kLower,
     "what INT8 codes would take if each entry were coded by itself at its entropy over the rows; "
     "absent above 4096 entries"},
    {"float16_mse_per_element", "dataset units^2", Better::kLower,
     "test_mse_per_element of rows decoded from codes in the format FLOAT16"},
    {"int8_mse_per_element", "dataset units^2", Better::kLower,
     "test_mse_per_element of rows decoded from codes in the format INT8"},
    {"float16_weights_code_error", "1", Better::kLower,
     "served with --serving-weights=float16: greatest distance of a row's code from that with "
     "float32 weights, over the root mean square length of codes; at most 1000 evenly spaced rows"},
    {"float16_weights_reconstruction_error", "1", Better::kLower,
     "the same of reconstructions, dataset units"},
    {"int8_weights_code_error", "1", Better::kLower,
     "float16_weights_code_error with --serving-weights=int8"},
    {"int8_weights_reconstruction_error", "1", Better::kLower,
     "float16_weights_reconstruction_error with --serving-weights=int8"},
    {"code_bits_indices", "bits/row", Better::kLower,
     "groups x log2(codebook_size): a code as indices, without a bit to spare (UINT16 takes 16 "
     "each); "
     "vector-quantised codes only"},
    {"indices_entropy_bits", "bits/row", Better::kLower,
     "what indices would take if each group were coded by itself at its entropy over the rows; "
     "vector-quantised codes only"},
    {"codebook_perplexity", "1", Better::kHigher,
     "exp of the entropy of how often each codebook vector is chosen, by all groups: how many are "
     "in "
     "use; vector-quantised codes only"},
    {"codebook_unused", "1", Better::kLower,
     "codebook vectors that no row chooses; vector-quantised codes only"},
    {"noisy_psnr_db", "dB", Better::kNeither,
     "psnr_db of rows with the noise that the model was trained with (fixed seed), not clipped; "
     "models trained with noise only"},
    {"denoised_psnr_db", "dB", Better::kHigher,
     "psnr_db of the reconstruction of those noisy rows, clipped to [0, 1] for data in [0, 1]"},
    {"knn5_code_accuracy", "1", Better::kHigher,
     "share of labels told rightly by the 5 nearest codes among TRAIN rows (codes standardised; at "
     "most 2000 of the rows against 10000 of TRAIN, evenly spaced); absent without labels"},
    {"knn5_raw_accuracy", "1", Better::kHigher,
     "the same from rows in the units that the network sees; absent above 2048 columns"},
    {"knn5_pca_accuracy", "1", Better::kHigher,
     "the same from as many principal components as the code has entries"},
    {"linear_code_accuracy", "1", Better::kHigher,
     "share of labels told rightly from standardised codes by multinomial logistic regression on "
     "TRAIN rows (half the squared weights are charged beside the summed cross-entropy); rows as "
     "for knn5_code_accuracy; absent above 256 classes or 200000 weights"},
    {"linear_raw_accuracy", "1", Better::kHigher,
     "the same from rows, standardised; absent above 2048 columns"},
    {"linear_pca_accuracy", "1", Better::kHigher,
     "the same from as many principal components as the code has entries, standardised"},
    {"latent_hole_rate", "1", Better::kLower,
     "gaps: share of draws from the Gaussian fitted to the codes that are further from the nearest "
     "code than 99 % of the codes are from each other (entries standardised). All latent_ figures: "
     "at most 1000 evenly spaced rows; absent below 20 rows, above 1024 entries, and where all "
     "codes are the same"},
    {"latent_hole_rate_reference", "1", Better::kNeither,
     "the same of as many draws of N(0, I) of the same dimension in place of the codes: what a "
     "latent space without that ill shows. So for every _reference"},
    {"latent_cycle_error", "1", Better::kLower,
     "gaps: mean |encode(decode(z)) - z| / sqrt(d) over draws z of the fitted Gaussian (entries "
     "standardised)"},
    {"latent_cycle_error_reference", "1", Better::kNeither, "the same, the identity as decoder"},
    {"latent_path_ratio", "1", Better::kLower,
     "disconnected regions: length of the decoded straight way between two codes, in 16 steps, "
     "over the distance of its ends; mean over at most 200 pairs of rows; 1 is straight"},
    {"latent_path_ratio_reference", "1", Better::kNeither, "the same, the identity as decoder"},
    {"latent_largest_step", "1", Better::kLower,
     "disconnected regions: largest over mean step of those ways; 1 is even, 16 a single jump"},
    {"latent_largest_step_reference", "1", Better::kNeither, "the same, the identity as decoder"},
    {"latent_path_gap", "1", Better::kLower,
     "disconnected regions: greatest distance from the nearest code on those ways, over the codes' "
     "median distance from each other's nearest (entries standardised)"},
    {"latent_path_gap_reference", "1", Better::kNeither, "the same of N(0, I)"},
    {"latent_saturation", "1", Better::kLower,
     "discreteness: share of code values within 1 % of their entry's range from one of its ends"},
    {"latent_saturation_reference", "1", Better::kNeither, "the same of N(0, I)"},
    {"latent_silhouette", "1", Better::kNeither,
     "discreteness: greatest mean silhouette of k-means with 2, 3, 4, 5, 6, 8 or 10 clusters "
     "(entries standardised); 1 means tight clumps far apart"},
    {"latent_silhouette_reference", "1", Better::kNeither, "the same of N(0, I)"},
    {"latent_clusters", "1", Better::kNeither, "the number of clusters of latent_silhouette"},
    {"sampler_components", "1", Better::kNeither,
     "Gaussians in the mixture that Sample draws codes from, by the Bayes information criterion; "
     "deterministic and top-k codes of at most 128 entries only"},
    {"sampler_code_nll", "nats/row", Better::kNeither,
     "-log density of the codes under that mixture (least variance in any direction 1e-4 of the "
     "entries' own; entries that never vary left out), mean over at most 4096 evenly spaced rows"},
    {"auroc", "1", Better::kHigher,
     "chance that an anomaly scores above another row, by its label: of two label names that call "
     "one anomaly, anomalous, abnormal, outlier, attack or fraud, or the other normal, inlier, "
     "nominal or benign; else 1 where labels are 0 and 1"},
    {"average_precision", "1", Better::kHigher,
     "precision averaged over the recall gained at every threshold of the score; anomalies as for "
     "auroc"},
    {"imputation_rmse", "scaled", Better::kLower,
     "root of the mean squared error of numbers that were hidden from the model, by its "
     "reconstruction of the rest. A fifth of the known cells (one-hot columns as one; fixed seed) "
     "is hidden at once; mixed likelihoods only. So for all of these"},
    {"mean_imputation_rmse", "scaled", Better::kNeither,
     "the same with each hidden number taken for its column's mean over the training rows"},
    {"imputation_accuracy", "1", Better::kHigher,
     "share of hidden categories that are those the reconstruction holds likeliest"},
    {"mode_imputation_accuracy", "1", Better::kNeither,
     "the same with each hidden category taken for the most frequent of the training rows"},
    {"recall_at_20", "1", Better::kHigher,
     "items held out that are among the 20 ranked first, over the lesser of 20 and the number held "
     "out; mean over rows. A fifth of each row's items (rounded down; fixed seed) is held out, the "
     "others are given, all but those are ranked by the reconstruction; rows of fewer than 5 items "
     "do not count. Sparse data, multinomial likelihoods and models without a code only, and no "
     "negative cells. So for all of these"},
    {"recall_at_50", "1", Better::kHigher, "the same among the 50 ranked first"},
    {"ndcg_at_100", "1", Better::kHigher,
     "sum of 1 / log2(rank + 1) over held-out items ranked first to hundredth, over what it would "
     "be with them ranked foremost; mean over rows"},
    {"popularity_ndcg_at_100", "1", Better::kNeither,
     "the same with items ranked by their mean over the training rows, for everybody alike"},
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

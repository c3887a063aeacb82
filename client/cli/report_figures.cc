#include "client/cli/report_figures.h"

#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/render/html.h"
#include "client/render/text.h"

namespace latent::cli {
namespace {

// A control: what it is, and the figure that holds it.
using Control = std::pair<const char*, const char*>;
struct Line {
  const char* name;
  const char* title;
  std::vector<Control> controls = {};
  const char* note = "";
};
struct Group {
  const char* title;
  const char* text;
  std::vector<Line> lines;
};

constexpr Control Reference(const char* name) { return {"reference Gaussian", name}; }

std::vector<Group> Layout() {
  return {
      {"Recommendation",
       "A fifth of each row's items is hidden; the others are given, and all items but those are "
       "ranked, beside a ranking by popularity, alike for everybody.",
       {{"ndcg_at_100",
         "NDCG among the first 100",
         {{"popularity", "popularity_ndcg_at_100"}},
         "1 is a ranking with all hidden items foremost"},
        {"recall_at_20", "recall among the first 20", {}, "over the lesser of 20 and those hidden"},
        {"recall_at_50",
         "recall among the first 50",
         {},
         "over the lesser of 50 and those hidden"}}},
      {"Reconstruction",
       "How much of a row survives the way through the code, beside principal components of as "
       "many entries: what a linear map of the same size keeps.",
       {{"test_mse_per_element",
         "squared error a cell",
         {{"PCA", "pca_test_mse_per_element"}},
         "dataset units"},
        {"r2", "R²", {{"PCA", "pca_r2"}}, "share of the variance that is explained"},
        {"test_sse_per_row", "squared error a row"},
        {"psnr_db", "PSNR"},
        {"ssim", "SSIM", {}, "structural similarity; 1 is equal"},
        {"denoised_psnr_db",
         "PSNR after denoising",
         {{"noisy rows", "noisy_psnr_db"}},
         "rows with the noise of training"}}},
      {"Imputation",
       "Cells that were hidden from the model, told from the others in their row, beside the mean "
       "or the most frequent value of their column.",
       {{"imputation_rmse",
         "error of numbers",
         {{"mean", "mean_imputation_rmse"}},
         "root mean square, in standard deviations where columns are standardised"},
        {"imputation_accuracy",
         "categories told rightly",
         {{"mode", "mode_imputation_accuracy"}},
         "share of them"}}},
      {"Likelihood",
       "In nats a row, in the units that the network sees; less is better.",
       {{"neg_elbo", "−ELBO", {}, "an upper bound on −log p(x)"},
        {"reconstruction_nats", "reconstruction term"},
        {"kl_nats", "KL term", {}, "what the code tells beyond the prior"},
        {"nll", "−log p(x | code)"},
        {"test_iwae_nll", "NLL by importance sampling", {}, "a tighter bound on −log p(x)"},
        {"bits_per_dim", "bits a dimension"},
        {"validation_objective", "validation objective", {}, "what early stopping looks at"}}},
      {"What codes know of labels",
       "Labels told from codes alone. A code that keeps what matters comes near the raw rows with "
       "far fewer numbers.",
       {{"knn5_code_accuracy",
         "5 nearest neighbours",
         {{"raw rows", "knn5_raw_accuracy"}, {"PCA", "knn5_pca_accuracy"}},
         "at most 2,000 rows against 10,000 of TRAIN"},
        {"linear_code_accuracy",
         "linear probe",
         {{"raw rows", "linear_raw_accuracy"}, {"PCA", "linear_pca_accuracy"}},
         "logistic regression on TRAIN codes"},
        {"auroc", "AUROC of the score", {}, "anomalies by their label; 0.5 is chance"},
        {"average_precision", "average precision of the score"}}},
      {"How entries are used",
       "",
       {{"active_units", "active entries", {}, "whose mean varies over rows by more than 0.01"},
        {"dead_units", "dead entries", {}, "never beyond 1e-5"},
        {"code_l0", "entries beyond 1e-5 a row"},
        {"code_density", "share of entries beyond 1e-5"}}},
      {"The latent space",
       "Three ills, each beside what as many draws of a Gaussian of the same dimension show. Gaps: "
       "places where a Gaussian fitted to the codes has mass and no code is near. Disconnected "
       "regions: straight ways between codes on which the decoder jumps, or that leave the codes. "
       "Discreteness: values at the ends of their range, codes in clumps.",
       {{"latent_hole_rate",
         "gaps: hole rate",
         {Reference("latent_hole_rate_reference")},
         "share of draws further from any code than 99 % of codes are"},
        {"latent_cycle_error",
         "gaps: cycle error",
         {Reference("latent_cycle_error_reference")},
         "|encode(decode(z)) − z| a root entry, in deviations"},
        {"latent_path_ratio",
         "regions: length of ways",
         {Reference("latent_path_ratio_reference")},
         "over the distance of their ends; 1 is straight"},
        {"latent_largest_step",
         "regions: largest step",
         {Reference("latent_largest_step_reference")},
         "over the mean step; 1 is even, 16 a single jump"},
        {"latent_path_gap",
         "regions: gap on ways",
         {Reference("latent_path_gap_reference")},
         "greatest distance from any code, in distances of neighbours"},
        {"latent_saturation",
         "discreteness: saturation",
         {Reference("latent_saturation_reference")},
         "share of values at an end of their range"},
        {"latent_silhouette",
         "discreteness: silhouette",
         {Reference("latent_silhouette_reference")},
         "of the best k-means; 1 means tight clumps far apart"},
        {"latent_clusters", "clusters of that silhouette"}}},
      {"What Sample draws codes from",
       "A mixture of Gaussians fitted to the codes of training rows, since this latent has no "
       "prior of its own.",
       {{"sampler_components", "Gaussians", {}, "as many as the Bayes information criterion asks"},
        {"sampler_code_nll", "−log density of codes, nats a row"}}},
      {"Compression",
       "What a code costs and what is lost, by the format that Encode sends it in.",
       {{"code_bits_float32", "bits a row, FLOAT32"},
        {"code_bits_float16", "bits a row, FLOAT16"},
        {"code_bits_int8", "bits a row, INT8"},
        {"int8_entropy_bits", "bits a row, INT8, ideal coder", {}, "each entry at its entropy"},
        {"code_bits_indices",
         "bits a row, indices",
         {{"ideal coder", "indices_entropy_bits"}},
         "groups x log2 of the codebook's size; they decode to the rows above, without a loss"},
        {"codebook_perplexity",
         "codebook vectors in use",
         {{"never chosen", "codebook_unused"}},
         "perplexity of how often each is chosen"},
        {"rate_bits", "bits a row, KL", {}, "the rate of the variational code"},
        {"float16_mse_per_element",
         "squared error a cell, FLOAT16",
         {{"FLOAT32", "test_mse_per_element"}}},
        {"int8_mse_per_element",
         "squared error a cell, INT8",
         {{"FLOAT32", "test_mse_per_element"}}}}},
      {"Serving with fewer bits a weight",
       "The greatest distance of a row's answer from that with float32 weights, over the root mean "
       "square length of answers: what a server with --serving-weights loses.",
       {{"float16_weights_code_error", "codes, float16"},
        {"float16_weights_reconstruction_error", "reconstructions, float16"},
        {"int8_weights_code_error", "codes, int8"},
        {"int8_weights_reconstruction_error", "reconstructions, int8"}}},
  };
}

std::string Number(double value) { return FormatNumber(value, 4); }

std::string ValueText(const v1::Metric& metric) {
  std::string text = Number(metric.value());
  if (metric.has_standard_error()) {
    absl::StrAppend(&text, " <span class=\"faint\">± ", FormatNumber(metric.standard_error(), 2),
                    "</span>");
  }
  if (metric.unit() == "dB") absl::StrAppend(&text, " dB");
  return text;
}

// Whether `metric` is better than `control`, as a class of the page; "" where neither is.
const char* Verdict(const v1::Metric& metric, const v1::Metric& control) {
  if (!metric.has_higher_is_better()) return "";
  const double lead = metric.value() - control.value();
  // Differences that no reader would see are none.
  if (std::abs(lead) <= 0.002 * std::abs(control.value())) return "";
  return (lead > 0) == metric.higher_is_better() ? "good" : "bad";
}

std::string ControlText(const Metrics& metrics, const v1::Metric& metric, const Control& control) {
  const v1::Metric* found = FindMetric(metrics, control.second);
  if (found == nullptr) return "";
  return absl::StrCat(control.first, " <span class=\"", Verdict(metric, *found), "\">",
                      Number(found->value()), "</span>");
}

std::string LineHtml(const Metrics& metrics, const v1::Metric& metric, const Line& line) {
  std::vector<std::string> controls;
  for (const Control& control : line.controls) {
    const std::string text = ControlText(metrics, metric, control);
    if (!text.empty()) controls.push_back(text);
  }
  const std::string better = !metric.has_higher_is_better() ? ""
                             : metric.higher_is_better()    ? "higher"
                                                            : "lower";
  return absl::StrCat("<tr><td>", HtmlText(line.title), "<br><code class=\"faint\">",
                      HtmlText(metric.name()), "</code></td><td class=\"number\">",
                      ValueText(metric), "</td><td class=\"number\">",
                      absl::StrJoin(controls, "<br>"), "</td><td class=\"faint\">", better,
                      "</td><td class=\"note\">", HtmlText(line.note), "</td></tr>\n");
}

std::string TableHtml(const std::string& lines) {
  return absl::StrCat(
      "<div class=\"scroll\"><table><tr><th>figure</th><th>value</th><th>beside</th>"
      "<th>better</th><th></th></tr>\n",
      lines, "</table></div>\n");
}

std::string Tile(const Metrics& metrics, const char* name, const char* title,
                 const Control& control) {
  const v1::Metric* metric = FindMetric(metrics, name);
  if (metric == nullptr) return "";
  const v1::Metric* beside = FindMetric(metrics, control.second);
  std::string text;
  if (beside != nullptr) {
    text = absl::StrCat(control.first, ": ", Number(beside->value()));
  }
  return absl::StrCat("<div class=\"tile\"><span>", HtmlText(title), "</span><b class=\"",
                      beside == nullptr ? "" : Verdict(*metric, *beside), "\">",
                      Number(metric->value()), "</b><span>", HtmlText(text), "</span></div>\n");
}

}  // namespace

const v1::Metric* FindMetric(const Metrics& metrics, const std::string& name) {
  for (const v1::Metric& metric : metrics) {
    if (metric.name() == name) return &metric;
  }
  return nullptr;
}

std::string FigureTiles(const Metrics& metrics) {
  return absl::StrCat(
      "<div class=\"tiles\">\n",
      Tile(metrics, "test_mse_per_element", "squared error a cell",
           {"PCA of the same size", "pca_test_mse_per_element"}),
      Tile(metrics, "ndcg_at_100", "NDCG@100", {"popularity", "popularity_ndcg_at_100"}),
      Tile(metrics, "neg_elbo", "−ELBO, nats a row", {"", ""}),
      Tile(metrics, "ssim", "SSIM", {"", ""}),
      Tile(metrics, "knn5_code_accuracy", "5-NN accuracy of codes",
           {"raw rows", "knn5_raw_accuracy"}),
      Tile(metrics, "auroc", "AUROC of the score", {"", ""}),
      Tile(metrics, "latent_hole_rate", "hole rate",
           {"Gaussian of the same size", "latent_hole_rate_reference"}),
      Tile(metrics, "int8_mse_per_element", "squared error, INT8 codes",
           {"FLOAT32", "test_mse_per_element"}),
      "</div>\n");
}

std::vector<FigureGroup> FigureGroups(const Metrics& metrics) {
  std::vector<FigureGroup> groups;
  std::set<std::string> shown;
  for (const Group& group : Layout()) {
    std::string lines;
    for (const Line& line : group.lines) {
      const v1::Metric* metric = FindMetric(metrics, line.name);
      if (metric == nullptr) continue;
      lines += LineHtml(metrics, *metric, line);
      shown.insert(line.name);
      for (const Control& control : line.controls) shown.insert(control.second);
    }
    if (lines.empty()) continue;
    const std::string text = *group.text == '\0' ? "" : absl::StrCat("<p>", group.text, "</p>\n");
    groups.push_back({group.title, text + TableHtml(lines)});
  }
  std::string rest;
  for (const v1::Metric& metric : metrics) {
    if (shown.contains(metric.name())) continue;
    const std::string title = absl::StrReplaceAll(metric.name(), {{"_", " "}});
    rest += LineHtml(metrics, metric,
                     {.name = metric.name().c_str(),
                      .title = title.c_str(),
                      .note = metric.unit() == "1" ? "" : metric.unit().c_str()});
  }
  if (!rest.empty()) groups.push_back({"Other figures", TableHtml(rest)});
  return groups;
}

}  // namespace latent::cli

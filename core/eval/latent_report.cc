#include "core/eval/latent_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status.h"
#include "core/eval/clusters.h"
#include "core/eval/mean.h"
#include "core/eval/neighbours.h"
#include "core/model/sampler.h"

namespace latent {
namespace {

constexpr std::size_t kReportRows = 1'000;
constexpr std::size_t kMinRows = 20;
constexpr std::size_t kMaxEntries = 1'024;
constexpr std::size_t kMaxPairs = 200;
constexpr std::size_t kSteps = 16;
constexpr std::uint64_t kSampleSeed = 1, kPairSeed = 2, kReferenceSeed = 3;

double QuantileOf(std::vector<double> values, double q) {
  const auto at = static_cast<std::size_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

double Distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

Sample Empty(std::size_t rows, std::size_t columns) {
  Sample sample{.rows = rows, .columns = columns};
  sample.cells.resize(rows * columns);
  return sample;
}

// As many draws of the Gaussian fitted to the codes as there are codes.
absl::StatusOr<Sample> FittedDraws(const Sample& codes) {
  LATENT_ASSIGN_OR_RETURN(const auto sampler,
                          FitGaussianSampler(codes.view(), [] { return absl::OkStatus(); }));
  Sample draws = Empty(codes.rows, codes.columns);
  sampler->Draw(kSampleSeed, 1, 0, draws.view());
  draws.labels = codes.labels;
  return draws;
}

// Straight ways between pairs of codes, kSteps steps each, ends included, one after the other.
Sample Ways(const Sample& codes) {
  std::vector<std::uint32_t> order(codes.rows);
  FillPermutation(kPairSeed, 0, order);
  const std::size_t pairs = std::min(kMaxPairs, codes.rows / 2);
  Sample ways = Empty(pairs * (kSteps + 1), codes.columns);
  for (std::size_t p = 0; p < pairs; ++p) {
    const auto from = codes.view().row(order[2 * p]), to = codes.view().row(order[2 * p + 1]);
    if (!codes.labels.empty()) {
      ways.labels.insert(ways.labels.end(), kSteps + 1, codes.labels[order[2 * p]]);
    }
    for (std::size_t s = 0; s <= kSteps; ++s) {
      const float share = static_cast<float>(s) / kSteps;
      const auto row = ways.view().row(p * (kSteps + 1) + s);
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = from[i] + share * (to[i] - from[i]);
    }
  }
  return ways;
}

// Steps on decoded ways. Pairs whose ends decode to the same row say nothing.
void DescribeSteps(const Sample& ways, LatentFigures& figures) {
  Mean ratio, largest;
  for (std::size_t first = 0; first < ways.rows; first += kSteps + 1) {
    const ConstMatrix way = ways.view().slice_rows(first, kSteps + 1);
    double length = 0, longest = 0;
    for (std::size_t s = 0; s < kSteps; ++s) {
      const double step = Distance(way.row(s), way.row(s + 1));
      length += step;
      longest = std::max(longest, step);
    }
    const double ends = Distance(way.row(0), way.row(kSteps));
    if (!(ends > 0)) continue;
    ratio.Add(length / ends);
    largest.Add(longest / (length / kSteps));
  }
  const double none = std::numeric_limits<double>::quiet_NaN();
  figures.path_ratio = ratio.count() > 0 ? ratio.mean() : none;
  figures.largest_step = largest.count() > 0 ? largest.mean() : none;
}

// Mean over ways of the greatest distance from the nearest code.
double GreatestGap(const Sample& ways, const Neighbours& codes) {
  const std::vector<double> distances = codes.NearestDistances(ways.view());
  Mean gap;
  for (std::size_t first = 0; first < distances.size(); first += kSteps + 1) {
    const auto way = std::span(distances).subspan(first, kSteps + 1);
    gap.Add(*std::max_element(way.begin(), way.end()));
  }
  return gap.mean();
}

double Saturation(const Sample& codes) {
  std::size_t at_ends = 0, values = 0;
  for (std::size_t c = 0; c < codes.columns; ++c) {
    float least = std::numeric_limits<float>::infinity(), greatest = -least;
    for (std::size_t r = 0; r < codes.rows; ++r) {
      least = std::min(least, codes.view()(r, c));
      greatest = std::max(greatest, codes.view()(r, c));
    }
    const float margin = (greatest - least) / 100;
    if (!(margin > 0)) continue;  // an entry without a range is dead, not discrete
    values += codes.rows;
    for (std::size_t r = 0; r < codes.rows; ++r) {
      const float value = codes.view()(r, c);
      at_ends += value <= least + margin || value >= greatest - margin ? 1 : 0;
    }
  }
  return values == 0 ? 0 : static_cast<double>(at_ends) / static_cast<double>(values);
}

// Mean over rows of the distance of each row from its fellow, per root of the width.
double MeanDistance(const Sample& a, const Sample& b) {
  Mean mean;
  for (std::size_t r = 0; r < a.rows; ++r) mean.Add(Distance(a.view().row(r), b.view().row(r)));
  return mean.mean() / std::sqrt(static_cast<double>(a.columns));
}

bool AllAlike(const Sample& codes) {
  for (std::size_t r = 1; r < codes.rows; ++r) {
    const auto row = codes.view().row(r), first = codes.view().row(0);
    if (!std::equal(row.begin(), row.end(), first.begin())) return false;
  }
  return true;
}

struct NamedFigure {
  const char* name;
  double LatentFigures::*value;
};
constexpr std::array<NamedFigure, 7> kFigures = {{
    {"latent_hole_rate", &LatentFigures::hole_rate},
    {"latent_cycle_error", &LatentFigures::cycle_error},
    {"latent_path_ratio", &LatentFigures::path_ratio},
    {"latent_largest_step", &LatentFigures::largest_step},
    {"latent_path_gap", &LatentFigures::path_gap},
    {"latent_saturation", &LatentFigures::saturation},
    {"latent_silhouette", &LatentFigures::silhouette},
}};

}  // namespace

absl::StatusOr<LatentFigures> DescribeLatentSpace(Sample codes, std::size_t columns,
                                                  const RowMap& decode, const RowMap& encode) {
  LatentFigures figures;
  LATENT_ASSIGN_OR_RETURN(Sample draws, FittedDraws(codes));
  Sample ways = Ways(codes);
  figures.saturation = Saturation(codes);

  Sample rows = Empty(ways.rows, columns);
  decode(ways.labelled(), rows.view());
  DescribeSteps(rows, figures);
  rows = Empty(draws.rows, columns);
  Sample again = Empty(draws.rows, draws.columns);
  decode(draws.labelled(), rows.view());
  encode({rows.view(), draws.labels}, again.view());

  // From here on entries are standardised as the codes are.
  for (Sample* other : {&draws, &ways, &again}) {
    Sample fitted = codes;
    Standardise(fitted, *other);
  }
  Standardise(codes);
  figures.cycle_error = MeanDistance(again, draws);
  const Neighbours neighbours(codes.view());
  const std::vector<double> nearest = neighbours.NearestDistances(codes.view(), true);
  const double far = QuantileOf(nearest, 0.99), median = QuantileOf(nearest, 0.5);
  const std::vector<double> from_draws = neighbours.NearestDistances(draws.view());
  const auto holes = std::count_if(from_draws.begin(), from_draws.end(),
                                   [far](double distance) { return distance > far; });
  figures.hole_rate = static_cast<double>(holes) / static_cast<double>(draws.rows);
  // Where most codes coincide there is no scale to compare with; left out of the figures.
  figures.path_gap = GreatestGap(ways, neighbours) / median;
  const ClusterFigures clusters = DescribeClusters(codes.view());
  figures.silhouette = clusters.silhouette;
  figures.clusters = clusters.clusters;
  return figures;
}

absl::StatusOr<LatentFigures> DescribeReferenceGaussian(std::size_t n, std::size_t d) {
  Sample codes = Empty(n, d);
  for (std::size_t r = 0; r < n; ++r) {
    FillNormal({.seed = kReferenceSeed, .sample = r}, codes.view().row(r));
  }
  const RowMap same = [](const LabelledRows& in, Matrix out) {
    for (std::size_t r = 0; r < in.rows; ++r) {
      std::copy_n(in.row(r).data(), in.columns, out.row(r).data());
    }
  };
  return DescribeLatentSpace(std::move(codes), d, same, same);
}

absl::Status AddLatentReport(const EvaluationInput& input, MetricList& metrics) {
  const std::size_t entries = input.model.latent_dim();
  if (entries > kMaxEntries || input.rows().rows < kMinRows) return absl::OkStatus();
  LATENT_ASSIGN_OR_RETURN(Sample codes, CodeSample(input, input.part, kReportRows));
  if (AllAlike(codes)) return absl::OkStatus();  // no space to speak of: every ill would look cured
  const std::size_t count = codes.rows;
  Workspace workspace;
  // In pieces, so that the workspace stays small.
  const auto in_pieces = [](const LabelledRows& in, Matrix out, const RowMap& map) {
    for (std::size_t first = 0; first < in.rows; first += kEvaluationBatchRows) {
      const std::size_t n = std::min(kEvaluationBatchRows, in.rows - first);
      map(in.slice_rows(first, n), out.slice_rows(first, n));
    }
  };
  const RowMap decode = [&](const LabelledRows& in, Matrix out) {
    in_pieces(in, out,
              [&](const LabelledRows& c, Matrix r) { input.model.Decode(c, r, workspace); });
  };
  const RowMap encode = [&](const LabelledRows& in, Matrix out) {
    in_pieces(in, out, [&](const LabelledRows& r, Matrix c) {
      ForwardOutputs outputs;
      outputs.codes = c;
      input.model.Forward(r, outputs, workspace);
    });
  };
  LATENT_ASSIGN_OR_RETURN(
      const LatentFigures figures,
      DescribeLatentSpace(std::move(codes), input.model.columns(), decode, encode));
  LATENT_RETURN_IF_ERROR(input.CheckStop());
  LATENT_ASSIGN_OR_RETURN(const LatentFigures reference, DescribeReferenceGaussian(count, entries));
  for (const NamedFigure& figure : kFigures) {
    if (!std::isfinite(figures.*figure.value)) continue;
    metrics.Add(figure.name, figures.*figure.value, input.part);
    metrics.Add(absl::StrCat(figure.name, "_reference"), reference.*figure.value, input.part);
  }
  metrics.Add("latent_clusters", figures.clusters, input.part);
  return absl::OkStatus();
}

}  // namespace latent

// The pictures of a report that show what entries of a code mean.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/projection.h"
#include "client/cli/rate_distortion.h"
#include "client/cli/report_figures.h"
#include "client/cli/report_pictures.h"
#include "core/base/status.h"
#include "core/picture/plots.h"

namespace latent::cli {
namespace {

constexpr std::size_t kUnits = 64;   // code entries that are traversed or explained, at most
constexpr std::size_t kSteps = 11;   // of a traversal
constexpr std::size_t kInputs = 10;  // strongest rows of an entry
constexpr std::size_t kSide = 15;    // of the manifold
constexpr double kReach = 2.5;       // deviations on either side
// What a code is rounded to, in deviations: from coarse to fine, by factors of the root of 2.
constexpr double kCoarsest = 4;
constexpr int kStepSizes = 15;  // down to 1/32

// Step s of n from -kReach to kReach.
double Offset(std::size_t s, std::size_t n) {
  return kReach * (2.0 * static_cast<double>(s) / static_cast<double>(n - 1) - 1);
}

std::vector<std::size_t> Descending(const std::vector<double>& values, std::size_t most) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  order.resize(std::min(most, order.size()));
  return order;
}

// Root of the mean square, of values about 0.
double Deviation(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, values.size())));
}

double MeanOf(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// One figure of the version as a point, where there are both and the rate is not far off.
void AddPoint(const Metrics& metrics, const char* name, const char* rate, const char* error,
              double greatest_rate, CurvePlot& plot) {
  const v1::Metric* x = FindMetric(metrics, rate);
  const v1::Metric* y = FindMetric(metrics, error);
  if (x == nullptr || y == nullptr || x->value() > 1.5 * greatest_rate) return;
  plot.curves.push_back({.name = name, .points = {{x->value(), y->value()}}});
}

}  // namespace

// As `active_units` and `dead_units` count them.
std::vector<std::size_t> ReportPictures::ActiveUnits() const {
  const v1::Latent& latent = version_.plan().architecture().latent();
  const double least = latent.has_gaussian() || latent.has_hierarchical() ? 0.1 : 1e-5;
  std::vector<std::size_t> units = Descending(deviation_, deviation_.size());
  while (!units.empty() && !(deviation_[units.back()] > least)) units.pop_back();
  return units;
}

ReportPictures::PictureOr ReportPictures::Traversals() {
  std::vector<std::size_t> units = ActiveUnits();
  if (units.empty()) {
    return absl::FailedPreconditionError("No traversals: no code entry is active on these rows.");
  }
  const std::string all = absl::StrCat(units.size(), " active of ", codes_.columns);
  units.resize(std::min(kUnits, units.size()));
  Matrix codes{.columns = codes_.columns, .cells = {}};
  for (const std::size_t unit : units) {
    for (std::size_t s = 0; s < kSteps; ++s) {
      std::vector<float> code(mean_.begin(), mean_.end());
      code[unit] += static_cast<float>(Offset(s, kSteps) * deviation_[unit]);
      codes.cells.insert(codes.cells.end(), code.begin(), code.end());
    }
  }
  LATENT_ASSIGN_OR_RETURN(const Matrix rows, Decode(codes));
  std::vector<Matrix> lines(units.size());
  std::vector<Strip> strips;
  for (std::size_t u = 0; u < units.size(); ++u) {
    const auto cells = rows.Rows(u * kSteps, kSteps);
    lines[u] = {.columns = rows.columns, .cells = {cells.begin(), cells.end()}};
    strips.push_back({absl::StrCat("entry ", units[u]), &lines[u]});
  }
  return Strips("Traversals",
                absl::StrCat("One code entry a line, moved from 2.5 deviations below its mean to "
                             "2.5 above, the others held at theirs; those that vary most of the ",
                             all, ", from the top."),
                strips, kSteps);
}

ReportPictures::PictureOr ReportPictures::Manifold() {
  const Plane plane = ProjectToPlane(codes_);
  const double x_mean = MeanOf(plane.x), y_mean = MeanOf(plane.y);
  std::vector<double> x = plane.x, y = plane.y;
  for (double& value : x) value -= x_mean;
  for (double& value : y) value -= y_mean;
  const double x_deviation = Deviation(x), y_deviation = Deviation(y);
  Matrix codes{.columns = codes_.columns, .cells = {}};
  for (std::size_t line = 0; line < kSide; ++line) {
    for (std::size_t column = 0; column < kSide; ++column) {
      const double right = x_mean + Offset(column, kSide) * x_deviation;
      const double up = y_mean - Offset(line, kSide) * y_deviation;
      for (std::size_t i = 0; i < codes.columns; ++i) {
        codes.cells.push_back(
            static_cast<float>(plane.origin[i] + right * plane.x_axis[i] + up * plane.y_axis[i]));
      }
    }
  }
  LATENT_ASSIGN_OR_RETURN(const Matrix rows, Decode(codes));
  return Strips("Manifold",
                absl::StrCat("The plane of the picture of codes, decoded: 2.5 deviations around "
                             "the mean, ",
                             plane.x_label, " to the right, ", plane.y_label, " upwards."),
                {{"", &rows}}, kSide);
}

ReportPictures::PictureOr ReportPictures::StrongestInputs() const {
  std::vector<std::size_t> units = ActiveUnits();
  if (units.empty()) {
    return absl::FailedPreconditionError(
        "No strongest inputs: no code entry is active on these rows.");
  }
  units.resize(std::min(kUnits, units.size()));
  std::vector<Matrix> lines(units.size());
  std::vector<Strip> strips;
  for (std::size_t u = 0; u < units.size(); ++u) {
    std::vector<double> strength;
    for (std::size_t r = 0; r < codes_.rows(); ++r) {
      strength.push_back(std::abs(codes_.row(r)[units[u]]));
    }
    lines[u].columns = rows_.columns;
    for (const std::size_t r : Descending(strength, std::min(kInputs, rows_.rows()))) {
      lines[u].cells.insert(lines[u].cells.end(), rows_.row(r).begin(), rows_.row(r).end());
    }
    strips.push_back({absl::StrCat("entry ", units[u]), &lines[u]});
  }
  return Strips("Strongest inputs",
                absl::StrCat("Of ", codes_.rows(),
                             " rows those that move an entry most, one entry a line; the entries "
                             "that vary most, from the top."),
                strips, kInputs);
}

ReportPictures::PictureOr ReportPictures::RateDistortion() {
  if (ActiveUnits().empty()) {
    return absl::FailedPreconditionError(
        "No curve of rate and error: no code entry is active on these rows.");
  }
  const std::size_t count = RoundedRows();
  const auto first = [count](const Matrix& all) {
    const auto cells = all.Rows(0, count);
    return Matrix{.columns = all.columns, .cells = {cells.begin(), cells.end()}};
  };
  const Matrix codes = first(codes_), rows = first(rows_);
  // Entropies of few rows are too low: what would need more of them is left out.
  const double most =
      static_cast<double>(ActiveUnits().size()) * (std::log2(static_cast<double>(count)) - 2);
  Curve curve{.name = "rounded entries"};
  for (int i = 0; i < kStepSizes; ++i) {
    const double step = kCoarsest * std::exp2(-0.5 * i);
    const RoundedCodes rounded = RoundCodes(codes, mean_, deviation_, step);
    if (rounded.bits > most) break;
    LATENT_ASSIGN_OR_RETURN(const Matrix decoded, Decode(rounded.codes, encoded_with_));
    curve.points.push_back({rounded.bits, KnownSquaredError(rows, decoded)});
  }
  if (curve.points.empty()) {
    return absl::FailedPreconditionError(
        "No curve of rate and error: it needs more rows than these.");
  }
  CurvePlot plot{.x_label = "bits a row", .y_label = "squared error a cell", .curves = {curve}};
  const double greatest = curve.points.back().x;
  AddPoint(version_.metrics(), "INT8, ideal coder", "int8_entropy_bits", "int8_mse_per_element",
           greatest, plot);
  AddPoint(version_.metrics(), "KL", "rate_bits", "test_mse_per_element", greatest, plot);
  LATENT_ASSIGN_OR_RETURN(Canvas canvas, DrawCurves(std::span(&plot, 1)));
  return ReportPicture{
      "Rate and distortion",
      absl::StrCat("What is lost where a code may cost no more: entries of ", count,
                   " rows' codes rounded to steps of 4 deviations and less, each coded at the "
                   "entropy of its steps."),
      std::move(canvas)};
}

}  // namespace latent::cli

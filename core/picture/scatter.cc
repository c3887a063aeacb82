#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/picture/axes.h"
#include "core/picture/palette.h"
#include "core/picture/plots.h"

namespace latent {
namespace {

constexpr int kSide = 620;
constexpr std::int32_t kMaxClasses = 1000;
constexpr std::size_t kNamedClasses = 24;  // that many fit into the legend

absl::Status Check(const ScatterPlot& plot) {
  if (plot.x.empty() || plot.x.size() != plot.y.size() ||
      (!plot.labels.empty() && plot.labels.size() != plot.x.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("scatter: expected as many x as y and labels, at least one; got ",
                     plot.x.size(), ", ", plot.y.size(), " and ", plot.labels.size()));
  }
  for (const std::int32_t label : plot.labels) {
    if (label < 0 || label >= kMaxClasses) {
      return absl::InvalidArgumentError(
          absl::StrCat("scatter: expected labels from 0 to ", kMaxClasses - 1, ", got ", label));
    }
  }
  return absl::OkStatus();
}

// The range that holds all but the outermost half per mille of the finite values on each side, so
// that a stray point does not squeeze the rest.
Axis RobustAxis(std::span<const double> values) {
  std::vector<double> sorted;
  for (const double v : values) {
    if (std::isfinite(v)) sorted.push_back(v);
  }
  if (sorted.empty()) return MakeAxis(0, 1, 6);
  std::sort(sorted.begin(), sorted.end());
  const std::size_t cut = sorted.size() / 2000;
  return MakeAxis(sorted[cut], sorted[sorted.size() - 1 - cut], 6);
}

std::string NameOf(const ScatterPlot& plot, std::size_t label) {
  return label < plot.label_names.size() ? plot.label_names[label] : absl::StrCat(label);
}

std::vector<std::size_t> ClassesOf(const ScatterPlot& plot) {
  std::vector<std::size_t> classes(plot.labels.begin(), plot.labels.end());
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  return classes;
}

void DrawPoints(Canvas& canvas, const PlotArea& area, const ScatterPlot& plot) {
  const std::size_t n = plot.x.size();
  const double radius = n > 4000 ? 1.6 : n > 1000 ? 2.2 : 3.0;
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(plot.x[i]) || !std::isfinite(plot.y[i])) continue;
    const Point at = area.At(plot.x[i], plot.y[i]);
    if (at.x < area.left || at.x > area.left + area.width || at.y < area.top ||
        at.y > area.top + area.height) {
      continue;
    }
    const std::size_t label = plot.labels.empty() ? 0 : static_cast<std::size_t>(plot.labels[i]);
    canvas.DrawDisc(at, radius, CategoryColor(label), 0.7);
  }
}

// The name of each class at the median of its points, so that colour is not the only key.
void DrawClassNames(Canvas& canvas, const PlotArea& area, const ScatterPlot& plot,
                    std::span<const std::size_t> classes) {
  for (const std::size_t label : classes) {
    std::vector<double> xs, ys;
    for (std::size_t i = 0; i < plot.x.size(); ++i) {
      if (static_cast<std::size_t>(plot.labels[i]) != label) continue;
      if (!std::isfinite(plot.x[i]) || !std::isfinite(plot.y[i])) continue;
      xs.push_back(plot.x[i]);
      ys.push_back(plot.y[i]);
    }
    if (xs.empty()) continue;
    const auto middle = static_cast<std::ptrdiff_t>(xs.size() / 2);
    std::nth_element(xs.begin(), xs.begin() + middle, xs.end());
    std::nth_element(ys.begin(), ys.begin() + middle, ys.end());
    const Point at =
        area.At(xs[static_cast<std::size_t>(middle)], ys[static_cast<std::size_t>(middle)]);
    const std::string name = NameOf(plot, label);
    const int x = static_cast<int>(at.x) - Canvas::TextWidth(name) / 2;
    const int y = static_cast<int>(at.y) - Canvas::kTextHeight / 2;
    for (int dy = -1; dy <= 1; ++dy) {
      for (int dx = -1; dx <= 2; ++dx) canvas.DrawText(x + dx, y + dy, name, {255, 255, 255});
    }
    canvas.DrawText(x, y, name, kInk, {.bold = true});
  }
}

void DrawClassLegend(Canvas& canvas, int left, int top, const ScatterPlot& plot,
                     std::span<const std::size_t> classes) {
  for (std::size_t i = 0; i < std::min(classes.size(), kNamedClasses); ++i) {
    const int y = top + static_cast<int>(i) * 22;
    canvas.DrawDisc({left + 6.0, y + 7.0}, 5, CategoryColor(classes[i]));
    canvas.DrawText(left + 20, y, NameOf(plot, classes[i]), kInk);
  }
  if (classes.size() > kNamedClasses) {
    canvas.DrawText(left + 20, top + static_cast<int>(kNamedClasses) * 22,
                    absl::StrCat("and ", classes.size() - kNamedClasses, " more"), kFaintInk);
  }
}

}  // namespace

absl::StatusOr<Canvas> DrawScatter(const ScatterPlot& plot) {
  LATENT_RETURN_IF_ERROR(Check(plot));
  const std::vector<std::size_t> classes = ClassesOf(plot);
  int legend = 0;
  for (const std::size_t label : classes) {
    legend = std::max(legend, Canvas::TextWidth(NameOf(plot, label)) + 44);
  }
  PlotArea area{.left = 84,
                .top = 44,
                .width = kSide,
                .height = kSide,
                .x = RobustAxis(plot.x),
                .y = RobustAxis(plot.y)};
  Canvas canvas(area.left + kSide + 24 + legend, area.top + kSide + 56, kPaper);
  DrawAxes(canvas, area, plot.title, plot.x_label, plot.y_label);
  DrawPoints(canvas, area, plot);
  if (!classes.empty() && classes.size() <= kNamedClasses) {
    DrawClassNames(canvas, area, plot, classes);
  }
  DrawClassLegend(canvas, area.left + kSide + 22, area.top + 8, plot, classes);
  return canvas;
}

}  // namespace latent

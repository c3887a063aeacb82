#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/base/status.h"
#include "core/picture/axes.h"
#include "core/picture/palette.h"
#include "core/picture/plots.h"

namespace latent {
namespace {

constexpr int kWidth = 720, kHeight = 360;
constexpr int kLeft = 92, kTop = 44, kBottom = 56;
constexpr double kLogRatio = 30;

bool Finite(Point p) { return std::isfinite(p.x) && std::isfinite(p.y); }

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool whole = true;  // all values are whole numbers
  void Add(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
    whole = whole && v == std::round(v);
  }
};

void DrawCurve(Canvas& canvas, const PlotArea& area, const Curve& curve, Color color) {
  const Point* previous = nullptr;
  for (const Point& point : curve.points) {
    if (!Finite(point)) continue;
    const Point at = area.At(point.x, point.y);
    if (previous != nullptr) {
      canvas.DrawLine(area.At(previous->x, previous->y), at, 2.2, color);
    }
    if (curve.points.size() <= 40) canvas.DrawDisc(at, 3, color);
    previous = &point;
  }
}

// The colour of each curve's name.
using Colors = std::map<std::string, Color>;

void DrawCurveLegend(Canvas& canvas, int left, int top, const CurvePlot& plot,
                     const Colors& colors) {
  for (std::size_t i = 0; i < plot.curves.size(); ++i) {
    const int y = top + static_cast<int>(i) * 22;
    const std::string& name = plot.curves[i].name;
    canvas.DrawLine({left + 1.0, y + 7.0}, {left + 19.0, y + 7.0}, 3, colors.at(name));
    canvas.DrawText(left + 28, y, name, kInk);
  }
}

absl::Status DrawPlot(Canvas& canvas, int top, const CurvePlot& plot, const Colors& colors) {
  Range x, y;
  for (const Curve& curve : plot.curves) {
    for (const Point& point : curve.points) {
      if (!Finite(point)) continue;
      x.Add(point.x);
      y.Add(point.y);
    }
  }
  if (!(x.low <= x.high)) {
    return absl::InvalidArgumentError("curves: there is no finite point to draw");
  }
  const bool log = plot.allow_log_y && y.low > 0 && y.high / y.low > kLogRatio;
  PlotArea area{.left = kLeft,
                .top = top + kTop,
                .width = kWidth,
                .height = kHeight,
                .x = MakeAxis(x.low, x.high, 10),
                .y = MakeAxis(y.low, y.high, 6, log)};
  if (x.whole) KeepWholeTicks(&area.x);
  DrawAxes(canvas, area, plot.title, plot.x_label, plot.y_label);
  for (const Curve& curve : plot.curves) DrawCurve(canvas, area, curve, colors.at(curve.name));
  DrawCurveLegend(canvas, area.left + kWidth + 20, area.top + 8, plot, colors);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Canvas> DrawCurves(std::span<const CurvePlot> plots) {
  int legend = 0;
  Colors colors;
  for (const CurvePlot& plot : plots) {
    for (const Curve& curve : plot.curves) {
      legend = std::max(legend, Canvas::TextWidth(curve.name) + 52);
      colors.emplace(curve.name, CategoryColor(colors.size()));
    }
  }
  constexpr int kPlotHeight = kTop + kHeight + kBottom;
  Canvas canvas(kLeft + kWidth + 24 + legend, kPlotHeight * static_cast<int>(plots.size()), kPaper);
  for (std::size_t i = 0; i < plots.size(); ++i) {
    LATENT_RETURN_IF_ERROR(DrawPlot(canvas, kPlotHeight * static_cast<int>(i), plots[i], colors));
  }
  return canvas;
}

}  // namespace latent

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/status.h"
#include "core/picture/axes.h"
#include "core/picture/palette.h"
#include "core/picture/plots.h"

namespace latent {
namespace {

constexpr int kWidth = 720, kHeight = 400;
constexpr double kLogRatio = 30;

bool Finite(Point p) { return std::isfinite(p.x) && std::isfinite(p.y); }

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void Add(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
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

void DrawLegend(Canvas& canvas, int left, int top, const std::vector<Curve>& curves) {
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const int y = top + static_cast<int>(i) * 22;
    canvas.DrawLine({left + 1.0, y + 7.0}, {left + 19.0, y + 7.0}, 3, CategoryColor(i));
    canvas.DrawText(left + 28, y, curves[i].name, kInk);
  }
}

}  // namespace

absl::StatusOr<Canvas> DrawCurves(const CurvePlot& plot) {
  Range x, y;
  int legend = 0;
  for (const Curve& curve : plot.curves) {
    legend = std::max(legend, Canvas::TextWidth(curve.name) + 52);
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
  PlotArea area{.left = 92,
                .top = 44,
                .width = kWidth,
                .height = kHeight,
                .x = MakeAxis(x.low, x.high, 10),
                .y = MakeAxis(y.low, y.high, 6, log)};
  Canvas canvas(area.left + kWidth + 24 + legend, area.top + kHeight + 56, kPaper);
  DrawAxes(canvas, area, plot.title, plot.x_label, plot.y_label);
  for (std::size_t i = 0; i < plot.curves.size(); ++i) {
    DrawCurve(canvas, area, plot.curves[i], CategoryColor(i));
  }
  DrawLegend(canvas, area.left + kWidth + 20, area.top + 8, plot.curves);
  return canvas;
}

}  // namespace latent

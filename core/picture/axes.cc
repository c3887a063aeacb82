#include "core/picture/axes.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/picture/palette.h"

namespace latent {
namespace {

// The step of 1, 2 or 5 times a power of ten that gives about `count` ticks over `span`.
double NiceStep(double span, int count) {
  const double raw = span / count;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw) return factor * power;
  }
  return 10 * power;
}

std::vector<double> LinearTicks(double low, double high, int count) {
  const double step = NiceStep(high - low, count);
  std::vector<double> ticks;
  const auto first = static_cast<long>(std::ceil(low / step - 1e-9));
  for (long i = first; static_cast<double>(i) * step <= high + 1e-9 * step; ++i) {
    ticks.push_back(static_cast<double>(i) * step);
  }
  return ticks;
}

std::vector<double> LogTicks(double low, double high, int count) {
  const double decades = std::log10(high / low);
  const int every = std::max(1, static_cast<int>(std::ceil(decades / count)));
  std::vector<double> ticks;
  for (int k = static_cast<int>(std::floor(std::log10(low))); std::pow(10, k) <= high; ++k) {
    if (k % every != 0) continue;
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10, k);
      if (factor != 1 && decades > 3) break;
      if (tick >= low && tick <= high) ticks.push_back(tick);
    }
  }
  return ticks;
}

}  // namespace

double Axis::Share(double value) const {
  if (log) return std::log(value / low) / std::log(high / low);
  return (value - low) / (high - low);
}

Axis MakeAxis(double low, double high, int count, bool log) {
  Axis axis;
  axis.log = log;
  if (log) {
    const double margin = std::pow(high / low, 0.04);
    axis.low = low / margin;
    axis.high = high * std::max(margin, 1.0001);
    axis.ticks = LogTicks(axis.low, axis.high, count);
    return axis;
  }
  double span = high - low;
  if (!(span > 0)) span = std::max(std::abs(low), 1.0) * 0.1;
  const double middle = low + (high - low) / 2;
  axis.low = middle - span * 0.54;
  axis.high = middle + span * 0.54;
  axis.ticks = LinearTicks(axis.low, axis.high, count);
  return axis;
}

void KeepWholeTicks(Axis* axis) {
  std::erase_if(axis->ticks, [](double tick) { return std::abs(tick - std::round(tick)) > 1e-9; });
}

std::string FormatTick(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", std::abs(value) < 1e-300 ? 0.0 : value);
  return text;
}

void DrawAxes(Canvas& canvas, const PlotArea& area, const std::string& title,
              const std::string& x_label, const std::string& y_label) {
  const int bottom = area.top + area.height;
  canvas.FillRect(area.left, area.top, area.width, area.height, {255, 255, 255});
  int widest = 0;
  for (const double tick : area.y.ticks) {
    const int y = static_cast<int>(std::lround(area.At(area.x.low, tick).y));
    const std::string text = FormatTick(tick);
    canvas.FillRect(area.left, y, area.width, 1, kGridLine);
    canvas.DrawText(area.left - 8 - Canvas::TextWidth(text), y - 6, text, kFaintInk);
    widest = std::max(widest, Canvas::TextWidth(text));
  }
  for (const double tick : area.x.ticks) {
    const int x = static_cast<int>(std::lround(area.At(tick, area.y.low).x));
    const std::string text = FormatTick(tick);
    canvas.FillRect(x, area.top, 1, area.height, kGridLine);
    canvas.DrawText(x - Canvas::TextWidth(text) / 2, bottom + 6, text, kFaintInk);
  }
  canvas.DrawRect(area.left, area.top, area.width, area.height + 1, kFrame);
  canvas.DrawText(area.left, area.top - 24, title, kInk, {.bold = true});
  canvas.DrawText(area.left + (area.width - Canvas::TextWidth(x_label)) / 2, bottom + 24, x_label,
                  kInk);
  canvas.DrawTextUpwards(area.left - 14 - widest - Canvas::kTextHeight,
                         area.top + (area.height + Canvas::TextWidth(y_label)) / 2, y_label, kInk);
}

}  // namespace latent

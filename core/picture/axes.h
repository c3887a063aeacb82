// The frame that scatters and curves share: axes with round ticks, grid lines, labels. Values; one
// thread at a time.
#ifndef LATENT_CORE_PICTURE_AXES_H_
#define LATENT_CORE_PICTURE_AXES_H_

#include <string>
#include <vector>

#include "core/picture/canvas.h"

namespace latent {

// One axis: data from `low` to `high` (low < high); positive where `log`.
struct Axis {
  double low = 0, high = 1;
  bool log = false;
  std::vector<double> ticks;

  // Share of the way from low to high, 0 to 1 for values between.
  double Share(double value) const;
};

// Keeps the ticks that are whole numbers, for counts.
void KeepWholeTicks(Axis* axis);

// An axis over [low, high], widened a little and with about `count` ticks at 1, 2 or 5 times a
// power of ten. Equal ends are spread apart.
Axis MakeAxis(double low, double high, int count, bool log = false);

// The shortest decimal of up to 4 significant digits, e.g. "0.25", "1500", "2e+06".
std::string FormatTick(double value);

// Where data is drawn within a canvas.
struct PlotArea {
  int left = 0, top = 0, width = 0, height = 0;
  Axis x, y;

  Point At(double vx, double vy) const {
    return {left + x.Share(vx) * width, top + (1 - y.Share(vy)) * height};
  }
};

// Draws grid lines, ticks with their numbers, frame, axis labels and the title above.
void DrawAxes(Canvas& canvas, const PlotArea& area, const std::string& title,
              const std::string& x_label, const std::string& y_label);

}  // namespace latent

#endif  // LATENT_CORE_PICTURE_AXES_H_

// Whole pictures: grids of images, scatters by class, curves. Pure functions; any thread.
// Not its job: where the numbers come from, files (png.h).
#ifndef LATENT_CORE_PICTURE_PLOTS_H_
#define LATENT_CORE_PICTURE_PLOTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/picture/canvas.h"

namespace latent {

// How a row of a dataset is laid out as an image; cells run over channels first, then columns.
struct ImageShape {
  int height = 0, width = 0, channels = 1;
  std::size_t cells() const {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
           static_cast<std::size_t>(channels);
  }
};

// [h, w], [h, w, 1] and [h, w, 3] are images; [n] is one if n is a square, else a strip of height
// 1. INVALID_ARGUMENT for anything else and for images of more than 4096 pixels a side.
absl::StatusOr<ImageShape> ImageShapeOf(std::span<const std::uint32_t> row_shape);

// Images that are drawn side by side under one caption.
struct ImageLine {
  std::string caption = {};           // left of the images; empty for none
  std::span<const float> cells = {};  // n x shape.cells(); clipped to [0, 1] for display
  bool heat = false;                  // magnitudes in false colours (1 channel; 3 are averaged)
};

struct GridOptions {
  std::string title = {};
  std::string footer = {};
  int columns = 0;     // images a line before it wraps; 0 means up to 16
  int pixel_size = 0;  // screen pixels a cell and side; 0 makes images about 56 pixels wide
};

// Draws the lines one below the other; where they wrap, the block of all lines repeats. All lines
// must hold the same number of images, at least one; at most 4096 images in all.
absl::StatusOr<Canvas> DrawImageGrid(const ImageShape& shape, std::span<const ImageLine> lines,
                                     const GridOptions& options);

struct ScatterPlot {
  std::string title = {}, x_label = {}, y_label = {};
  std::span<const double> x = {}, y = {};     // of equal length
  std::span<const std::int32_t> labels = {};  // empty or one a point; colours by class
  std::vector<std::string> label_names = {};  // names of labels 0, 1, 2, ...; may be short
};

// Points coloured by class, with a legend. INVALID_ARGUMENT for no points, lengths that differ,
// negative labels or more than 1000 classes. Points that are not finite are left out.
absl::StatusOr<Canvas> DrawScatter(const ScatterPlot& plot);

struct Curve {
  std::string name = {};
  std::vector<Point> points = {};  // values; those that are not finite are left out
};
struct CurvePlot {
  std::string title = {}, x_label = {}, y_label = {};
  std::vector<Curve> curves = {};
  // Logarithmic y where all values are positive and span more than a factor of 30.
  bool allow_log_y = true;
};

// Curves with axes, ticks and a legend; several plots one below the other, a curve of a name that
// an earlier plot has keeps its colour. INVALID_ARGUMENT for a plot without any finite point.
absl::StatusOr<Canvas> DrawCurves(std::span<const CurvePlot> plots);

}  // namespace latent

#endif  // LATENT_CORE_PICTURE_PLOTS_H_

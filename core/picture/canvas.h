// An RGB image in memory and the marks that pictures are made of. A value; one thread at a time.
// Pixel (0, 0) is the top left; marks outside the image are cut off.
// Not its job: what pictures mean (plots.h), files (png.h).
#ifndef LATENT_CORE_PICTURE_CANVAS_H_
#define LATENT_CORE_PICTURE_CANVAS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace latent {

struct Color {
  std::uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Color&) const = default;
};

// A position in pixels; (0.5, 0.5) is the middle of the top left pixel.
struct Point {
  double x = 0, y = 0;
};

struct TextStyle {
  bool bold = false;
  int scale = 1;  // pixels a font pixel
};

class Canvas {
 public:
  // Sides are at least 1.
  Canvas(int width, int height, Color background);

  int width() const { return width_; }
  int height() const { return height_; }
  Color at(int x, int y) const { return pixels_[Index(x, y)]; }
  const std::vector<Color>& pixels() const { return pixels_; }

  void Set(int x, int y, Color color);
  // Mixes `color` in, `share` from 0 (nothing) to 1 (replaces).
  void Blend(int x, int y, Color color, double share);
  void FillRect(int x, int y, int width, int height, Color color);
  // The outline of the same rectangle, one pixel wide, inside it.
  void DrawRect(int x, int y, int width, int height, Color color);
  // A line with round ends, smoothed; `share` as in Blend.
  void DrawLine(Point from, Point to, double thickness, Color color, double share = 1);
  // A filled circle, smoothed.
  void DrawDisc(Point center, double radius, Color color, double share = 1);

  // Printable ASCII in a fixed 7x13 font; (x, y) is the top left. UTF-8 characters beyond ASCII
  // become one "?" each.
  void DrawText(int x, int y, std::string_view text, Color color, const TextStyle& style = {});
  // Reads from bottom to top; (x, y) is the bottom left of the turned text's column.
  void DrawTextUpwards(int x, int y, std::string_view text, Color color);

  static constexpr int kTextHeight = 13;
  static int TextWidth(std::string_view text, int scale = 1);

 private:
  std::size_t Index(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
           static_cast<std::size_t>(x);
  }
  bool Inside(int x, int y) const { return x >= 0 && y >= 0 && x < width_ && y < height_; }

  int width_, height_;
  std::vector<Color> pixels_;
};

}  // namespace latent

#endif  // LATENT_CORE_PICTURE_CANVAS_H_

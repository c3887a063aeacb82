#include "core/picture/canvas.h"

#include <algorithm>
#include <cmath>

#include "core/picture/font.h"

namespace latent {
namespace {

std::uint8_t Mix(std::uint8_t from, std::uint8_t to, double share) {
  return static_cast<std::uint8_t>(std::lround(from + (to - from) * share));
}

double DistanceToSegment(Point p, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double length2 = dx * dx + dy * dy;
  const double along = length2 == 0 ? 0 : ((p.x - a.x) * dx + (p.y - a.y) * dy) / length2;
  const double t = std::clamp(along, 0.0, 1.0);
  return std::hypot(p.x - (a.x + t * dx), p.y - (a.y + t * dy));
}

}  // namespace

Canvas::Canvas(int width, int height, Color background)
    : width_(std::max(width, 1)),
      height_(std::max(height, 1)),
      pixels_(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_), background) {}

void Canvas::Set(int x, int y, Color color) {
  if (Inside(x, y)) pixels_[Index(x, y)] = color;
}

void Canvas::Blend(int x, int y, Color color, double share) {
  if (!Inside(x, y)) return;
  Color& pixel = pixels_[Index(x, y)];
  pixel = {Mix(pixel.r, color.r, share), Mix(pixel.g, color.g, share),
           Mix(pixel.b, color.b, share)};
}

void Canvas::FillRect(int x, int y, int width, int height, Color color) {
  for (int row = std::max(y, 0); row < std::min(y + height, height_); ++row) {
    for (int column = std::max(x, 0); column < std::min(x + width, width_); ++column) {
      pixels_[Index(column, row)] = color;
    }
  }
}

void Canvas::DrawRect(int x, int y, int width, int height, Color color) {
  FillRect(x, y, width, 1, color);
  FillRect(x, y + height - 1, width, 1, color);
  FillRect(x, y, 1, height, color);
  FillRect(x + width - 1, y, 1, height, color);
}

void Canvas::DrawLine(Point from, Point to, double thickness, Color color, double share) {
  const double radius = thickness / 2;
  const auto first = [&](double a, double b) {
    return static_cast<int>(std::max(std::floor(std::min(a, b) - radius - 1), 0.0));
  };
  const auto last = [&](double a, double b, int limit) {
    return static_cast<int>(std::min(std::ceil(std::max(a, b) + radius + 1), limit - 1.0));
  };
  for (int y = first(from.y, to.y); y <= last(from.y, to.y, height_); ++y) {
    for (int x = first(from.x, to.x); x <= last(from.x, to.x, width_); ++x) {
      const double distance = DistanceToSegment({x + 0.5, y + 0.5}, from, to);
      const double cover = std::clamp(radius + 0.5 - distance, 0.0, 1.0);
      if (cover > 0) Blend(x, y, color, cover * share);
    }
  }
}

void Canvas::DrawDisc(Point center, double radius, Color color, double share) {
  DrawLine(center, center, 2 * radius, color, share);
}

void Canvas::DrawText(int x, int y, std::string_view text, Color color, const TextStyle& style) {
  const int scale = style.scale;
  for (const char character : ToAscii(text)) {
    const Glyph& glyph = GlyphOf(character, style.bold);
    for (int row = 0; row < kGlyphHeight; ++row) {
      for (int column = 0; column < kGlyphWidth; ++column) {
        if ((glyph[static_cast<std::size_t>(row)] >> (7 - column)) & 1) {
          FillRect(x + column * scale, y + row * scale, scale, scale, color);
        }
      }
    }
    x += kGlyphWidth * scale;
  }
}

void Canvas::DrawTextUpwards(int x, int y, std::string_view text, Color color) {
  for (const char character : ToAscii(text)) {
    const Glyph& glyph = GlyphOf(character);
    for (int row = 0; row < kGlyphHeight; ++row) {
      for (int column = 0; column < kGlyphWidth; ++column) {
        if ((glyph[static_cast<std::size_t>(row)] >> (7 - column)) & 1) {
          Set(x + row, y - column, color);
        }
      }
    }
    y -= kGlyphWidth;
  }
}

int Canvas::TextWidth(std::string_view text, int scale) {
  return static_cast<int>(ToAscii(text).size()) * kGlyphWidth * scale;
}

}  // namespace latent

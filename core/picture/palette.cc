#include "core/picture/palette.h"

#include <algorithm>
#include <cmath>

namespace latent {
namespace {

constexpr Color kCategories[] = {
    {78, 121, 167}, {242, 142, 43},  {225, 87, 89},   {118, 183, 178}, {89, 161, 79},
    {237, 201, 72}, {176, 122, 161}, {255, 157, 167}, {156, 117, 95},  {130, 130, 130},
};

// Supporting points of the "inferno" map, evenly spaced.
constexpr Color kHeat[] = {
    {0, 0, 4},     {31, 12, 72},   {85, 15, 109},  {136, 34, 106},  {186, 54, 85},
    {227, 89, 51}, {249, 140, 10}, {249, 201, 50}, {252, 255, 164},
};

}  // namespace

Color CategoryColor(std::size_t index) { return kCategories[index % std::size(kCategories)]; }

Color HeatColor(double value) {
  if (!(value > 0)) return kHeat[0];
  constexpr std::size_t kLast = std::size(kHeat) - 1;
  const double position = std::min(value, 1.0) * kLast;
  const std::size_t low = std::min(static_cast<std::size_t>(position), kLast - 1);
  const double share = position - static_cast<double>(low);
  const auto mix = [share](std::uint8_t a, std::uint8_t b) {
    return static_cast<std::uint8_t>(std::lround(a + (b - a) * share));
  };
  const Color& a = kHeat[low];
  const Color& b = kHeat[low + 1];
  return {mix(a.r, b.r), mix(a.g, b.g), mix(a.b, b.b)};
}

}  // namespace latent

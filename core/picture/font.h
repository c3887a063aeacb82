// The letters of pictures: a fixed 7x13 bitmap font for printable ASCII. Constants;
// any thread.
#ifndef LATENT_CORE_PICTURE_FONT_H_
#define LATENT_CORE_PICTURE_FONT_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace latent {

inline constexpr int kGlyphWidth = 7;
inline constexpr int kGlyphHeight = 13;

// Rows from the top; bit 7 of each is the leftmost pixel.
using Glyph = std::array<std::uint8_t, kGlyphHeight>;

// The glyph of `character`; that of "?" for what is not printable ASCII.
const Glyph& GlyphOf(char character, bool bold = false);

// `text` with every UTF-8 character beyond ASCII as one "?".
std::string ToAscii(std::string_view text);

}  // namespace latent

#endif  // LATENT_CORE_PICTURE_FONT_H_

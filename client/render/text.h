// Text for terminals: safe, measured, short. Pure functions; any thread.
#ifndef LATENT_CLIENT_RENDER_TEXT_H_
#define LATENT_CLIENT_RENDER_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace latent {

// `text` with everything that a terminal might obey made visible: control characters (also those of
// U+0080 to U+009F and the bidirectional ones) and bytes that are no UTF-8 become \n, \t, \xNN or
// \u{NNNN}.
std::string Printable(std::string_view text);

// Columns that UTF-8 text takes, one a character.
std::size_t DisplayWidth(std::string_view text);

// At most `width` columns, with "..." at the end where something was cut.
std::string Shorten(std::string_view text, std::size_t width);

// "0", "0.00951", "241.3", "1.234e+07": up to `digits` significant digits.
std::string FormatNumber(double value, int digits = 5);
// The shortest text that reads back as the same float.
std::string FormatFloat(float value);
// 60000 as "60,000".
std::string FormatCount(std::uint64_t count);
// "512 B", "52.4 MB" (powers of 1000).
std::string FormatBytes(std::uint64_t bytes);
// "8 s", "3 min 20 s", "2 h 5 min", "4 d 3 h"; "?" for what is negative or not finite.
std::string FormatDuration(double seconds);

}  // namespace latent

#endif  // LATENT_CLIENT_RENDER_TEXT_H_

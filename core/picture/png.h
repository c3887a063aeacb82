// Canvases as PNG and PNG as pixels: 8 bits a channel. Stateless; any thread. The only user of
// libpng.
#ifndef LATENT_CORE_PICTURE_PNG_H_
#define LATENT_CORE_PICTURE_PNG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/picture/canvas.h"

namespace latent {

// The bytes of a PNG file. The same canvas gives the same bytes.
absl::StatusOr<std::string> EncodePng(const Canvas& canvas);

// Writes the file, replacing what is there; no half-written file is left behind. An error names
// the path and the system's reason.
absl::Status WritePng(const Canvas& canvas, const std::string& path);

struct PngPixels {
  std::uint32_t width = 0, height = 0;
  std::uint32_t channels = 0;             // 1: gray, 3: RGB
  std::vector<std::uint8_t> pixels = {};  // [height x width x channels]
};
// Colours of palettes become RGB, 16 bits 8; what is transparent lies on black. INVALID_ARGUMENT if
// it is no proper PNG or has more than `max_values` values (width x height x channels), which is
// known before memory is taken.
absl::StatusOr<PngPixels> DecodePng(std::string_view bytes, std::uint64_t max_values);

}  // namespace latent

#endif  // LATENT_CORE_PICTURE_PNG_H_

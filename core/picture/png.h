// Canvases as PNG: 8 bits a channel, RGB. Stateless; any thread. The only user of libpng.
#ifndef LATENT_CORE_PICTURE_PNG_H_
#define LATENT_CORE_PICTURE_PNG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/picture/canvas.h"

namespace latent {

// The bytes of a PNG file. The same canvas gives the same bytes.
absl::StatusOr<std::string> EncodePng(const Canvas& canvas);

// Writes the file, replacing what is there; no half-written file is left behind. An error names
// the path and the system's reason.
absl::Status WritePng(const Canvas& canvas, const std::string& path);

}  // namespace latent

#endif  // LATENT_CORE_PICTURE_PNG_H_

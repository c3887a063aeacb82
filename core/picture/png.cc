#include "core/picture/png.h"

#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {

absl::StatusOr<std::string> EncodePng(const Canvas& canvas) {
  static_assert(sizeof(Color) == 3, "libpng reads pixels as packed RGB");
  png_image image;
  std::memset(&image, 0, sizeof(image));
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(canvas.width());
  image.height = static_cast<png_uint_32>(canvas.height());
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, canvas.pixels().data(), 0,
                                 nullptr)) {
    return absl::InternalError(absl::StrCat("cannot encode PNG: ", image.message));
  }
  bytes.resize(size);
  return bytes;
}

absl::StatusOr<PngPixels> DecodePng(std::string_view bytes, std::uint64_t max_values) {
  png_image image;
  std::memset(&image, 0, sizeof(image));
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) {
    return absl::InvalidArgumentError(absl::StrCat("not a PNG file: ", image.message));
  }
  const bool colour = (image.format & PNG_FORMAT_FLAG_COLOR) != 0;
  PngPixels result{.width = image.width, .height = image.height, .channels = colour ? 3u : 1u};
  const std::uint64_t area = std::uint64_t{image.width} * image.height;
  if (area > max_values / result.channels) {
    png_image_free(&image);
    return absl::InvalidArgumentError(
        absl::StrCat("has ", result.width, " x ", result.height, " pixels of ", result.channels,
                     " channels; at most ", max_values, " values are read"));
  }
  image.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  result.pixels.resize(static_cast<std::size_t>(area) * result.channels);
  const png_color black = {0, 0, 0};
  if (png_image_finish_read(&image, &black, result.pixels.data(), 0, nullptr) == 0) {
    return absl::InvalidArgumentError(absl::StrCat("is damaged: ", image.message));
  }
  return result;
}

absl::Status WritePng(const Canvas& canvas, const std::string& path) {
  LATENT_ASSIGN_OR_RETURN(const std::string bytes, EncodePng(canvas));
  const std::string partial = path + ".part";
  const auto failed = [&] {
    const std::string reason = std::strerror(errno);
    std::remove(partial.c_str());
    return absl::InternalError(absl::StrCat("cannot write ", path, ": ", reason));
  };
  std::FILE* file = std::fopen(partial.c_str(), "wb");
  if (file == nullptr) return failed();
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (std::fclose(file) != 0 || !written) return failed();
  if (std::rename(partial.c_str(), path.c_str()) != 0) return failed();
  return absl::OkStatus();
}

}  // namespace latent

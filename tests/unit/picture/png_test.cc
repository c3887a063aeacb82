#include "core/picture/png.h"

#include <gtest/gtest.h>
#include <png.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace latent {
namespace {

TEST(PngTest, DecodesToTheSamePixels) {
  Canvas canvas(3, 2, {10, 20, 30});
  canvas.Set(2, 1, {255, 0, 7});
  const auto bytes = EncodePng(canvas);
  ASSERT_TRUE(bytes.ok()) << bytes.status();

  png_image image;
  std::memset(&image, 0, sizeof(image));
  image.version = PNG_IMAGE_VERSION;
  ASSERT_TRUE(png_image_begin_read_from_memory(&image, bytes->data(), bytes->size()));
  EXPECT_EQ(image.width, 3u);
  EXPECT_EQ(image.height, 2u);
  image.format = PNG_FORMAT_RGB;
  std::vector<Color> pixels(6);
  ASSERT_TRUE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr));
  EXPECT_EQ(pixels, canvas.pixels());
}

TEST(PngTest, WritesTheFileWhole) {
  const std::string path =
      testing::TempDir() + "/latent_png_test_" + std::to_string(getpid()) + ".png";
  const Canvas canvas(2, 2, {1, 2, 3});
  ASSERT_TRUE(WritePng(canvas, path).ok());
  std::ifstream file(path, std::ios::binary);
  const std::string written{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(written, *EncodePng(canvas));
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  std::filesystem::remove(path);
}

TEST(PngTest, NamesThePathThatCannotBeWritten) {
  const absl::Status status = WritePng(Canvas(1, 1, {}), "/nonexistent-folder/a.png");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_NE(status.message().find("/nonexistent-folder/a.png"), std::string::npos);
}

}  // namespace
}  // namespace latent

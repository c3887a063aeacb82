// Formats that hold other files or several arrays: NPZ, zip of PNG, safetensors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/data/formats.h"
#include "core/data/png_folder.h"
#include "tests/unit/data/zip_testing.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using testing::Npy;
using testing::Png;
using testing::ReadAll;
using testing::Safetensors;
using testing::Zip;

TEST(NpzTest, ReadsTheOnlyArray) {
  const std::string npy = Npy<float>("<f4", "(2, 2)", {1, 2, 3, 4});
  for (const bool deflate : {false, true}) {
    const auto table = ReadAll(Zip({{"a.npy", npy, deflate}}), FileFormat::kNpz);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4)));
  }
}

TEST(NpzTest, ReadsTheArrayThatIsNamed) {
  const std::string zip =
      Zip({{"x.npy", Npy<float>("<f4", "(1,)", {1})}, {"y.npy", Npy<float>("<f4", "(1,)", {2})}});
  const auto table = ReadAll(zip, FileFormat::kNpz, {.array = "y"});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(2)));
}

TEST(NpzTest, ReadsAFileWithoutHoldingIt) {
  const testing::TempDir dir;
  const std::string path = dir.Write("a.npz", Zip({{"a.npy", Npy<float>("<f4", "(1,)", {7})}}));
  const auto table = ReadRows(path, FileFormat::kGuess, {.name = "a.npz"}, std::nullopt, 10);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->cells, ElementsAre(7));
}

TEST(PngZipTest, ReadsPicturesInOrderOfTheirNames) {
  const std::string zip = Zip({{"b/2.PNG", Png(2, 1, 1, {3, 4})},
                               {"b/", ""},
                               {"a.png", Png(2, 1, 1, {0, 255}), true},
                               {"__MACOSX/a.png", "shadow"},
                               {"readme.txt", "no picture"}});
  auto reader = OpenRows(FromMemory(zip), FileFormat::kGuess, {.name = "pictures"});
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_THAT((*reader)->header().row_shape, ElementsAre(1, 2, 1));
  EXPECT_TRUE((*reader)->header().bytes);
  std::vector<double> cells(2);
  ASSERT_TRUE((*reader)->Next(cells, nullptr).value());
  EXPECT_THAT(cells, ElementsAre(0, 255));
  EXPECT_EQ((*reader)->id(), "a.png");
  ASSERT_TRUE((*reader)->Next(cells, nullptr).value());
  EXPECT_THAT(cells, ElementsAre(3, 4));
  EXPECT_EQ((*reader)->id(), "b/2.PNG");
  EXPECT_FALSE((*reader)->Next(cells, nullptr).value());
}

TEST(PngZipTest, ReadsColours) {
  const auto table =
      ReadAll(Zip({{"a.png", Png(1, 2, 3, {1, 2, 3, 4, 5, 6})}}), FileFormat::kPngZip);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->header.row_shape, ElementsAre(2, 1, 3));
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1, 2, 3, 4, 5, 6)));
}

TEST(PngZipTest, LaysWhatIsTransparentOnBlack) {
  const auto table =
      ReadAll(Zip({{"a.png", Png(2, 1, 2, {200, 255, 200, 0})}}), FileFormat::kPngZip);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(200, 0)));
}

TEST(PackPngFolderTest, PacksWhatIsReadAgain) {
  const testing::TempDir dir;
  const std::string folder = dir.MakeDir("pictures");
  dir.MakeDir("pictures/b");
  dir.Write("pictures/b/2.png", Png(1, 1, 1, {2}));
  dir.Write("pictures/a.png", Png(1, 1, 1, {1}));
  dir.Write("pictures/notes.txt", "no picture");
  ASSERT_TRUE(PackPngFolder(folder, dir.path() + "/1.zip").ok());
  ASSERT_TRUE(PackPngFolder(folder, dir.path() + "/2.zip").ok());
  const std::string zip = testing::ReadFileBytes(dir.path() + "/1.zip");
  EXPECT_EQ(zip, testing::ReadFileBytes(dir.path() + "/2.zip"));
  const auto table = ReadAll(zip, FileFormat::kPngZip);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1), ElementsAre(2)));
}

TEST(PackPngFolderTest, RefusesAFolderWithoutPictures) {
  const testing::TempDir dir;
  EXPECT_EQ(PackPngFolder(dir.path(), dir.path() + "/1.zip").code(), absl::StatusCode::kNotFound);
}

constexpr char kHeader[] =
    R"({"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
    R"("h":{"dtype":"F16","shape":[1,4],"data_offsets":[8,16]},)"
    R"("u":{"dtype":"U8","shape":[2,2,1],"data_offsets":[16,20]}})";

std::string File() {
  return Safetensors(kHeader, testing::Raw<float>({1.5f, -2}, std::endian::little) +
                                  testing::Raw<std::uint16_t>({0x3C00, 0xC000, 0x0001, 0x7BFF},
                                                              std::endian::little) +
                                  std::string("\x00\x01\x02\xFF", 4));
}

TEST(SafetensorsTest, ReadsFloats) {
  const auto table = ReadAll(File(), FileFormat::kSafetensors, {.array = "x"});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1.5), ElementsAre(-2)));
}

TEST(SafetensorsTest, ReadsHalfFloats) {
  const auto table = ReadAll(File(), FileFormat::kSafetensors, {.array = "h"});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1, -2, 0x1p-24, 65504)));
}

TEST(SafetensorsTest, ReadsBytesInTheirShape) {
  const auto table = ReadAll(File(), FileFormat::kGuess, {.array = "u"});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(table->header.bytes);
  EXPECT_THAT(table->header.row_shape, ElementsAre(2, 1, 1));
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(0, 1), ElementsAre(2, 255)));
}

}  // namespace
}  // namespace latent

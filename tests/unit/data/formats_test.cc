#include "core/data/formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/data/data_testing.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using testing::Gzip;
using testing::Idx;
using testing::Npy;
using testing::ReadAll;

TEST(IdxTest, ReadsImagesWithTheirShape) {
  const auto table = ReadAll(
      Idx<std::uint8_t>(8, {2, 2, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255}), FileFormat::kIdx);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->header.row_shape, ElementsAre(2, 3, 1));
  EXPECT_TRUE(table->header.bytes);
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(0, 1, 2, 3, 4, 5),  //
                                       ElementsAre(6, 7, 8, 9, 10, 255)));
}

TEST(IdxTest, ReadsOneDimensionAsOneColumn) {
  const auto table = ReadAll(Idx<std::uint8_t>(8, {3}, {5, 0, 4}), FileFormat::kIdx);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(5), ElementsAre(0), ElementsAre(4)));
}

TEST(IdxTest, ReadsEveryElementType) {
  EXPECT_THAT(ReadAll(Idx<std::int8_t>(9, {1, 2}, {-1, 2}), FileFormat::kIdx)->rows[0],
              ElementsAre(-1, 2));
  EXPECT_THAT(ReadAll(Idx<std::int16_t>(11, {1, 2}, {-300, 2}), FileFormat::kIdx)->rows[0],
              ElementsAre(-300, 2));
  EXPECT_THAT(ReadAll(Idx<std::int32_t>(12, {1, 2}, {-70000, 2}), FileFormat::kIdx)->rows[0],
              ElementsAre(-70000, 2));
  EXPECT_THAT(ReadAll(Idx<float>(13, {1, 2}, {0.5f, 2}), FileFormat::kIdx)->rows[0],
              ElementsAre(0.5, 2));
  EXPECT_THAT(ReadAll(Idx<double>(14, {1, 2}, {0.1, 2}), FileFormat::kIdx)->rows[0],
              ElementsAre(0.1, 2));
}

TEST(NpyTest, ReadsEveryVersion) {
  for (const int version : {1, 2, 3}) {
    const auto table =
        ReadAll(Npy<float>("<f4", "(2, 2)", {0.5f, 1, 2, 3}, version), FileFormat::kNpy);
    ASSERT_TRUE(table.ok()) << version << ": " << table.status();
    EXPECT_THAT(table->rows, ElementsAre(ElementsAre(0.5, 1), ElementsAre(2, 3))) << version;
  }
}

TEST(NpyTest, ReadsEveryElementType) {
  EXPECT_THAT(ReadAll(Npy<double>("<f8", "(1, 2)", {0.1, 2}), FileFormat::kNpy)->rows[0],
              ElementsAre(0.1, 2));
  EXPECT_THAT(ReadAll(Npy<std::uint8_t>("|u1", "(1, 2)", {255, 2}), FileFormat::kNpy)->rows[0],
              ElementsAre(255, 2));
  EXPECT_THAT(ReadAll(Npy<std::int8_t>("|i1", "(1, 2)", {-1, 2}), FileFormat::kNpy)->rows[0],
              ElementsAre(-1, 2));
  EXPECT_THAT(ReadAll(Npy<std::int32_t>("<i4", "(1, 2)", {-70000, 2}), FileFormat::kNpy)->rows[0],
              ElementsAre(-70000, 2));
  EXPECT_THAT(ReadAll(Npy<std::int64_t>("<i8", "(2,)", {-1, 7}), FileFormat::kNpy)->rows,
              ElementsAre(ElementsAre(-1), ElementsAre(7)));
}

TEST(NpyTest, ReadsMatricesStoredColumnByColumn) {
  const auto table =
      ReadAll(testing::NpyOf(1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }",
                             testing::Raw<std::int16_t>({1, 4, 2, 5, 3, -6}, std::endian::little)),
              FileFormat::kNpy);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4, 5, -6)));
}

TEST(NpyTest, KeepsTheShapeOfARow) {
  const auto table =
      ReadAll(Npy<std::uint8_t>("|u1", "(1, 2, 1, 3)", {1, 2, 3, 4, 5, 6}), FileFormat::kNpy);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->header.row_shape, ElementsAre(2, 1, 3));
  EXPECT_TRUE(table->header.bytes);
}

TEST(LibsvmTest, ReadsLabelsAndCells) {
  const auto table = ReadAll("+1 1:0.5 3:-2 # note\n-1\n# note\n1 2:0 3:4\n", FileFormat::kLibsvm);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows,
              ElementsAre(ElementsAre(0.5, 0, -2), ElementsAre(0, 0, 0), ElementsAre(0, 0, 4)));
  EXPECT_THAT(table->labels, ElementsAre(1, -1, 1));
  EXPECT_TRUE(table->header.sparse);
  EXPECT_EQ(table->header.index_base, 1);
}

TEST(LibsvmTest, ReadsRowsWithoutLabels) {
  const auto table = ReadAll("1:1\n2:2\n", FileFormat::kLibsvm);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1, 0), ElementsAre(0, 2)));
  EXPECT_FALSE(table->header.has_labels);
}

TEST(LibsvmTest, EmptyLinesAreRowsWithoutCellsWhereRowsHaveNoLabels) {
  for (const std::string end : {"\n", "\r\n"}) {
    std::string text;
    for (const char* line : {"", " \t", "# note", "1:1", "", "  # note", "2:2", ""}) {
      text += line + end;
    }
    const auto table = ReadAll(text, FileFormat::kLibsvm);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_THAT(table->rows, ElementsAre(ElementsAre(0, 0), ElementsAre(0, 0), ElementsAre(1, 0),
                                         ElementsAre(0, 0), ElementsAre(0, 2), ElementsAre(0, 0)));
    EXPECT_FALSE(table->header.has_labels);
  }
}

TEST(LibsvmTest, ALineThatIsNotEndedIsALine) {
  const auto table = ReadAll("1:1\n\n2:2", FileFormat::kLibsvm);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1, 0), ElementsAre(0, 0), ElementsAre(0, 2)));
}

TEST(LibsvmTest, PassesOverEmptyLinesWhereRowsHaveLabels) {
  const auto table = ReadAll("\n \n7 1:1\n\n8\n\n", FileFormat::kLibsvm);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1), ElementsAre(0)));
  EXPECT_THAT(table->labels, ElementsAre(7, 8));
}

TEST(LibsvmTest, AnIndexOfZeroMeansThatColumnsCountFromZero) {
  const auto table = ReadAll("1 2:5\n0 0:3\n", FileFormat::kLibsvm);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(0, 0, 5), ElementsAre(3, 0, 0)));
  EXPECT_EQ(table->header.index_base, 0);
}

TEST(LibsvmTest, ColumnsCountFromWhereTheCallerSays) {
  const auto table = ReadAll("2:5\n", FileFormat::kLibsvm, {.libsvm = {.index_base = 0}});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->header.columns, 3u);
}

TEST(LibsvmTest, GivesOnlyTheCellsThatAreNotZero) {
  auto reader = OpenRows(FromMemory("1 2:0 7:4\n"), FileFormat::kLibsvm, {.name = "f"});
  ASSERT_TRUE(reader.ok()) << reader.status();
  SparseValues cells;
  std::int32_t label = 0;
  ASSERT_TRUE((*reader)->NextSparse(cells, &label).value());
  EXPECT_THAT(cells.columns, ElementsAre(6));
  EXPECT_THAT(cells.values, ElementsAre(4));
  EXPECT_FALSE((*reader)->NextSparse(cells, &label).value());
}

TEST(OpenRowsTest, UnpacksGzip) {
  const auto table = ReadAll(Gzip("1,2\n3,4\n"), FileFormat::kCsv);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4)));
}

TEST(OpenRowsTest, UnpacksGzipOfSeveralMembers) {
  const auto table = ReadAll(Gzip("1,2\n3") + Gzip(",4\n"), FileFormat::kCsv);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4)));
}

TEST(OpenRowsTest, ReadsMostlyZeroImagesThatCompressWell) {
  std::vector<std::uint8_t> cells(4'000'000, 0);
  for (std::size_t i = 0; i < cells.size(); i += 300) cells[i] = static_cast<std::uint8_t>(i);
  const std::string packed = Gzip(Idx(8, {40'000, 100}, cells));
  ASSERT_GT(cells.size() / packed.size(), 100u);
  EXPECT_TRUE(ReadAll(packed, FileFormat::kIdx).ok());
}

TEST(OpenRowsTest, GuessesTheFormatFromTheName) {
  const auto table =
      ReadAll("1;2\n", FileFormat::kGuess, {.name = "Rows.CSV.gz", .csv = {.delimiter = ';'}});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->header.columns, 2u);
}

TEST(OpenRowsTest, GuessesTheFormatFromTheFirstBytes) {
  EXPECT_TRUE(ReadAll(Idx<std::uint8_t>(8, {1}, {1}), FileFormat::kGuess).ok());
  EXPECT_TRUE(ReadAll(Npy<float>("<f4", "(1,)", {1}), FileFormat::kGuess).ok());
  EXPECT_TRUE(ReadAll("1\n", FileFormat::kGuess).ok());
}

TEST(ReadRowsTest, ScalesBytesAndKeepsOtherValues) {
  const testing::TempDir dir;
  const std::string images = dir.Write("a", Idx<std::uint8_t>(8, {1, 2}, {0, 255}));
  const std::string text = dir.Write("b", "0,255\n");
  const auto scaled = ReadRows(images, FileFormat::kGuess, {.name = "a"}, std::nullopt, 100);
  const auto plain = ReadRows(text, FileFormat::kGuess, {.name = "b"}, std::nullopt, 100);
  ASSERT_TRUE(scaled.ok() && plain.ok());
  EXPECT_THAT(scaled->cells, ElementsAre(0, 1));
  EXPECT_THAT(plain->cells, ElementsAre(0, 255));
}

TEST(ReadRowsTest, RefusesMoreCellsThanAllowed) {
  const testing::TempDir dir;
  const std::string text = dir.Write("b", "1,2\n3,4\n");
  EXPECT_EQ(ReadRows(text, FileFormat::kGuess, {.name = "b"}, std::nullopt, 3).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace latent

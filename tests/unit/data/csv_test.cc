#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/data/formats.h"
#include "tests/unit/data/data_testing.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::ReadAll;
using testing::Table;

Table Read(std::string_view text, CsvOptions csv = {}, std::vector<std::string> label_names = {}) {
  auto table = ReadAll(text, FileFormat::kCsv,
                       {.name = "file", .csv = std::move(csv), .label_names = label_names});
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *std::move(table) : Table();
}

TEST(CsvTest, ReadsNumbersInEveryNotation) {
  EXPECT_THAT(Read("-1,+2.5,1e3,.5,5.,1E-2\n").rows[0], ElementsAre(-1, 2.5, 1000, .5, 5, .01));
}

TEST(CsvTest, ReadsANumberBelowTheRangeAsZero) {
  EXPECT_THAT(Read("1e-400\n").rows[0], ElementsAre(0));
}

TEST(CsvTest, AcceptsCrLfBlankLinesSpacesAndNoLastNewline) {
  EXPECT_THAT(Read("\r\n1, 2\r\n\r\n  \n 3 ,4").rows,
              ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4)));
}

TEST(CsvTest, AcceptsLinesThatEndInCrAlone) {
  EXPECT_THAT(Read("1,2\r3,4\r").rows, ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4)));
}

TEST(CsvTest, ReadsTheMostColumnsInFullPrecision) {
  std::string line = "-1.234567890123456789e+00";
  for (int i = 1; i < 65'536; ++i) line += ",-1.234567890123456789e+00";
  EXPECT_EQ(Read(line + "\n" + line).rows.size(), 2u);
}

TEST(CsvTest, SkipsSpacesWithinQuotesAsOutside) {
  const Table table = Read("\" a \", b \n\" 3\", 3\n");
  EXPECT_THAT(table.header.column_names, ElementsAre("a", "b"));
  EXPECT_THAT(table.rows, ElementsAre(ElementsAre(3, 3)));
}

TEST(CsvTest, AcceptsQuotedCells) {
  const Table table = Read("\"a,\"\"b\"\"\",\"c\"\n\"1\", \"2\" \n");
  EXPECT_THAT(table.header.column_names, ElementsAre("a,\"b\"", "c"));
  EXPECT_THAT(table.rows, ElementsAre(ElementsAre(1, 2)));
}

TEST(CsvTest, SkipsAByteOrderMark) {
  EXPECT_THAT(Read("\xEF\xBB\xBF"
                   "1,2\n")
                  .rows[0],
              ElementsAre(1, 2));
}

TEST(CsvTest, SplitsAtTheDelimiter) {
  EXPECT_THAT(Read("1\t2\n", {.delimiter = '\t'}).rows[0], ElementsAre(1, 2));
  EXPECT_THAT(Read("1;2\n", {.delimiter = ';'}).rows[0], ElementsAre(1, 2));
}

TEST(CsvTest, FindsTheDelimiterInTheFirstLine) {
  EXPECT_THAT(Read("\n1\t2\n").rows[0], ElementsAre(1, 2));
  const Table table = Read("\"x,y\";z\n1;2\n");
  EXPECT_THAT(table.header.column_names, ElementsAre("x,y", "z"));
  EXPECT_THAT(table.rows[0], ElementsAre(1, 2));
  EXPECT_THAT(Read("x;y,z\n1,2\n").header.column_names, ElementsAre("x;y", "z"));
  EXPECT_THAT(Read("7\n").rows[0], ElementsAre(7));
}

TEST(CsvTest, TakesAFirstLineWithTextAsHeader) {
  const Table table = Read("x,y\n1,2\n");
  EXPECT_THAT(table.header.column_names, ElementsAre("x", "y"));
  EXPECT_THAT(table.rows, ElementsAre(ElementsAre(1, 2)));
}

TEST(CsvTest, TakesAFirstLineOfNumbersAsRow) {
  const Table table = Read("1,2\n3,4\n");
  EXPECT_THAT(table.header.column_names, IsEmpty());
  EXPECT_EQ(table.rows.size(), 2u);
}

TEST(CsvTest, TakesAFirstLineOfNumbersAsHeaderIfTold) {
  const Table table = Read("1,2\n3,4\n", {.header = true});
  EXPECT_THAT(table.header.column_names, ElementsAre("1", "2"));
  EXPECT_THAT(table.rows, ElementsAre(ElementsAre(3, 4)));
}

TEST(CsvTest, FindsTheLabelByName) {
  const Table table = Read("x,class,y\n1,7,2\n", {.label_column = "class"});
  EXPECT_THAT(table.labels, ElementsAre(7));
  EXPECT_THAT(table.rows, ElementsAre(ElementsAre(1, 2)));
  EXPECT_THAT(table.header.column_names, ElementsAre("x", "y"));
}

TEST(CsvTest, FindsTheLabelByIndex) {
  EXPECT_THAT(Read("7,1,2\n", {.label_column = "0"}).labels, ElementsAre(7));
  EXPECT_THAT(Read("1,2,7\n", {.label_column = "-1"}).labels, ElementsAre(7));
  EXPECT_THAT(Read("1,7,2\n", {.label_column = "-2"}).labels, ElementsAre(7));
}

TEST(CsvTest, PrefersAColumnOfThatNameToAnIndex) {
  EXPECT_THAT(Read("1,0\n5,6\n", {.header = true, .label_column = "0"}).labels, ElementsAre(6));
}

TEST(CsvTest, ReadsLabelsByTheirNames) {
  const Table table = Read("1,no\n2,yes\n3,0\n", {.label_column = "1"}, {"no", "yes"});
  EXPECT_THAT(table.labels, ElementsAre(0, 1, 0));
  EXPECT_EQ(table.rows.size(), 3u);
}

TEST(CsvTest, ReadsLinesLongerThanItsBuffer) {
  std::string text = "0";
  for (int i = 1; i < 60'000; ++i) text += "," + std::to_string(i);
  const Table table = Read(text + "\n" + text + "\n");
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[1][59'999], 59'999);
}

}  // namespace
}  // namespace latent

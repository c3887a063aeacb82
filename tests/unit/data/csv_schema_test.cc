// What is learnt of the columns of CSV files, and the datasets that come of it.
#include "core/data/csv_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/data/parse.h"
#include "tests/unit/data/data_testing.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CsvSchemaTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, std::string_view text, v1::Part part = v1::PART_TRAIN) {
    request_.files.push_back({.name = name, .path = dir_.Write(name, text), .part = part});
  }
  absl::StatusOr<DatasetInfo> Parse() {
    out_ = dir_.MakeDir(absl::StrCat("out", parsed_++));
    return ParseDataset(request_, out_);
  }
  std::shared_ptr<const Dataset> ParseAndOpen() {
    const auto info = Parse();
    EXPECT_TRUE(info.ok()) << info.status();
    auto dataset = OpenDataset(out_, DatasetCheck::kHashes);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.ok() ? *dataset : nullptr;
  }
  void ExpectRefusal(const std::string& message) {
    const auto info = Parse();
    EXPECT_EQ(info.status().code(), absl::StatusCode::kInvalidArgument) << info.status();
    EXPECT_THAT(std::string(info.status().message()), HasSubstr(message));
  }
  static std::vector<v1::ColumnKind> Kinds(const DatasetInfo& info) {
    std::vector<v1::ColumnKind> kinds;
    for (const v1::ColumnGroup& group : info.column_groups) kinds.push_back(group.kind());
    return kinds;
  }

  testing::TempDir dir_;
  ParseRequest request_ = {.name = "d", .split = {.test_fraction = 0, .validation_fraction = 0}};
  std::string out_;
  int parsed_ = 0;
};

TEST_F(CsvSchemaTest, MakesOneCellACategory) {
  Add("a.csv", "size,colour\n1,red\n2,blue\n3,red\n");
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  const DatasetInfo& info = dataset->info();
  EXPECT_THAT(info.column_names, ElementsAre("size", "colour=blue", "colour=red"));
  EXPECT_THAT(Kinds(info), ElementsAre(v1::COLUMN_KIND_NUMERIC, v1::COLUMN_KIND_CATEGORICAL));
  EXPECT_EQ(info.column_groups[1].first(), 1u);
  EXPECT_EQ(info.column_groups[1].count(), 2u);
  EXPECT_THAT(info.column_groups[1].categories(), ElementsAre("blue", "red"));
  EXPECT_THAT(dataset->rows(v1::PART_TRAIN).dense().row(0), ElementsAre(1, 0, 1));
  EXPECT_THAT(dataset->rows(v1::PART_TRAIN).dense().row(1), ElementsAre(2, 1, 0));
}

TEST_F(CsvSchemaTest, JoinsTheCategoriesOfAllFiles) {
  Add("a.csv", "x,c\n1,b\n");
  Add("b.csv", "x,c\n1,a\n", v1::PART_TEST);
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(dataset->info().column_names, ElementsAre("x", "c=a", "c=b"));
  EXPECT_THAT(dataset->rows(v1::PART_TEST).dense().row(0), ElementsAre(1, 1, 0));
}

TEST_F(CsvSchemaTest, OneTextAmongNumbersIsAnErrorStill) {
  Add("a.csv", "1,2\n3,4\n5,x\n");
  ExpectRefusal("row 3, column 2: expected a number of at most 64 bytes, got \"x\"");
}

TEST_F(CsvSchemaTest, DeclaredNumbersAreColumnsOfCategories) {
  Add("a.csv", "x,zip\n1,10\n2,9\n3,10\n");
  request_.csv.columns = {{"zip", CsvColumnKind::kCategorical}};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(dataset->info().column_names, ElementsAre("x", "zip=9", "zip=10"));
}

TEST_F(CsvSchemaTest, IgnoresWhatIsDeclaredSo) {
  Add("a.csv", "1,a,2\n3,b,4\n");
  request_.csv.columns = {{"-1", CsvColumnKind::kIgnored}, {"1", CsvColumnKind::kIgnored}};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().columns, 1u);
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN)(1, 0), 3);
}

TEST_F(CsvSchemaTest, TextsThatAllDifferAreIds) {
  std::string text = "name,x\n";
  for (int r = 0; r < 20; ++r) text += absl::StrCat("n", r, ",", r, "\n");
  Add("a.csv", text);
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(Kinds(dataset->info()), ElementsAre(v1::COLUMN_KIND_ID, v1::COLUMN_KIND_NUMERIC));
  EXPECT_EQ(dataset->row_id(v1::PART_TRAIN, 7), "n7");
  EXPECT_EQ(dataset->info().columns, 1u);
}

TEST_F(CsvSchemaTest, NumbersThatAllDifferAreIdsInAColumnSoCalled) {
  std::string text = "id,x\n";
  for (int r = 0; r < 20; ++r) text += absl::StrCat(100 + r, ",1\n");
  Add("a.csv", text);
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->row_id(v1::PART_TRAIN, 3), "103");
}

TEST_F(CsvSchemaTest, LearnsTheNamesOfLabelsThatAreTexts) {
  Add("a.csv", "x,y\n1,no\n2,yes\n3,no\n");
  request_.csv.label_column = "y";
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(dataset->info().label_names, ElementsAre("no", "yes"));
  EXPECT_THAT(dataset->labels(v1::PART_TRAIN), ElementsAre(0, 1, 0));
}

TEST_F(CsvSchemaTest, AColumnCalledSoOfFewWholeNumbersHoldsLabels) {
  Add("a.csv", "Label,x\n1,5\n0,6\n1,7\n0,8\n");
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(Kinds(dataset->info()), ElementsAre(v1::COLUMN_KIND_LABEL, v1::COLUMN_KIND_NUMERIC));
  EXPECT_THAT(dataset->info().column_names, ElementsAre("x"));
  EXPECT_THAT(dataset->labels(v1::PART_TRAIN), ElementsAre(1, 0, 1, 0));
}

TEST_F(CsvSchemaTest, AColumnCalledSoOfFewTextsHoldsLabels) {
  Add("a.csv", "x,class\n5,no\n6,yes\n7,no\n8,yes\n");
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(dataset->info().label_names, ElementsAre("no", "yes"));
  EXPECT_THAT(dataset->labels(v1::PART_TRAIN), ElementsAre(0, 1, 0, 1));
}

TEST_F(CsvSchemaTest, NothingElseIsGuessedToBeLabels) {
  for (const std::string text : {
           "label,x\n1,5\n2,6\n3,7\n4,8\n",       // they all differ
           "label,x\n1.5,5\n0,6\n1.5,7\n0,8\n",   // no whole numbers
           "label,x\n-1,5\n1,6\n-1,7\n1,8\n",     // nor from 0
           "labels_old,x\n1,5\n0,6\n1,7\n0,8\n",  // another name
       }) {
    request_.files.clear();
    Add("a.csv", text);
    const auto dataset = ParseAndOpen();
    ASSERT_NE(dataset, nullptr) << text;
    EXPECT_EQ(dataset->info().columns, 2u) << text;
    EXPECT_FALSE(dataset->info().has_labels) << text;
  }
}

TEST_F(CsvSchemaTest, AGuessOfLabelsThatIsWrongSaysHowToOverrideIt) {
  std::string text = "label,x\n";
  for (int r = 0; r < 10'050; ++r) text += absl::StrCat(r % 7, ",1\n");
  Add("a.csv", text + "0.5,1\n");
  ExpectRefusal("declare the column as numeric in csv.columns");
}

TEST_F(CsvSchemaTest, NoLabelsAreGuessedWhereAFileHoldsThem) {
  Add("a.csv", "label,x\n1,5\n0,6\n1,7\n0,8\n");
  Add("y.csv", "3\n2\n3\n2\n");
  request_.files.back().role = FileRole::kLabels;
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().columns, 2u);
  EXPECT_THAT(dataset->labels(v1::PART_TRAIN), ElementsAre(3, 2, 3, 2));
}

TEST_F(CsvSchemaTest, AGuessOfLabelsIsOverridden) {
  Add("a.csv", "label,x\n1,5\n0,6\n1,7\n0,8\n");
  request_.csv.columns = {{"label", CsvColumnKind::kNumeric}};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(dataset->info().column_names, ElementsAre("label", "x"));
  EXPECT_FALSE(dataset->info().has_labels);
}

TEST_F(CsvSchemaTest, MarksMissingCellsAndFillsThemWithTheMeanOfTrain) {
  Add("a.csv", "x,c\n1,a\n,b\n3,NA\n");
  Add("b.csv", "x,c\nnan,b\n", v1::PART_TEST);
  request_.csv.allow_missing = true;
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->info().may_miss);
  const MissingMask mask = dataset->missing(v1::PART_TRAIN);
  EXPECT_FALSE(mask(0, 0));
  EXPECT_TRUE(mask(1, 0));
  EXPECT_TRUE(mask(2, 1));
  EXPECT_TRUE(mask(2, 2));
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN)(1, 0), 2);
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN)(2, 1), 0.5f);
  EXPECT_TRUE(dataset->missing(v1::PART_TEST)(0, 0));
  EXPECT_EQ(dataset->rows(v1::PART_TEST)(0, 0), 2);
  EXPECT_EQ(dataset->info().column_groups[0].missing_share(), 0.5);
  EXPECT_EQ(dataset->info().column_groups[1].missing_share(), 0.25);
}

TEST_F(CsvSchemaTest, MissingCellsAreAnErrorUnlessAllowed) {
  Add("a.csv", "1,2\n3,\n5,6\n");
  ExpectRefusal("row 2, column 2: expected a number, got an empty cell; if cells may be missing, ");
}

TEST_F(CsvSchemaTest, NanIsAnErrorThatNamesTheWayOut) {
  Add("a.csv", "1,2\n3,nan\n5,6\n");
  ExpectRefusal(
      "row 2, column 2: expected a finite number, got \"nan\"; if cells may be missing, ");
}

TEST_F(CsvSchemaTest, MissingCategoriesAreAnErrorUnlessAllowed) {
  Add("a.csv", "x,c\n1,a\n2,\n3,a\n");
  ExpectRefusal("row 2, column 2: expected a category");
}

TEST_F(CsvSchemaTest, FilesOfNumbersAloneNeedNoSchema) {
  Add("a.csv", "1,2\n3,4\n");
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->info().column_names.empty());
  EXPECT_THAT(Kinds(dataset->info()),
              ElementsAre(v1::COLUMN_KIND_NUMERIC, v1::COLUMN_KIND_NUMERIC));
  EXPECT_EQ(SchemaOf(dataset->info()).column_groups_size(), 0);
}

TEST_F(CsvSchemaTest, AFirstLineOfTextsThatComeAgainIsARow) {
  Add("a.csv", "red,1\nblue,2\nred,3\n");
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().rows(v1::PART_TRAIN), 3u);
  EXPECT_THAT(dataset->info().column_names, ElementsAre("c0=blue", "c0=red", "c1"));
}

TEST_F(CsvSchemaTest, RefusesTooManyTextsToGuessBy) {
  std::string text = "x,c\n";
  for (int r = 0; r < 2100; ++r) text += absl::StrCat(r, ",t", r % 1050, "\n");
  Add("a.csv", text);
  ExpectRefusal("column \"c\" holds 1050 different texts");
}

TEST_F(CsvSchemaTest, RefusesColumnsThatThereAreNot) {
  Add("a.csv", "x,c\n1,2\n");
  request_.csv.columns = {{"y", CsvColumnKind::kIgnored}};
  ExpectRefusal("has no column \"y\"");
}

TEST_F(CsvSchemaTest, RefusesTwoDeclarationsOfOneColumn) {
  Add("a.csv", "x,c\n1,2\n");
  request_.csv.columns = {{"x", CsvColumnKind::kNumeric}, {"0", CsvColumnKind::kIgnored}};
  ExpectRefusal("is declared twice");
}

TEST_F(CsvSchemaTest, RefusesAScaleOnCategories) {
  Add("a.csv", "x,c\n1,a\n2,a\n");
  request_.value_scale = 0.5;
  ExpectRefusal("is categorical, which value_scale would spoil");
}

}  // namespace
}  // namespace latent

// User-item pairs, from text to a dataset.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/data/parse.h"
#include "tests/unit/data/data_testing.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Pairs {
  RowsHeader header;
  std::vector<std::string> users;
  std::vector<std::vector<double>> rows;
};

absl::StatusOr<Pairs> TryRead(std::string_view text, PairsOptions pairs = {}, CsvOptions csv = {},
                              const std::string& name = "file") {
  const ReadOptions options = {.name = name, .csv = std::move(csv), .pairs = std::move(pairs)};
  LATENT_ASSIGN_OR_RETURN(const auto reader,
                          OpenRows(FromMemory(text), FileFormat::kPairs, options));
  Pairs read{.header = reader->header(), .users = {}, .rows = {}};
  std::vector<double> row(read.header.columns);
  for (;;) {
    LATENT_ASSIGN_OR_RETURN(const bool more, reader->Next(row, nullptr));
    if (!more) return read;
    read.users.emplace_back(reader->id());
    read.rows.push_back(row);
  }
}

Pairs Read(std::string_view text, PairsOptions pairs = {}, CsvOptions csv = {}) {
  auto read = TryRead(text, std::move(pairs), std::move(csv));
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : Pairs();
}

TEST(PairsTest, RowsAreUsersAndColumnsItems) {
  const Pairs pairs = Read("bob,tea\nann,milk\nbob,ale\n");
  EXPECT_THAT(pairs.users, ElementsAre("ann", "bob"));
  EXPECT_THAT(pairs.header.column_names, ElementsAre("ale", "milk", "tea"));
  EXPECT_THAT(pairs.rows, ElementsAre(ElementsAre(0, 1, 0), ElementsAre(1, 0, 1)));
  EXPECT_TRUE(pairs.header.sparse);
}

TEST(PairsTest, WholeNumbersStandInOrderOfTheirValues) {
  const Pairs pairs = Read("10,2\n9,10\n9,1\n");
  EXPECT_THAT(pairs.users, ElementsAre("9", "10"));
  EXPECT_THAT(pairs.header.column_names, ElementsAre("1", "2", "10"));
}

TEST(PairsTest, AThirdColumnIsTheWeight) {
  EXPECT_THAT(Read("1,1,2.5\n1,2,0\n").rows, ElementsAre(ElementsAre(2.5, 0)));
}

TEST(PairsTest, WeightsOfEqualPairsAddUp) {
  EXPECT_THAT(Read("1,1,2\n2,1,7\n1,1,3\n").rows, ElementsAre(ElementsAre(5), ElementsAre(7)));
}

TEST(PairsTest, EqualPairsWithoutWeightsCountOnce) {
  EXPECT_THAT(Read("1,1\n1,1\n").rows, ElementsAre(ElementsAre(1)));
}

TEST(PairsTest, LeavesOutPairsBelowTheLeastWeight) {
  const Pairs pairs = Read("1,1,5\n1,2,3\n2,2,3\n1,3,4\n1,3,4\n", {.binarise_at = 4});
  EXPECT_THAT(pairs.users, ElementsAre("1"));
  EXPECT_THAT(pairs.header.column_names, ElementsAre("1", "3"));
  EXPECT_THAT(pairs.rows, ElementsAre(ElementsAre(1, 1)));
}

TEST(PairsTest, ReadsTheColumnsThatAreNamed) {
  const Pairs pairs = Read("when,film,who,stars\n7,Up,ann,4\n",
                           {.user_column = "who", .item_column = "film", .weight_column = "3"});
  EXPECT_THAT(pairs.users, ElementsAre("ann"));
  EXPECT_THAT(pairs.header.column_names, ElementsAre("Up"));
  EXPECT_THAT(pairs.rows, ElementsAre(ElementsAre(4)));
}

TEST(PairsTest, TakesAFirstLineForAHeaderByItsWeightOrItsWords) {
  EXPECT_THAT(Read("a,b,rating\n1,1,2\n").users, ElementsAre("1"));
  EXPECT_THAT(Read("userId,itemId\n1,1\n").users, ElementsAre("1"));
  EXPECT_THAT(Read("ann,tea\n").users, ElementsAre("ann"));
  EXPECT_THAT(Read("ann,tea\nbob,ale\n", {}, {.header = true}).users, ElementsAre("bob"));
}

TEST(PairsTest, SplitsTsvFilesAtTabs) {
  EXPECT_TRUE(TryRead("1\t2\n", {}, {}, "a.tsv.gz").ok());
  EXPECT_TRUE(TryRead("1\t2\n", {}, {.delimiter = '\t'}).ok());
}

class PairsDatasetTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, std::string_view text, v1::Part part = v1::PART_TRAIN) {
    request_.files.push_back(
        {.name = name, .path = dir_.Write(name, text), .part = part, .format = FileFormat::kPairs});
  }
  std::shared_ptr<const Dataset> ParseAndOpen() {
    const auto info = ParseDataset(request_, out_);
    EXPECT_TRUE(info.ok()) << info.status();
    auto dataset = OpenDataset(out_, DatasetCheck::kHashes);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.ok() ? *dataset : nullptr;
  }

  testing::TempDir dir_;
  ParseRequest request_ = {.name = "d", .split = {.test_fraction = 0, .validation_fraction = 0}};
  const std::string out_ = dir_.MakeDir("out");
};

TEST_F(PairsDatasetTest, KeepsUsersAndItems) {
  Add("a.csv", "bob,tea,2\nann,milk,3\n");
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(dataset->info().column_names, ElementsAre("milk", "tea"));
  EXPECT_EQ(dataset->row_id(v1::PART_TRAIN, 0), "ann");
  EXPECT_EQ(dataset->row_id(v1::PART_TRAIN, 1), "bob");
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN)(1, 1), 2);
}

TEST_F(PairsDatasetTest, JoinsTheItemsOfAllFiles) {
  // Numbers alone in one file, texts beside them in the other: the orders differ.
  Add("a.csv", "1,9\n1,10\n");
  Add("b.csv", "2,10\n2,x\n", v1::PART_TEST);
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(dataset->info().column_names, ElementsAre("10", "9", "x"));
  std::vector<float> scratch;
  EXPECT_THAT(dataset->rows(v1::PART_TRAIN).Read(0, 1, scratch).row(0), ElementsAre(1, 1, 0));
  EXPECT_THAT(dataset->rows(v1::PART_TEST).Read(0, 1, scratch).row(0), ElementsAre(1, 0, 1));
}

TEST_F(PairsDatasetTest, UsersKeepTheirIdsThroughASplit) {
  std::string text;
  for (int u = 0; u < 50; ++u) text += absl::StrCat("user", u, ",", u, ",", u + 1, "\n");
  Add("a.csv", text);
  request_.split = {};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  for (const v1::Part part : {v1::PART_TRAIN, v1::PART_VALIDATION, v1::PART_TEST}) {
    const RowsView rows = dataset->rows(part);
    ASSERT_GT(rows.rows, 0u);
    for (std::size_t r = 0; r < rows.rows; ++r) {
      const auto cells = rows.sparse_row(r);
      EXPECT_EQ(dataset->row_id(part, r), absl::StrCat("user", cells.indices[0]));
      EXPECT_EQ(cells.values[0], static_cast<float>(cells.indices[0] + 1));
    }
  }
}

}  // namespace
}  // namespace latent

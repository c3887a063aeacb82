#include "core/data/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "core/base/sha256.h"
#include "tests/unit/data/data_testing.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using testing::Gzip;
using ::testing::HasSubstr;
using testing::Idx;
using testing::TempDir;

class ParseDatasetTest : public ::testing::Test {
 protected:
  // Declares a file of these bytes.
  void Add(const std::string& name, std::string_view bytes, v1::Part part = v1::PART_TRAIN,
           FileRole role = FileRole::kRows) {
    request_.files.push_back(
        {.name = name, .path = dir_.Write(name, bytes), .role = role, .part = part});
  }
  absl::StatusOr<DatasetInfo> Parse() { return ParseDataset(request_, NewDir()); }
  std::shared_ptr<const Dataset> ParseAndOpen() {
    const auto info = Parse();
    EXPECT_TRUE(info.ok()) << info.status();
    auto dataset = OpenDataset(out_, DatasetCheck::kHashes);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.ok() ? *dataset : nullptr;
  }
  void ExpectRefusal(const std::string& message) {
    const auto info = Parse();
    ASSERT_EQ(info.status().code(), absl::StatusCode::kInvalidArgument) << info.status();
    EXPECT_EQ(DetailsOf(info.status()).reason, "BAD_DATASET");
    EXPECT_THAT(std::string(info.status().message()), HasSubstr(message));
  }
  std::string NewDir() { return out_ = dir_.MakeDir("out" + std::to_string(next_dir_++)); }

  TempDir dir_;
  ParseRequest request_ = {.name = "d", .split = {.test_fraction = 0, .validation_fraction = 0}};
  std::string out_;
  int next_dir_ = 0;
};

TEST_F(ParseDatasetTest, WritesWhatItOpensAgain) {
  Add("a.csv", "x,y,class\n1,-2,0\n3,4,1\n");
  request_.csv.label_column = "class";
  request_.label_names = {"no", "yes"};
  request_.value_scale = 0.5;
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  const auto rows = dataset->rows(v1::PART_TRAIN).dense();
  EXPECT_THAT(rows.row(0), ElementsAre(0.5f, -1.0f));
  EXPECT_THAT(rows.row(1), ElementsAre(1.5f, 2.0f));
  EXPECT_THAT(dataset->labels(v1::PART_TRAIN), ElementsAre(0, 1));
  const DatasetInfo& info = dataset->info();
  EXPECT_EQ(info.name, "d");
  EXPECT_EQ(info.columns, 2u);
  EXPECT_THAT(info.column_names, ElementsAre("x", "y"));
  EXPECT_THAT(info.label_names, ElementsAre("no", "yes"));
  EXPECT_EQ(info.value_scale, 0.5);
  EXPECT_EQ(info.min, -1);
  EXPECT_EQ(info.max, 2);
  EXPECT_EQ(info.content_hash.size(), 64u);
}

TEST_F(ParseDatasetTest, PutsFilesIntoTheirPartsInDeclaredOrder) {
  Add("a.csv", "1\n2\n");
  Add("t.csv", "9\n", v1::PART_TEST);
  Add("b.csv", "3\n");
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN).rows, 3u);
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN)(2, 0), 3);
  EXPECT_EQ(dataset->rows(v1::PART_VALIDATION).rows, 0u);
  EXPECT_EQ(dataset->rows(v1::PART_TEST)(0, 0), 9);
  EXPECT_EQ(dataset->info().max, 9);
  EXPECT_EQ(dataset->info().train_max, 3);
}

TEST_F(ParseDatasetTest, ReadsImagesAndLabelsFiles) {
  Add("images", Gzip(Idx<std::uint8_t>(8, {2, 1, 2}, {0, 255, 51, 0})));
  Add("labels", Gzip(Idx<std::uint8_t>(8, {2}, {4, 9})), v1::PART_TRAIN, FileRole::kLabels);
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_THAT(dataset->info().row_shape, ElementsAre(1, 2, 1));
  EXPECT_THAT(dataset->rows(v1::PART_TRAIN).dense().row(1), ElementsAre(0.2f, 0.0f));
  EXPECT_THAT(dataset->labels(v1::PART_TRAIN), ElementsAre(4, 9));
  EXPECT_EQ(dataset->info().value_scale, 1.0 / 255);
}

TEST_F(ParseDatasetTest, SplitsRowsTogetherWithTheirLabels) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += std::to_string(i) + "," + std::to_string(i) + "\n";
  Add("a.csv", text);
  request_.csv.label_column = "1";
  request_.split = {};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->rows(v1::PART_TEST).rows, 10u);
  EXPECT_EQ(dataset->rows(v1::PART_VALIDATION).rows, 9u);
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN).rows, 81u);
  for (const v1::Part part : {v1::PART_TRAIN, v1::PART_VALIDATION, v1::PART_TEST}) {
    const auto rows = dataset->rows(part).dense();
    for (std::size_t r = 0; r < rows.rows; ++r) {
      EXPECT_EQ(rows(r, 0), static_cast<float>(dataset->labels(part)[r]));
    }
  }
  EXPECT_FALSE(std::filesystem::exists(out_ + "/whole.rows"));
}

TEST_F(ParseDatasetTest, SplitsOffOnlyThePartThatNoFileBrings) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += std::to_string(i) + "\n";
  Add("a.csv", text);
  Add("t.csv", "1\n2\n3\n", v1::PART_TEST);
  request_.split = {};
  const auto info = Parse();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->rows(v1::PART_TRAIN), 45u);
  EXPECT_EQ(info->rows(v1::PART_VALIDATION), 5u);
  EXPECT_EQ(info->rows(v1::PART_TEST), 3u);
}

TEST_F(ParseDatasetTest, ReadsTheDigits) {
  request_.files = {{.name = "digits.csv.gz", .path = LATENT_TEST_DATA "/digits/digits.csv.gz"}};
  request_.csv.label_column = "-1";
  request_.row_shape = {8, 8, 1};
  request_.value_scale = 1.0 / 16;
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  const auto rows = dataset->rows(v1::PART_TRAIN).dense();
  ASSERT_EQ(rows.rows, 1797u);
  ASSERT_EQ(rows.columns, 64u);
  EXPECT_EQ(dataset->info().max, 1);
  const auto labels = dataset->labels(v1::PART_TRAIN);
  EXPECT_EQ(std::count(labels.begin(), labels.end(), 3), 183);
  // As it is read back from the disk.
  for (const v1::Part part : {v1::PART_TRAIN, v1::PART_VALIDATION, v1::PART_TEST}) {
    const bool any = dataset->info().rows(part) > 0;
    EXPECT_EQ(dataset->info().labels(part).size(), any ? 10u : 0u) << part;
  }
  const double sum = std::accumulate(rows.data, rows.data + rows.rows * rows.columns, 0.0);
  EXPECT_EQ(sum * 16, 561718);
}

TEST_F(ParseDatasetTest, HashesDeclarationAndBytesButNotTheName) {
  Add("a.csv", "1\n2\n");
  const std::string hash = Parse()->content_hash;
  request_.name = "other";
  EXPECT_EQ(Parse()->content_hash, hash);
  request_.value_scale = 2;
  EXPECT_NE(Parse()->content_hash, hash);
  request_.value_scale.reset();
  dir_.Write("a.csv", "1\n3\n");
  EXPECT_NE(Parse()->content_hash, hash);
}

TEST_F(ParseDatasetTest, NamesFileRowAndColumnOfABadCell) {
  Add("a.csv", "1,2\n");
  Add("b.csv", "1,2\n3,oops\n");
  ExpectRefusal("b.csv: row 2, column 2: expected a number");
}

TEST_F(ParseDatasetTest, RefusesFilesOfDifferentWidth) {
  Add("a.csv", "1,2\n");
  Add("b.csv", "1,2,3\n", v1::PART_TEST);
  ExpectRefusal("b.csv: expected 2 columns as in a.csv, got 3");
}

TEST_F(ParseDatasetTest, RefusesARowShapeOfAnotherWidth) {
  Add("a.csv", "1,2,3\n");
  request_.row_shape = {2, 2};
  ExpectRefusal("a.csv: has rows of 3 columns, but row_shape [2, 2] needs 4");
}

TEST_F(ParseDatasetTest, RefusesLabelsThatAreTooFew) {
  Add("a.csv", "1\n2\n");
  Add("l.csv", "0\n", v1::PART_TRAIN, FileRole::kLabels);
  ExpectRefusal("train: has 1 labels for 2 rows");
}

TEST_F(ParseDatasetTest, RefusesLabelsOnOnePartAlone) {
  Add("a.csv", "1\n");
  Add("l.csv", "0\n", v1::PART_TRAIN, FileRole::kLabels);
  Add("t.csv", "1\n", v1::PART_TEST);
  ExpectRefusal("test: has no labels, but train has them");
}

TEST_F(ParseDatasetTest, RefusesALabelWithoutAName) {
  Add("a.csv", "1\n2\n");
  Add("l.csv", "0\n2\n", v1::PART_TRAIN, FileRole::kLabels);
  request_.label_names = {"no", "yes"};
  ExpectRefusal("l.csv: row 2: expected a label from 0 to 1 (label_names), got 2");
}

TEST_F(ParseDatasetTest, RefusesMixedScalesUnlessToldOne) {
  Add("a", Idx<std::uint8_t>(8, {1}, {3}));
  Add("b.csv", "1\n", v1::PART_TEST);
  ExpectRefusal("b.csv: only one of a and this file holds uint8; give value_scale");
  request_.value_scale = 1;
  EXPECT_TRUE(Parse().ok());
}

TEST_F(ParseDatasetTest, RefusesMoreThanItsLimits) {
  Add("a.csv", "1,2\n3,4\n5,6\n");
  request_.limits.max_rows = 2;
  ExpectRefusal("a.csv: the dataset has more than 2 rows");
  request_.limits = {.max_bytes = 16};
  ExpectRefusal("a.csv: the dataset has more than 2 rows");
}

TEST_F(ParseDatasetTest, RefusesCellsThatScalingMakesInfinite) {
  Add("a.csv", "1\n1e30\n");
  request_.value_scale = 1e30;
  ExpectRefusal("a.csv: row 2, column 1: 1e+30 times value_scale 1e+30");
}

TEST_F(ParseDatasetTest, StopsWhenAsked) {
  Add("a.csv", "1\n");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(ParseDataset(request_, NewDir(), stop.get_token()).status().code(),
            absl::StatusCode::kCancelled);
}

class OpenDatasetTest : public ParseDatasetTest {
 protected:
  void SetUp() override {
    Add("a.csv", "1,2\n3,4\n");
    ASSERT_TRUE(Parse().ok());
  }
  absl::StatusCode Open(DatasetCheck check = DatasetCheck::kSizes) {
    return OpenDataset(out_, check).status().code();
  }
  void Overwrite(const std::string& name, std::string_view bytes) {
    std::ofstream(out_ + "/" + name, std::ios::binary) << bytes;
  }
};

TEST_F(OpenDatasetTest, ReadsTheInfoAlone) {
  const auto info = ReadDatasetInfo(out_);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->rows(v1::PART_TRAIN), 2u);
}

TEST_F(OpenDatasetTest, FindsNoDataset) {
  EXPECT_EQ(OpenDataset(dir_.path()).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(OpenDatasetTest, NoticesAFileOfAnotherSize) {
  Overwrite("train.rows", "123");
  EXPECT_EQ(Open(), absl::StatusCode::kDataLoss);
}

TEST_F(OpenDatasetTest, NoticesAMissingFile) {
  std::filesystem::remove(out_ + "/train.rows");
  EXPECT_EQ(Open(), absl::StatusCode::kDataLoss);
}

TEST_F(OpenDatasetTest, NoticesAFlippedBitWhenAskedToHash) {
  std::string bytes = testing::ReadFileBytes(out_ + "/train.rows");
  bytes[5] = static_cast<char>(bytes[5] ^ 1);
  Overwrite("train.rows", bytes);
  EXPECT_EQ(Open(DatasetCheck::kSizes), absl::StatusCode::kOk);
  EXPECT_EQ(Open(DatasetCheck::kHashes), absl::StatusCode::kDataLoss);
}

TEST_F(OpenDatasetTest, RefusesDamagedInfo) {
  Overwrite("dataset.json", "{\"format_version\": 1, \"name\": 7}");
  EXPECT_EQ(Open(), absl::StatusCode::kDataLoss);
}

TEST_F(OpenDatasetTest, RefusesANewerFormat) {
  Overwrite("dataset.json", "{\"format_version\": 3}");
  EXPECT_EQ(Open(), absl::StatusCode::kFailedPrecondition);
}

TEST(MakeDatasetTest, LearnsRangesAndRows) {
  const auto dataset = MakeDataset({.columns = 2}, {{1, 2, 3, 4}, {0, 1}}, {}, {{-5, 9}, {1}});
  EXPECT_EQ(dataset->info().rows(v1::PART_TRAIN), 2u);
  EXPECT_EQ(dataset->info().min, -5);
  EXPECT_EQ(dataset->info().train_max, 4);
  EXPECT_TRUE(dataset->info().has_labels);
  EXPECT_EQ(dataset->rows(v1::PART_TEST)(0, 1), 9);
}

TEST(SchemaOfTest, KeepsWhatAModelNeeds) {
  const auto dataset = MakeDataset({.name = "d", .columns = 2, .column_names = {"a", "b"}},
                                   {{1, 2, 3, 4}, {}}, {}, {});
  const v1::DatasetSchema schema = SchemaOf(dataset->info());
  EXPECT_EQ(schema.dataset(), "d");
  EXPECT_EQ(schema.columns(), 2u);
  EXPECT_EQ(schema.train_rows(), 2u);
  EXPECT_EQ(schema.train_max(), 4);
  EXPECT_THAT(schema.column_names(), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace latent

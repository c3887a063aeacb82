// Sparse rows from an upload's files to what a trainer reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "core/data/parse.h"
#include "tests/unit/data/data_testing.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SparseDatasetTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, std::string_view bytes, v1::Part part = v1::PART_TRAIN) {
    request_.files.push_back({.name = name, .path = dir_.Write(name, bytes), .part = part});
  }
  absl::StatusOr<DatasetInfo> Parse() { return ParseDataset(request_, out_); }
  std::shared_ptr<const Dataset> ParseAndOpen() {
    const auto info = Parse();
    EXPECT_TRUE(info.ok()) << info.status();
    auto dataset = OpenDataset(out_, DatasetCheck::kHashes);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.ok() ? *dataset : nullptr;
  }
  // Changes one byte of a file of the dataset.
  void Damage(const std::string& name, std::size_t at, char value) {
    std::string bytes = testing::ReadFileBytes(out_ + "/" + name);
    bytes.at(at) = value;
    std::ofstream(out_ + "/" + name, std::ios::binary) << bytes;
  }
  void ExpectDataLoss(const std::string& message) {
    const auto dataset = OpenDataset(out_);
    EXPECT_EQ(dataset.status().code(), absl::StatusCode::kDataLoss) << dataset.status();
    EXPECT_THAT(std::string(dataset.status().message()), HasSubstr(message));
  }

  testing::TempDir dir_;
  ParseRequest request_ = {.name = "d", .split = {.test_fraction = 0, .validation_fraction = 0}};
  const std::string out_ = dir_.MakeDir("out");
};

TEST_F(SparseDatasetTest, StoresTheCellsThatAreNotZero) {
  Add("a.svm", "1 1:2 4:-1\n0\n1 2:5 3:0\n");
  request_.value_scale = 0.5;
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  const DatasetInfo& info = dataset->info();
  EXPECT_TRUE(info.sparse);
  EXPECT_EQ(info.columns, 4u);
  EXPECT_EQ(info.stored_cells(), 3u);
  EXPECT_EQ(info.min, -0.5);
  EXPECT_EQ(info.max, 2.5);
  EXPECT_EQ(info.index_base, 1);
  const RowsView rows = dataset->rows(v1::PART_TRAIN);
  ASSERT_TRUE(rows.sparse());
  std::vector<float> scratch;
  const auto dense = rows.Read(0, 3, scratch);
  EXPECT_THAT(dense.row(0), ElementsAre(1, 0, 0, -0.5));
  EXPECT_THAT(dense.row(1), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(dense.row(2), ElementsAre(0, 2.5, 0, 0));
  EXPECT_THAT(dataset->labels(v1::PART_TRAIN), ElementsAre(1, 0, 1));
}

TEST_F(SparseDatasetTest, TakesTheWidestFileForAll) {
  Add("a.svm", "1:1\n");
  Add("b.svm", "3:1\n", v1::PART_TEST);
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().columns, 3u);
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN)(0, 0), 1);
  EXPECT_EQ(dataset->rows(v1::PART_TEST)(0, 2), 1);
}

TEST_F(SparseDatasetTest, OneFileThatCountsFromZeroSettlesItForAll) {
  Add("a.svm", "1:1\n");
  Add("b.svm", "0:1 2:1\n", v1::PART_TEST);
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().index_base, 0);
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN)(0, 1), 1);
}

TEST_F(SparseDatasetTest, ADeclaredShapeMayBeWiderThanTheFile) {
  Add("a.svm", "1:1\n");
  request_.row_shape = {2, 3};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().columns, 6u);
}

TEST_F(SparseDatasetTest, RefusesAShapeNarrowerThanTheFile) {
  Add("a.svm", "9:1\n");
  request_.row_shape = {2, 3};
  EXPECT_THAT(std::string(Parse().status().message()), HasSubstr("has rows of 9 columns"));
}

TEST_F(SparseDatasetTest, RefusesDenseFilesBesideSparseOnes) {
  Add("a.svm", "2:1\n");
  Add("b.csv", "1,2\n", v1::PART_TEST);
  EXPECT_THAT(std::string(Parse().status().message()), HasSubstr("is of a sparse format"));
}

TEST_F(SparseDatasetTest, SplitsRowsWithTheirLabels) {
  std::string text;
  for (int r = 1; r <= 100; ++r) text += absl::StrCat(r, " ", r, ":", r, "\n");
  Add("a.svm", text);
  request_.split = {};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().rows(v1::PART_TEST), 10u);
  EXPECT_FALSE(std::filesystem::exists(out_ + "/whole.values"));
  int sum = 0;
  for (const v1::Part part : {v1::PART_TRAIN, v1::PART_VALIDATION, v1::PART_TEST}) {
    const RowsView rows = dataset->rows(part);
    for (std::size_t r = 0; r < rows.rows; ++r) {
      const auto label = dataset->labels(part)[r];
      EXPECT_EQ(rows(r, static_cast<std::size_t>(label) - 1), static_cast<float>(label));
      sum += label;
    }
  }
  EXPECT_EQ(sum, 5050);
}

TEST_F(SparseDatasetTest, OpensAPartWithoutAnyCell) {
  Add("a.svm", "1 1:1\n");
  Add("b.svm", "0 1:0\n", v1::PART_TEST);
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->rows(v1::PART_TEST)(0, 0), 0);
  EXPECT_EQ(dataset->info().min, 0);
}

TEST_F(SparseDatasetTest, RefusesMoreBytesThanAllowed) {
  Add("a.svm", "1:1\n1:1\n");
  request_.limits.max_bytes = 31;
  EXPECT_THAT(std::string(Parse().status().message()), HasSubstr("more than 1 rows"));
}

TEST_F(SparseDatasetTest, DamagedFilesAreNotReadBeyondTheirEnds) {
  Add("a.svm", "1:1 2:1\n1:1\n");
  ASSERT_TRUE(Parse().ok());
  ASSERT_TRUE(OpenDataset(out_).ok());
  Damage("train.indices", 4, 7);
  ExpectDataLoss("train.indices names columns that there are not");
  Damage("train.indices", 4, 1);
  Damage("train.offsets", 8, 9);
  ExpectDataLoss("train.offsets holds offsets that cannot be");
}

}  // namespace
}  // namespace latent

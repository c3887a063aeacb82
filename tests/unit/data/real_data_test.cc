// Real files, where the machine has them: the folder that the environment variable LATENT_DATA
// names, or shared/data beside the checkout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/data/parse.h"
#include "tests/unit/data/data_testing.h"

namespace latent {
namespace {

class RealDataTest : public ::testing::Test {
 protected:
  // "" if the file is not there.
  std::string Find(const std::string& file) {
    const char* const named = std::getenv("LATENT_DATA");
    const std::string path =
        (named != nullptr ? std::string(named) : LATENT_TEST_DATA "/../../../shared/data") + "/" +
        file;
    return std::filesystem::exists(path) ? path : "";
  }
  std::shared_ptr<const Dataset> ParseAndOpen() {
    const auto info = ParseDataset(request_, out_);
    EXPECT_TRUE(info.ok()) << info.status();
    auto dataset = OpenDataset(out_);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.ok() ? *dataset : nullptr;
  }

  testing::TempDir dir_;
  ParseRequest request_ = {.name = "d", .split = {.test_fraction = 0, .validation_fraction = 0}};
  const std::string out_ = dir_.MakeDir("out");
};

TEST_F(RealDataTest, ReadsMovieLens) {
  const std::string path = Find("movielens_100k/u.data");
  if (path.empty()) GTEST_SKIP() << "MovieLens-100K is not on this machine";
  request_.files = {{.name = "u.data", .path = path, .format = FileFormat::kPairs}};
  request_.csv.delimiter = '\t';
  request_.pairs = {.user_column = "0", .item_column = "1", .weight_column = "2"};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().rows(v1::PART_TRAIN), 943u);
  EXPECT_EQ(dataset->info().columns, 1682u);
  EXPECT_EQ(dataset->info().stored_cells(), 100'000u);
  EXPECT_EQ(dataset->info().column_names[1681], "1682");
  EXPECT_EQ(dataset->row_id(v1::PART_TRAIN, 195), "196");
  EXPECT_EQ(dataset->rows(v1::PART_TRAIN)(195, 241), 3);
}

TEST_F(RealDataTest, ReadsAnArrayOfFeaturesAndOneOfLabels) {
  const std::string path = Find("adbench/4_breastw.npz");
  if (path.empty()) GTEST_SKIP() << "ADBench is not on this machine";
  request_.files = {{.name = "x.npz", .path = path, .array = "X"},
                    {.name = "y.npz", .path = path, .role = FileRole::kLabels, .array = "y"}};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().rows(v1::PART_TRAIN), 683u);
  EXPECT_EQ(dataset->info().columns, 9u);
  EXPECT_EQ(dataset->labels(v1::PART_TRAIN).size(), 683u);
}

// Lines of a user and all of its items, made pairs.
TEST_F(RealDataTest, KeepsManyUsersAndItemsSparse) {
  const std::string path = Find("gowalla_sparse/user_items.txt.gz");
  if (path.empty()) GTEST_SKIP() << "Gowalla is not on this machine";
  auto bytes = UnpackIfGzip(*OpenFile(path), "gowalla");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  std::string text(64 << 20, '\0');
  const auto got = (*bytes)->Read(text);
  ASSERT_TRUE(got.ok() && *got < text.size());
  text.resize(*got);
  std::string pairs;
  std::size_t count = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> ids = absl::StrSplit(line, ' ', absl::SkipEmpty());
    for (std::size_t i = 1; i < ids.size(); ++i, ++count) {
      absl::StrAppend(&pairs, ids[0], ",", ids[i], "\n");
    }
  }
  request_.files = {
      {.name = "pairs", .path = dir_.Write("pairs", pairs), .format = FileFormat::kPairs}};
  const auto dataset = ParseAndOpen();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->info().stored_cells(), count);
  EXPECT_GT(dataset->info().columns, 10'000u);
  std::uint64_t stored = 0;
  for (const auto& entry : std::filesystem::directory_iterator(out_)) stored += entry.file_size();
  EXPECT_LT(stored,
            20 * count + 64 * dataset->info().rows(v1::PART_TRAIN) + 64 * dataset->info().columns);
}

}  // namespace
}  // namespace latent

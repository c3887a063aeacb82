#include "client/cli/answer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "client/cli/pictures.h"
#include "client/cli/projection.h"
#include "client/cli/row_source.h"

namespace latent::cli {
namespace {

class WriteAnswerTest : public testing::Test {
 protected:
  std::string Path(const std::string& ending) {
    path_ = testing::TempDir() + "/latent_answer_test_" + std::to_string(getpid()) + ending;
    return path_;
  }
  std::string Written() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void TearDown() override { std::filesystem::remove(path_); }
  std::string path_;
  const Matrix matrix_{.columns = 2, .cells = {0.1f, -2, 3e-8f, 4}};
};

TEST_F(WriteAnswerTest, CsvHoldsTheShortestExactNumbers) {
  ASSERT_TRUE(WriteAnswer(MatrixAnswer(matrix_, "code_"), Path(".csv")).ok());
  EXPECT_EQ(Written(), "code_0,code_1\n0.1,-2\n3e-08,4\n");
}

TEST_F(WriteAnswerTest, FilesReadBackAsTheSameBits) {
  for (const char* ending : {".csv", ".npy"}) {
    ASSERT_TRUE(WriteAnswer(MatrixAnswer(matrix_, "x_"), Path(ending)).ok());
    const auto read = RowSource::OpenCodes(path_);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->cells()->columns, 2u);
    EXPECT_EQ(read->cells()->cells, matrix_.cells) << ending;
  }
}

TEST_F(WriteAnswerTest, NpyHeaderIsAlignedTo64Bytes) {
  ASSERT_TRUE(WriteAnswer(MatrixAnswer(matrix_, "x_"), Path(".npy")).ok());
  const std::string bytes = Written();
  EXPECT_EQ(bytes.substr(0, 6), "\x93NUMPY");
  EXPECT_EQ((bytes.size() - 4 * sizeof(float)) % 64, 0u);
}

TEST_F(WriteAnswerTest, RefusesOtherEndings) {
  EXPECT_EQ(WriteAnswer(MatrixAnswer(matrix_, "x_"), Path(".txt")).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(MatrixTest, AppendsRepliesBelow) {
  const Matrix two{.columns = 2, .cells = {1, 2, 3, 4}};
  Matrix all;
  ASSERT_TRUE(all.Append(ToDenseRows(two, 0, 1)).ok());
  ASSERT_TRUE(all.Append(ToDenseRows(two, 1, 1)).ok());
  EXPECT_EQ(all.cells, two.cells);
}

TEST(MatrixTest, RefusesRowsOfAnotherWidth) {
  Matrix all{.columns = 3, .cells = {}};
  EXPECT_EQ(all.Append(ToDenseRows({.columns = 2, .cells = {1, 2}}, 0, 1)).code(),
            absl::StatusCode::kInternal);
}

TEST(ProjectionTest, FindsTheDirectionsOfGreatestVariance) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  Matrix codes{.columns = 4, .cells = {}};
  std::vector<double> first, second;
  for (int r = 0; r < 500; ++r) {
    const float a = 5 * normal(random), b = 2 * normal(random);
    first.push_back(a);
    second.push_back(b);
    for (const float cell : {0.1f * normal(random), b, 0.1f * normal(random), a}) {
      codes.cells.push_back(cell);
    }
  }
  const Plane plane = ProjectToPlane(codes);
  double mean = 0;
  for (std::size_t r = 0; r < 500; ++r) mean += first[r] / 500;
  for (std::size_t r = 0; r < 500; ++r) {
    EXPECT_NEAR(plane.x[r], first[r] - mean, 0.6) << r;
  }
}

TEST(ProjectionTest, KeepsCodesOfTwoEntries) {
  const Plane plane = ProjectToPlane({.columns = 2, .cells = {1, 2, 3, 4}});
  EXPECT_EQ(plane.x, (std::vector<double>{1, 3}));
  EXPECT_EQ(plane.y, (std::vector<double>{2, 4}));
}

TEST(PsnrTest, ClipsTheEstimateWhereAsked) {
  const Matrix clean{.columns = 2, .cells = {1, 0}};
  const Matrix estimate{.columns = 2, .cells = {1.5f, 0.1f}};
  EXPECT_NEAR(MeanSquaredError(clean, estimate, true), 0.005, 1e-9);
  EXPECT_NEAR(MeanSquaredError(clean, estimate, false), 0.13, 1e-7);
  EXPECT_NEAR(Psnr(0.01), 20, 1e-12);
}

TEST(RowLookTest, MapsTheDataRangeToBlackAndWhite) {
  const RowLook look{.shape = {1, 1, 1}, .black = -2, .white = 2};
  EXPECT_FLOAT_EQ(look.Shown(0), 0.5f);
}

}  // namespace
}  // namespace latent::cli

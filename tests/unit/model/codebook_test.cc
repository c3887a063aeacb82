#include "core/model/codebook.h"

#include <cmath>
#include <limits>
#include <vector>

#include "core/base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

using testing::ElementsAre;

// Vectors (0, 0), (1, 1), (1, 1) and (4, 0), twice in a code.
constexpr float kVectors[] = {0, 1, 1, 4, 0, 1, 1, 0};
const Codebook kBook{.groups = 2, .vectors = ConstMatrix(kVectors, 2, 4)};

TEST(FindNearestTest, GivesIndexAndSquaredDistance) {
  const float z[] = {3, 1};
  const NearestVector nearest = FindNearest(kBook.vectors, z);
  EXPECT_EQ(nearest.index, 3u);
  EXPECT_EQ(nearest.squared_distance, 2);
}

TEST(FindNearestTest, GivesTiesToTheLowerIndex) {
  const float at[] = {1, 1}, between[] = {0.5, 0.5};
  EXPECT_EQ(FindNearest(kBook.vectors, at).index, 1u);
  EXPECT_EQ(FindNearest(kBook.vectors, between).index, 0u);
}

TEST(FindNearestTest, EqualsALoopOverAllVectors) {
  for (const std::size_t size : {1u, 15u, 16u, 17u, 100u}) {
    std::vector<float> cells(3 * size), z(3);
    FillNormal({.seed = 1}, cells);
    const ConstMatrix vectors(cells.data(), 3, size);
    for (std::uint64_t sample = 0; sample < 50; ++sample) {
      FillNormal({.seed = 2, .sample = sample}, z);
      std::size_t best = 0;
      double least = std::numeric_limits<double>::infinity();
      for (std::size_t k = 0; k < size; ++k) {
        double distance = 0;
        for (std::size_t j = 0; j < 3; ++j) distance += std::pow(double{z[j]} - vectors(j, k), 2);
        if (distance < least) best = k;
        least = std::min(least, distance);
      }
      const NearestVector nearest = FindNearest(vectors, z);
      EXPECT_EQ(nearest.index, best) << size;
      EXPECT_NEAR(nearest.squared_distance, least, 1e-5 * (1 + least));
    }
  }
}

TEST(SnapCodeTest, ReplacesEachGroup) {
  std::vector<float> code = {3, 1, 0.2F, -0.1F};
  std::vector<std::uint32_t> indices(2);
  SnapCode(kBook, code, indices);
  EXPECT_THAT(code, ElementsAre(4, 0, 0, 0));
  EXPECT_THAT(indices, ElementsAre(3, 0));
}

TEST(SnapCodeTest, LeavesWhatIsNearNothingToBeSeen) {
  const float far = std::numeric_limits<float>::infinity();
  std::vector<float> code = {far, 1, 1, 1};
  SnapCode(kBook, code);
  EXPECT_TRUE(std::isnan(code[0]) && std::isnan(code[1]));
  EXPECT_EQ(code[2], 1);
}

TEST(CodebookTest, IndicesAndVectorsAreInverse) {
  const std::vector<std::uint32_t> indices = {3, 1};
  std::vector<float> code(4);
  VectorsOf(kBook, indices, code);
  EXPECT_THAT(code, ElementsAre(4, 0, 1, 1));
  std::vector<std::uint32_t> again(2);
  IndicesOf(kBook, code, again);
  EXPECT_EQ(again, indices);
}

TEST(PerplexityTest, IsTheNumberOfWeightsThatAreAlike) {
  EXPECT_NEAR(Perplexity(std::vector<double>{3, 3, 3, 3, 0}), 4, 1e-12);
  EXPECT_EQ(Perplexity(std::vector<double>{0, 7}), 1);
}

TEST(PerplexityTest, IsExpOfTheEntropy) {
  // Of shares 1/2, 1/4, 1/4 in bits 1.5.
  EXPECT_NEAR(Perplexity(std::vector<double>{2, 1, 1}), std::exp2(1.5), 1e-12);
}

TEST(PerplexityTest, IsNothingOfNothing) {
  EXPECT_EQ(Perplexity(std::vector<double>{0, 0}), 0);
  EXPECT_EQ(Perplexity({}), 0);
}

}  // namespace
}  // namespace latent

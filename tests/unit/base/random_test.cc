#include "core/base/random.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/base/random_kernel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using Words = std::array<std::uint32_t, 4>;

// The published vectors of Random123's kat_vectors file for philox4x32, 10 rounds.
TEST(PhiloxTest, MatchesPublishedVectors) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomTest, FilledValuesAreTheElementsValues) {
  const RandomKey key{42, 3, 7'000'000'000};
  for (const std::size_t size : {1u, 5u, 31u, 32u, 33u, 100u}) {
    std::vector<float> uniform(size), normal(size);
    FillUniform(key, uniform);
    FillNormal(key, normal);
    for (std::size_t i = 0; i < size; ++i) {
      EXPECT_EQ(uniform[i], UniformAt(key, i)) << i << " of " << size;
      EXPECT_EQ(normal[i], NormalAt(key, i)) << i << " of " << size;
    }
  }
}

TEST(RandomTest, DoublesWidenTheFloats) {
  std::vector<float> narrow(77);
  std::vector<double> wide(77);
  FillNormal({1, 2, 3}, narrow);
  FillNormal({1, 2, 3}, wide);
  EXPECT_TRUE(std::equal(narrow.begin(), narrow.end(), wide.begin()));
  FillUniform({1, 2, 3}, narrow);
  FillUniform({1, 2, 3}, wide);
  EXPECT_TRUE(std::equal(narrow.begin(), narrow.end(), wide.begin()));
}

TEST(RandomTest, EveryPartOfTheKeyMatters) {
  const float base = UniformAt({1, 2, 3}, 4);
  EXPECT_NE(base, UniformAt({2, 2, 3}, 4));
  EXPECT_NE(base, UniformAt({1 | 1ull << 40, 2, 3}, 4));
  EXPECT_NE(base, UniformAt({1, 3, 3}, 4));
  EXPECT_NE(base, UniformAt({1, 2, 4}, 4));
  EXPECT_NE(base, UniformAt({1, 2, 3 | 1ull << 40}, 4));
  EXPECT_NE(base, UniformAt({1, 2, 3}, 5));
}

TEST(RandomTest, UniformsLieInTheUnitIntervalAndAverageAHalf) {
  std::vector<float> values(100'000);
  FillUniform({9, 0, 0}, values);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  EXPECT_GE(*low, 0.0f);
  EXPECT_LT(*high, 1.0f);
  EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0) / 1e5, 0.5, 0.004);
}

TEST(RandomTest, NormalsHaveTheMomentsOfANormal) {
  constexpr int kCount = 1'000'000;
  std::vector<float> values(kCount);
  FillNormal({5, 6, 7}, values);
  double sums[4] = {};
  double neighbours = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = values[static_cast<std::size_t>(i)];
    for (double power = x; double& sum : sums) sum += power, power *= x;
    if (i >= 8) neighbours += x * values[static_cast<std::size_t>(i - 8)];
  }
  // Five standard errors each: variances of x^k are 1, 2, 15 and 96.
  EXPECT_NEAR(sums[0] / kCount, 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(sums[1] / kCount, 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(sums[2] / kCount, 0, 5 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(sums[3] / kCount, 3, 5 * std::sqrt(96.0 / kCount));
  EXPECT_NEAR(neighbours / kCount, 0, 5 * std::sqrt(1.0 / kCount));
}

TEST(RandomTest, NormalsFollowTheNormalDistribution) {
  constexpr std::size_t kCount = 200'000;
  std::vector<float> values(kCount);
  FillNormal({11, 0, 0}, values);
  std::sort(values.begin(), values.end());
  double distance = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double expected = 0.5 * std::erfc(-values[i] / std::sqrt(2.0));
    distance = std::max(distance, std::abs(expected - (static_cast<double>(i) + 0.5) / kCount));
  }
  EXPECT_LT(distance, 1.95 / std::sqrt(kCount));  // Kolmogorov and Smirnov at 0.1 %
}

// The normals from the words by the exact formula, word for word.
TEST(RandomTest, NormalsAreBoxMullerOfTheWords) {
  const RandomKey key{123, 4, 56};
  for (std::uint64_t e = 0; e < 8000; ++e) {
    if (e % 16 >= 8) continue;  // the cosine's half of each pair
    const double u = (RandomBits(key, e) >> 1) * 0x1p-31 + 0x1p-32;
    const double angle = RandomBits(key, e + 8) * 0x1p-32 * 2 * M_PI;
    const double radius = std::sqrt(-2 * std::log(u));
    // Near u = 1 the radius is what rounding u to 24 bits leaves of it.
    const double tolerance = 1e-6 + 6e-8 / std::max(radius, 1e-4);
    ASSERT_NEAR(NormalAt(key, e), radius * std::cos(angle), tolerance) << e;
    ASSERT_NEAR(NormalAt(key, e + 8), radius * std::sin(angle), tolerance) << e;
  }
}

#if defined(__x86_64__)
TEST(RandomTest, LevelsAgreeToTheBit) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) GTEST_SKIP();
  const random_kernel::Row row{{1, 2}, {3, 4, 5}};
  std::vector<float> portable(32 * 1000), avx2(portable.size());
  random_kernel::NormalPortable(row, 0, 1000, portable.data());
  random_kernel::NormalAvx2(row, 0, 1000, avx2.data());
  EXPECT_EQ(portable, avx2);
  random_kernel::UniformPortable(row, 0, 1000, portable.data());
  random_kernel::UniformAvx2(row, 0, 1000, avx2.data());
  EXPECT_EQ(portable, avx2);
}
#endif

// Pinned: a change would silently change every seed's splits, shuffles and weights.
TEST(RandomTest, StaysAsReleased) {
  EXPECT_EQ(DeriveSeed(1, 2), 4520224073989374391u);
  EXPECT_EQ(Hash64(1, 2), 6596670578425088740u);
  EXPECT_EQ(RandomBits({1, 2, 3}, 40), 2213266261u);
  std::vector<std::uint32_t> order(8);
  FillPermutation(1, 2, order);
  EXPECT_THAT(order, ElementsAre(2, 7, 5, 0, 6, 4, 1, 3));
}

TEST(PermutationTest, HoldsEveryNumberOnce) {
  std::vector<std::uint32_t> order(1000), expected(1000);
  std::iota(expected.begin(), expected.end(), 0u);
  FillPermutation(7, 1, order);
  EXPECT_NE(order, expected);
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, expected);
}

TEST(PermutationTest, IsUniform) {
  std::array<int, 6> seen{};
  for (std::uint32_t stream = 0; stream < 60'000; ++stream) {
    std::array<std::uint32_t, 3> order{};
    FillPermutation(1, stream, order);
    ++seen[order[0] * 2 + (order[1] > order[2])];
  }
  for (const int count : seen) EXPECT_NEAR(count, 10'000, 500);
}

TEST(PermutationTest, TakesEmptyAndSingle) {
  std::vector<std::uint32_t> order;
  FillPermutation(1, 1, order);
  order.resize(1, 9);
  FillPermutation(1, 1, order);
  EXPECT_THAT(order, ElementsAre(0));
}

}  // namespace
}  // namespace latent

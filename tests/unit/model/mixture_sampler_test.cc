#include "core/model/mixture_sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/random.h"

namespace latent {
namespace {

constexpr auto kGoOn = [] { return absl::OkStatus(); };
constexpr float kCentres[][3] = {{0, 0, 5}, {8, 0, 5}, {0, 8, 5}};

// Codes of three entries, the last of which never varies, about `clusters` of the centres.
std::vector<float> ClusteredCodes(std::size_t rows, std::size_t clusters) {
  std::vector<float> cells;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto& centre = kCentres[r % clusters];
    for (std::size_t c = 0; c < 2; ++c) {
      cells.push_back(centre[c] + NormalAt({.seed = 7, .sample = r}, c));
    }
    cells.push_back(centre[2]);
  }
  return cells;
}

FittedSampler FitTo(const std::vector<float>& codes, std::size_t most) {
  auto fitted = FitMixtureSampler({codes.data(), codes.size() / 3, 3}, most, 1, nullptr, kGoOn);
  EXPECT_TRUE(fitted.ok()) << fitted.status();
  return *std::move(fitted);
}

std::vector<float> DrawFrom(const Sampler& sampler, std::size_t rows, double temperature = 1,
                            std::size_t first = 0) {
  std::vector<float> codes(rows * 3);
  sampler.Draw(4, temperature, first, {codes.data(), rows, 3});
  return codes;
}

TEST(MixtureSamplerTest, FindsPlantedClustersAndDrawsThem) {
  const FittedSampler fitted = FitTo(ClusteredCodes(1500, 3), 16);
  EXPECT_GE(fitted.density.mixture.components(), 3u);
  EXPECT_LE(fitted.density.mixture.components(), 4u);
  // Without noise a draw is a component's mean; every cluster is met.
  std::vector<int> met(3);
  for (const double temperature : {0.0, 1.0}) {
    const std::vector<float> draws = DrawFrom(*fitted.sampler, 300, temperature);
    for (std::size_t r = 0; r < 300; ++r) {
      double nearest = 1e9;
      std::size_t which = 0;
      for (std::size_t k = 0; k < 3; ++k) {
        const double d =
            std::hypot(draws[3 * r] - kCentres[k][0], draws[3 * r + 1] - kCentres[k][1]);
        if (d < nearest) which = k;
        nearest = std::min(nearest, d);
      }
      ++met[which];
      EXPECT_LT(nearest, temperature == 0 ? 1.5 : 4.5);
      EXPECT_EQ(draws[3 * r + 2], 5);
    }
  }
  EXPECT_GT(*std::min_element(met.begin(), met.end()), 120);
}

TEST(MixtureSamplerTest, OneClusterIsTheGaussianToTheBit) {
  const std::vector<float> codes = ClusteredCodes(600, 1);
  const FittedSampler fitted = FitTo(codes, 16);
  EXPECT_EQ(fitted.density.mixture.components(), 1u);
  const auto gaussian = FitGaussianSampler({codes.data(), 600, 3}, kGoOn);
  ASSERT_TRUE(gaussian.ok());
  EXPECT_EQ(DrawFrom(*fitted.sampler, 20), DrawFrom(**gaussian, 20));
}

TEST(MixtureSamplerTest, ChoosesTheLeastBic) {
  const FittedSampler fitted = FitTo(ClusteredCodes(1500, 3), 8);
  const auto least = std::min_element(fitted.candidates.begin(), fitted.candidates.end(),
                                      [](const auto& a, const auto& b) { return a.bic < b.bic; });
  EXPECT_EQ(least->components, fitted.density.mixture.components());
  // Of the entries that vary alone: two means, three numbers of covariance a component.
  double log_likelihood = 0;
  const std::vector<float> codes = ClusteredCodes(1500, 3);
  for (const double d : fitted.density.LogDensities({codes.data(), 1500, 3})) log_likelihood += d;
  const auto k = static_cast<double>(least->components);
  EXPECT_NEAR(least->bic, -2 * log_likelihood + (k - 1 + 5 * k) * std::log(1500.0), 1e-6);
}

TEST(MixtureSamplerTest, DensityIsInTheCodesOwnUnits) {
  const FittedSampler fitted = FitTo(ClusteredCodes(1500, 1), 1);
  const std::vector<float> centre = {0, 0, 5};
  EXPECT_NEAR(fitted.density.LogDensities({centre.data(), 1, 3})[0], -std::log(2 * std::acos(-1)),
              0.1);
}

TEST(MixtureSamplerTest, DrawsARowByItsNumberAlone) {
  const FittedSampler fitted = FitTo(ClusteredCodes(600, 3), 4);
  const std::vector<float> whole = DrawFrom(*fitted.sampler, 20);
  const std::vector<float> rest = DrawFrom(*fitted.sampler, 13, 1, 7);
  EXPECT_TRUE(std::equal(rest.begin(), rest.end(), whole.begin() + 21));
}

TEST(MixtureSamplerTest, DrawsTheSameAfterSaveAndLoad) {
  const FittedSampler fitted = FitTo(ClusteredCodes(600, 3), 4);
  TensorFile file;
  fitted.sampler->AddTensors(file);
  const auto loaded = SamplerFromTensors(file, 3);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(DrawFrom(**loaded, 20), DrawFrom(*fitted.sampler, 20));
}

TEST(MixtureSamplerTest, RefusesTensorsThatDoNotFit) {
  TensorFile good;
  FitTo(ClusteredCodes(600, 3), 4).sampler->AddTensors(good);
  const auto code = [](const TensorFile& file, std::size_t dim) {
    return SamplerFromTensors(file, dim).status().code();
  };
  EXPECT_EQ(code(good, 4), absl::StatusCode::kFailedPrecondition);
  for (const char* name : {"sampler.weights", "sampler.means", "sampler.factors"}) {
    TensorFile bad = good;
    bad.tensors.erase(name);
    EXPECT_EQ(code(bad, 3), absl::StatusCode::kFailedPrecondition) << name;
    bad = good;
    bad.tensors[name].values[0] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(code(bad, 3), absl::StatusCode::kFailedPrecondition) << name;
  }
  TensorFile negative = good;
  negative.tensors["sampler.weights"].values[0] = -1;
  EXPECT_EQ(code(negative, 3), absl::StatusCode::kFailedPrecondition);
}

TEST(MixtureSamplerTest, CodesThatAreAllTheSameAreDrawnAsTheyAre) {
  const std::vector<float> codes = {1, 2, 3, 1, 2, 3, 1, 2, 3};
  const FittedSampler fitted = FitTo(codes, 16);
  EXPECT_EQ(DrawFrom(*fitted.sampler, 1), std::vector<float>({1, 2, 3}));
}

TEST(MixtureSamplerTest, RefusesCodesThatAreNotFinite) {
  std::vector<float> codes = ClusteredCodes(600, 3);
  codes[4] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(FitMixtureSampler({codes.data(), 600, 3}, 4, 1, nullptr, kGoOn).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(MixtureSamplerTest, BoundsTheCodesItCountsOn) {
  EXPECT_EQ(MixtureCodes(1000, 8, 16), 1000u);
  EXPECT_EQ(MixtureCodes(1'000'000, 2, 16), 16384u);
  EXPECT_LT(MixtureCodes(1'000'000, 128, 64), 300u);
  EXPECT_LT(MixtureSamplerBytes(1 << 20, kMaxMixtureDim, 64), 1000u << 20);
}

// What versions from before there were mixtures have stored: its draws must never change.
TEST(SamplerGoldenTest, OneGaussianOfAnEarlierVersionStillDrawsTheSame) {
  TensorFile file;
  file.tensors["sampler.mean"] = {.shape = {3}, .values = {1, 2, 3}};
  file.tensors["sampler.factor"] = {.shape = {3, 3}, .values = {1, 0, 0, 0.5, 2, 0, 0, 0, 0.25}};
  const auto sampler = SamplerFromTensors(file, 3);
  ASSERT_TRUE(sampler.ok()) << sampler.status();
  const std::vector<float> draws = DrawFrom(**sampler, 2);
  const std::vector<float> golden = {1.1388787f, 2.5498297f, 2.5555413f,
                                     1.5098854f, 1.0734708f, 2.875844f};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_FLOAT_EQ(draws[i], golden[i]) << i;
}

}  // namespace
}  // namespace latent

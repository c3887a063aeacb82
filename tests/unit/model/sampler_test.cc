#include "core/model/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "core/base/random.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

constexpr auto kGoOn = [] { return absl::OkStatus(); };

std::vector<float> Draws(const Sampler& sampler, std::size_t rows, std::size_t dim,
                         double temperature = 1, std::uint64_t seed = 4) {
  std::vector<float> codes(rows * dim);
  sampler.Draw(seed, temperature, 0, {codes.data(), rows, dim});
  return codes;
}

// Pairs (a, 2a + 1): a line, so the covariance is singular.
std::vector<float> Line(std::size_t rows) {
  std::vector<float> cells(2 * rows);
  for (std::size_t r = 0; r < rows; ++r) {
    const float a = NormalAt({.seed = 9, .sample = r}, 0);
    cells[2 * r] = a;
    cells[2 * r + 1] = 2 * a + 1;
  }
  return cells;
}

// One of each kind, for codes of two entries.
std::vector<std::unique_ptr<Sampler>> AllSamplers() {
  const std::vector<float> line = Line(50);
  std::vector<std::unique_ptr<Sampler>> samplers;
  samplers.push_back(StandardNormalSampler(2));
  TensorFile diagonal;
  diagonal.tensors["sampler.mean"] = {.shape = {2}, .values = {1, 2}};
  diagonal.tensors["sampler.deviation"] = {.shape = {2}, .values = {3, 4}};
  samplers.push_back(*SamplerFromTensors(diagonal, 2));
  samplers.push_back(*FitGaussianSampler({line.data(), 50, 2}, kGoOn));
  return samplers;
}

TEST(StandardNormalSamplerTest, DrawsZeroMeanAndTheTemperaturesDeviation) {
  double sum = 0, squares = 0;
  for (const float v : Draws(*StandardNormalSampler(4), 5000, 4, 0.5)) {
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  EXPECT_NEAR(sum / 20000, 0, 0.02);
  EXPECT_NEAR(std::sqrt(squares / 20000), 0.5, 0.01);
}

TEST(SamplerTest, DrawsARowByItsNumberAlone) {
  for (const auto& sampler : AllSamplers()) {
    const std::vector<float> many = Draws(*sampler, 9, 2);
    const std::vector<float> few = Draws(*sampler, 3, 2);
    EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
    EXPECT_NE(Draws(*sampler, 3, 2, 1, 5), few);
  }
}

TEST(SamplerTest, DrawsTheSameRowsInPieces) {
  for (const auto& sampler : AllSamplers()) {
    const std::vector<float> whole = Draws(*sampler, 20, 2);
    std::vector<float> pieces(whole.size());
    for (std::size_t first = 0; first < 20; first += 7) {
      const std::size_t count = std::min<std::size_t>(7, 20 - first);
      sampler->Draw(4, 1, first, {pieces.data() + 2 * first, count, 2});
    }
    EXPECT_EQ(pieces, whole);
  }
}

TEST(FittedSamplerTest, CostsMoreThanItsWidthSquared) {
  const std::vector<float> codes(200, 1.0f);
  EXPECT_GT((*FitGaussianSampler({codes.data(), 2, 100}, kGoOn))->MultiplyAdds(1), 100u * 100u);
  EXPECT_LT(StandardNormalSampler(100)->MultiplyAdds(1), 100u * 100u);
}

TEST(FittedSamplerTest, DrawsWithTheCodesMeanAndCovariance) {
  const std::vector<float> line = Line(4000);
  const auto sampler = FitGaussianSampler({line.data(), 4000, 2}, kGoOn);
  ASSERT_TRUE(sampler.ok());
  const std::vector<float> draws = Draws(**sampler, 4000, 2);
  double mean = 0;
  for (std::size_t r = 0; r < 4000; ++r) {
    // On the line, as every code was.
    ASSERT_NEAR(draws[2 * r + 1], 2 * draws[2 * r] + 1, 1e-3);
    mean += static_cast<double>(draws[2 * r + 1]) / 4000;
  }
  EXPECT_NEAR(mean, 1, 0.15);
}

TEST(FittedSamplerTest, DrawsTheMeanAtTemperatureZero) {
  const std::vector<float> codes = {1, 3, 3, 7};
  const std::vector<float> draws =
      Draws(**FitGaussianSampler({codes.data(), 2, 2}, kGoOn), 1, 2, 0);
  EXPECT_EQ(draws[0], 2);
  EXPECT_EQ(draws[1], 5);
}

TEST(FittedSamplerTest, TakesASingleCode) {
  const std::vector<float> code = {1, 3};
  EXPECT_EQ(Draws(**FitGaussianSampler({code.data(), 1, 2}, kGoOn), 1, 2), code);
}

TEST(FittedSamplerTest, RefusesCodesThatAreNotFinite) {
  const std::vector<float> codes = {1, std::numeric_limits<float>::infinity(), 3, 7};
  EXPECT_EQ(FitGaussianSampler({codes.data(), 2, 2}, kGoOn).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(FittedSamplerTest, FitsWideCodesEntryByEntry) {
  constexpr std::size_t kDim = kMaxFullCovarianceDim + 1;
  std::vector<float> codes(4 * kDim);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const float sign = i / kDim % 2 == 0 ? 1 : -1;
    codes[i] = 7 + sign * static_cast<float>(i % kDim % 3);
  }
  const auto sampler = FitGaussianSampler({codes.data(), 4, kDim}, kGoOn);
  ASSERT_TRUE(sampler.ok()) << sampler.status();
  TensorFile file;
  (*sampler)->AddTensors(file);
  EXPECT_EQ(file.tensors.count("sampler.factor"), 0u);
  const std::vector<float>& deviation = file.tensors.at("sampler.deviation").values;
  EXPECT_EQ(deviation[0], 0);
  EXPECT_NEAR(deviation[1], 1, 1e-6);
  EXPECT_NEAR(deviation[2], 2, 1e-6);
  EXPECT_EQ(Draws(**sampler, 1, kDim)[0], 7);
}

TEST(FittedSamplerTest, StopsWhenToldTo) {
  for (const std::size_t dim : {std::size_t{60}, kMaxFullCovarianceDim + 1}) {
    const std::vector<float> codes(40 * dim, 1);
    int asked = 0;
    const auto sampler = FitGaussianSampler({codes.data(), 40, dim}, [&] {
      return ++asked > 3 ? absl::CancelledError("enough") : absl::OkStatus();
    });
    EXPECT_EQ(sampler.status().code(), absl::StatusCode::kCancelled) << dim;
  }
}

TEST(SamplerTest, TakesFewerCodesWhereAllWouldBeTooMuch) {
  EXPECT_EQ(SamplerStep(54'000, 32), 1u);
  EXPECT_EQ(SamplerStep(54'000, 2048), 4u);
  EXPECT_EQ(SamplerStep(1797, 30'000), 1u);
  EXPECT_LT(SamplerBytes(1 << 20, 65'536), 300u << 20);
}

TEST(SamplerTest, DrawsTheSameAfterSaveAndLoad) {
  for (const auto& sampler : AllSamplers()) {
    TensorFile file;
    sampler->AddTensors(file);
    const auto loaded = SamplerFromTensors(file, 2);
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(Draws(**loaded, 5, 2), Draws(*sampler, 5, 2));
  }
}

TEST(SamplerTest, RefusesTensorsThatDoNotFit) {
  const std::vector<float> line = Line(50);
  TensorFile file;
  (*FitGaussianSampler({line.data(), 50, 2}, kGoOn))->AddTensors(file);
  EXPECT_EQ(SamplerFromTensors(file, 3).status().code(), absl::StatusCode::kFailedPrecondition);
  TensorFile half = file;
  half.tensors.erase("sampler.mean");
  EXPECT_EQ(SamplerFromTensors(half, 2).status().code(), absl::StatusCode::kFailedPrecondition);
  file.tensors["sampler.mean"].values[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(SamplerFromTensors(file, 2).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace latent

#include "core/model/code_prior.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "core/base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

const auto kGoOn = [] { return absl::OkStatus(); };

// Vectors 0, 1 and 2 of one entry, three to a code.
constexpr float kVectors[] = {0, 1, 2};
const Codebook kBook{.groups = 3, .vectors = ConstMatrix(kVectors, 1, 3)};

// 60 codes: the first index 0 half of the time, 1 a third; the second follows it by one (mod 3) in
// three of four; the third is the second.
std::vector<float> Codes() {
  std::vector<float> codes;
  for (int i = 0; i < 60; ++i) {
    const int a = i % 6 < 3 ? 0 : i % 6 < 5 ? 1 : 2;
    const int b = i / 6 % 4 == 0 ? a : (a + 1) % 3;
    for (const int index : {a, b, b}) codes.push_back(static_cast<float>(index));
  }
  return codes;
}

std::unique_ptr<Sampler> Fitted() {
  const std::vector<float> codes = Codes();
  auto sampler = FitCodePrior({codes.data(), 60, 3}, kBook, kGoOn);
  EXPECT_TRUE(sampler.ok()) << sampler.status();
  return *std::move(sampler);
}

std::vector<float> Draws(const Sampler& sampler, std::size_t rows, double temperature = 1,
                         std::uint64_t seed = 5, std::size_t first = 0) {
  std::vector<float> codes(rows * 3);
  sampler.Draw(seed, temperature, first, {codes.data(), rows, 3});
  return codes;
}

// The fit's own definition, counted anew.
double Marginal(std::size_t group, int c) {
  const std::vector<float> codes = Codes();
  double n = 1.0 / 3;
  for (std::size_t r = 0; r < 60; ++r) n += codes[3 * r + group] == static_cast<float>(c) ? 1 : 0;
  return n / 61;
}
double Transition(std::size_t group, int b, int c) {
  const std::vector<float> codes = Codes();
  double before = 1, pair = Marginal(group, c);
  for (std::size_t r = 0; r < 60; ++r) {
    if (codes[3 * r + group - 1] != static_cast<float>(b)) continue;
    before += 1;
    pair += codes[3 * r + group] == static_cast<float>(c) ? 1 : 0;
  }
  return pair / before;
}

TEST(CodePriorTest, DrawsTheChainThatItWasFittedTo) {
  constexpr int kRows = 20000;
  const std::vector<float> draws = Draws(*Fitted(), kRows);
  std::map<std::array<int, 3>, int> seen;
  for (int r = 0; r < kRows; ++r) {
    ++seen[{static_cast<int>(draws[3 * r]), static_cast<int>(draws[3 * r + 1]),
            static_cast<int>(draws[3 * r + 2])}];
  }
  double chi_square = 0;
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      for (int c = 0; c < 3; ++c) {
        const double expected = kRows * Marginal(0, a) * Transition(1, a, b) * Transition(2, b, c);
        const double difference = seen[{a, b, c}] - expected;
        chi_square += difference * difference / expected;
      }
    }
  }
  // 99.9 % of the distribution with 26 degrees of freedom.
  EXPECT_LT(chi_square, 54.1);
}

TEST(CodePriorTest, ARowDependsOnSeedAndNumberAlone) {
  const auto sampler = Fitted();
  const std::vector<float> all = Draws(*sampler, 50);
  for (std::size_t r = 0; r < 50; ++r) {
    EXPECT_EQ(Draws(*sampler, 1, 1, 5, r),
              std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(3 * r),
                                 all.begin() + static_cast<std::ptrdiff_t>(3 * r + 3)));
  }
  EXPECT_NE(Draws(*sampler, 50, 1, 6), all);
}

TEST(CodePriorTest, TakesTheMostProbableWithoutTemperature) {
  const std::vector<float> draws = Draws(*Fitted(), 20, 0);
  for (std::size_t r = 0; r < 20; ++r) {
    EXPECT_THAT(std::span(draws).subspan(3 * r, 3), testing::ElementsAre(0, 1, 1));
  }
}

TEST(CodePriorTest, TemperatureFlattens) {
  const auto share = [](double temperature) {
    const std::vector<float> draws = Draws(*Fitted(), 5000, temperature);
    int first = 0;
    for (std::size_t r = 0; r < 5000; ++r) first += draws[3 * r] == 0 ? 1 : 0;
    return first / 5000.0;
  };
  // p^(1/t), normalised.
  const auto expected = [](double temperature) {
    double sum = 0;
    for (int c = 0; c < 3; ++c) sum += std::pow(Marginal(0, c), 1 / temperature);
    return std::pow(Marginal(0, 0), 1 / temperature) / sum;
  };
  for (const double t : {0.05, 0.5, 1.0, 2.0, 10.0}) EXPECT_NEAR(share(t), expected(t), 0.025) << t;
}

TEST(CodePriorTest, IsTheSameFromItsTensors) {
  TensorFile file;
  file.tensors["latent.codebook"] = {.shape = {3, 1}, .values = {0, 1, 2}};
  Fitted()->AddTensors(file);
  const auto again = SamplerFromTensors(file, 3);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Draws(**again, 100), Draws(*Fitted(), 100));
}

TEST(CodePriorTest, RefusesTensorsThatDoNotFit) {
  TensorFile whole;
  whole.tensors["latent.codebook"] = {.shape = {3, 1}, .values = {0, 1, 2}};
  Fitted()->AddTensors(whole);
  const auto refused = [&](const auto& change) {
    TensorFile file = whole;
    change(file.tensors);
    const absl::Status status = SamplerFromTensors(file, 3).status();
    return status.code() == absl::StatusCode::kFailedPrecondition &&
           DetailsOf(status).reason == "BAD_MODEL_TENSORS";
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& t) { t.erase("latent.codebook"); }));
  EXPECT_TRUE(refused([](auto& t) { t["latent.codebook"] = {{2, 1}, {0, 1}}; }));
  EXPECT_TRUE(refused([](auto& t) { t["sampler.marginals"] = {{1, 3}, {1, 0, 0}}; }));
  EXPECT_TRUE(refused([](auto& t) { t["sampler.marginals"].values[0] = -1; }));
  EXPECT_TRUE(refused([](auto& t) {
    t["sampler.transitions"].values[4] = std::numeric_limits<float>::quiet_NaN();
  }));
  EXPECT_TRUE(
      refused([](auto& t) { std::fill_n(t["sampler.transitions"].values.begin(), 3, 0.0F); }));
  EXPECT_TRUE(refused([](auto& t) { t["sampler.transitions"].shape[0] = 3; }));
}

TEST(CodePriorTest, DrawsGroupsByThemselvesWhereTransitionsAreTooMany) {
  // 3 x 4096 x 4096 would be more than the limit.
  std::vector<float> vectors(4096);
  for (std::size_t k = 0; k < vectors.size(); ++k) vectors[k] = static_cast<float>(k);
  const Codebook book{.groups = 4, .vectors = ConstMatrix(vectors.data(), 1, 4096)};
  const std::vector<float> codes = {1, 2, 3, 4, 10, 20, 30, 40};
  const auto sampler = FitCodePrior({codes.data(), 2, 4}, book, kGoOn);
  ASSERT_TRUE(sampler.ok());
  TensorFile file;
  (*sampler)->AddTensors(file);
  EXPECT_EQ(file.tensors.count("sampler.transitions"), 0u);
  v1::Latent latent;
  latent.set_dim(4);
  latent.mutable_vector_quantised()->set_groups(4);
  latent.mutable_vector_quantised()->set_codebook_size(4096);
  EXPECT_LT(CodePriorBytes(2, latent), 1u << 20);
}

TEST(CodePriorTest, RefusesCodesThatAreNotFinite) {
  const std::vector<float> codes = {0, std::numeric_limits<float>::quiet_NaN(), 1};
  EXPECT_EQ(FitCodePrior({codes.data(), 1, 3}, kBook, kGoOn).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CodePriorTest, FittingCanBeStopped) {
  const std::vector<float> codes = Codes();
  EXPECT_EQ(FitCodePrior({codes.data(), 60, 3}, kBook, [] { return absl::CancelledError("stop"); })
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace latent

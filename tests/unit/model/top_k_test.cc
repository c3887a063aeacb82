// The top-k latent: which entries stay, who is dead, what the dead are trained on.
#include "core/model/top_k.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

using testing::ElementsAre;

constexpr std::size_t kColumns = 12;
constexpr std::size_t kDim = 20;

std::vector<float> Kept(std::size_t k, bool relu, std::vector<float> cells) {
  std::vector<float> scratch(cells.size());
  KeepGreatest(k, relu, cells, scratch);
  return cells;
}

TEST(KeepGreatestTest, KeepsTheGreatestByValue) {
  EXPECT_THAT(Kept(2, false, {1, -5, 3, 2}), ElementsAre(0, 0, 3, 2));
  EXPECT_THAT(Kept(3, false, {-1, -5, -3, 2}), ElementsAre(-1, 0, -3, 2));
}

TEST(KeepGreatestTest, GivesTiesToTheLowerIndex) {
  EXPECT_THAT(Kept(2, false, {1, 2, 1, 1}), ElementsAre(1, 2, 0, 0));
  EXPECT_THAT(Kept(1, true, {0, 0, 0}), ElementsAre(0, 0, 0));
}

TEST(KeepGreatestTest, TakesWhatIsNotPositiveWithRelu) {
  EXPECT_THAT(Kept(3, true, {-1, -5, -3, 2}), ElementsAre(0, 0, 0, 2));
}

TEST(KeepGreatestTest, KeepsAllThatThereIs) {
  EXPECT_THAT(Kept(4, false, {1, -2}), ElementsAre(1, -2));
}

TEST(KeepGreatestTest, SaysWhatItKept) {
  std::vector<float> cells = {0, -1, 0}, scratch(3);
  std::vector<std::uint8_t> kept(3);
  KeepGreatest(2, false, cells, scratch, kept);
  EXPECT_THAT(kept, ElementsAre(1, 0, 1));
}

TEST(KeepGreatestTest, LeavesANanToBeSeen) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(Kept(1, true, {3, nan, 1})[1]));
}

v1::ModelSpec TopK(const std::string& top_k, const std::string& more = "") {
  return ParseSpec("encoder {} decoder {} latent { dim: 20 top_k { " + top_k +
                   " } } likelihood { gaussian { variance: 1 } } objective { reconstruction {} } " +
                   more);
}

TEST(TopKLatentTest, LeavesAtMostKInEveryRow) {
  const UniformRows data(50, kColumns);
  for (const bool relu : {false, true}) {
    const auto model = MakeModel(TopK(relu ? "k: 4 relu: true" : "k: 4 relu: false"), data.rows);
    std::vector<float> codes(50 * kDim);
    Workspace ws;
    model->Forward(data.rows, {.codes = Matrix(codes.data(), 50, kDim)}, ws);
    for (std::size_t r = 0; r < 50; ++r) {
      std::size_t active = 0;
      for (std::size_t i = 0; i < kDim; ++i) active += codes[r * kDim + i] != 0 ? 1 : 0;
      if (relu) {
        EXPECT_LE(active, 4u);
      } else {
        EXPECT_EQ(active, 4u);
      }
    }
  }
}

TEST(TopKLatentTest, StartsAsTheTransposedDecoderAroundTheMeanRow) {
  const UniformRows data(50, kColumns);
  const auto model =
      MakeModel(TopK("k: 20 relu: false", "penalties { unit_norm_decoder: true }"), data.rows);
  ParameterSet& parameters = model->parameters();
  const Matrix encoder = parameters.matrix(parameters.Find("latent.code.weight"));
  const Matrix decoder = parameters.matrix(parameters.Find("output.weight"));
  for (std::size_t i = 0; i < kColumns; ++i) {
    for (std::size_t j = 0; j < kDim; ++j) EXPECT_EQ(encoder(i, j), decoder(j, i));
  }
  std::vector<float> mean(model->column_means().begin(), model->column_means().end()), code(kDim);
  Workspace ws;
  model->Forward(ConstMatrix(mean.data(), 1, kColumns), {.codes = Matrix(code.data(), 1, kDim)},
                 ws);
  for (const float entry : code) EXPECT_NEAR(entry, 0, 1e-5);
}

// All parameters after some steps from the same start.
std::vector<float> TrainedFrom(std::span<const float> start, const v1::ModelSpec& spec,
                               std::size_t threads = 1) {
  const UniformRows data(31, kColumns);
  const auto model = MakeModel(spec, data.rows);
  const std::span<float> values = model->parameters().values();
  if (!start.empty()) std::copy(start.begin(), start.end(), values.begin());
  model->RefreshPacked();
  OneBatch batch(model.get(), data.rows, threads);
  for (int i = 0; i < 6; ++i) batch.Step(0.05F);
  return {values.begin(), values.end()};
}

TEST(TopKLatentTest, KeepingEverythingTrainsAsPlain) {
  const UniformRows data(31, kColumns);
  const auto start = MakeModel(TopK("k: 20 relu: false"), data.rows);
  const std::vector<float> values(start->parameters().values().begin(),
                                  start->parameters().values().end());
  EXPECT_EQ(TrainedFrom(values, TopK("k: 20 relu: false")),
            TrainedFrom(values, ParseSpec("encoder {} decoder {} latent { dim: 20 deterministic { "
                                          "activation: ACTIVATION_IDENTITY } } likelihood { "
                                          "gaussian { variance: 1 } }")));
}

constexpr char kDead[] = "k: 2 relu: true dead_after_rows: 1 dead_weight: 0.5 dead_k: 6";

TEST(TopKLatentTest, TheDeadGiveTheSameBitsForAnyNumberOfThreads) {
  for (const char* tied : {"", "tied_weights: true"}) {
    const std::vector<float> one = TrainedFrom({}, TopK(kDead, tied));
    EXPECT_EQ(TrainedFrom({}, TopK(kDead, tied), 3), one);
    EXPECT_NE(TrainedFrom({}, TopK("k: 2 relu: true", tied)), one);
  }
}

TEST(TopKLatentTest, CountsRowsSinceAnEntryWasActive) {
  const UniformRows data(31, kColumns);
  const auto model = MakeModel(TopK("k: 1 relu: true"), data.rows);
  OneBatch batch(model.get(), data.rows);
  std::vector<float> codes(31 * kDim);
  Workspace ws;
  model->Forward(data.rows, {.codes = Matrix(codes.data(), 31, kDim)}, ws);
  for (std::uint64_t& counter : batch.pass.counters()) counter = 100;
  batch.Step(0);
  for (std::size_t i = 0; i < kDim; ++i) {
    std::uint64_t expected = 131;
    for (std::size_t r = 0; r < 31; ++r) {
      if (codes[r * kDim + i] != 0) expected = 30 - r;
    }
    EXPECT_EQ(batch.pass.counters()[i], expected) << i;
  }
}

TEST(TopKLatentTest, NobodyIsChargedForTheDeadWhileAllLive) {
  const UniformRows data(31, kColumns);
  const auto model = MakeModel(TopK(kDead), data.rows);
  OneBatch batch(model.get(), data.rows);
  EXPECT_EQ(batch.Forward().dead, 0);
  for (std::uint64_t& counter : batch.pass.counters()) counter = 1;
  EXPECT_GT(batch.Forward().dead, 0);
}

}  // namespace
}  // namespace latent

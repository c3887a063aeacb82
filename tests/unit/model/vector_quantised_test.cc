// The vector-quantised latent: how its codebook follows the codes, which vectors start again, what
// codes are.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/model/codebook.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kColumns = 12;
constexpr std::size_t kRows = 31;
constexpr std::size_t kDim = 6;
constexpr std::size_t kGroups = 3;
constexpr std::size_t kWidth = 2;
constexpr char kRest[] =
    " likelihood { gaussian { variance: 1 } } objective { reconstruction {} } "
    "encoder { layers { dense { units: 9 activation: ACTIVATION_TANH } } } ";

v1::ModelSpec Quantised(std::size_t size, std::uint64_t restart_after, const char* more = "") {
  return ParseSpec(
      absl::StrCat("latent { dim: 6 vector_quantised { groups: 3 codebook_size: ", size,
                   " commitment: 0.25 decay: 0.8 smoothing: 0.01"
                   " restart_after_rows: ",
                   restart_after, " } }", kRest, more));
}

Matrix Vectors(ComposedAutoencoder& model) {
  return model.parameters().matrix(model.parameters().Find("latent.codebook"));
}

// What the encoder gives before anything is replaced: the codes of a deterministic model of the
// same weights.
std::vector<float> Encoded(ComposedAutoencoder& model, ConstMatrix rows) {
  const auto twin =
      MakeModel(ParseSpec(absl::StrCat(
                    "latent { dim: 6 deterministic { activation: ACTIVATION_IDENTITY } }", kRest)),
                rows);
  for (const ParameterSegment& segment : twin->parameters().segments()) {
    const auto from = model.parameters().span(model.parameters().Find(segment.name));
    std::copy(from.begin(), from.end(),
              twin->parameters().values().begin() + static_cast<std::ptrdiff_t>(segment.offset));
  }
  twin->RefreshPacked();
  std::vector<float> codes(rows.rows * kDim);
  Workspace ws;
  twin->Forward(rows, {.codes = Matrix(codes.data(), rows.rows, kDim)}, ws);
  return codes;
}

std::span<const float> GroupOf(const std::vector<float>& encoded, std::size_t at) {
  return std::span(encoded).subspan(at * kWidth, kWidth);
}

TEST(VectorQuantisedLatentTest, CodebookIsTheSmoothedAverageOfTheCodesThatChooseIt) {
  constexpr std::size_t kSize = 7;
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(Quantised(kSize, 1'000'000), data.rows);
  OneBatch batch(model.get(), data.rows);
  for (std::size_t k = 0; k < kSize; ++k) batch.pass.counters()[k] = 0;  // nothing starts again
  std::vector<double> count(kSize, 1), sum(kSize * kWidth);
  for (std::size_t k = 0; k < kSize; ++k) {
    for (std::size_t j = 0; j < kWidth; ++j) sum[k * kWidth + j] = Vectors(*model)(j, k);
  }
  for (int step = 0; step < 3; ++step) {
    const std::vector<float> encoded = Encoded(*model, data.rows);
    std::vector<double> n(kSize), s(kSize * kWidth);
    for (std::size_t at = 0; at < kRows * kGroups; ++at) {
      const std::size_t k = FindNearest(Vectors(*model), GroupOf(encoded, at)).index;
      n[k] += 1;
      for (std::size_t j = 0; j < kWidth; ++j) s[k * kWidth + j] += GroupOf(encoded, at)[j];
    }
    double total = 0;
    for (std::size_t k = 0; k < kSize; ++k) total += count[k] = 0.8 * count[k] + 0.2 * n[k];
    batch.Step(0.05F);
    for (std::size_t k = 0; k < kSize; ++k) {
      const double smoothed = (count[k] + 0.01) / (total + kSize * 0.01) * total;
      for (std::size_t j = 0; j < kWidth; ++j) {
        const std::size_t i = k * kWidth + j;
        sum[i] = 0.8 * sum[i] + 0.2 * s[i];
        EXPECT_NEAR(Vectors(*model)(j, k), sum[i] / smoothed, 1e-5) << step << " " << k;
      }
    }
  }
}

TEST(VectorQuantisedLatentTest, CodesAreVectorsOfTheCodebook) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(Quantised(7, 100), data.rows);
  std::vector<float> codes(kRows * kDim);
  Workspace ws;
  model->Forward(data.rows, {.codes = Matrix(codes.data(), kRows, kDim)}, ws);
  const Codebook book = *model->codebook();
  EXPECT_EQ(book.groups, kGroups);
  EXPECT_EQ(book.size(), 7u);
  const std::vector<float> encoded = Encoded(*model, data.rows);
  for (std::size_t at = 0; at < kRows * kGroups; ++at) {
    const std::uint32_t k = FindNearest(book.vectors, GroupOf(encoded, at)).index;
    for (std::size_t j = 0; j < kWidth; ++j) EXPECT_EQ(codes[at * kWidth + j], book.vectors(j, k));
  }
}

TEST(VectorQuantisedLatentTest, OtherVectorsAreDecodedAsTheNearestOfTheCodebook) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(Quantised(7, 100), data.rows);
  const UniformRows off(kRows, kDim);
  std::vector<float> nearest(kRows * kDim);
  std::copy_n(off.rows.data, nearest.size(), nearest.begin());
  const Codebook book = *model->codebook();
  for (std::size_t r = 0; r < kRows; ++r)
    SnapCode(book, std::span(nearest).subspan(r * kDim, kDim));
  EXPECT_NE(std::memcmp(nearest.data(), off.rows.data, nearest.size() * sizeof(float)), 0);
  const auto decoded = [&](ConstMatrix codes) {
    std::vector<float> rows(kRows * kColumns);
    Workspace ws;
    model->Decode(codes, Matrix(rows.data(), kRows, kColumns), ws);
    return rows;
  };
  EXPECT_EQ(decoded(off.rows), decoded(ConstMatrix(nearest.data(), kRows, kDim)));
}

TEST(VectorQuantisedLatentTest, ChargesHalfTheSquaredDistance) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(Quantised(7, 100), data.rows);
  const std::vector<float> encoded = Encoded(*model, data.rows);
  double squares = 0;
  for (std::size_t at = 0; at < kRows * kGroups; ++at) {
    squares += FindNearest(Vectors(*model), GroupOf(encoded, at)).squared_distance;
  }
  OneBatch batch(model.get(), data.rows);
  const BatchLoss loss = batch.Forward();
  EXPECT_NEAR(loss.kl, squares / 2 / kRows, 1e-6);
  EXPECT_NEAR(loss.total, loss.reconstruction + 0.25 * loss.kl, 1e-9);
  EXPECT_EQ(batch.pass.Terms(loss)[1].name, "commitment");
}

TEST(VectorQuantisedLatentTest, WhatTheFirstBatchLeavesOutStartsOnItsCodes) {
  constexpr std::size_t kSize = 40;
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(Quantised(kSize, 100), data.rows);
  const std::vector<float> encoded = Encoded(*model, data.rows);
  std::vector<bool> chosen(kSize);
  for (std::size_t at = 0; at < kRows * kGroups; ++at) {
    chosen[FindNearest(Vectors(*model), GroupOf(encoded, at)).index] = true;
  }
  ASSERT_GT(std::count(chosen.begin(), chosen.end(), false), 5);
  OneBatch batch(model.get(), data.rows);
  batch.Step(0.05F);
  for (std::size_t k = 0; k < kSize; ++k) {
    if (chosen[k]) continue;
    EXPECT_EQ(batch.pass.counters()[k], 0u);
    bool found = false;
    for (std::size_t at = 0; at < kRows * kGroups && !found; ++at) {
      found = GroupOf(encoded, at)[0] == Vectors(*model)(0, k) &&
              GroupOf(encoded, at)[1] == Vectors(*model)(1, k);
    }
    EXPECT_TRUE(found) << k;
  }
}

TEST(VectorQuantisedLatentTest, CountsRowsSinceAVectorWasChosen) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(Quantised(7, 1'000'000), data.rows);
  std::vector<std::uint64_t> expected(7, 500 + kRows);
  const std::vector<float> encoded = Encoded(*model, data.rows);
  for (std::size_t at = 0; at < kRows * kGroups; ++at) {
    expected[FindNearest(Vectors(*model), GroupOf(encoded, at)).index] = kRows - 1 - at / kGroups;
  }
  OneBatch batch(model.get(), data.rows);
  for (std::size_t k = 0; k < 7; ++k) batch.pass.counters()[k] = 500;
  batch.Step(0);
  for (std::size_t k = 0; k < 7; ++k) EXPECT_EQ(batch.pass.counters()[k], expected[k]) << k;
}

TEST(VectorQuantisedLatentTest, TellsThePerplexityOfTheAverages) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(Quantised(4, 100), data.rows);
  OneBatch batch(model.get(), data.rows);
  EXPECT_NEAR(*batch.pass.CodebookPerplexity(), 4, 1e-12);
  // How often each was chosen of late stands behind the idle rows.
  const double counts[] = {2, 1, 1, 0};
  for (std::size_t k = 0; k < 4; ++k) {
    batch.pass.counters()[4 + k] = std::bit_cast<std::uint64_t>(counts[k]);
  }
  EXPECT_NEAR(*batch.pass.CodebookPerplexity(), std::exp2(1.5), 1e-12);
}

std::vector<float> Trained(const v1::ModelSpec& spec, std::size_t threads) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(spec, data.rows);
  OneBatch batch(model.get(), data.rows, threads);
  for (int i = 0; i < 6; ++i) batch.Step(0.05F);
  const std::span<float> values = model->parameters().values();
  return {values.begin(), values.end()};
}

TEST(VectorQuantisedLatentTest, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const char* more : {"", "tied_weights: true", "penalties { l2 { weight: 0.1 } }"}) {
    const std::vector<float> one = Trained(Quantised(20, 40, more), 1);
    EXPECT_EQ(Trained(Quantised(20, 40, more), 2), one) << more;
    EXPECT_EQ(Trained(Quantised(20, 40, more), 5), one) << more;
  }
}

TEST(VectorQuantisedLatentTest, LatentSpaceIdFollowsTheCodebook) {
  const UniformRows data(kRows, kColumns);
  const auto model = MakeModel(Quantised(7, 100), data.rows);
  const std::string id = model->LatentSpaceId();
  Vectors (*model)(0, 3) += 1;
  EXPECT_NE(model->LatentSpaceId(), id);
}

}  // namespace
}  // namespace latent

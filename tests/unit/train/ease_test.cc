// The item-item map against its defining equations.
#include "core/train/ease.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/base/random.h"
#include "core/model/model_io.h"
#include "core/train/trainer.h"
#include "tests/unit/train/plan_fixture.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kRows = 300;
constexpr std::size_t kItems = 40;

// Who chose what: early columns more often, and neighbours together.
std::vector<float> Choices() {
  std::vector<float> uniform(kRows * kItems), cells(kRows * kItems);
  FillUniform({.seed = 6}, uniform);
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kItems; ++c) {
      const float chance = c % 7 == r % 7 ? 0.6f : 0.15f;
      cells[r * kItems + c] = uniform[r * kItems + c] < chance ? 1.0f : 0.0f;
    }
  }
  return cells;
}

std::shared_ptr<const Dataset> Data(std::vector<float> cells) {
  DatasetInfo info;
  info.name = "choices";
  info.content_hash = std::string(64, 'c');
  info.columns = kItems;
  info.row_shape = {kItems};
  return MakeDataset(info, {std::move(cells), {}}, {}, {});
}

std::unique_ptr<ItemMap> Solve(const Dataset& data, double ridge = 50) {
  const v1::TrainingPlan plan = PlanFor(data, "preset: 'ease'");
  ThreadPool pool(2);
  auto map = SolveEase(plan.architecture(), ridge, data.rows(v1::PART_TRAIN), pool,
                       [] { return absl::OkStatus(); });
  EXPECT_TRUE(map.ok()) << map.status();
  return *std::move(map);
}

TEST(EaseTest, HasAZeroDiagonal) {
  const auto map = Solve(*Data(Choices()));
  for (std::size_t i = 0; i < kItems; ++i) EXPECT_EQ(map->weights()(i, i), 0);
}

// (X'X + ridge I)(I - B) is diagonal where B is the optimum under a zero diagonal.
TEST(EaseTest, SolvesItsEquations) {
  const std::vector<float> cells = Choices();
  const auto map = Solve(*Data(cells));
  std::vector<double> gram(kItems * kItems);
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t i = 0; i < kItems; ++i) {
      for (std::size_t j = 0; j < kItems; ++j) {
        gram[i * kItems + j] += double{cells[r * kItems + i]} * double{cells[r * kItems + j]};
      }
    }
  }
  for (std::size_t i = 0; i < kItems; ++i) gram[i * kItems + i] += 50;
  for (std::size_t i = 0; i < kItems; ++i) {
    for (std::size_t j = 0; j < kItems; ++j) {
      if (i == j) continue;
      double residual = gram[i * kItems + j], scale = std::abs(residual);
      for (std::size_t k = 0; k < kItems; ++k) {
        const double product = gram[i * kItems + k] * double{map->weights()(k, j)};
        residual -= product;
        scale += std::abs(product);
      }
      EXPECT_LT(std::abs(residual) / scale, 1e-6) << i << ", " << j;
    }
  }
}

TEST(EaseTest, PermutesWithItsItems) {
  const std::vector<float> cells = Choices();
  std::vector<std::size_t> order(kItems);
  std::iota(order.begin(), order.end(), 0u);
  std::reverse(order.begin() + 5, order.end());
  std::vector<float> permuted(cells.size());
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kItems; ++c) {
      permuted[r * kItems + c] = cells[r * kItems + order[c]];
    }
  }
  const auto map = Solve(*Data(cells));
  const auto other = Solve(*Data(permuted));
  for (std::size_t i = 0; i < kItems; ++i) {
    for (std::size_t j = 0; j < kItems; ++j) {
      EXPECT_NEAR(other->weights()(i, j), map->weights()(order[i], order[j]), 1e-6);
    }
  }
}

TEST(EaseTest, IsTheSameToTheBitFromSparseRows) {
  const auto dense = Data(Choices());
  const auto map = Solve(*dense);
  const auto sparse = Solve(*MakeSparse(*dense));
  for (std::size_t i = 0; i < kItems; ++i) {
    for (std::size_t j = 0; j < kItems; ++j) {
      EXPECT_EQ(sparse->weights()(i, j), map->weights()(i, j));
    }
  }
}

TEST(EaseTest, ShrinksWithTheRidge) {
  const auto data = Data(Choices());
  const auto sum = [](const ItemMap& map) {
    double squares = 0;
    for (std::size_t i = 0; i < kItems; ++i) {
      for (const float w : map.weights().row(i)) squares += double{w} * double{w};
    }
    return squares;
  };
  EXPECT_LT(sum(*Solve(*data, 500)), sum(*Solve(*data, 5)));
}

TEST(EaseTest, StopsWhenAsked) {
  const auto data = Data(Choices());
  const v1::TrainingPlan plan = PlanFor(*data, "preset: 'ease'");
  ThreadPool pool(1);
  const auto map = SolveEase(plan.architecture(), 50, data->rows(v1::PART_TRAIN), pool,
                             [] { return absl::CancelledError("stopped"); });
  EXPECT_EQ(map.status().code(), absl::StatusCode::kCancelled);
}

TEST(EaseTest, TrainsAndAnswersTheSameFromItsFile) {
  const auto data = Data(Choices());
  const v1::TrainingPlan plan = PlanFor(*data, "preset: 'ease'");
  const auto result = Fit(plan, *data);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->ended_because, "closed form");
  EXPECT_EQ(result->model->latent_dim(), 0u);
  const auto bytes = SerializeTensors(ToTensors(*result->model));
  const auto loaded = FromTensors(plan, ParseTensors(bytes).value());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  std::vector<float> scores(kItems), again(kItems);
  Workspace workspace;
  std::vector<float> scratch;
  const ConstMatrix row = data->rows(v1::PART_TRAIN).Read(0, 1, scratch);
  ForwardOutputs outputs;
  outputs.reconstruction = {scores.data(), 1, kItems};
  result->model->Forward(row, outputs, workspace);
  outputs.reconstruction = {again.data(), 1, kItems};
  (*loaded)->Forward(row, outputs, workspace);
  EXPECT_EQ(scores, again);
}

}  // namespace
}  // namespace latent

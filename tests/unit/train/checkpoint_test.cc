#include "core/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/base/sha256.h"
#include "core/base/status.h"
#include "tests/unit/train/plan_fixture.h"

namespace latent {
namespace {

v1::TrainingPlan Plan(const std::string& text = "") { return ResolveText(text).value(); }

Checkpoint State() {
  Checkpoint state;
  state.step = 11;
  state.epoch = 2;
  state.cursor = 96;
  state.elapsed_seconds = 1.5;
  state.sums = {.rows = 96, .total = 1, .reconstruction = 2, .kl = 3, .l1 = 4, .l2 = 5};
  state.validation = 7;
  state.stopping.best = 6.5;
  state.stopping.epochs_since_best = 1;
  state.plateau = {.share = 0.25, .epochs_since_change = 3};
  state.sums.dead = 8;
  state.counters = {5, 0};
  state.weights = {1, 2, 3};
  state.first_moment = {4, 5, 6};
  state.second_moment = {7, 8, 9};
  state.best_weights = {3, 2, 1};
  return state;
}

TEST(CheckpointTest, ComesBackAsItWas) {
  const std::string bytes = SerializeCheckpoint(State(), Plan());
  const auto read = ParseCheckpoint(bytes, Plan(), 3);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->cursor, 96u);
  EXPECT_EQ(read->sums.l2, 5);
  EXPECT_EQ(read->sums.dead, 8);
  EXPECT_THAT(read->counters, testing::ElementsAre(5, 0));
  EXPECT_EQ(read->stopping.best, 6.5);
  EXPECT_EQ(read->plateau.share, 0.25);
  EXPECT_EQ(read->plateau.epochs_since_change, 3u);
  EXPECT_THAT(read->best_weights, testing::ElementsAre(3, 2, 1));
  EXPECT_EQ(SerializeCheckpoint(*read, Plan()), bytes);
}

TEST(CheckpointTest, MayHaveNoBestYet) {
  Checkpoint state = State();
  state.best_weights.clear();
  state.stopping = {};
  const auto read = ParseCheckpoint(SerializeCheckpoint(state, Plan()), Plan(), 3);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_FALSE(read->stopping.best.has_value());
}

TEST(CheckpointTest, GradientDescentKeepsOneMoment) {
  const v1::TrainingPlan plan = Plan("training { solver { gradient { optimizer { sgd {} } } } }");
  Checkpoint state = State();
  EXPECT_FALSE(ParseCheckpoint(SerializeCheckpoint(state, plan), plan, 3).ok());
  state.second_moment.clear();
  EXPECT_TRUE(ParseCheckpoint(SerializeCheckpoint(state, plan), plan, 3).ok());
  EXPECT_FALSE(ParseCheckpoint(SerializeCheckpoint(state, Plan()), Plan(), 3).ok());
}

TEST(CheckpointTest, ReadsVersionOneWithoutAPlateau) {
  Checkpoint state = State();
  state.plateau = {};
  state.sums.dead = 0;
  state.counters.clear();
  std::string bytes = SerializeCheckpoint(state, Plan());
  bytes.resize(bytes.size() - 64);
  bytes[8] = 1;
  // Magic, version, two digests; step, epoch, cursor, end, seconds; two epoch sums; validation and
  // stopping: then the plateau's twelve bytes, six sums and the number of counters.
  constexpr std::size_t kPlateau = 8 + 4 + 2 * 64 + (3 * 8 + 4 + 8) + 2 * 48 + 9 + (9 + 4);
  bytes.erase(kPlateau, 12 + 6 * 8 + 8);
  bytes += Sha256Hex(bytes);
  const auto read = ParseCheckpoint(bytes, Plan(), 3);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(SerializeCheckpoint(*read, Plan()), SerializeCheckpoint(state, Plan()));
}

TEST(CheckpointTest, EveryDamagedByteIsNoticed) {
  const std::string bytes = SerializeCheckpoint(State(), Plan());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    const absl::Status status = ParseCheckpoint(damaged, Plan(), 3).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << "byte " << i;
  }
}

TEST(CheckpointTest, EveryCutIsNoticed) {
  const std::string bytes = SerializeCheckpoint(State(), Plan());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const absl::Status status = ParseCheckpoint(bytes.substr(0, size), Plan(), 3).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << size << " bytes";
  }
  EXPECT_EQ(ParseCheckpoint(bytes + "x", Plan(), 3).status().code(), absl::StatusCode::kDataLoss);
}

TEST(CheckpointTest, AnotherModelsSizeIsRefused) {
  const std::string bytes = SerializeCheckpoint(State(), Plan());
  EXPECT_EQ(DetailsOf(ParseCheckpoint(bytes, Plan(), 4).status()).reason, "CHECKPOINT_CORRUPT");
}

TEST(CheckpointTest, AnotherPlanIsRefused) {
  const std::string bytes = SerializeCheckpoint(State(), Plan());
  const absl::Status status = ParseCheckpoint(bytes, Plan("training { seed: 1 }"), 3).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "CHECKPOINT_FOREIGN");
}

TEST(CheckpointTest, AnotherDatasetIsRefused) {
  const std::string bytes = SerializeCheckpoint(State(), Plan());
  v1::TrainingPlan plan = Plan();
  plan.mutable_data()->set_content_hash("other");
  const absl::Status status = ParseCheckpoint(bytes, plan, 3).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("another dataset"));
}

TEST(CheckpointTest, ThreadsAndLimitsOfTimeMayChange) {
  const std::string bytes = SerializeCheckpoint(State(), Plan());
  const auto plan = Plan(
      "description: 'x' training { threads: 1 max_duration_seconds: 9"
      " checkpoint_interval_seconds: 7 }");
  EXPECT_TRUE(ParseCheckpoint(bytes, plan, 3).ok());
}

TEST(CheckpointTest, ALaterFormatIsNamed) {
  std::string bytes = SerializeCheckpoint(State(), Plan());
  bytes.resize(bytes.size() - 64);
  bytes[8] = 9;  // the format version follows the magic number
  bytes += Sha256Hex(bytes);
  const absl::Status status = ParseCheckpoint(bytes, Plan(), 3).status();
  EXPECT_EQ(DetailsOf(status).reason, "CHECKPOINT_FORMAT");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("version 9"));
}

}  // namespace
}  // namespace latent

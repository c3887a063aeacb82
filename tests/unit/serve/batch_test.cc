#include "core/serve/batch.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "served_fixture.h"

namespace latent {
namespace {

TEST(BatchTest, RowsOfManyCallersHaveTheBitsTheyHaveAlone) {
  const ModelPtr model = TestModel("vae");
  std::vector<std::unique_ptr<Operation>> operations;
  std::vector<Operation*> pointers;
  std::vector<EncodeOperation*> encodes;
  std::vector<Cells> rows;
  for (std::uint64_t i = 0; i < 40; ++i) {
    rows.push_back(RandomCells(1 + i % 17, kTestColumns, i));
    auto encode = EncodeOperation::Make(model, rows.back(), {.include_sigma = i % 2 == 0});
    encodes.push_back(encode->get());
    operations.push_back(*std::move(encode));
    pointers.push_back(operations.back().get());
  }
  BatchRunner runner;
  runner.Run(pointers);
  for (std::size_t i = 0; i < encodes.size(); ++i) {
    const auto alone =
        RunAlone(EncodeOperation::Make(model, rows[i], {.include_sigma = i % 2 == 0}));
    EXPECT_EQ(encodes[i]->codes().values, alone->codes().values) << i;
    EXPECT_EQ(encodes[i]->sigma().values, alone->sigma().values) << i;
  }
}

TEST(BatchTest, OperationsOfAllKindsShareABatch) {
  const ModelPtr model = TestModel("plain");
  const Cells rows = RandomCells(3, kTestColumns, 1);
  const auto make = [&] {
    std::vector<std::unique_ptr<Operation>> all;
    all.push_back(*EncodeOperation::Make(model, rows, {}));
    all.push_back(*DecodeOperation::Make(model, RandomCells(2, kTestDim, 2)));
    all.push_back(*ScoreOperation::Make(model, rows, {.top_features = 1}));
    all.push_back(*InterpolateOperation::Make(model, RandomCells(2, kTestColumns, 3), {}, {}));
    all.push_back(*SampleOperation::Make(model, {.count = 2, .seed = 5}, {}));
    return all;
  };
  const auto joined = make(), alone = make();
  std::vector<Operation*> pointers;
  for (const auto& operation : joined) pointers.push_back(operation.get());
  BatchRunner runner;
  runner.Run(pointers);
  for (const auto& operation : alone) {
    ASSERT_TRUE(runner.Run(*operation, [] { return absl::OkStatus(); }).ok());
  }
  const auto same = [&]<typename Op>(std::size_t i, auto result) {
    EXPECT_EQ((dynamic_cast<Op&>(*joined[i]).*result)().values,
              (dynamic_cast<Op&>(*alone[i]).*result)().values);
  };
  same.operator()<EncodeOperation>(0, &EncodeOperation::codes);
  same.operator()<DecodeOperation>(1, &DecodeOperation::rows);
  same.operator()<InterpolateOperation>(3, &InterpolateOperation::rows);
  same.operator()<SampleOperation>(4, &SampleOperation::rows);
  EXPECT_EQ(dynamic_cast<ScoreOperation&>(*joined[2]).scores()[2].score,
            dynamic_cast<ScoreOperation&>(*alone[2]).scores()[2].score);
}

TEST(BatchTest, LargeRequestsGoInPiecesToTheSameBits) {
  const ModelPtr model = TestModel("plain");
  const Cells rows = RandomCells(700, kTestColumns, 1);
  const auto large = RunAlone(ReconstructOperation::Make(model, rows, {.include_error = true}));
  for (const std::size_t r : {0u, 255u, 256u, 699u}) {
    Cells one(1, kTestColumns);
    const auto row = rows.view().row(r);
    one.values.assign(row.begin(), row.end());
    const auto alone = RunAlone(ReconstructOperation::Make(model, one, {.include_error = true}));
    for (std::size_t c = 0; c < kTestColumns; ++c) {
      EXPECT_EQ(large->reconstruction().view()(r, c), alone->reconstruction().values[c]);
    }
    EXPECT_EQ(large->squared_error()[r], alone->squared_error()[0]);
  }
}

TEST(BatchTest, WhatNobodyWantsAnyMoreStopsBetweenPieces) {
  const auto operation = *ReconstructOperation::Make(
      TestModel("plain"), RandomCells(5 * BatchRunner::kPieceRows, kTestColumns, 1), {});
  BatchRunner runner;
  int asked = 0;
  const absl::Status ran = runner.Run(*operation, [&asked] {
    return ++asked < 3 ? absl::OkStatus() : absl::CancelledError("gone");
  });
  EXPECT_EQ(ran.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 3);
  const auto rows = operation->reconstruction().view();
  const auto untouched = [&](std::size_t r) {
    return std::all_of(rows.row(r).begin(), rows.row(r).end(), [](float x) { return x == 0; });
  };
  EXPECT_FALSE(untouched(2 * BatchRunner::kPieceRows - 1));
  EXPECT_TRUE(untouched(2 * BatchRunner::kPieceRows));
}

TEST(BatchTest, CountsRowsAndBatches) {
  const ModelPtr model = TestModel("plain");
  auto a = *EncodeOperation::Make(model, RandomCells(2, kTestColumns, 1), {});
  auto b = *EncodeOperation::Make(model, RandomCells(3, kTestColumns, 2), {});
  Operation* const both[] = {a.get(), b.get()};
  BatchRunner runner;
  runner.Run(both);
  const BatchStats stats = runner.stats();
  EXPECT_EQ(stats.batches, 1u);
  EXPECT_EQ(stats.rows, 5u);
  EXPECT_EQ(stats.batches_by_rows[3], 1u);  // 4 < 5 <= 8
  BatchStats sum = stats;
  sum += stats;
  EXPECT_EQ(sum.rows, 10u);
}

}  // namespace
}  // namespace latent

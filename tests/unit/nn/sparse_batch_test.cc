#include "core/nn/sparse_batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "core/base/random.h"
#include "core/nn/dense.h"

namespace latent {
namespace {

constexpr std::size_t kRows = 37, kColumns = 1100;

// Rows of which about one cell in fourteen is not 0, whole and as cells alone.
struct FewCells {
  FewCells() : cells(kRows * kColumns), offsets(1, 0) {
    FillNormal({.seed = 1}, cells);
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::uint32_t c = 0; c < kColumns; ++c) {
        float& cell = cells[r * kColumns + c];
        if (cell < 1.5f || c % 3 == 0) cell = 0;
        if (cell == 0) continue;
        indices.push_back(c);
        values.push_back(cell);
      }
      offsets.push_back(indices.size());
    }
  }
  ConstMatrix dense() const { return {cells.data(), kRows, kColumns}; }
  RowsView sparse() const {
    return RowsView(SparseRows{offsets.data(), indices.data(), values.data(), kRows, kColumns});
  }
  std::vector<float> cells;
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint32_t> indices;
  std::vector<float> values;
};

std::vector<float> Normal(std::size_t count, std::uint64_t seed) {
  std::vector<float> numbers(count);
  FillNormal({.seed = seed}, numbers);
  return numbers;
}

SparseBatch TakeAll(const FewCells& few) {
  std::vector<std::uint64_t> all(kRows);
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  SparseBatch batch;
  batch.Reserve(kRows, kColumns, MostCells(few.sparse(), kRows));
  batch.Take(few.sparse(), all);
  for (std::size_t r = 0; r < kRows; ++r) batch.Settle(r);
  return batch;
}

class SparseBatchTest : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Outputs, SparseBatchTest,
                         testing::Values(1, 7, 8, 9, 16, 23, 32, 50, 64, 65, 96, 200, 225));

TEST_P(SparseBatchTest, ForwardHasTheBitsOfTheDenseProduct) {
  const std::size_t n = GetParam();
  const FewCells few;
  const std::vector<float> w = Normal(kColumns * n, 2), bias = Normal(n, 3);
  PackedMatrix packed;
  packed.Pack({w.data(), kColumns, n});
  std::vector<float> dense(kRows * n), whole(kRows * n), by_panel(kRows * n);
  GemmNn(few.dense(), packed, bias, Activation::kIdentity, {dense.data(), kRows, n});
  const SparseBatch batch = TakeAll(few);
  std::vector<RowsView::SparseRow> rows;
  for (std::size_t r = 0; r < kRows; ++r) {
    rows.push_back(batch.settled(r));
    SparseRowForward(batch.settled(r), {w.data(), kColumns, n}, bias, {whole.data() + r * n, n});
  }
  SparseRowsForward(rows, packed, bias, {by_panel.data(), kRows, n});
  EXPECT_EQ(whole, dense);
  EXPECT_EQ(by_panel, dense);
}

TEST_P(SparseBatchTest, GradientHasTheBitsOfTheDenseProduct) {
  const std::size_t n = GetParam();
  const FewCells few;
  const std::vector<float> dy = Normal(kRows * n, 4);
  PackedMatrix packed;
  packed.Pack({dy.data(), kRows, n});
  std::vector<float> dense(kColumns * n), sparse(kColumns * n);
  DenseWeightGradient(few.dense(), packed, 0, false, {dense.data(), kColumns, n});
  const SparseBatch batch = TakeAll(few);
  for (std::size_t c = 0; c < kColumns; ++c) {
    const bool met = batch.ColumnGradient(c, {dy.data(), kRows, n}, {sparse.data() + c * n, n});
    EXPECT_TRUE(c % 3 != 0 || !met) << c;
  }
  EXPECT_EQ(sparse, dense);
}

TEST(SparseBatchTest, LeavesOutCellsThatBecameZero) {
  const FewCells few;
  SparseBatch batch = TakeAll(few);
  const std::size_t before = batch.settled(5).indices.size();
  const std::uint32_t column = batch.indices(5)[1];
  batch.values(5)[1] = 0;
  batch.Settle(5);
  EXPECT_EQ(batch.settled(5).indices.size(), before - 1);
  EXPECT_EQ(batch.settled(5).indices[0], batch.indices(5)[0]);
  EXPECT_EQ(batch.settled(5).indices[1], batch.indices(5)[2]);
  EXPECT_EQ(batch.indices(5)[1], column);
}

TEST(SparseBatchTest, SumsColumnsOfMoreRowsThanAreTakenTogether) {
  constexpr std::size_t kMany = 150, kWide = 20;
  std::vector<std::uint64_t> offsets(kMany + 1), all(kMany);
  std::iota(offsets.begin(), offsets.end(), std::uint64_t{0});
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  const std::vector<std::uint32_t> indices(kMany, 1);
  const std::vector<float> values = Normal(kMany, 5), dy = Normal(kMany * kWide, 6);
  SparseBatch batch;
  batch.Reserve(kMany, 3, kMany);
  batch.Take(RowsView(SparseRows{offsets.data(), indices.data(), values.data(), kMany, 3}), all);
  std::vector<float> sparse(kWide), dense(kWide), x(kMany * 3);
  for (std::size_t r = 0; r < kMany; ++r) x[r * 3 + 1] = values[r];
  PackedMatrix packed;
  packed.Pack({dy.data(), kMany, kWide});
  DenseWeightGradient({x.data(), kMany, 3}, packed, 1, false, {dense.data(), 1, kWide});
  EXPECT_TRUE(batch.ColumnGradient(1, {dy.data(), kMany, kWide}, sparse));
  EXPECT_EQ(sparse, dense);
  EXPECT_FALSE(batch.ColumnGradient(0, {dy.data(), kMany, kWide}, sparse));
}

TEST(ZeroSkipperTest, FindsTheCellsOfRowsUpToTheFirstWithMany) {
  FewCells few;
  const auto many = Normal(kColumns, 7);
  std::copy(many.begin(), many.end(), few.cells.begin() + 20 * kColumns);
  ZeroSkipper skipper;
  const auto rows = skipper.Find(few.dense(), kColumns / 8);
  ASSERT_EQ(rows.size(), 20u);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const RowsView::SparseRow expected = few.sparse().sparse_row(r);
    EXPECT_TRUE(std::equal(rows[r].indices.begin(), rows[r].indices.end(), expected.indices.begin(),
                           expected.indices.end()));
    EXPECT_TRUE(std::equal(rows[r].values.begin(), rows[r].values.end(), expected.values.begin(),
                           expected.values.end()));
  }
}

TEST(GreatestTest, IsThatOfTheStandardLibraryForEveryLength) {
  const std::vector<float> cells = Normal(150, 8);
  for (std::size_t n = 1; n <= cells.size(); ++n) {
    EXPECT_EQ(Greatest(std::span(cells).first(n)),
              *std::max_element(cells.begin(), cells.begin() + static_cast<std::ptrdiff_t>(n)));
  }
}

}  // namespace
}  // namespace latent

#include "core/nn/rows_view.h"

#include <array>
#include <cmath>
#include <vector>

#include "gmock/gmock.h"

namespace latent {
namespace {

using ::testing::ElementsAre;

// 5 x 4:  . 1 . 2 | . . . . | 3 . . . | . . 4 . | 5 6 7 8
class RowsViewTest : public ::testing::Test {
 protected:
  const std::vector<std::uint64_t> offsets_ = {0, 2, 2, 3, 4, 8};
  const std::vector<std::uint32_t> indices_ = {1, 3, 0, 2, 0, 1, 2, 3};
  const std::vector<float> values_ = {1, 2, 3, 4, 5, 6, 7, 8};
  const RowsView sparse_{SparseRows{offsets_.data(), indices_.data(), values_.data(), 5, 4}};
  const std::vector<float> cells_ = {0, 1, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 4, 0, 5, 6, 7, 8};
  const RowsView dense_{ConstMatrix(cells_.data(), 5, 4)};
};

void ExpectSame(const RowsView& a, const RowsView& b) {
  ASSERT_EQ(a.rows, b.rows);
  ASSERT_EQ(a.columns, b.columns);
  std::vector<float> scratch(a.columns);
  for (std::size_t r = 0; r < a.rows; ++r) {
    const auto row = a.row(r, scratch);
    for (std::size_t c = 0; c < a.columns; ++c) {
      EXPECT_EQ(a(r, c), b(r, c)) << r << ", " << c;
      EXPECT_EQ(row[c], b(r, c)) << r << ", " << c;
    }
  }
}

TEST_F(RowsViewTest, SparseRowsReadAsTheDenseOnes) { ExpectSame(sparse_, dense_); }

TEST_F(RowsViewTest, SlicesAndEveryNthRowAgree) {
  ExpectSame(sparse_.slice_rows(1, 3), dense_.slice_rows(1, 3));
  ExpectSame(sparse_.EveryNth(2), dense_.EveryNth(2));
  ExpectSame(sparse_.EveryNth(2).slice_rows(1, 2), dense_.EveryNth(2).slice_rows(1, 2));
  ExpectSame(sparse_.slice_rows(1, 4).EveryNth(3), dense_.slice_rows(1, 4).EveryNth(3));
}

TEST_F(RowsViewTest, ReadsBlocksOverWhatTheScratchHeldBefore) {
  std::vector<float> scratch(12, 9);
  ExpectSame(sparse_.Read(2, 2, scratch), dense_.slice_rows(2, 2));
  ExpectSame(sparse_.Read(0, 5, scratch), dense_);
}

TEST_F(RowsViewTest, ReadsDenseBlocksWhereTheyAre) {
  std::vector<float> scratch;
  EXPECT_EQ(dense_.Read(2, 2, scratch).data, cells_.data() + 8);
  EXPECT_TRUE(scratch.empty());
}

TEST_F(RowsViewTest, GathersRowsInTheOrderAsked) {
  std::array<float, 8> out;
  out.fill(9);
  for (const RowsView& rows : {sparse_, dense_}) {
    rows.Gather(std::array<std::uint64_t, 2>{4, 0}, {out.data(), 2, 4});
    EXPECT_THAT(out, ElementsAre(5, 6, 7, 8, 0, 1, 0, 2));
  }
}

TEST_F(RowsViewTest, GivesTheCellsThatAreNotZero) {
  EXPECT_THAT(sparse_.sparse_row(0).indices, ElementsAre(1, 3));
  EXPECT_THAT(sparse_.sparse_row(0).values, ElementsAre(1, 2));
  EXPECT_TRUE(sparse_.sparse_row(1).indices.empty());
}

TEST_F(RowsViewTest, ShowsNanWhereACellHasNoValue) {
  const std::array<std::uint8_t, 5> bits = {0b0010, 0, 0, 0, 0b1001};
  const RowsView gappy = dense_.WithMissing(bits.data());
  std::vector<float> scratch(4), block;
  const auto nan = ::testing::IsNan();
  EXPECT_THAT(gappy.row(0, scratch), ElementsAre(0, nan, 0, 2));
  EXPECT_THAT(gappy.EveryNth(4).row(1, scratch), ElementsAre(nan, 6, 7, nan));
  EXPECT_THAT(gappy.slice_rows(2, 3).row(2, scratch), ElementsAre(nan, 6, 7, nan));
  EXPECT_THAT(gappy.slice_rows(2, 3).EveryNth(2).Read(0, 2, block).row(1),
              ElementsAre(nan, 6, 7, nan));
  EXPECT_TRUE(std::isnan(gappy(4, 3)));
  EXPECT_EQ(gappy(4, 2), 7);
}

}  // namespace
}  // namespace latent

#include "server/rows_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr RequestLimits kLimits{.rows = 4, .columns = 8, .cells = 12};

v1::Rows Dense(std::uint32_t columns, const std::vector<float>& cells) {
  v1::Rows rows;
  rows.mutable_dense()->set_columns(columns);
  rows.mutable_dense()->set_data(cells.data(), cells.size() * sizeof(float));
  return rows;
}

v1::Rows Sparse(std::uint32_t columns, const std::vector<std::uint32_t>& offsets,
                const std::vector<std::uint32_t>& indices, const std::vector<float>& values) {
  v1::Rows rows;
  auto* sparse = rows.mutable_sparse();
  sparse->set_columns(columns);
  sparse->mutable_row_offsets()->Assign(offsets.begin(), offsets.end());
  sparse->mutable_indices()->Assign(indices.begin(), indices.end());
  sparse->mutable_values()->Assign(values.begin(), values.end());
  return rows;
}

TEST(RowsCodecTest, ReadsDenseBytes) {
  const auto cells = ToCells(Dense(3, {1, 2, 3, 4, 5, 6}), 3, kLimits, "rows");
  ASSERT_TRUE(cells.ok()) << cells.status();
  EXPECT_EQ(cells->rows, 2u);
  EXPECT_EQ(cells->columns, 3u);
  EXPECT_THAT(cells->values, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(RowsCodecTest, ReadsHalvesAndBytes) {
  v1::Rows rows;
  rows.mutable_dense()->set_dtype(v1::DTYPE_FLOAT16);
  rows.mutable_dense()->set_data(std::string("\x00\x3c\x00\xc0", 4));
  EXPECT_THAT(ToCells(rows, 2, kLimits, "codes")->values, ElementsAre(1, -2));
  rows.mutable_dense()->set_dtype(v1::DTYPE_INT8);
  EXPECT_THAT(ToCells(rows, 2, kLimits, "codes")->values, ElementsAre(0, 60, 0, -64));
  rows.mutable_dense()->set_data(std::string(3, 'x'));
  EXPECT_EQ(ToCells(rows, 2, kLimits, "codes").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(RowsCodecTest, ReadsPlainNumbers) {
  v1::Rows rows;
  for (const float x : {1.f, 2.f, 3.f}) rows.mutable_dense()->add_values(x);
  const auto cells = ToCells(rows, 3, kLimits, "rows");
  ASSERT_TRUE(cells.ok()) << cells.status();
  EXPECT_EQ(cells->rows, 1u);
}

TEST(RowsCodecTest, TakesTheModelsWidthWhereNoneIsGiven) {
  const auto cells = ToCells(Dense(0, {1, 2, 3, 4}), 2, kLimits, "rows");
  ASSERT_TRUE(cells.ok()) << cells.status();
  EXPECT_EQ(cells->rows, 2u);
}

TEST(RowsCodecTest, KeepsAForeignWidthForTheModelToRefuse) {
  const auto cells = ToCells(Dense(2, {1, 2}), 3, kLimits, "rows");
  ASSERT_TRUE(cells.ok()) << cells.status();
  EXPECT_EQ(cells->columns, 2u);
}

TEST(RowsCodecTest, FillsSparseRowsWithZeros) {
  const auto cells = ToCells(Sparse(3, {0, 2, 2, 3}, {0, 2, 1}, {5, 6, 7}), 3, kLimits, "rows");
  ASSERT_TRUE(cells.ok()) << cells.status();
  EXPECT_THAT(cells->values, ElementsAre(5, 0, 6, 0, 0, 0, 0, 7, 0));
}

TEST(RowsCodecTest, WritesWhatItReads) {
  const Cells cells(2, 2, {1, -2, 3, std::numeric_limits<float>::denorm_min()});
  v1::Rows rows;
  SetDense(cells, rows.mutable_dense());
  const auto back = ToCells(rows, 2, kLimits, "rows");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->values, cells.values);
}

TEST(RowsCodecTest, WritesSparseRows) {
  v1::SparseRows sparse;
  SetSparse({.columns = 4, .row_offsets = {0, 1, 2}, .indices = {3, 0}, .values = {1, 2}}, &sparse);
  EXPECT_EQ(sparse.columns(), 4u);
  EXPECT_THAT(sparse.row_offsets(), ElementsAre(0, 1, 2));
  EXPECT_THAT(sparse.indices(), ElementsAre(3, 0));
  EXPECT_THAT(sparse.values(), ElementsAre(1, 2));
}

struct BadRows {
  std::string name;
  v1::Rows rows;
  std::string field;
  std::string message;
};

v1::Rows With(v1::Rows rows, const std::function<void(v1::Rows&)>& change) {
  change(rows);
  return rows;
}

class BadRowsTest : public ::testing::TestWithParam<BadRows> {};

TEST_P(BadRowsTest, IsRefusedWithFieldAndCause) {
  const absl::Status status = ToCells(GetParam().rows, 3, kLimits, "rows").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  const auto fields = DetailsOf(status).fields;
  ASSERT_EQ(fields.size(), 1u) << status;
  EXPECT_EQ(fields[0].path, GetParam().field);
  EXPECT_THAT(fields[0].description, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadRowsTest,
    ::testing::Values(
        BadRows{"NoForm", {}, "rows", "expected dense, sparse or dataset_slice, got none"},
        BadRows{"NoRows", Dense(3, {}), "rows", "expected 1 to 4 rows a request, got 0"},
        BadRows{"NoSparseRows", Sparse(3, {}, {}, {}), "rows", "expected 1 to 4 rows"},
        BadRows{"TooManyRows", Dense(1, {1, 2, 3, 4, 5}), "rows",
                "expected 1 to 4 rows a request, got 5"},
        BadRows{"TooManyColumns", Dense(9, std::vector<float>(9)), "rows",
                "expected at most 8 columns, got 9"},
        BadRows{"TooManyCells", Dense(4, std::vector<float>(16)), "rows",
                "expected at most 12 cells a request, got 4 x 4 = 16"},
        BadRows{"RaggedBytes", Dense(3, {1, 2}), "rows.dense.data",
                "expected a multiple of 12 bytes (rows of 3 cells of 4), got 8 bytes"},
        BadRows{"RaggedValues", With({}, [](v1::Rows& r) { r.mutable_dense()->add_values(1); }),
                "rows.dense.values", "expected a multiple of 3 cells"},
        BadRows{"BothForms",
                With(Dense(3, {1, 2, 3}), [](v1::Rows& r) { r.mutable_dense()->add_values(1); }),
                "rows.dense", "expected data or values, got both"},
        BadRows{"UnknownType",
                With(Dense(3, {1, 2, 3}),
                     [](v1::Rows& r) { r.mutable_dense()->set_dtype(static_cast<v1::Dtype>(7)); }),
                "rows.dense.dtype",
                "expected DTYPE_FLOAT32, DTYPE_FLOAT16, DTYPE_INT8 or DTYPE_UINT16, got 7"},
        BadRows{"UnequalLengths", Sparse(3, {0, 1}, {0}, {}), "rows.sparse.values",
                "expected one for each index (1), got 0"},
        BadRows{"FirstOffset", Sparse(3, {1, 1}, {0}, {1}), "rows.sparse.row_offsets",
                "expected 0 first, got 1"},
        BadRows{"LastOffset", Sparse(3, {0, 2}, {0}, {1}), "rows.sparse.row_offsets",
                "expected the number of entries (1) last, got 2"},
        BadRows{"FallingOffset", Sparse(3, {0, 2, 1, 2}, {0, 1}, {1, 1}), "rows.sparse.row_offsets",
                "got 2 before 1 at row 1"},
        BadRows{"HugeOffset", Sparse(3, {0, 4000000000u, 1}, {0}, {1}), "rows.sparse.row_offsets",
                "got 0 before 4000000000 at row 0"},
        BadRows{"ColumnOutOfRange", Sparse(3, {0, 1}, {3}, {1}), "rows.sparse.indices",
                "expected columns below 3, got 3 in row 0"},
        BadRows{"RepeatedColumn", Sparse(3, {0, 2}, {1, 1}, {1, 1}), "rows.sparse.indices",
                "expected rising columns within a row, got 1 after 1 in row 0"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace latent

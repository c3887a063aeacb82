// Whether a model can take rows of another dataset.
#include "core/train/fits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "tests/unit/train/plan_fixture.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

absl::Status GoesOn() { return absl::OkStatus(); }

TEST(ColumnFaultTest, FindsNoneInTheTrainedDataset) {
  EXPECT_EQ(FindColumnFault(SchemaOf(TableInfo()), TableInfo(), "it"), "");
}

TEST(ColumnFaultTest, FindsWidthsNamesAndCategories) {
  const v1::DatasetSchema trained = SchemaOf(TableInfo());
  DatasetInfo wide = TableInfo();
  ++wide.columns;
  EXPECT_THAT(FindColumnFault(trained, wide, "it"), HasSubstr("cells, as it takes, got "));
  DatasetInfo numbers = TableInfo();
  numbers.column_groups.clear();
  numbers.column_names.clear();
  EXPECT_THAT(FindColumnFault(trained, numbers, "it"), HasSubstr("got a number"));
  DatasetInfo other = TableInfo();
  other.column_names.clear();
  other.column_groups[1].set_categories(2, "violet");
  EXPECT_THAT(FindColumnFault(trained, other, "it"), HasSubstr("as it takes, got \"violet\""));
  DatasetInfo named = TableInfo();
  named.column_names.assign(named.columns, std::string(1, 'x'));
  v1::DatasetSchema names = trained;
  names.clear_column_names();
  for (std::uint32_t c = 0; c < named.columns; ++c) names.add_column_names(absl::StrCat("y", c));
  EXPECT_THAT(FindColumnFault(names, named, "it"), HasSubstr("column 0 is \"y0\", got \"x\""));
}

TEST(CheckFitsTest, RefusesCellsThatTheLikelihoodDoesNotKnow) {
  const auto digits = SomeDigits(50, 10);
  DatasetInfo negative = digits->info();
  negative.min = -1;
  for (const char* preset : {"vae", "mult-dae"}) {
    const v1::TrainingPlan plan = PlanFor(*digits, absl::StrCat("preset: '", preset, "'"));
    EXPECT_TRUE(CheckFits(plan, digits->info()).ok()) << preset;
    const absl::Status status = CheckFits(plan, negative);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << preset;
    ASSERT_EQ(DetailsOf(status).fields.size(), 1u) << preset;
    EXPECT_EQ(DetailsOf(status).fields[0].path, "dataset");
  }
  EXPECT_TRUE(CheckFits(PlanFor(*digits, "preset: 'plain'"), negative).ok());
}

TEST(CheckTargetsOfTest, NamesPartRowAndColumn) {
  const auto digits = SomeDigits(50, 10);
  const v1::TrainingPlan plan =
      PlanFor(*digits, "preset: 'vae' training { solver { gradient { epochs: 1 } } }");
  const auto fitted = Fit(plan, *digits);
  ASSERT_TRUE(fitted.ok()) << fitted.status();
  // Pieces end after 1,048,576 cells, 16,384 of these rows.
  constexpr std::size_t kRows = 17000;
  DatasetInfo info = digits->info();
  info.part_rows = {0, 0, 0, kRows};
  InMemoryPart test;
  test.cells.assign(kRows * info.columns, 0.5f);
  test.cells[16999 * std::size_t{info.columns} + 7] = 2;
  const auto data = MakeDataset(info, {}, {}, std::move(test));
  constexpr v1::Part kParts[] = {v1::PART_TRAIN, v1::PART_TEST};
  const absl::Status status = CheckTargetsOf(*fitted->model, *data, kParts, GoesOn);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("TEST"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("got 2 in row 16999, column 7"));
  EXPECT_TRUE(CheckTargetsOf(*fitted->model, *digits, kParts, GoesOn).ok());
  EXPECT_EQ(CheckTargetsOf(*fitted->model, *data, kParts, [] { return absl::CancelledError("no"); })
                .code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace latent

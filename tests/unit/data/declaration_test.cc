#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/base/status.h"
#include "core/data/parse.h"

namespace latent {
namespace {

using ::testing::ElementsAre;

ParseRequest Good() {
  return {.name = "d", .files = {{.name = "a.csv"}, {.name = "t.csv", .part = v1::PART_TEST}}};
}

struct Case {
  std::string what;
  std::function<void(ParseRequest&)> spoil;
  std::string field;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.what; }

class CheckDeclarationTest : public ::testing::TestWithParam<Case> {};

TEST_P(CheckDeclarationTest, NamesTheBadField) {
  ParseRequest request = Good();
  GetParam().spoil(request);
  const absl::Status status = CheckDeclaration(request, "dataset.");
  ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const ErrorDetails details = DetailsOf(status);
  ASSERT_EQ(details.fields.size(), 1u) << status;
  EXPECT_EQ(details.fields[0].path, "dataset." + GetParam().field);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, CheckDeclarationTest,
    ::testing::Values(
        Case{"no files", [](ParseRequest& r) { r.files.clear(); }, "files"},
        Case{"too many files",
             [](ParseRequest& r) {
               for (int i = 0; i < 63; ++i) r.files.push_back({.name = std::to_string(i)});
             },
             "files"},
        Case{"no TRAIN rows", [](ParseRequest& r) { r.files[0].part = v1::PART_VALIDATION; },
             "files"},
        Case{"slash", [](ParseRequest& r) { r.files[1].name = "../t"; }, "files[1].name"},
        Case{"no name", [](ParseRequest& r) { r.files[1].name = ""; }, "files[1].name"},
        Case{"parent", [](ParseRequest& r) { r.files[1].name = ".."; }, "files[1].name"},
        Case{"no UTF-8", [](ParseRequest& r) { r.files[1].name = "\xff"; }, "files[1].name"},
        Case{"same name", [](ParseRequest& r) { r.files[1].name = "a.csv"; }, "files[1].name"},
        Case{"no part", [](ParseRequest& r) { r.files[1].part = v1::PART_UNSPECIFIED; },
             "files[1].part"},
        Case{"labels of nothing", [](ParseRequest& r) { r.files[1].role = FileRole::kLabels; },
             "files[1].part"},
        Case{"zero size",
             [](ParseRequest& r) {
               r.row_shape = {2, 0};
             },
             "row_shape"},
        Case{"too wide",
             [](ParseRequest& r) {
               r.row_shape = {65'536, 2};
             },
             "row_shape"},
        Case{"overflow",
             [](ParseRequest& r) {
               r.row_shape = {65'536, 65'536, 65'536, 65'536};
             },
             "row_shape"},
        Case{"no scale", [](ParseRequest& r) { r.value_scale = 0; }, "value_scale"},
        Case{"delimiter", [](ParseRequest& r) { r.csv.delimiter = '"'; }, "csv.delimiter"},
        Case{"test share", [](ParseRequest& r) { r.split.test_fraction = 1; },
             "split.test_fraction"},
        Case{"validation share", [](ParseRequest& r) { r.split.validation_fraction = -0.1; },
             "split.validation_fraction"},
        Case{"equal label names",
             [](ParseRequest& r) {
               r.label_names = {"a", "a"};
             },
             "label_names"}));

TEST(CheckDeclarationTest, AcceptsAGoodOne) { EXPECT_TRUE(CheckDeclaration(Good()).ok()); }

TEST(CheckDeclarationTest, ReportsAllBadFieldsAtOnce) {
  ParseRequest request = Good();
  request.value_scale = 0;
  request.row_shape = {0};
  EXPECT_EQ(DetailsOf(CheckDeclaration(request)).fields.size(), 2u);
}

TEST(CanonicalDeclarationTest, LeavesOutNamePathsAndLimits) {
  ParseRequest other = Good();
  other.name = "e";
  other.files[0].path = "/somewhere";
  other.limits.max_rows = 5;
  EXPECT_EQ(CanonicalDeclaration(other), CanonicalDeclaration(Good()));
}

TEST(CanonicalDeclarationTest, TellsDeclarationsApart) {
  const std::string canonical = CanonicalDeclaration(Good());
  ParseRequest other = Good();
  other.csv.header = false;
  EXPECT_NE(CanonicalDeclaration(other), canonical);
  other = Good();
  other.split.seed = 1;
  EXPECT_NE(CanonicalDeclaration(other), canonical);
  other = Good();
  other.files[1].part = v1::PART_VALIDATION;
  EXPECT_NE(CanonicalDeclaration(other), canonical);
}

}  // namespace
}  // namespace latent

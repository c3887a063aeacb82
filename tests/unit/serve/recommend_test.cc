#include "core/serve/recommend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "served_fixture.h"

namespace latent {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

// Two items of twelve.
Cells History() {
  Cells row(1, kTestColumns);
  row.values[1] = row.values[4] = 1;
  return row;
}

std::vector<std::uint32_t> Columns(const RecommendOperation::Row& row) {
  std::vector<std::uint32_t> columns;
  for (const auto& item : row.items) columns.push_back(item.column);
  return columns;
}

RecommendOperation::Row Recommend(const Cells& row, RecommendOperation::Options options,
                                  const std::string& preset = "mult-dae") {
  const auto done = RunAlone(RecommendOperation::Make(TestModel(preset), row, std::move(options)));
  EXPECT_EQ(done->rows().size(), 1u);
  return done->rows()[0];
}

class RecommendPresetTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Presets, RecommendPresetTest,
                         testing::Values("mult-dae", "mult-vae", "ease", "pca"),
                         [](const auto& preset) {
                           std::string name = preset.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(RecommendPresetTest, OrdersUnseenItemsByReconstruction) {
  const ModelPtr model = TestModel(GetParam());
  const Cells scores = RunAlone(ReconstructOperation::Make(model, History(), {}))->reconstruction();
  const auto row = Recommend(History(), {.k = 20}, GetParam());
  ASSERT_THAT(row.items, SizeIs(kTestColumns - 2));
  for (std::size_t i = 0; i < row.items.size(); ++i) {
    EXPECT_EQ(row.items[i].score, scores.values[row.items[i].column]);
    EXPECT_NE(row.items[i].column, 1u);
    EXPECT_NE(row.items[i].column, 4u);
    EXPECT_GE(row.items[i == 0 ? 0 : i - 1].score, row.items[i].score);
  }
  EXPECT_FALSE(row.fallback_popularity);
}

TEST(RecommendTest, NamesTheFirstKOfAll) {
  const auto all = Columns(Recommend(History(), {.k = 20}));
  const auto three = Columns(Recommend(History(), {.k = 3}));
  EXPECT_THAT(three, ElementsAre(all[0], all[1], all[2]));
}

TEST(RecommendTest, NamesSeenItemsIfAsked) {
  EXPECT_THAT(Recommend(History(), {.k = 20, .exclude_seen = false}).items, SizeIs(kTestColumns));
}

TEST(RecommendTest, LeavesOutAndRestricts) {
  const auto row = Recommend(
      History(), {.exclude = {3, 7}, .restrict_to = std::vector<std::uint32_t>{3, 4, 5, 8}});
  const auto columns = Columns(row);
  EXPECT_EQ(std::set(columns.begin(), columns.end()), (std::set<std::uint32_t>{5, 8}));
  EXPECT_THAT(Recommend(History(), {.restrict_to = std::vector<std::uint32_t>()}).items, SizeIs(0));
}

TEST(RecommendTest, AnswersAnEmptyHistoryByPopularityAndSaysSo) {
  const ModelPtr model = TestModel("mult-dae");
  const auto row = Recommend(Cells(1, kTestColumns), {.k = 20});
  EXPECT_TRUE(row.fallback_popularity);
  ASSERT_THAT(row.items, SizeIs(kTestColumns));
  for (const auto& item : row.items) {
    EXPECT_EQ(item.score, model->model().column_means()[item.column]);
  }
}

TEST(RecommendTest, BreaksTiesByTheLowerColumn) {
  // A map of zeros: all scores are equal.
  VersionContent content = TestContent("ease");
  const Cells rows = RandomCells(4, kTestColumns, 1);
  content.model =
      std::make_unique<ItemMap>(content.plan.architecture(), ComputeColumnStatistics(rows.view()),
                                AlignedBuffer(kTestColumns * kTestColumns));
  const ModelPtr model = ServedModel::Make({"toy", 1}, std::move(content)).value();
  const auto done = RunAlone(RecommendOperation::Make(model, History(), {.k = 4}));
  EXPECT_THAT(Columns(done->rows()[0]), ElementsAre(0, 2, 3, 5));
}

TEST(RecommendTest, EmbedsItemsAsRowsThatHaveThemAlone) {
  const ModelPtr model = TestModel("mult-vae");
  const auto done = RunAlone(
      RecommendOperation::Make(model, History(), {.k = 3, .include_item_embeddings = true}));
  std::vector<std::uint32_t> rising = Columns(done->rows()[0]);
  std::sort(rising.begin(), rising.end());
  EXPECT_EQ(done->embedded(), rising);
  ASSERT_EQ(done->embeddings().rows, 3u);
  Cells alone(1, kTestColumns);
  alone.values[rising[1]] = 1;
  const Cells code = RunAlone(EncodeOperation::Make(model, alone, {}))->codes();
  for (std::size_t i = 0; i < kTestDim; ++i) {
    EXPECT_EQ(done->embeddings().view()(1, i), code.values[i]);
  }
}

TEST(RecommendTest, RefusesBadRequests) {
  const ModelPtr model = TestModel("ease");
  struct Case {
    RecommendOperation::Options options;
    const char* field;
  };
  for (const Case& c :
       {Case{{.k = 0}, "k"}, Case{{.k = 1001}, "k"}, Case{{.exclude = {12}}, "exclude"},
        Case{{.restrict_to = std::vector<std::uint32_t>{0, 12}}, "restrict_to"}}) {
    const absl::Status status = RecommendOperation::Make(model, History(), c.options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(status).fields.at(0).path, c.field);
  }
  EXPECT_EQ(
      DetailsOf(
          RecommendOperation::Make(model, History(), {.include_item_embeddings = true}).status())
          .reason,
      "NO_LATENT");
}

TEST(VersionFilesTest, KeepTheVocabularyWhereColumnsHaveNames) {
  VersionContent content = TestContent("pca");
  EXPECT_FALSE(VersionToFiles(content).contains(kVocabularyFile));
  content.plan.mutable_data()->add_column_names("a \"b\"");
  content.plan.mutable_data()->add_column_names("c");
  EXPECT_EQ(VersionToFiles(content)[kVocabularyFile], "[\n \"a \\\"b\\\"\",\n \"c\"\n]");
}

TEST(ServedModelTest, FindsColumnsByNameOrNumber) {
  const ModelPtr numbered = TestModel("pca");
  EXPECT_EQ(numbered->ColumnOf("11"), 11u);
  for (const char* unknown : {"12", "-1", "1x", "", " 1"}) {
    EXPECT_EQ(numbered->ColumnOf(unknown), std::nullopt) << unknown;
  }
  EXPECT_EQ(numbered->ColumnName(7), "7");
  VersionContent content = TestContent("pca");
  for (std::size_t c = 0; c < kTestColumns; ++c) {
    content.plan.mutable_data()->add_column_names(absl::StrCat("c", c == 5 ? 2 : c));
  }
  const ModelPtr named = ServedModel::Make({"toy", 1}, std::move(content)).value();
  EXPECT_EQ(named->ColumnOf("c11"), 11u);
  EXPECT_EQ(named->ColumnOf("c2"), 2u);
  EXPECT_EQ(named->ColumnOf("11"), std::nullopt);
  EXPECT_EQ(named->ColumnName(5), "c2");
}

}  // namespace
}  // namespace latent

// Ranking of held-out items, against figures worked out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/eval/collector.h"
#include "core/eval/evaluation.h"
#include "core/eval/metric_table.h"
#include "tests/unit/eval/fake_model.h"

namespace latent {
namespace {

using testing::FakeModel;

// Scores of every row: fixed ones, whatever the row is, or a look at the row that is answered.
class ScoringModel : public FakeModel {
 public:
  explicit ScoringModel(std::vector<float> scores)
      : FakeModel(scores.size(), 1), scores_(std::move(scores)) {
    model_spec.mutable_likelihood()->mutable_multinomial();
  }
  void Forward(const LabelledRows& rows, const ForwardOutputs& out, Workspace&) const override {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      std::copy(scores_.begin(), scores_.end(), out.reconstruction.row(r).begin());
      for (const float cell : rows.row(r)) given_ += cell != 0 ? 1 : 0;
    }
  }
  int given() const { return given_; }

 private:
  const std::vector<float> scores_;
  mutable int given_ = 0;
};

std::map<std::string, v1::Metric> Ranking(const Autoencoder& model,
                                          std::shared_ptr<const Dataset> data) {
  MetricList list;
  EXPECT_TRUE(AddRanking({model, *data, v1::PART_TEST, {}}, list).ok());
  std::map<std::string, v1::Metric> found;
  for (const v1::Metric& metric : std::move(list).Take()) found[metric.name()] = metric;
  return found;
}

std::shared_ptr<const Dataset> TestRows(std::size_t columns, std::vector<float> cells) {
  const std::vector<float> train(columns, 1.0f);
  DatasetInfo info;
  info.columns = static_cast<std::uint32_t>(columns);
  return MakeDataset(info, {train, {}}, {}, {std::move(cells), {}});
}

// One row of 5 items among 10 columns: one is held out.
const std::vector<float> kRow = {1, 1, 0, 1, 0, 1, 1, 0, 0, 0};

TEST(RankingTest, GivesAllButAFifthOfTheItems) {
  const ScoringModel model(std::vector<float>(10));
  Ranking(model, TestRows(10, kRow));
  EXPECT_EQ(model.given(), 4);
}

TEST(RankingTest, DiscountsTheOneHeldOutItemByItsRank) {
  // Equal scores rank by column: ahead of the held-out item stand the columns below it that the row
  // does not have.
  const ScoringModel model(std::vector<float>(10));
  const auto found = Ranking(model, TestRows(10, kRow));
  const double ndcg = found.at("ndcg_at_100").value();
  std::vector<double> possible;
  for (std::size_t c = 0, ahead = 0; c < kRow.size(); ++c) {
    if (kRow[c] != 0) possible.push_back(1 / std::log2(static_cast<double>(ahead) + 2));
    if (kRow[c] == 0) ++ahead;
  }
  EXPECT_THAT(possible, ::testing::Contains(::testing::DoubleEq(ndcg)));
  EXPECT_EQ(found.at("recall_at_20").value(), 1);
  EXPECT_EQ(found.at("popularity_ndcg_at_100").value(), ndcg);
}

TEST(RankingTest, IsPerfectWhereTheRowsItemsScoreHighest) {
  const ScoringModel model(kRow);
  const auto found = Ranking(model, TestRows(10, kRow));
  EXPECT_EQ(found.at("ndcg_at_100").value(), 1);
  EXPECT_EQ(found.at("recall_at_50").value(), 1);
  EXPECT_TRUE(found.at("recall_at_50").higher_is_better());
}

TEST(RankingTest, DividesRecallByTheLesserOfRanksAndHeldOutItems) {
  // 150 items of 400 columns: 30 are held out, and all score above the rest.
  std::vector<float> row(400);
  std::fill_n(row.begin(), 150, 1.0f);
  const auto found = Ranking(ScoringModel(row), TestRows(400, row));
  EXPECT_EQ(found.at("recall_at_20").value(), 1);
  EXPECT_EQ(found.at("recall_at_50").value(), 1);
  EXPECT_NEAR(found.at("ndcg_at_100").value(), 1, 1e-12);
}

TEST(RankingTest, LeavesOutRowsOfTooFewItems) {
  std::vector<float> rows = {1, 1, 1, 1, 0, 0, 0, 0, 0, 0};
  EXPECT_TRUE(Ranking(ScoringModel(kRow), TestRows(10, rows)).empty());
  rows.insert(rows.end(), kRow.begin(), kRow.end());
  const auto found = Ranking(ScoringModel(kRow), TestRows(10, rows));
  EXPECT_EQ(found.at("ndcg_at_100").value(), 1);
  EXPECT_FALSE(found.at("ndcg_at_100").has_standard_error());
}

TEST(RankingTest, IsOfImplicitFeedbackAlone) {
  ScoringModel other(kRow);
  other.model_spec.clear_likelihood();
  EXPECT_TRUE(Ranking(other, TestRows(10, kRow)).empty());
  std::vector<float> negative = kRow;
  negative[0] = -1;
  EXPECT_TRUE(Ranking(ScoringModel(kRow), TestRows(10, negative)).empty());
}

TEST(RankingTest, HoldsOutTheSameItemsForEveryModel) {
  const ScoringModel model(std::vector<float>(10));
  const auto data = TestRows(10, kRow);
  EXPECT_EQ(Ranking(model, data).at("ndcg_at_100").value(),
            Ranking(model, data).at("ndcg_at_100").value());
}

}  // namespace
}  // namespace latent

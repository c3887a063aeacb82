// The parts of a report that need no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/describe.h"
#include "client/cli/projection.h"
#include "client/cli/rate_distortion.h"
#include "client/cli/report_figures.h"
#include "client/render/html.h"
#include "client/render/table.h"

namespace latent::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void Add(Metrics& metrics, const char* name, double value, std::optional<bool> higher = {}) {
  v1::Metric* metric = metrics.Add();
  metric->set_name(name);
  metric->set_value(value);
  if (higher) metric->set_higher_is_better(*higher);
}

std::string AllHtml(const Metrics& metrics) {
  std::string html;
  for (const FigureGroup& group : FigureGroups(metrics)) html += group.title + group.html;
  return html;
}

TEST(HtmlTest, MakesMarkupHarmless) {
  EXPECT_EQ(HtmlText("<b a=\"1\">&'"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;");
  Table table({"a<b"});
  table.AddRow({"<script>"});
  EXPECT_THAT(table.ToHtml(), HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(table.ToHtml(), Not(HasSubstr("<script>")));
}

TEST(HtmlTest, HoldsPicturesItself) {
  const std::string html = HtmlPicture("\x89PNG", "a \"caption\"");
  EXPECT_THAT(html, HasSubstr("src=\"data:image/png;base64,iVBORw==\""));
  EXPECT_THAT(html, HasSubstr("a &quot;caption&quot;"));
}

TEST(ReportFiguresTest, SetControlsBesideFigures) {
  Metrics metrics;
  Add(metrics, "test_mse_per_element", 0.01, false);
  Add(metrics, "pca_test_mse_per_element", 0.015, false);
  const auto groups = FigureGroups(metrics);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].title, "Reconstruction");
  EXPECT_THAT(groups[0].html, HasSubstr("PCA <span class=\"good\">0.015</span>"));
}

TEST(ReportFiguresTest, MarkWhatBeatsTheModel) {
  Metrics metrics;
  Add(metrics, "knn5_code_accuracy", 0.7, true);
  Add(metrics, "knn5_raw_accuracy", 0.8, true);
  EXPECT_THAT(AllHtml(metrics), HasSubstr("raw rows <span class=\"bad\">0.8</span>"));
  metrics.Mutable(1)->set_value(0.7001);
  EXPECT_THAT(AllHtml(metrics), HasSubstr("raw rows <span class=\"\">"));
}

TEST(ReportFiguresTest, DropNoFigure) {
  Metrics metrics;
  Add(metrics, "something_new", 42);
  EXPECT_THAT(AllHtml(metrics), HasSubstr("something_new"));
  EXPECT_THAT(AllHtml(metrics), HasSubstr("Other figures"));
}

TEST(ReportFiguresTest, SetPopularityBesideRankings) {
  Metrics metrics;
  Add(metrics, "ndcg_at_100", 0.5, true);
  Add(metrics, "popularity_ndcg_at_100", 0.3);
  EXPECT_EQ(FigureGroups(metrics).at(0).title, "Recommendation");
  EXPECT_THAT(AllHtml(metrics), HasSubstr("popularity <span class=\"good\">0.3</span>"));
  EXPECT_THAT(FigureTiles(metrics), HasSubstr("NDCG@100"));
}

// Two entries of four rows: 0, 1, 2, 3 and a constant.
const Matrix kCodes{.columns = 2, .cells = {0, 5, 1, 5, 2, 5, 3, 5}};
const std::vector<double> kMean = {1.5, 5}, kDeviation = {1, 0};

TEST(RoundCodesTest, PutsEntriesOnStepsAroundTheirMean) {
  const RoundedCodes rounded = RoundCodes(kCodes, kMean, kDeviation, 1.5);
  EXPECT_THAT(rounded.codes.cells, ::testing::ElementsAre(0, 5, 1.5, 5, 1.5, 5, 3, 5));
}

TEST(RoundCodesTest, CostsTheEntropyOfItsSteps) {
  EXPECT_NEAR(RoundCodes(kCodes, kMean, kDeviation, 0.01).bits, 2, 1e-12);   // four values alike
  EXPECT_NEAR(RoundCodes(kCodes, kMean, kDeviation, 1.5).bits, 1.5, 1e-12);  // 1/4, 1/2, 1/4
  EXPECT_NEAR(RoundCodes(kCodes, kMean, kDeviation, 100).bits, 0, 1e-12);
}

TEST(KnownSquaredErrorTest, LeavesOutWhatIsNotKnown) {
  const Matrix rows{.columns = 2, .cells = {1, std::nanf(""), 3, 4}};
  const Matrix decoded{.columns = 2, .cells = {2, 9, 3, 2}};
  EXPECT_DOUBLE_EQ(KnownSquaredError(rows, decoded), 5.0 / 3);
}

TEST(ProjectToPlaneTest, FindsTheWayBack) {
  Matrix codes{.columns = 3, .cells = {}};
  for (int r = 0; r < 20; ++r) {  // on a plane: the third entry is the sum of the others
    const float a = static_cast<float>(r), b = static_cast<float>((r * 7) % 5);
    codes.cells.insert(codes.cells.end(), {a, b, a + b});
  }
  const Plane plane = ProjectToPlane(codes);
  for (std::size_t r = 0; r < codes.rows(); ++r) {
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(plane.origin[i] + plane.x[r] * plane.x_axis[i] + plane.y[r] * plane.y_axis[i],
                  codes.row(r)[i], 1e-4);
    }
  }
}

TEST(DescribeDatasetTest, SaysALongRunOfNumbersInOneLine) {
  v1::Dataset dataset;
  dataset.set_state(v1::Dataset::STATE_READY);
  for (int c = 0; c < 12; ++c) {
    v1::ColumnGroup* group = dataset.add_column_groups();
    group->set_name(absl::StrCat("c", c));
    group->set_kind(c == 11 ? v1::COLUMN_KIND_LABEL : v1::COLUMN_KIND_NUMERIC);
  }
  const std::string html = DescribeDataset(dataset).ToHtml();
  EXPECT_THAT(html, HasSubstr("columns c0 to c10"));
  EXPECT_THAT(html, HasSubstr("numeric, 11 of them"));
  EXPECT_THAT(html, HasSubstr("column c11"));
  dataset.mutable_column_groups(5)->set_missing_share(0.5);
  EXPECT_THAT(DescribeDataset(dataset).ToHtml(), HasSubstr("numeric; missing 50 %"));
}

TEST(ReportFiguresTest, LeaveOutEmptyGroups) {
  EXPECT_TRUE(FigureGroups({}).empty());
  EXPECT_THAT(FigureTiles({}), Not(HasSubstr("<b")));
}

}  // namespace
}  // namespace latent::cli

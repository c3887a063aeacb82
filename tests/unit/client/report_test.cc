// The parts of a report that need no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

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

TEST(ReportFiguresTest, LeaveOutEmptyGroups) {
  EXPECT_TRUE(FigureGroups({}).empty());
  EXPECT_THAT(FigureTiles({}), Not(HasSubstr("<b")));
}

}  // namespace
}  // namespace latent::cli

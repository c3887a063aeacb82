#include "core/picture/plots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "core/picture/palette.h"
#include "core/picture/png.h"

namespace latent {
namespace {

bool Has(const Canvas& canvas, Color color) {
  return std::find(canvas.pixels().begin(), canvas.pixels().end(), color) != canvas.pixels().end();
}
long Count(const Canvas& canvas, Color color) {
  return std::count(canvas.pixels().begin(), canvas.pixels().end(), color);
}

// With LATENT_TEST_PICTURES=FOLDER in the environment, tests leave their pictures there.
void Keep(const Canvas& canvas, const std::string& name) {
  if (const char* folder = std::getenv("LATENT_TEST_PICTURES")) {
    EXPECT_TRUE(WritePng(canvas, std::string(folder) + "/" + name).ok());
  }
}

TEST(ImageShapeTest, ReadsRowShapes) {
  struct Case {
    std::vector<std::uint32_t> row_shape;
    int height, width, channels;
  };
  const Case cases[] = {
      {{28, 28, 1}, 28, 28, 1}, {{8, 6}, 8, 6, 1}, {{4, 5, 3}, 4, 5, 3},
      {{64}, 8, 8, 1},          {{10}, 1, 10, 1},
  };
  for (const Case& c : cases) {
    const auto shape = ImageShapeOf(c.row_shape);
    ASSERT_TRUE(shape.ok()) << shape.status();
    EXPECT_EQ(shape->height, c.height);
    EXPECT_EQ(shape->width, c.width);
    EXPECT_EQ(shape->channels, c.channels);
  }
}

TEST(ImageShapeTest, RefusesWhatIsNoImage) {
  for (const std::vector<std::uint32_t>& bad :
       {std::vector<std::uint32_t>{}, {28, 28, 2}, {2, 2, 2, 2}, {0, 5}, {5000, 1}}) {
    EXPECT_EQ(ImageShapeOf(bad).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(ImageGridTest, ScalesEachCellToWholePixels) {
  const float cells[] = {0.0f, 1.0f, 0.2f, 0.4f};
  const ImageLine line{.cells = cells};
  const auto canvas = DrawImageGrid({2, 2, 1}, {&line, 1}, {.pixel_size = 5});
  ASSERT_TRUE(canvas.ok()) << canvas.status();
  EXPECT_EQ(Count(*canvas, {51, 51, 51}), 25);
  EXPECT_EQ(Count(*canvas, {102, 102, 102}), 25);
  EXPECT_EQ(canvas->width(), 2 * 16 + 10);
}

TEST(ImageGridTest, ClipsValuesAndShowsNanAsBlack) {
  const float cells[] = {-3.0f, 7.0f, std::numeric_limits<float>::quiet_NaN(), 0.5f};
  const ImageLine line{.cells = cells};
  const auto canvas = DrawImageGrid({1, 4, 1}, {&line, 1}, {.pixel_size = 2});
  ASSERT_TRUE(canvas.ok()) << canvas.status();
  EXPECT_EQ(Count(*canvas, {0, 0, 0}), 8);
  EXPECT_EQ(Count(*canvas, {255, 255, 255}), 4);
}

TEST(ImageGridTest, DrawsThreeChannelsAsColour) {
  const float cells[] = {1.0f, 0.0f, 0.2f};
  const ImageLine line{.cells = cells};
  const auto canvas = DrawImageGrid({1, 1, 3}, {&line, 1}, {.pixel_size = 3});
  ASSERT_TRUE(canvas.ok()) << canvas.status();
  EXPECT_EQ(Count(*canvas, {255, 0, 51}), 9);
}

TEST(ImageGridTest, WrapsIntoBlocksOfEqualWidth) {
  const std::vector<float> cells(20);
  const ImageLine line{.cells = cells};
  const auto canvas = DrawImageGrid({1, 1, 1}, {&line, 1}, {.pixel_size = 6});
  ASSERT_TRUE(canvas.ok()) << canvas.status();
  EXPECT_EQ(canvas->width(), 2 * 16 + 10 * 6 + 9 * 4);
}

TEST(ImageGridTest, RefusesLinesOfDifferentLength) {
  const float cells[8] = {};
  const ImageLine lines[] = {{.cells = cells}, {.cells = std::span(cells).first(4)}};
  EXPECT_EQ(DrawImageGrid({2, 2, 1}, lines, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ImageGridTest, WrapsAllLinesTogether) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform;
  std::vector<float> input(20 * 784), output(20 * 784), error(20 * 784);
  for (std::size_t i = 0; i < input.size(); ++i) {
    const auto x = static_cast<double>(i % 28), y = static_cast<double>(i / 28 % 28);
    input[i] = static_cast<float>(std::exp(-0.02 * ((x - 14) * (x - 14) + (y - 14) * (y - 14))));
    output[i] = input[i] * 0.8f + 0.1f * uniform(random);
    error[i] = std::abs(input[i] - output[i]) * 3;
  }
  const ImageLine lines[] = {{.caption = "input", .cells = input},
                             {.caption = "output", .cells = output},
                             {.caption = "|error| x3", .cells = error, .heat = true}};
  const auto canvas = DrawImageGrid(
      {28, 28, 1}, lines,
      {.title = "plain version 3: reconstructions", .footer = "mean error 0.01", .columns = 10});
  ASSERT_TRUE(canvas.ok()) << canvas.status();
  EXPECT_GT(canvas->height(), 2 * 3 * 56);
  Keep(*canvas, "grid.png");
}

TEST(ScatterTest, ColoursPointsByClass) {
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  std::vector<double> x, y;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 3000; ++i) {
    labels.push_back(i % 10);
    x.push_back(3 * std::cos(i % 10) + 0.4 * normal(random));
    y.push_back(3 * std::sin(i % 10) + 0.4 * normal(random));
  }
  const auto canvas = DrawScatter({.title = "vae version 1: codes of 3000 test rows",
                                   .x_label = "code 0",
                                   .y_label = "code 1",
                                   .x = x,
                                   .y = y,
                                   .labels = labels,
                                   .label_names = {"T-shirt", "Trouser", "Pullover", "Dress"}});
  ASSERT_TRUE(canvas.ok()) << canvas.status();
  for (std::size_t c = 0; c < 10; ++c) EXPECT_TRUE(Has(*canvas, CategoryColor(c))) << c;
  Keep(*canvas, "scatter.png");
}

TEST(ScatterTest, LeavesOutPointsThatAreNotFinite) {
  const double x[] = {0, 1, std::nan("")}, y[] = {0, HUGE_VAL, 0};
  EXPECT_TRUE(DrawScatter({.title = "",
                           .x_label = "",
                           .y_label = "",
                           .x = x,
                           .y = y,
                           .labels = {},
                           .label_names = {}})
                  .ok());
}

TEST(ScatterTest, RefusesLengthsThatDiffer) {
  const double x[] = {0, 1}, y[] = {0};
  EXPECT_EQ(DrawScatter({.title = "",
                         .x_label = "",
                         .y_label = "",
                         .x = x,
                         .y = y,
                         .labels = {},
                         .label_names = {}})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CurvesTest, DrawsEachCurveInItsColour) {
  CurvePlot plot{.title = "job 7: loss", .x_label = "epoch", .y_label = "nats a row", .curves = {}};
  for (int c = 0; c < 3; ++c) {
    Curve curve{.name = "term " + std::to_string(c), .points = {}};
    for (int e = 1; e <= 20; ++e) {
      curve.points.push_back({static_cast<double>(e), 300 + 100.0 * (c + 1) / e});
    }
    plot.curves.push_back(curve);
  }
  const auto canvas = DrawCurves({&plot, 1});
  ASSERT_TRUE(canvas.ok()) << canvas.status();
  for (std::size_t c = 0; c < 3; ++c) EXPECT_TRUE(Has(*canvas, CategoryColor(c))) << c;
  EXPECT_FALSE(Has(*canvas, CategoryColor(3)));
  Keep(*canvas, "curves.png");
}

TEST(CurvesTest, StacksPlotsAndKeepsColoursByName) {
  CurvePlot first{.title = "loss"}, second{.title = "terms"};
  first.curves.push_back({.name = "total", .points = {{1, 3}, {2, 2}}});
  second.curves.push_back({.name = "kl", .points = {{1, 0.1}, {2, 0.2}}});
  second.curves.push_back({.name = "total", .points = {{1, 3}, {2, 2}}});
  const auto one = DrawCurves({&first, 1});
  const CurvePlot both[] = {first, second};
  const auto two = DrawCurves(both);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(two->height(), 2 * one->height());
  EXPECT_TRUE(Has(*two, CategoryColor(1)));
  EXPECT_FALSE(Has(*two, CategoryColor(2)));
}

TEST(CurvesTest, RefusesCurvesWithoutPoints) {
  CurvePlot plot;
  plot.curves.push_back({.name = "empty", .points = {{0, std::nan("")}}});
  EXPECT_EQ(DrawCurves({&plot, 1}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace latent

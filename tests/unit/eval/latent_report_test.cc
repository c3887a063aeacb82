// The latent-space report on cases whose ills are built in.
#include "core/eval/latent_report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>

#include "core/base/random.h"
#include "core/eval/clusters.h"
#include "tests/unit/eval/fake_model.h"

namespace latent {
namespace {

constexpr std::size_t kRows = 600;

// One value a row and column, from independent normal draws.
Sample Codes(std::size_t columns, const std::function<float(std::size_t, float)>& value) {
  Sample codes{.rows = kRows, .columns = columns};
  codes.cells.resize(kRows * columns);
  FillNormal({.seed = 5}, codes.cells);
  for (std::size_t i = 0; i < codes.cells.size(); ++i) {
    codes.cells[i] = value(i / columns, codes.cells[i]);
  }
  return codes;
}

Sample Gaussian(std::size_t columns) {
  return Codes(columns, [](std::size_t, float v) { return v; });
}
// Two balls, 20 deviations apart in every column.
Sample TwoBalls(std::size_t columns) {
  return Codes(columns, [](std::size_t r, float v) { return v + (r % 2 == 0 ? 10.0f : -10.0f); });
}

RowMap CellByCell(float (*map)(float)) {
  return [map](ConstMatrix in, Matrix out) {
    for (std::size_t r = 0; r < in.rows; ++r) {
      for (std::size_t c = 0; c < in.columns; ++c) out(r, c) = map(in(r, c));
    }
  };
}
float Same(float v) { return v; }

LatentFigures Describe(const Sample& codes, float (*decode)(float) = Same,
                       float (*encode)(float) = Same) {
  const auto figures =
      DescribeLatentSpace(codes, codes.columns, CellByCell(decode), CellByCell(encode));
  EXPECT_TRUE(figures.ok()) << figures.status();
  return figures.value_or(LatentFigures());
}

TEST(LatentReportTest, FindsNoIllInAGaussian) {
  const LatentFigures figures = Describe(Gaussian(4));
  EXPECT_LT(figures.hole_rate, 0.05);
  EXPECT_NEAR(figures.cycle_error, 0, 1e-6);
  EXPECT_NEAR(figures.path_ratio, 1, 1e-5);
  EXPECT_NEAR(figures.largest_step, 1, 1e-4);
  EXPECT_LT(figures.saturation, 0.02);
  EXPECT_LT(figures.silhouette, 0.3);
}

TEST(LatentReportTest, GivesTheReferenceOfTheSameSize) {
  const auto reference = DescribeReferenceGaussian(kRows, 4);
  ASSERT_TRUE(reference.ok());
  const LatentFigures figures = Describe(Gaussian(4));
  EXPECT_NEAR(reference->hole_rate, figures.hole_rate, 0.03);
  EXPECT_NEAR(reference->path_gap, figures.path_gap, 0.3 * figures.path_gap);
  EXPECT_NEAR(reference->silhouette, figures.silhouette, 0.05);
  EXPECT_NEAR(reference->path_ratio, 1, 1e-5);
}

TEST(LatentReportTest, FindsTheHoleBetweenTwoBalls) {
  // The fitted Gaussian has most of its mass between the balls, where no code is.
  EXPECT_GT(Describe(TwoBalls(2)).hole_rate, 0.5);
  // A ring is empty in the middle.
  const Sample ring = Codes(2, [](std::size_t, float v) { return v; });
  Sample on_ring = ring;
  for (std::size_t r = 0; r < kRows; ++r) {
    const auto row = on_ring.view().row(r);
    const float radius = std::hypot(row[0], row[1]);
    for (float& v : row) v /= radius;
  }
  EXPECT_GT(Describe(on_ring).hole_rate, 0.5);
}

TEST(LatentReportTest, IsNotFooledByScale) {
  const Sample small = Codes(4, [](std::size_t, float v) { return 0.001f * v + 3; });
  EXPECT_LT(Describe(small).hole_rate, 0.05);
  EXPECT_NEAR(Describe(small).hole_rate, Describe(Gaussian(4)).hole_rate, 0.01);
}

TEST(LatentReportTest, FindsWaysThatLeaveTheCodes) {
  // Half of the ways cross from ball to ball.
  const double gap = Describe(TwoBalls(2)).path_gap;
  EXPECT_GT(gap, 4 * Describe(Gaussian(2)).path_gap);
}

TEST(LatentReportTest, FindsJumpsOfTheDecoder) {
  // One step holds everything: 16 mean steps.
  const LatentFigures jump =
      Describe(Codes(1, [](std::size_t r, float) { return r % 2 == 0 ? 1.0f : -1.0f; }),
               [](float v) { return v < 0.3f ? 0.0f : 1.0f; });
  EXPECT_NEAR(jump.largest_step, 16, 1e-6);
  EXPECT_NEAR(jump.path_ratio, 1, 1e-6);
}

TEST(LatentReportTest, FindsDetoursOfTheDecoder) {
  // From -1 to 1 the parabola's ends coincide with 1; from -1 to 0.5 the way is 1.25 for 0.75.
  const LatentFigures detour =
      Describe(Codes(1, [](std::size_t r, float) { return r % 2 == 0 ? 0.5f : -1.0f; }),
               [](float v) { return v * v; });
  EXPECT_NEAR(detour.path_ratio, 1.25 / 0.75, 0.02);
}

TEST(LatentReportTest, MeasuresWhatDoesNotComeBack) {
  // Off by one deviation in every entry.
  const LatentFigures shifted = Describe(Gaussian(3), Same, [](float v) { return v + 1; });
  EXPECT_NEAR(shifted.cycle_error, 1, 0.1);
}

TEST(LatentReportTest, CountsValuesAtTheEnds) {
  const Sample binary = Codes(4, [](std::size_t, float v) { return v > 0 ? 0.999f : 0.001f; });
  EXPECT_EQ(Describe(binary).saturation, 1);
  const Sample relu = Codes(4, [](std::size_t, float v) { return std::max(v, 0.0f); });
  EXPECT_NEAR(Describe(relu).saturation, 0.5, 0.05);
}

TEST(LatentReportTest, CountsClumps) {
  const Sample three = Codes(2, [](std::size_t r, float v) {
    return 0.01f * v + static_cast<float>(r % 3 == 0 ? 0 : (r % 3 == 1 ? 1 : 4));
  });
  const LatentFigures figures = Describe(three);
  EXPECT_GT(figures.silhouette, 0.95);
  EXPECT_EQ(figures.clusters, 3);
}

TEST(LatentReportTest, StaysFiniteForDeadEntries) {
  const Sample dead = Codes(3, [](std::size_t, float) { return 0.0f; });
  const LatentFigures figures = Describe(dead);
  EXPECT_EQ(figures.saturation, 0);
  EXPECT_EQ(figures.hole_rate, 0);
  EXPECT_TRUE(std::isfinite(figures.silhouette));
}

// A decoder that bends ways and does not come back, so that no two figures are alike.
class Bending : public testing::FakeModel {
 public:
  Bending() : FakeModel(3, 2) {}
  void Decode(const LabelledRows& codes, Matrix rows, Workspace&) const override {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      rows(r, 0) = codes(r, 0) * codes(r, 0);
      rows(r, 1) = codes(r, 1);
      rows(r, 2) = codes(r, 0) * codes(r, 1);
    }
  }
};

using Figures = std::map<std::string, double>;

Figures ByName(const LatentFigures& figures, const std::string& suffix = "") {
  return {{"latent_hole_rate" + suffix, figures.hole_rate},
          {"latent_cycle_error" + suffix, figures.cycle_error},
          {"latent_path_ratio" + suffix, figures.path_ratio},
          {"latent_largest_step" + suffix, figures.largest_step},
          {"latent_path_gap" + suffix, figures.path_gap},
          {"latent_saturation" + suffix, figures.saturation},
          {"latent_silhouette" + suffix, figures.silhouette}};
}

TEST(AddLatentReportTest, StoresEachFigureUnderItsName) {
  const Bending model;
  InMemoryPart rows;
  rows.cells = TwoBalls(3).cells;
  const auto data = MakeDataset({.columns = 3}, rows, {}, rows);
  const EvaluationInput input = {model, *data, v1::PART_TEST, {}};
  MetricList metrics;
  ASSERT_TRUE(AddLatentReport(input, metrics).ok());
  Figures stored;
  for (const v1::Metric& metric : std::move(metrics).Take()) stored[metric.name()] = metric.value();

  Workspace workspace;
  const auto codes = CodeSample(input, v1::PART_TEST, kRows);
  ASSERT_TRUE(codes.ok()) << codes.status();
  const auto figures = DescribeLatentSpace(
      *codes, 3, [&](const LabelledRows& in, Matrix out) { model.Decode(in, out, workspace); },
      [&](const LabelledRows& in, Matrix out) {
        ForwardOutputs outputs;
        outputs.codes = out;
        model.Forward(in, outputs, workspace);
      });
  const auto reference = DescribeReferenceGaussian(kRows, 2);
  ASSERT_TRUE(figures.ok() && reference.ok());
  Figures expected = ByName(*figures);
  std::set<double> distinct;
  for (const auto& [name, value] : expected) distinct.insert(value);
  EXPECT_EQ(distinct.size(), expected.size());
  expected.merge(ByName(*reference, "_reference"));
  expected["latent_clusters"] = figures->clusters;
  EXPECT_EQ(stored, expected);
}

TEST(KMeansTest, PutsEachBallIntoACluster) {
  const Sample balls = TwoBalls(3);
  const auto clusters = KMeans(balls.view(), 2);
  for (std::size_t r = 2; r < kRows; ++r) ASSERT_EQ(clusters[r], clusters[r % 2]);
  EXPECT_NE(clusters[0], clusters[1]);
}

}  // namespace
}  // namespace latent

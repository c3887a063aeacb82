// Training on tables: numbers beside categories, and cells without a value.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/train/trainer.h"
#include "core/train/validation.h"
#include "tests/unit/train/plan_fixture.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

v1::ModelSpec ModelFor(const std::string& text, const DatasetInfo& info = TableInfo()) {
  const auto plan = ResolveText(text, info);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? plan->architecture() : v1::ModelSpec();
}

TEST(TablePlanTest, ChoosesTheMixedLikelihoodAndItsColumnsByItself) {
  const v1::ModelSpec model = ModelFor("preset: 'plain'");
  ASSERT_TRUE(model.likelihood().has_mixed());
  EXPECT_FALSE(model.likelihood().mixed().learned_variance());
  ASSERT_EQ(model.likelihood().mixed().categorical_size(), 1);
  EXPECT_EQ(model.likelihood().mixed().categorical(0).first(), 1u);
  EXPECT_EQ(model.likelihood().mixed().categorical(0).count(), 3u);
  EXPECT_TRUE(model.scaling().has_standardise());
}

TEST(TablePlanTest, LearnsVariancesOfVariationalModels) {
  EXPECT_TRUE(ModelFor("preset: 'vae'").likelihood().mixed().learned_variance());
}

TEST(TablePlanTest, ChoosesItForMissingNumbersAlone) {
  DatasetInfo info = TableInfo();
  info.column_groups.erase(info.column_groups.begin() + 1);
  info.column_groups[1].set_first(1);
  info.columns = 2;
  info.row_shape = {2};
  EXPECT_TRUE(ModelFor("", info).likelihood().has_gaussian());
  info.column_groups[0].set_missing_share(0.1);
  EXPECT_TRUE(ModelFor("", info).likelihood().has_mixed());
}

TEST(TablePlanTest, KeepsWhatTheRequestChooses) {
  EXPECT_TRUE(ModelFor("architecture { likelihood { gaussian {} } }").likelihood().has_gaussian());
}

TEST(TablePlanTest, EveryPresetWorksOrSaysWhyNot) {
  for (const Preset& preset : Presets()) {
    const auto plan = ResolveText(absl::StrCat("preset: '", preset.name, "'"), TableInfo());
    // Neither images nor labels.
    if (preset.name == "conv" || preset.name == "cvae") {
      EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
      continue;
    }
    ASSERT_TRUE(plan.ok()) << preset.name << plan.status();
    const bool closed = plan->training().solver().has_pca() || plan->training().solver().has_ease();
    const bool own = preset.architecture.likelihood().has_multinomial();
    EXPECT_EQ(plan->architecture().likelihood().has_mixed(), !closed && !own) << preset.name;
  }
}

// A table of TableInfo's columns: x, a category by x's third, and 1 - x; every seventh cell lacks
// its value and holds `stand_in`.
std::shared_ptr<const Dataset> MakeTable(float stand_in) {
  constexpr std::size_t kTrain = 400, kValidation = 50;
  InMemoryPart train, validation;
  for (std::size_t r = 0; r < kTrain + kValidation; ++r) {
    InMemoryPart& part = r < kTrain ? train : validation;
    const float x = UniformAt({.seed = 3}, r);
    const auto category = static_cast<std::size_t>(x * 3);
    std::vector<float> row = {x, 0, 0, 0, 1 - x};
    row[1 + category] = 1;
    std::uint8_t bits = 0;
    if (r % 7 == 0) bits = 0b00001;
    if (r % 7 == 1) bits = 0b01110;
    if (r % 7 == 2) bits = 0b10000;
    for (std::size_t c = 0; c < row.size(); ++c) {
      if ((bits >> c & 1) != 0) row[c] = stand_in;
    }
    part.cells.insert(part.cells.end(), row.begin(), row.end());
    part.missing.push_back(bits);
  }
  return MakeDataset(TableInfo(), train, validation, {});
}

constexpr char kShort[] = " training { solver { gradient { epochs: 60 } } }";

TEST(TableTrainingTest, LearnsNothingOfWhatStandsInForMissingCells) {
  for (const char* preset : {"table", "vae", "plain"}) {
    const std::string request =
        absl::StrCat("preset: '", preset, "' training { solver { gradient { epochs: 2 } } }");
    const auto one = MakeTable(0), other = MakeTable(1000);
    v1::TrainingPlan plan = PlanFor(*one, request);
    EXPECT_EQ(FitWeights(plan, *one), FitWeights(plan, *other)) << preset;
  }
}

TEST(TableTrainingTest, ImputesFromTheRestOfTheRow) {
  const auto data = MakeTable(0);
  const auto result = Fit(PlanFor(*data, absl::StrCat("preset: 'table'", kShort)), *data);
  ASSERT_TRUE(result.ok()) << result.status();
  constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
  // Of each row the rest is told.
  std::vector<float> cells = {kMissing, 1, 0, 0, 0.9F, 0.9F, kMissing, kMissing, kMissing, 0.1F};
  std::vector<float> rebuilt(10);
  ForwardOutputs outputs;
  outputs.reconstruction = Matrix(rebuilt.data(), 2, 5);
  Workspace workspace;
  result->model->Forward(Matrix(cells.data(), 2, 5), outputs, workspace);
  EXPECT_NEAR(rebuilt[0], 0.1, 0.1);
  EXPECT_GT(rebuilt[8], 0.8F);
}

}  // namespace
}  // namespace latent

// Every preset against every operation: the table of what each call means.
#include "core/model/presets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/status.h"
#include "served_fixture.h"

namespace latent {
namespace {

class PresetOperationTest : public testing::TestWithParam<std::string> {
 protected:
  PresetOperationTest()
      : model_(TestModel(GetParam())),
        rows_(LabelledFor(model_, RandomCells(5, kTestColumns, 7))) {}

  Cells Codes() { return RunAlone(EncodeOperation::Make(model_, rows_, {}))->codes(); }
  Cells Reconstruction() {
    return RunAlone(ReconstructOperation::Make(model_, rows_, {}))->reconstruction();
  }

  const ModelPtr model_;
  const Cells rows_;
};

TEST_P(PresetOperationTest, EncodesToFiniteCodes) {
  const Cells codes = Codes();
  EXPECT_EQ(codes.rows, 5u);
  EXPECT_EQ(codes.columns, kTestDim);
  for (const float v : codes.values) EXPECT_TRUE(std::isfinite(v));
}

TEST_P(PresetOperationTest, GivesSigmaAndDrawsOfGaussianCodesAlone) {
  const EncodeOperation::Options with_sigma{.include_sigma = true};
  const EncodeOperation::Options with_seed{.seed = 4};
  const auto sigma = EncodeOperation::Make(model_, rows_, with_sigma);
  const auto draw = EncodeOperation::Make(model_, rows_, with_seed);
  if (model_->model().variational()) {
    const auto encoded = RunAlone(EncodeOperation::Make(model_, rows_, with_sigma));
    for (const float deviation : encoded->sigma().values) EXPECT_GT(deviation, 0);
    const Cells drawn = RunAlone(EncodeOperation::Make(model_, rows_, with_seed))->codes();
    EXPECT_NE(drawn.values, Codes().values);
    EXPECT_EQ(drawn.values,
              RunAlone(EncodeOperation::Make(model_, rows_, with_seed))->codes().values);
    return;
  }
  for (const absl::Status& status : {sigma.status(), draw.status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(DetailsOf(status).reason, "NOT_GAUSSIAN");
    EXPECT_EQ(DetailsOf(status).fields.size(), 1u);
  }
}

TEST_P(PresetOperationTest, ReconstructionIsTheDecodedCode) {
  EXPECT_EQ(RunAlone(DecodeOperation::Make(model_, LabelledFor(model_, Codes())))->rows().values,
            Reconstruction().values);
}

TEST_P(PresetOperationTest, ReconstructGivesCodesAndErrorsInOnePass) {
  ReconstructOperation::Options options{.include_codes = true, .include_error = true};
  const auto all = RunAlone(ReconstructOperation::Make(model_, rows_, options));
  EXPECT_EQ(all->codes().values, Codes().values);
  for (std::size_t r = 0; r < rows_.rows; ++r) {
    double sum = 0;
    for (std::size_t c = 0; c < kTestColumns; ++c) {
      const double d = double{rows_.view()(r, c)} - double{all->reconstruction().view()(r, c)};
      sum += d * d;
    }
    EXPECT_NEAR(all->squared_error()[r], sum, 1e-5 * sum);
  }
}

TEST_P(PresetOperationTest, DenoiseEqualsReconstruct) {
  const auto denoised = RunAlone(DenoiseOperation::Make(model_, rows_, {}));
  EXPECT_EQ(denoised->rows().values, Reconstruction().values);
  EXPECT_EQ(denoised->trained_with_corruption(),
            FindPreset(GetParam())->architecture.has_corruption());
}

TEST_P(PresetOperationTest, SamplesTheSameBytesFromTheSameSeed) {
  const auto sample = [&](std::uint64_t seed, bool draw) {
    const SampleOperation::Options options{
        .count = 4, .seed = seed, .draw = draw, .labels = LabelledFor(model_, Cells(1, 1)).labels};
    return RunAlone(SampleOperation::Make(model_, options, {}))->rows().values;
  };
  EXPECT_EQ(sample(1, false), sample(1, false));
  EXPECT_NE(sample(1, false), sample(2, false));
  EXPECT_EQ(sample(1, true), sample(1, true));
  EXPECT_NE(sample(1, true), sample(1, false));
}

TEST_P(PresetOperationTest, InterpolationEndsAtTheReconstructions) {
  Cells pair = LabelledFor(model_, Cells(2, kTestColumns));
  for (std::int32_t& label : pair.labels) label = 2;
  std::copy_n(rows_.values.begin(), pair.values.size(), pair.values.begin());
  for (const auto path : {InterpolateOperation::Path::kLerp, InterpolateOperation::Path::kSlerp}) {
    const auto way = RunAlone(
        InterpolateOperation::Make(model_, pair, {.steps = 6, .path = path}, OperationLimits()));
    ASSERT_EQ(way->rows().rows, 6u);
    const Cells ends = RunAlone(ReconstructOperation::Make(model_, pair, {}))->reconstruction();
    for (std::size_t c = 0; c < kTestColumns; ++c) {
      EXPECT_EQ(way->rows().view()(0, c), ends.view()(0, c));
      EXPECT_EQ(way->rows().view()(5, c), ends.view()(1, c));
    }
  }
}

TEST_P(PresetOperationTest, InterpolationTheOtherWayPassesTheSamePoints) {
  Cells there(2, kTestColumns), back(2, kTestColumns);
  std::copy_n(rows_.values.begin(), there.values.size(), there.values.begin());
  std::copy_n(rows_.values.begin(), kTestColumns, back.values.begin() + kTestColumns);
  std::copy_n(rows_.values.begin() + kTestColumns, kTestColumns, back.values.begin());
  if (!rows_.labels.empty()) there.labels = back.labels = {rows_.labels[0], rows_.labels[0]};
  for (const auto path : {InterpolateOperation::Path::kLerp, InterpolateOperation::Path::kSlerp}) {
    const auto points = [&](const Cells& ends) {
      return RunAlone(
          InterpolateOperation::Make(model_, ends, {.steps = 5, .path = path}, OperationLimits()));
    };
    const auto one = points(there), other = points(back);
    for (std::size_t s = 0; s < 5; ++s) {
      for (std::size_t i = 0; i < one->codes().columns; ++i) {
        EXPECT_NEAR(one->codes().view()(s, i), other->codes().view()(4 - s, i), 1e-5);
      }
    }
  }
}

TEST_P(PresetOperationTest, ScoresEveryRow) {
  const auto scored = RunAlone(ScoreOperation::Make(model_, rows_, {.top_features = 2}));
  ASSERT_EQ(scored->scores().size(), 5u);
  for (const auto& row : scored->scores()) {
    EXPECT_TRUE(std::isfinite(row.score));
    EXPECT_EQ(row.is_anomaly, row.score > 3.5);
    ASSERT_EQ(row.top_features.size(), 2u);
    EXPECT_GE(row.top_features[0].nats, row.top_features[1].nats);
  }
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const Preset& preset : Presets()) {
    // Without a code there are other answers: no_latent_test.cc.
    if (!preset.architecture.latent().has_none()) names.push_back(preset.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Presets, PresetOperationTest, testing::ValuesIn(PresetNames()),
                         [](const auto& preset) {
                           std::string name = preset.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace latent

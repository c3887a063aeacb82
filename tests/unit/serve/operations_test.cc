#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/status.h"
#include "served_fixture.h"

namespace latent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::string FieldOf(const absl::Status& status) {
  const ErrorDetails details = DetailsOf(status);
  return details.fields.empty() ? "" : details.fields.front().path;
}

TEST(CellsTest, BadRowsAreNamed) {
  struct Case {
    Cells cells;
    const char* message;
  };
  Case cases[] = {{Cells(0, 3), "got none"},
                  {Cells(1, 2), "expected rows of 3 cells, as toy version 1 takes them, got 2"},
                  {Cells(2, 3, {0, 0, 0, 0, kNaN, 0}), "got NaN in row 1, column 1"},
                  {Cells(1, 3, {0, 0, -kInf}), "got an infinity in row 0, column 2"}};
  for (const Case& c : cases) {
    const absl::Status status = CheckCells("rows", c.cells, 3, "toy version 1");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    EXPECT_EQ(FieldOf(status), "rows");
  }
  EXPECT_TRUE(CheckCells("rows", Cells(1, 3), 3, "toy version 1").ok());
}

TEST(CodeFormatTest, Int8NeedsScales) {
  const absl::Status status =
      EncodeOperation::Make(TestModel("plain"), RandomCells(2, kTestColumns, 3),
                            {.format = CodeFormat::kInt8})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "NO_CODE_SCALES");
}

TEST(EncodeOperationTest, AnswersReconstructionAndErrorOfTheMeanInTheSamePass) {
  const ModelPtr model = TestModel("vae");
  const Cells rows = RandomCells(3, kTestColumns, 3);
  const auto both = RunAlone(EncodeOperation::Make(
      model, rows, {.seed = 4, .include_reconstruction = true, .include_error = true}));
  const auto expected = RunAlone(ReconstructOperation::Make(model, rows, {.include_error = true}));
  EXPECT_EQ(both->reconstruction().values, expected->reconstruction().values);
  EXPECT_EQ(both->squared_error(), expected->squared_error());
  EXPECT_EQ(both->codes().values,
            RunAlone(EncodeOperation::Make(model, rows, {.seed = 4}))->codes().values);
}

TEST(EncodeOperationTest, WithoutCodesNeedsNoLatentButSomethingToAnswer) {
  const ModelPtr model = TestModel("ease");
  const Cells rows = RandomCells(2, kTestColumns, 3);
  const auto error =
      RunAlone(EncodeOperation::Make(model, rows, {.omit_codes = true, .include_error = true}));
  EXPECT_EQ(error->squared_error().size(), 2u);
  EXPECT_TRUE(error->codes().empty());
  const absl::Status nothing = EncodeOperation::Make(model, rows, {.omit_codes = true}).status();
  EXPECT_EQ(nothing.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(nothing), "outputs");
}

TEST(EncodeOperationTest, OneThatIsUsedAgainAnswersAsANewOne) {
  const ModelPtr vae = TestModel("vae"), plain = TestModel("plain");
  EncodeOperation used;
  BatchRunner runner;
  const auto run = [&](const ModelPtr& model, const Cells& rows,
                       const EncodeOperation::Options& options) {
    ASSERT_TRUE(used.Begin(model, {.owned = {}, .lent = rows.view()}, options).ok());
    ASSERT_TRUE(runner.Run(used, [] { return absl::OkStatus(); }).ok());
    const auto fresh = RunAlone(EncodeOperation::Make(model, rows, options));
    EXPECT_EQ(used.codes().values, fresh->codes().values);
    EXPECT_EQ(used.sigma().values, fresh->sigma().values);
    EXPECT_EQ(used.reconstruction().values, fresh->reconstruction().values);
    used.Release();
  };
  run(vae, RandomCells(5, kTestColumns, 1),
      {.include_sigma = true, .include_reconstruction = true});
  run(plain, RandomCells(2, kTestColumns, 2), {});
  run(vae, RandomCells(3, kTestColumns, 3), {.seed = 1});
}

TEST(CodeFormatTest, SparseCodesAreFloats) {
  const absl::Status status =
      EncodeOperation::Make(TestModel("plain"), RandomCells(2, kTestColumns, 3),
                            {.sparsify = SparsifyRule{.top_k = 1}, .format = CodeFormat::kFloat16})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "format");
}

TEST(CodeFormatTest, FormatsTheCodes) {
  VersionContent content = TestContent("plain");
  content.evaluation.code_scales = {{0.01f, 0.01f, 0.01f}, {0, 0, 0}};
  const ModelPtr model = *ServedModel::Make({"toy", 1}, std::move(content));
  const Cells rows = RandomCells(2, kTestColumns, 3);
  const auto floats = RunAlone(EncodeOperation::Make(model, rows, {}));
  const auto bytes = RunAlone(EncodeOperation::Make(model, rows, {.format = CodeFormat::kInt8}));
  const std::string formatted = bytes->FormattedCodes();
  ASSERT_EQ(formatted.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    const float value = std::clamp(floats->codes().values[i], -1.27f, 1.27f);
    EXPECT_NEAR(0.01f * static_cast<float>(static_cast<signed char>(formatted[i])), value, 0.0051f);
  }
  const auto halves =
      RunAlone(EncodeOperation::Make(model, rows, {.format = CodeFormat::kFloat16}));
  EXPECT_EQ(halves->FormattedCodes().size(), 12u);
  EXPECT_EQ(floats->FormattedCodes().size(), 24u);
}

TEST(CodeFormatTest, IndicesDecodeAsTheirCodes) {
  const ModelPtr model = TestModel("vq-vae");
  const std::size_t groups = model->model().codebook()->groups;
  const Cells rows = RandomCells(9, kTestColumns, 3);
  const auto encoded =
      RunAlone(EncodeOperation::Make(model, rows, {.format = CodeFormat::kIndices}));
  EXPECT_EQ(encoded->FormattedColumns(), groups);
  const std::string bytes = encoded->FormattedCodes();
  ASSERT_EQ(bytes.size(), 2 * 9 * groups);
  Cells indices(9, groups);
  for (std::size_t i = 0; i < indices.values.size(); ++i) {
    indices.values[i] = static_cast<float>(static_cast<unsigned char>(bytes[2 * i]) +
                                           256 * static_cast<unsigned char>(bytes[2 * i + 1]));
  }
  const auto codes = CodesOfIndices(*model, "codes", indices);
  ASSERT_TRUE(codes.ok()) << codes.status();
  EXPECT_EQ(codes->values, encoded->codes().values);
}

TEST(CodeFormatTest, IndicesNeedACodebook) {
  const ModelPtr plain = TestModel("plain");
  for (const absl::Status& status : {EncodeOperation::Make(plain, RandomCells(2, kTestColumns, 3),
                                                           {.format = CodeFormat::kIndices})
                                         .status(),
                                     CodesOfIndices(*plain, "codes", Cells(1, 1)).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(DetailsOf(status).reason, "NOT_QUANTISED");
  }
}

TEST(CodeFormatTest, IndicesAreWholeNumbersOfTheCodebook) {
  const ModelPtr model = TestModel("vq-vae");
  const std::size_t groups = model->model().codebook()->groups;
  const float size = static_cast<float>(model->model().codebook()->size());
  for (const float bad : {-1.0f, 0.5f, size}) {
    Cells indices(2, groups);
    indices.values.back() = bad;
    const absl::Status status = CodesOfIndices(*model, "codes", indices).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(FieldOf(status), "codes");
    EXPECT_THAT(std::string(status.message()), HasSubstr("in row 1, group"));
  }
  EXPECT_THAT(std::string(CodesOfIndices(*model, "codes", Cells(1, groups + 1)).status().message()),
              HasSubstr("as the codebook of toy version 1 takes them"));
}

TEST(CodeFormatTest, CodesTooGreatForHalvesAreRefused) {
  const ModelPtr model = TestModel("plain");
  Cells rows = RandomCells(2, kTestColumns, 3);
  for (std::size_t c = 0; c < kTestColumns; ++c) rows.values[kTestColumns + c] *= 1e7f;
  const auto floats = RunAlone(EncodeOperation::Make(model, rows, {}));
  EXPECT_TRUE(floats->outcome().ok()) << floats->outcome();
  const auto halves =
      RunAlone(EncodeOperation::Make(model, rows, {.format = CodeFormat::kFloat16}));
  EXPECT_EQ(halves->outcome().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(halves->outcome()), "format");
  EXPECT_THAT(std::string(halves->outcome().message()), HasSubstr("in row 1; use FLOAT32"));
}

TEST(SparsifyTest, TopKKeepsTheGreatestAndTheLowerIndexOfTies) {
  const Cells codes(2, 5, {-2, 1, 2, -1, 0, 0, 0, 0, 0, 3});
  const SparseCells sparse = Sparsify(codes.view(), {.top_k = 3});
  EXPECT_EQ(sparse.columns, 5u);
  EXPECT_THAT(sparse.row_offsets, ElementsAre(0, 3, 4));
  EXPECT_THAT(sparse.indices, ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(sparse.values, ElementsAre(-2, 1, 2, 3));
}

TEST(SparsifyTest, ThresholdIsExclusiveAndZerosAreNeverSent) {
  const Cells codes(1, 4, {0.5f, -0.5f, -0.75f, 0});
  EXPECT_THAT(Sparsify(codes.view(), {.threshold = 0.5f}).indices, ElementsAre(2));
  EXPECT_THAT(Sparsify(codes.view(), {.threshold = 0.0f}).indices, ElementsAre(0, 1, 2));
}

TEST(SparsifyTest, RulesThatMakeNoSenseAreRefused) {
  for (const SparsifyRule& rule :
       {SparsifyRule{}, SparsifyRule{.top_k = 1, .threshold = 0.f}, SparsifyRule{.top_k = 0},
        SparsifyRule{.threshold = -1.f}, SparsifyRule{.threshold = kNaN}}) {
    EXPECT_EQ(CheckSparsify(rule).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(EncodeTest, SparseCodesAreThoseOfTheDenseReply) {
  const ModelPtr model = TestModel("plain");
  const auto encoded = RunAlone(EncodeOperation::Make(model, RandomCells(2, kTestColumns, 3),
                                                      {.sparsify = SparsifyRule{.top_k = 1}}));
  ASSERT_EQ(encoded->sparse().values.size(), 2u);
  EXPECT_EQ(encoded->sparse().values[1], encoded->codes().view()(1, encoded->sparse().indices[1]));
}

TEST(DecodeTest, CodesOfAnotherWidthAreRefused) {
  const absl::Status status = DecodeOperation::Make(TestModel("plain"), Cells(1, 4)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "codes");
}

TEST(ReconstructTest, AskingForNothingIsRefused) {
  const absl::Status status =
      ReconstructOperation::Make(TestModel("plain"), RandomCells(1, kTestColumns, 1),
                                 {.omit_reconstruction = true})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(DenoiseTest, MissingCellsAloneAreReplaced) {
  const ModelPtr model = TestModel("plain");
  Cells rows = RandomCells(1, kTestColumns, 5);
  rows.values[4] = kNaN;  // whatever stands in a missing cell
  std::vector<std::uint8_t> missing(kTestColumns);
  missing[4] = 1;
  const auto imputed = RunAlone(DenoiseOperation::Make(model, rows, {.missing = missing}));
  Cells filled = rows;
  filled.values[4] = model->model().column_means()[4];
  const Cells expected = RunAlone(ReconstructOperation::Make(model, filled, {}))->reconstruction();
  for (std::size_t c = 0; c < kTestColumns; ++c) {
    EXPECT_EQ(imputed->rows().values[c], c == 4 ? expected.values[4] : rows.values[c]) << c;
  }
}

TEST(DenoiseTest, AddedNoiseIsReturnedAndRepeatable) {
  const ModelPtr model = TestModel("plain");
  const Cells rows = RandomCells(2, kTestColumns, 5);
  DenoiseOperation::Options options;
  options.add_noise.emplace();
  options.add_noise->corruption.mutable_gaussian()->set_sigma(0.5);
  options.add_noise->seed = 9;
  const auto first = RunAlone(DenoiseOperation::Make(model, rows, options));
  const auto again = RunAlone(DenoiseOperation::Make(model, rows, options));
  EXPECT_NE(first->noisy_rows().values, rows.values);
  EXPECT_EQ(first->noisy_rows().values, again->noisy_rows().values);
  EXPECT_EQ(first->rows().values,
            RunAlone(ReconstructOperation::Make(model, first->noisy_rows(), {}))
                ->reconstruction()
                .values);
}

TEST(DenoiseTest, BadNoiseAndMasksAreRefused) {
  const ModelPtr model = TestModel("plain");
  const auto refused = [&](const DenoiseOperation::Options& options) {
    return FieldOf(
        DenoiseOperation::Make(model, RandomCells(1, kTestColumns, 1), options).status());
  };
  DenoiseOperation::Options mask;
  mask.missing.resize(3);
  EXPECT_EQ(refused(mask), "missing");
  DenoiseOperation::Options none;
  none.add_noise.emplace();
  EXPECT_EQ(refused(none), "add_noise.kind");
  none.add_noise->corruption.mutable_masking()->set_fraction(1.5);
  EXPECT_EQ(refused(none), "add_noise.level");
  none.add_noise->corruption.mutable_gaussian()->set_sigma(std::nan(""));
  EXPECT_EQ(refused(none), "add_noise.level");
}

TEST(SampleTest, LimitsAreStated) {
  const ModelPtr model = TestModel("vae");
  const auto refused = [&](SampleOperation::Options options) {
    return SampleOperation::Make(model, options, {.rows = 10, .cells = 1000}).status();
  };
  EXPECT_EQ(FieldOf(refused({.count = 0})), "count");
  EXPECT_EQ(DetailsOf(refused({.count = 11})).metadata.at("limit_rows"), "10");
  EXPECT_EQ(FieldOf(refused({.count = 1, .temperature = 11})), "temperature");
  EXPECT_EQ(FieldOf(refused({.count = 1, .temperature = std::nan("")})), "temperature");
  EXPECT_TRUE(refused({.count = 10}).ok());
}

TEST(SampleTest, ManyRowsAreDrawnPassByPassAndTheSame) {
  const ModelPtr model = TestModel("plain");
  const auto made = SampleOperation::Make(model, {.count = 150, .seed = 3}, {});
  ASSERT_TRUE(made.ok()) << made.status();
  std::vector<std::size_t> passes;
  while (const auto pass = (*made)->Next()) passes.push_back(pass->input.rows);
  EXPECT_THAT(passes, testing::ElementsAre(64, 64, 22));
  Cells whole(150, kTestDim);
  model->sampler().Draw(3, 1, 0, whole.view());
  EXPECT_EQ((*made)->codes().values, whole.values);
}

TEST(SampleTest, NoTemperatureMeansTheCentre) {
  const auto sampled =
      RunAlone(SampleOperation::Make(TestModel("vae"), {.count = 2, .temperature = 0}, {}));
  for (const float v : sampled->codes().values) EXPECT_EQ(v, 0);
}

TEST(InterpolateTest, LerpIsStraightAndSlerpKeepsTheLength) {
  const Cells ends(2, 2, {3, 0, 0, 3});
  Cells codes(3, 2);
  InterpolateCodes(ends.view(), 3, InterpolateOperation::Path::kLerp, codes.view());
  EXPECT_THAT(codes.values, ElementsAre(3, 0, 1.5f, 1.5f, 0, 3));
  InterpolateCodes(ends.view(), 3, InterpolateOperation::Path::kSlerp, codes.view());
  EXPECT_NEAR(std::hypot(codes.values[2], codes.values[3]), 3, 1e-6);
  EXPECT_NEAR(codes.values[2], codes.values[3], 1e-6);
}

TEST(InterpolateTest, SlerpIsStraightWhereThereIsNoCircle) {
  Cells codes(3, 2);
  for (const Cells& ends :
       {Cells(2, 2, {1, 0, 3, 0}), Cells(2, 2, {1, 0, -1, 0}), Cells(2, 2, {0, 0, 2, 0})}) {
    InterpolateCodes(ends.view(), 3, InterpolateOperation::Path::kSlerp, codes.view());
    EXPECT_FLOAT_EQ(codes.values[2], (ends.values[0] + ends.values[2]) / 2);
    EXPECT_FLOAT_EQ(codes.values[3], 0);
  }
}

TEST(InterpolateTest, BadEndsAndStepsAreRefused) {
  const ModelPtr model = TestModel("plain");
  const auto refused = [&](std::size_t rows, InterpolateOperation::Options options) {
    return FieldOf(InterpolateOperation::Make(model, RandomCells(rows, kTestColumns, 1), options,
                                              {.rows = 16, .cells = 1000})
                       .status());
  };
  EXPECT_EQ(refused(3, {}), "rows");
  EXPECT_EQ(refused(2, {.steps = 1}), "steps");
  EXPECT_EQ(refused(2, {.steps = 1025}), "steps");
  EXPECT_EQ(refused(6, {.steps = 8}), "steps");
  EXPECT_EQ(refused(2, {.ends_are_codes = true}), "codes");
}

TEST(ScoreTest, PercentileAndThresholdComeFromTheVersion) {
  const ModelPtr model = TestModel("plain");
  EXPECT_EQ(model->Percentile(0), 0);
  EXPECT_EQ(model->Percentile(2), 25);
  EXPECT_EQ(model->Percentile(2.5), 50);
  EXPECT_EQ(model->Percentile(9), 100);
  const Cells rows = RandomCells(1, kTestColumns, 1);
  EXPECT_EQ(RunAlone(ScoreOperation::Make(model, rows, {}))->threshold(), 3.5);
  const auto all = RunAlone(ScoreOperation::Make(model, rows, {.threshold = -1e9}));
  EXPECT_EQ(all->threshold(), -1e9);
  EXPECT_TRUE(all->scores()[0].is_anomaly);
}

// Cells that are finite, yet beyond what float32 layers carry.
TEST(AnswersTest, ThatAreNotFiniteAreNotTold) {
  const ModelPtr model = TestModel("plain");
  Cells rows = RandomCells(3, kTestColumns, 1);
  for (std::size_t c = 0; c < kTestColumns; ++c) {
    rows.values[kTestColumns + c] = std::numeric_limits<float>::max();
  }
  const Cells codes(1, kTestDim, std::vector<float>(kTestDim, 3e38f));
  const auto refused = [](auto operation) {
    const auto ran = RunAlone(std::move(operation));
    const absl::Status& outcome = ran->outcome();
    EXPECT_EQ(outcome.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(outcome.message()), HasSubstr("toy version 1 can carry"));
    return std::string(outcome.message());
  };
  EXPECT_THAT(refused(EncodeOperation::Make(model, rows, {})), HasSubstr("row 1 of"));
  EXPECT_THAT(refused(ReconstructOperation::Make(model, rows, {})), HasSubstr("row 1 of"));
  EXPECT_THAT(refused(DenoiseOperation::Make(model, rows, {})), HasSubstr("row 1 of"));
  EXPECT_THAT(refused(ScoreOperation::Make(model, rows, {})), HasSubstr("row 1 of"));
  EXPECT_THAT(refused(DecodeOperation::Make(model, codes)), HasSubstr("codes: "));
}

TEST(ScoreTest, CellsOutsideABernoulliModelsRangeAreRefused) {
  const ModelPtr model = TestModel("vae");
  ASSERT_TRUE(model->model().spec().likelihood().has_bernoulli());
  Cells rows = RandomCells(2, kTestColumns, 1);
  rows.values[3] = 1.00001f;  // rounding
  EXPECT_TRUE(ScoreOperation::Make(model, rows, {}).ok());
  rows.values[kTestColumns + 4] = -1;
  const absl::Status status = ScoreOperation::Make(model, rows, {}).status();
  EXPECT_EQ(FieldOf(status), "rows");
  EXPECT_THAT(std::string(status.message()), HasSubstr("from 0 to 1, got -1 in row 1, column 4"));
  EXPECT_TRUE(DenoiseOperation::Make(model, rows, {}).ok());
  EXPECT_TRUE(ScoreOperation::Make(TestModel("plain"), rows, {}).ok());
}

TEST(ScoreTest, BadOptionsAreRefused) {
  const ModelPtr model = TestModel("plain");
  const Cells rows = RandomCells(1, kTestColumns, 1);
  EXPECT_EQ(FieldOf(ScoreOperation::Make(model, rows, {.top_features = 65}).status()),
            "top_features");
  EXPECT_EQ(FieldOf(ScoreOperation::Make(model, rows, {.threshold = std::nan("")}).status()),
            "threshold");
}

TEST(ScoreTest, MoreFeaturesThanColumnsMeansAll) {
  const auto scored = RunAlone(ScoreOperation::Make(
      TestModel("plain"), RandomCells(1, kTestColumns, 1), {.top_features = 64}));
  EXPECT_EQ(scored->scores()[0].top_features.size(), kTestColumns);
}

}  // namespace
}  // namespace latent

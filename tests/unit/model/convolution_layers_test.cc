// Models of images: convolutions as layers of a composition.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/model/image_layers.h"
#include "core/model/model_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kHeight = 7, kWidth = 6, kChannels = 3;
constexpr std::size_t kCells = kHeight * kWidth * kChannels;
constexpr char kLayers[] =
    "encoder { layers { convolution { channels: 4 kernel: 3 stride: 2 padding: 1"
    "    activation: ACTIVATION_RELU input { height: 7 width: 6 channels: 3 }"
    "    output { height: 4 width: 3 channels: 4 } } }"
    "  layers { convolution { channels: 5 kernel: 2 stride: 2 padding: 0"
    "    activation: ACTIVATION_SILU input { height: 4 width: 3 channels: 4 }"
    "    output { height: 2 width: 1 channels: 5 } } } }";
constexpr char kRest[] =
    "latent { dim: 6 deterministic { activation: ACTIVATION_IDENTITY } }"
    "likelihood { gaussian { variance: 1 } } objective { reconstruction {} }";

std::string Spec(const std::string& more = "") { return absl::StrCat(kLayers, kRest, more); }

std::vector<float> Trained(const std::string& spec, std::size_t threads) {
  const UniformRows data(23, kCells);
  const auto model = MakeModel(ParseSpec(spec), data.rows);
  OneBatch batch(model.get(), data.rows, threads);
  for (int i = 0; i < 3; ++i) batch.Step(0.01F);
  const std::span<const float> values = std::as_const(*model).parameters().values();
  return {values.begin(), values.end()};
}

TEST(ConvolutionLayersTest, TrainsToTheSameBitsOnAnyNumberOfThreads) {
  for (const char* more : {"", "tied_weights: true", "penalties { l1 { weight: 0.01 } }"}) {
    const std::vector<float> one = Trained(Spec(more), 1);
    EXPECT_EQ(Trained(Spec(more), 2), one) << more;
    EXPECT_EQ(Trained(Spec(more), 5), one) << more;
  }
}

TEST(ConvolutionLayersTest, ServesARowWithTheSameBitsAloneAndInABatch) {
  const UniformRows data(700, kCells);  // several chunks
  const auto model = MakeModel(ParseSpec(Spec()), data.rows);
  Workspace ws;
  std::vector<float> codes(700 * 6), rows(700 * kCells), code(6), row(kCells);
  model->Forward(data.rows,
                 {.codes = {codes.data(), 700, 6}, .reconstruction = {rows.data(), 700, kCells}},
                 ws);
  for (const std::size_t r : {std::size_t{0}, std::size_t{5}, std::size_t{699}}) {
    model->Forward(data.rows.slice_rows(r, 1),
                   {.codes = {code.data(), 1, 6}, .reconstruction = {row.data(), 1, kCells}}, ws);
    EXPECT_TRUE(std::equal(code.begin(), code.end(), codes.begin() + r * 6)) << r;
    EXPECT_TRUE(std::equal(row.begin(), row.end(), rows.begin() + r * kCells)) << r;
  }
}

TEST(ConvolutionLayersTest, TrainsOnTheLossThatItServes) {
  const UniformRows data(9, kCells);
  const auto model = MakeModel(ParseSpec(Spec()), data.rows);
  std::vector<double> score(9);
  Workspace ws;
  model->Forward(data.rows, {.score = score}, ws);
  double sum = 0;
  for (const double s : score) sum += s;
  EXPECT_DOUBLE_EQ(OneBatch(model.get(), data.rows).Forward().reconstruction, sum / 9);
}

TEST(ConvolutionLayersTest, StartsAtTheChannelsMeans) {
  const UniformRows data(50, kCells);
  const auto model = MakeModel(ParseSpec(Spec()), data.rows);
  const ParameterSet& parameters = std::as_const(*model).parameters();
  const auto bias = parameters.span(parameters.Find("output.bias"));
  ASSERT_EQ(bias.size(), kChannels);
  for (const float b : bias) EXPECT_NEAR(b, 0.5F, 0.05F);
}

TEST(ConvolutionLayersTest, KeepsWeightsInFilesAsMapChannelsByPatch) {
  const UniformRows data(10, kCells);
  v1::TrainingPlan plan;
  *plan.mutable_architecture() = ParseSpec(Spec());
  plan.mutable_data()->set_columns(kCells);
  const auto model = *CreateModel(plan, ComputeColumnStatistics(data.rows));
  TensorFile file = ToTensors(*model);
  EXPECT_THAT(file.tensors["encoder.0.weight"].shape, testing::ElementsAre(4, 27));
  EXPECT_THAT(file.tensors["encoder.1.weight"].shape, testing::ElementsAre(5, 16));
  EXPECT_THAT(file.tensors["decoder.0.weight"].shape, testing::ElementsAre(10, 6));
  EXPECT_THAT(file.tensors["decoder.1.weight"].shape, testing::ElementsAre(5, 16));
  EXPECT_THAT(file.tensors["output.weight"].shape, testing::ElementsAre(4, 27));
  const auto loaded = FromTensors(plan, file);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  Workspace ws;
  std::vector<float> before(10 * kCells), after(before.size());
  model->Forward(data.rows, {.reconstruction = {before.data(), 10, kCells}}, ws);
  (*loaded)->Forward(data.rows, {.reconstruction = {after.data(), 10, kCells}}, ws);
  EXPECT_EQ(after, before);
}

TEST(MirrorOfTest, GivesBackOddAndEvenSizes) {
  for (std::uint32_t size = 1; size <= 30; ++size) {
    for (std::uint32_t kernel = 1; kernel <= 7; ++kernel) {
      for (std::uint32_t stride = 1; stride <= 4; ++stride) {
        v1::Network encoder;
        v1::ImageShape image;
        image.set_height(size);
        image.set_width(31 - size);
        image.set_channels(2);
        v1::Layer& layer = *encoder.add_layers();
        layer.mutable_convolution()->set_channels(3);
        layer.mutable_convolution()->set_kernel(kernel);
        layer.mutable_convolution()->set_stride(stride);
        layer.mutable_convolution()->set_activation(v1::ACTIVATION_RELU);
        FillConvolution(image, layer);
        const bool fits = FindProblem(layer, CellsOf(image)).description.empty();
        const std::uint32_t least = std::min(size, 31 - size) + 2 * ((kernel - 1) / 2);
        ASSERT_EQ(fits, least >= kernel) << size << " " << kernel << " " << stride;
        if (!fits) continue;
        const v1::Network decoder = MirrorOf(encoder);
        ASSERT_EQ(OutputsOf(decoder.layers(0)), OutputsOf(layer));
        const LayerProblem problem = FindProblem(decoder.output(), OutputsOf(layer));
        EXPECT_EQ(problem.description, "") << size << " " << kernel << " " << stride;
        EXPECT_EQ(ImageText(ConvolutionOf(decoder.output()).output()), ImageText(image));
      }
    }
  }
}

TEST(MirrorOfTest, GivesEachLayerTheFunctionOfTheOneBefore) {
  const v1::Network decoder = MirrorOf(ParseSpec(kLayers).encoder());
  ASSERT_EQ(decoder.layers_size(), 2);
  EXPECT_EQ(decoder.layers(0).dense().units(), 10u);
  EXPECT_EQ(decoder.layers(0).dense().activation(), v1::ACTIVATION_SILU);
  EXPECT_EQ(decoder.layers(1).transposed_convolution().channels(), 4u);
  EXPECT_EQ(decoder.layers(1).transposed_convolution().activation(), v1::ACTIVATION_RELU);
  EXPECT_EQ(decoder.output().transposed_convolution().activation(), v1::ACTIVATION_IDENTITY);
}

TEST(CheckArchitectureTest, RefusesConvolutionsThatDoNotFit) {
  struct Case {
    const char *name, *from, *to, *field;
  };
  for (const Case& c : {
           Case{"input", "height: 7 width: 6", "height: 6 width: 6",
                "architecture.encoder.layers[0].convolution.input"},
           Case{"output", "height: 4 width: 3 channels: 4 } } }",
                "height: 5 width: 3 channels: 4 } } }",
                "architecture.encoder.layers[0].convolution.output"},
           Case{"channels", "channels: 5 kernel", "channels: 0 kernel",
                "architecture.encoder.layers[1].convolution.channels"},
           Case{"stride", "kernel: 2 stride: 2", "kernel: 2 stride: 0",
                "architecture.encoder.layers[1].convolution.stride"},
           Case{"padding", "padding: 1", "padding: 3",
                "architecture.encoder.layers[0].convolution.padding"},
           Case{"contractive", "objective", "penalties { contractive { weight: 1 } } objective",
                "architecture.penalties.contractive"},
           Case{"encoder output", "encoder {", "encoder { output { dense { units: 3 } }",
                "architecture.encoder.output"},
       }) {
    std::string text = Spec();
    text.replace(text.find(c.from), std::string(c.from).size(), c.to);
    const absl::Status status = CheckArchitecture(ParseSpec(text), kCells);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.name;
    ASSERT_FALSE(DetailsOf(status).fields.empty()) << c.name;
    EXPECT_EQ(DetailsOf(status).fields[0].path, c.field) << status;
  }
}

}  // namespace
}  // namespace latent

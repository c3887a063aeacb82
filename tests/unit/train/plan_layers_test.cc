// Convolutions in requests: what is filled in, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/base/status.h"
#include "core/model/image_layers.h"
#include "core/train/plan.h"
#include "tests/unit/train/plan_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

// 7 x 5 pixels of two channels.
DatasetInfo OddImages() {
  DatasetInfo info = DigitsInfo();
  info.columns = 70;
  info.row_shape = {7, 5, 2};
  return info;
}

v1::ModelSpec Architecture(const std::string& text, const DatasetInfo& info) {
  const auto plan = ResolveText("architecture { " + text + " }", info);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? plan->architecture() : v1::ModelSpec();
}

std::string Shapes(const v1::Network& network) {
  std::string text;
  const auto add = [&](const v1::Layer& layer) {
    if (!text.empty()) text += ", ";
    text += KindName(layer);
    text += IsConvolution(layer) ? " " + ImageText(ConvolutionOf(layer).input()) + " to " +
                                       ImageText(ConvolutionOf(layer).output())
                                 : " " + std::to_string(layer.dense().units());
  };
  for (const v1::Layer& layer : network.layers()) add(layer);
  if (network.has_output()) add(network.output());
  return text;
}

constexpr char kTwoConvolutions[] =
    "encoder { layers { convolution { channels: 4 stride: 2 } }"
    "          layers { convolution { channels: 6 kernel: 2 stride: 2 } } } ";

TEST(ConvolutionPlanTest, SizesFollowFromTheDataset) {
  const v1::ModelSpec model = Architecture(kTwoConvolutions, OddImages());
  EXPECT_EQ(Shapes(model.encoder()),
            "convolution 7 x 5 x 2 to 4 x 3 x 4, convolution 4 x 3 x 4 to 2 x 1 x 6");
  const v1::ConvolutionLayer& first = model.encoder().layers(0).convolution();
  EXPECT_EQ(first.kernel(), 3u);
  EXPECT_EQ(first.padding(), 1u);
  EXPECT_EQ(first.activation(), v1::ACTIVATION_RELU);
  EXPECT_EQ(model.encoder().layers(1).convolution().padding(), 0u);
}

TEST(ConvolutionPlanTest, DecoderGoesBackThroughTheSameSizes) {
  EXPECT_EQ(Shapes(Architecture(kTwoConvolutions, OddImages()).decoder()),
            "dense 12, transposed_convolution 2 x 1 x 6 to 4 x 3 x 4, "
            "transposed_convolution 4 x 3 x 4 to 7 x 5 x 2");
}

TEST(ConvolutionPlanTest, DenseLayersMayFollow) {
  const v1::ModelSpec model = Architecture(
      "encoder { layers { convolution { channels: 4 stride: 2 } } layers { dense { units: 9 } } }",
      OddImages());
  EXPECT_EQ(Shapes(model.decoder()),
            "dense 9, dense 48, transposed_convolution 4 x 3 x 4 to 7 x 5 x 2");
}

TEST(ConvolutionPlanTest, GivenDecodersTakeSizesFromTheEncoder) {
  const v1::ModelSpec model =
      Architecture(std::string(kTwoConvolutions) +
                       "decoder { layers { dense { units: 12 } }"
                       "  layers { transposed_convolution { channels: 3 kernel: 4 stride: 2"
                       "                                    output { height: 4 width: 3"
                       "                                             channels: 3 } } } }",
                   OddImages());
  EXPECT_EQ(Shapes(model.decoder()),
            "dense 12, transposed_convolution 2 x 1 x 6 to 4 x 3 x 3, "
            "transposed_convolution 4 x 3 x 3 to 7 x 5 x 2");
}

TEST(ConvolutionPlanTest, DenseDecodersEndDense) {
  const v1::ModelSpec model = Architecture(
      std::string(kTwoConvolutions) + "decoder { layers { dense { units: 12 } } }", OddImages());
  EXPECT_FALSE(model.decoder().has_output());
}

TEST(ConvolutionPlanTest, TiesConvolutionsToTheirTransposes) {
  const auto tied = ResolveText(
      "architecture { tied_weights: true " + std::string(kTwoConvolutions) + "}", OddImages());
  ASSERT_TRUE(tied.ok()) << tied.status();
  // Kernels 3 x 3 x 2 x 4 and 2 x 2 x 4 x 6, the code's 12 x 32, and a bias each way.
  EXPECT_EQ(tied->parameters(), 72u + 96 + 12 * 32 + (4 + 6 + 32) + (12 + 4 + 2));
}

TEST(ConvolutionPlanTest, MemoryCountsActivations) {
  DatasetInfo large = OddImages();
  large.columns = 128 * 128;
  large.row_shape = {128, 128, 1};
  large.part_rows = {0, 100, 0, 0};
  const auto plan = ResolveText(
      "architecture { encoder { layers { convolution { channels: 64 stride: 1 } } layers { "
      "convolution { channels: 1 stride: 8 } } } } training { solver { gradient { batch_size: 10 "
      "} } }",
      large);
  ASSERT_TRUE(plan.ok()) << plan.status();
  // Outputs and deltas of 128 x 128 x 64 in encoder and decoder.
  EXPECT_GT(plan->training_bytes(), std::uint64_t{10} * 128 * 128 * 64 * 4 * sizeof(float));
}

TEST(ConvolutionPlanTest, RefusesRowsThatAreNoImages) {
  DatasetInfo flat = DigitsInfo();
  flat.row_shape = {64};
  const auto fields = DetailsOf(ResolveText("preset: 'conv'", flat).status()).fields;
  ASSERT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields[0].path, "spec.architecture.encoder.layers[0].convolution");
  EXPECT_THAT(fields[0].description, HasSubstr("rows of dataset \"digits\" have the shape [64]"));
  EXPECT_THAT(fields[0].description, HasSubstr("preset plain"));
}

struct Refusal {
  const char *name, *request, *field, *says;
};

class ConvolutionRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(ConvolutionRefusalTest, NamesTheField) {
  const absl::Status status =
      ResolveText(std::string("architecture { ") + GetParam().request + " }", OddImages()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const auto fields = DetailsOf(status).fields;
  ASSERT_EQ(fields.size(), 1u) << status;
  EXPECT_EQ(fields[0].path, std::string("spec.architecture.") + GetParam().field);
  EXPECT_THAT(fields[0].description, HasSubstr(GetParam().says));
}

constexpr Refusal kRefusals[] = {
    {"NoChannels", "encoder { layers { convolution {} } }",
     "encoder.layers[0].convolution.channels", "expected 1 to 4096, got 0"},
    {"Kernel", "encoder { layers { convolution { channels: 2 kernel: 32 } } }",
     "encoder.layers[0].convolution.kernel", "expected 1 to 31, got 32"},
    {"KernelBeyondTheImage",
     "encoder { layers { convolution { channels: 2 kernel: 7 padding: 0 } } }",
     "encoder.layers[0].convolution.kernel", "7 x 5, got 7"},
    {"SizesToNothing",
     "encoder { layers { convolution { channels: 2 stride: 4 } } layers { convolution { channels: "
     "2 padding: 0 } } }",
     "encoder.layers[1].convolution.kernel", "2 x 2, got 3"},
    {"Stride", "encoder { layers { convolution { channels: 2 stride: 17 } } }",
     "encoder.layers[0].convolution.stride", "expected 1 to 16, got 17"},
    {"Padding", "encoder { layers { convolution { channels: 2 padding: 3 } } }",
     "encoder.layers[0].convolution.padding", "expected 0 to 2, got 3"},
    {"Activation", "encoder { layers { convolution { channels: 2 activation: 99 } } }",
     "encoder.layers[0].convolution.activation", "got number 99"},
    {"AfterDense",
     "encoder { layers { dense { units: 12 } } layers { convolution { channels: 2 } } }",
     "encoder.layers[1].convolution.input", "say its height, width and channels"},
    {"InputOfAnotherSize",
     "encoder { layers { convolution { channels: 2 input { height: 7 width: 5 channels: 1 } } } }",
     "encoder.layers[0].convolution.input", "the 70 numbers that come in, got 7 x 5 x 1 = 35"},
    {"OutputOfAnotherSize",
     "encoder { layers { convolution { channels: 2 output { height: 9 width: 5 channels: 2 } } } }",
     "encoder.layers[0].convolution.output", "expected 7 x 5 by the rule of sizes, got 9 x 5"},
    {"TransposeBeyondReach",
     "encoder {} decoder { layers { dense { units: 12 } } layers { transposed_convolution { "
     "channels: 1 stride: 2 input { height: 3 width: 4 channels: 1 } output { height: 9 width: 8 "
     "channels: 1 } } } }",
     "decoder.layers[1].transposed_convolution.output", "of which it makes 5 x 4"},
    {"EncoderOutput",
     "encoder { layers { dense { units: 3 } } output { convolution { channels: 2 } } }",
     "encoder.output", "only decoders"},
    {"DenseOutput", "decoder { output { dense { units: 70 } } }", "decoder.output",
     "leave it out for a dense layer"},
    {"OutputOfAnotherShape",
     "decoder { layers { dense { units: 70 } } output { convolution { channels: 3 input { height: "
     "7 width: 5 channels: 2 } } } }",
     "decoder.output.convolution.output", "expected the rows' shape, 7 x 5 x 2, got 7 x 5 x 3"},
    {"OutputActivation",
     "decoder { layers { dense { units: 70 } } output { convolution { activation: "
     "ACTIVATION_SIGMOID input { height: 7 width: 5 channels: 2 } } } }",
     "decoder.output.convolution.activation", "expected ACTIVATION_IDENTITY"},
    {"Contractive",
     "encoder { layers { convolution { channels: 2 } } } penalties { contractive { weight: 1 } }",
     "penalties.contractive", "got a convolution"},
    {"UnitNorm",
     "decoder { layers { transposed_convolution { channels: 2 input { height: 4 width: 2 channels: "
     "4 } } } } penalties { unit_norm_decoder: true }",
     "penalties.unit_norm_decoder", "a dense layer after the code"},
    {"Tied",
     "tied_weights: true encoder { layers { convolution { channels: 2 } } } decoder { layers { "
     "dense { units: 70 } } }",
     "tied_weights", "the encoder's in reverse"},
};

INSTANTIATE_TEST_SUITE_P(Requests, ConvolutionRefusalTest, testing::ValuesIn(kRefusals),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace latent

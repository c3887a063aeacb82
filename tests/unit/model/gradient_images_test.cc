// Gradients of convolutions and their transposes against central differences, in float64.
#include <iterator>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/model/image_layers.h"
#include "tests/unit/model/gradient_checker.h"

namespace latent {
namespace {

// Images of odd and even sides and two channels.
constexpr std::size_t kImageColumns = 5 * 4 * 2;

// Layers as text with what FillConvolution adds, from rows of 5 x 4 x 2 on or, in decoders, from
// what the layers say.
v1::Network Sized(const std::string& text, bool decoder) {
  v1::Network network = ParseSpec(absl::StrCat("encoder { ", text, " }")).encoder();
  std::optional<v1::ImageShape> image;
  if (!decoder) {
    image.emplace();
    image->set_height(5);
    image->set_width(4);
    image->set_channels(2);
  }
  for (v1::Layer& layer : *network.mutable_layers()) {
    if (IsConvolution(layer)) {
      FillConvolution(image, layer);
      image = ConvolutionOf(layer).output();
    } else {
      image.reset();
    }
  }
  if (network.has_output()) FillConvolution(image, *network.mutable_output());
  return network;
}

struct ImageNetwork {
  const char* encoder;
  const char* decoder;  // null: the mirror
};
constexpr ImageNetwork kImageNetworks[] = {
    {"layers { convolution { channels: 3 stride: 2 activation: ACTIVATION_TANH } }", nullptr},
    {"layers { convolution { channels: 2 stride: 2 activation: ACTIVATION_SILU } }"
     "layers { convolution { channels: 3 kernel: 2 activation: ACTIVATION_SIGMOID } }"
     "layers { dense { units: 5 activation: ACTIVATION_TANH } }",
     nullptr},
    {"layers { convolution { channels: 3 kernel: 4 stride: 3 activation: ACTIVATION_TANH } }"
     "layers { transposed_convolution { channels: 1 stride: 2 activation: ACTIVATION_SOFTPLUS } }",
     nullptr},
    {"layers { dense { units: 4 activation: ACTIVATION_TANH } }",
     "layers { transposed_convolution { channels: 2 kernel: 2 stride: 2 activation: ACTIVATION_TANH"
     "         input { height: 1 width: 1 channels: 3 } } }"
     "layers { convolution { channels: 3 kernel: 1 padding: 0 activation: ACTIVATION_SIGMOID } }"
     "output { transposed_convolution { channels: 2 kernel: 3 stride: 3 padding: 1"
     "         activation: ACTIVATION_IDENTITY output { height: 5 width: 4 channels: 2 } } }"},
};

// Convolutions, transposed ones and dense layers in turn, with every latent and likelihood.
class ConvolutionGradientTest : public testing::TestWithParam<std::size_t> {};

TEST_P(ConvolutionGradientTest, EqualsDifferencesWithEveryLatent) {
  const ImageNetwork& network = kImageNetworks[GetParam()];
  std::size_t turn = GetParam();
  for (const Part& latent : kLatents) {
    for (const bool tied : {false, true}) {
      ++turn;
      if (tied && (network.decoder != nullptr || turn % 3 != 0)) continue;
      const Part& likelihood = kLikelihoods[turn % std::size(kLikelihoods)];
      const bool charged = turn / 2 % 2 == 0;
      const std::string text =
          absl::StrCat("scaling { ", kScalings[turn % 3], " } corruption { ",
                       kCorruptions[turn / 3 % std::size(kCorruptions)],
                       " } tied_weights: ", tied ? "true " : "false ", latent.text, likelihood.text,
                       charged ? "penalties { l2 { weight: 0.02 } }" : "");
      v1::ModelSpec spec = ParseSpec(text);
      *spec.mutable_encoder() = Sized(network.encoder, false);
      if (network.decoder != nullptr) *spec.mutable_decoder() = Sized(network.decoder, true);
      ExpectGradient(spec, latent.kinked, absl::StrCat(network.encoder, "\n", text),
                     {kRows, kImageColumns});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, ConvolutionGradientTest,
                         testing::Range<std::size_t>(0, std::size(kImageNetworks)));

}  // namespace
}  // namespace latent

// Every gradient against central differences, in float64: all combinations of parts, and every
// preset, with tied and untied weights.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/model/image_layers.h"
#include "core/model/presets.h"
#include "tests/unit/model/gradient_checker.h"

namespace latent {
namespace {

// One latent with everything else. Scaling, corruption and hidden activations take turns, at
// different periods, so that they too meet everything.
class LatentGradientTest : public testing::TestWithParam<std::size_t> {};

TEST_P(LatentGradientTest, EqualsDifferencesWithEveryOtherPart) {
  const Part& latent = kLatents[GetParam()];
  std::size_t turn = GetParam();
  for (const Part& likelihood : kLikelihoods) {
    for (int penalty = 0; penalty < kPenaltyKinds; ++penalty) {
      for (int depth = 0; depth <= 2; ++depth) {
        for (const bool tied : {false, true}) {
          ++turn;
          const Part& activation = kActivations[turn % std::size(kActivations)];
          const auto kind = static_cast<PenaltyKind>(penalty);
          if (!Fits(kind, latent.text)) continue;
          const std::string text = absl::StrCat(
              "scaling { ", kScalings[turn / 2 % std::size(kScalings)], " } corruption { ",
              kCorruptions[turn / 3 % std::size(kCorruptions)], " } encoder { ",
              Hidden(depth, activation.text, false), " } decoder { ",
              Hidden(depth, activation.text, true), " } tied_weights: ", tied ? "true" : "false",
              " ", latent.text, likelihood.text, Penalties(kind, depth));
          const bool kinked =
              latent.kinked || kind == kL1 || kind == kPerLayer || (depth > 0 && activation.kinked);
          ExpectGradient(ParseSpec(text), kinked, text);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Latents, LatentGradientTest,
                         testing::Range<std::size_t>(0, std::size(kLatents)));

// A numeric cell, a category, and in the last row everything.
UniformRows RowsWithHoles() {
  UniformRows data(kRows, kColumns);
  data.rows(0, 0) = std::nan("");
  data.rows(1, 2) = std::nan("");
  for (double& cell : data.rows.row(kRows - 1)) cell = std::nan("");
  return data;
}

TEST(MissingCellGradientTest, EqualsDifferencesWithEveryLatent) {
  std::size_t turn = 0;
  for (const Part& latent : kLatents) {
    const std::string text = absl::StrCat(
        "scaling { ", kScalings[turn % 3], " } corruption { ",
        kCorruptions[turn % std::size(kCorruptions)], " } encoder { ",
        Hidden(1, "ACTIVATION_TANH", false), " } ", latent.text,
        "likelihood { mixed { learned_variance: true categorical { first: 2 count: 2 } } }");
    ExpectGradient(ParseSpec(text), latent.kinked, text, RowsWithHoles());
    ++turn;
  }
}

// A label is read by the first layers of encoder and decoder, whichever those are.
TEST(ConditionGradientTest, EqualsDifferencesWithEveryLatent) {
  std::size_t turn = 0;
  for (const Part& latent : kLatents) {
    for (int depth = 0; depth <= 2; ++depth) {
      for (const bool tied : {false, true}) {
        const Part& activation = kActivations[turn % std::size(kActivations)];
        const auto kind = static_cast<PenaltyKind>(turn % kPenaltyKinds);
        const bool fits = Fits(kind, latent.text);
        const std::string text = absl::StrCat(
            kLabels, "scaling { ", kScalings[turn % std::size(kScalings)], " } corruption { ",
            kCorruptions[turn / 2 % std::size(kCorruptions)], " } encoder { ",
            Hidden(depth, activation.text, false), " } decoder { ",
            Hidden(depth, activation.text, true), " } tied_weights: ", tied ? "true" : "false", " ",
            latent.text, kLikelihoods[turn % std::size(kLikelihoods)].text,
            fits ? Penalties(kind, depth) : "");
        const bool kinked =
            latent.kinked || kind == kL1 || kind == kPerLayer || (depth > 0 && activation.kinked);
        ExpectGradient(ParseSpec(text), kinked, text);
        ++turn;
      }
    }
  }
}

// A preset's parts on a small network; what it leaves open is filled as a request's plan would be.
v1::ModelSpec SmallPreset(const Preset& preset, bool tied) {
  v1::ModelSpec spec = preset.architecture;
  spec.set_tied_weights(tied);
  spec.mutable_latent()->set_dim(3);
  v1::Latent& latent = *spec.mutable_latent();
  if (latent.kind_case() == v1::Latent::KIND_NOT_SET) latent.mutable_deterministic();
  if (latent.has_deterministic() && !latent.deterministic().has_activation()) {
    latent.mutable_deterministic()->set_activation(v1::ACTIVATION_IDENTITY);
  }
  if (latent.has_top_k()) {
    latent.mutable_top_k()->set_k(2);
    latent.mutable_top_k()->set_relu(true);
  }
  if (latent.has_hierarchical()) {
    v1::HierarchicalLatent& levels = *latent.mutable_hierarchical();
    levels.add_layers(2);
    levels.add_layers(1);
    levels.add_hidden_units(4);
    levels.set_activation(v1::ACTIVATION_TANH);
  }
  if (IsVariational(latent) && !spec.has_objective()) spec.mutable_objective()->mutable_elbo();
  if (spec.has_likelihood()) {
    // As the preset says.
  } else if (IsVariational(latent)) {
    spec.mutable_likelihood()->mutable_bernoulli();
  } else {
    spec.mutable_likelihood()->mutable_gaussian()->set_variance(1);
  }
  // Rows as images of one column.
  std::optional<v1::ImageShape> image = v1::ImageShape();
  image->set_height(kColumns);
  image->set_width(1);
  image->set_channels(1);
  for (v1::Layer& layer : *spec.mutable_encoder()->mutable_layers()) {
    if (!IsConvolution(layer)) continue;
    MutableConvolutionOf(layer).set_channels(2);
    MutableConvolutionOf(layer).set_activation(v1::ACTIVATION_RELU);
    FillConvolution(image, layer);
    image = ConvolutionOf(layer).output();
  }
  if (IsConditional(spec)) *spec.mutable_condition() = ParseSpec(kLabels).condition();
  if (!preset.architecture.has_encoder()) {
    *spec.mutable_encoder() =
        ParseSpec(absl::StrCat("encoder { ", Hidden(2, "ACTIVATION_RELU", false), " }")).encoder();
  }
  return spec;
}

TEST(GradientCheckerTest, SeesAWrongGradient) {
  GradientChecker checker(ParseSpec("latent { dim: 3 gaussian {} } likelihood { bernoulli {} }"
                                    "objective { elbo { draws: 1 } }"),
                          0.7);
  checker.PlantBeta(0.71);
  std::string where;
  EXPECT_GT(checker.WorstError(kSmooth.step, &where), 100 * kSmooth.relative);
}

TEST(PresetGradientTest, EqualsDifferencesTiedAndUntied) {
  for (const Preset& preset : Presets()) {
    if (preset.architecture.latent().has_none()) continue;  // nothing trains
    // Its gradient is not that of its loss: see StraightThroughGradientTest.
    if (preset.architecture.latent().has_vector_quantised()) continue;
    for (const bool tied : {false, true}) {
      ExpectGradient(SmallPreset(preset, tied), /*kinked=*/true,
                     absl::StrCat(preset.name, tied ? " tied" : " untied"));
    }
  }
}

}  // namespace
}  // namespace latent

// Every gradient against central differences, in float64: all combinations of parts, and every
// preset, with tied and untied weights.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/model/image_layers.h"
#include "core/model/presets.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kColumns = 5;
constexpr std::size_t kRows = 4;

struct Tolerance {
  double step;
  double relative;
};
// Five-point differences: the error of the rule is O(step^4), that of rounding O(1e-15 / step).
constexpr Tolerance kSmooth = {1e-3, 1e-6};
// Near a kink only a step that does not reach it is right.
constexpr Tolerance kKinked = {1e-6, 1e-4};
// Likewise where the loss, a sum over more cells, rounds more.
constexpr Tolerance kKinkedImages = {1e-5, 1e-4};

class GradientChecker {
 public:
  GradientChecker(const v1::ModelSpec& spec, double beta, UniformRows data = {kRows, kColumns})
      : data_(std::move(data)),
        model_(MakeModel(spec, data_.rows)),
        beta_(beta),
        batch_(model_.get(), data_.rows) {
    // Off the symmetric start, so that no bias is 0 and no gradient vanishes by luck.
    std::vector<double> noise(model_->parameters().values().size());
    FillNormal({.seed = 11}, noise);
    for (std::size_t i = 0; i < noise.size(); ++i) {
      model_->parameters().values()[i] += 0.2 * noise[i];
    }
    batch_.Refresh();
  }

  // What the analytic gradient is taken at in place of the differences' beta.
  void PlantBeta(double beta) { analytic_beta_ = beta; }

  // The greatest error of any gradient, relative to itself or, where it is small, to a hundredth of
  // its segment's greatest.
  double WorstError(double step, std::string* where) {
    batch_.ForwardBackward(analytic_beta_);
    const std::vector<double> analytic(batch_.pass.gradient().begin(),
                                       batch_.pass.gradient().end());
    double worst = 0;
    for (const ParameterSegment& segment : model_->parameters().segments()) {
      double greatest = 0;
      for (std::size_t i = 0; i < segment.size(); ++i) {
        greatest = std::max(greatest, std::abs(analytic[segment.offset + i]));
      }
      for (std::size_t i = 0; i < segment.size(); ++i) {
        const double a = analytic[segment.offset + i];
        const double n = Numeric(segment.offset + i, step);
        const double scale = std::max({std::abs(a), std::abs(n), greatest / 100, 1e-4});
        if (std::abs(a - n) / scale <= worst) continue;
        worst = std::abs(a - n) / scale;
        *where = absl::StrCat(segment.name, "[", i, "]: gradient ", a, ", differences ", n);
      }
    }
    return worst;
  }

 private:
  double LossAt(std::size_t index, double value) {
    double& parameter = model_->parameters().values()[index];
    const double kept = parameter;
    parameter = value;
    batch_.Refresh();
    const double loss = batch_.Forward(beta_).total;
    parameter = kept;
    batch_.Refresh();
    return loss;
  }
  double Numeric(std::size_t index, double h) {
    const double x = model_->parameters().values()[index];
    const double near = LossAt(index, x + h) - LossAt(index, x - h);
    const double far = LossAt(index, x + 2 * h) - LossAt(index, x - 2 * h);
    return (8 * near - far) / (12 * h);
  }

  UniformRows data_;
  std::unique_ptr<ComposedAutoencoder> model_;
  double beta_;
  double analytic_beta_ = beta_;
  OneBatch batch_;
};

void ExpectGradient(const v1::ModelSpec& spec, bool kinked, const std::string& name,
                    UniformRows data = {kRows, kColumns}) {
  const bool image = data.rows.columns != kColumns;
  const Tolerance tolerance = !kinked ? kSmooth : image ? kKinkedImages : kKinked;
  std::string where;
  const double error =
      GradientChecker(spec, 0.7, std::move(data)).WorstError(tolerance.step, &where);
  EXPECT_LT(error, tolerance.relative) << name << "\n" << where;
}

struct Part {
  const char* text;
  bool kinked;
};

constexpr Part kLatents[] = {
    {"latent { dim: 3 deterministic { activation: ACTIVATION_IDENTITY } }"
     "objective { reconstruction {} }",
     false},
    {"latent { dim: 3 deterministic { activation: ACTIVATION_RELU } }"
     "objective { reconstruction {} }",
     true},
    {"latent { dim: 3 deterministic { activation: ACTIVATION_LEAKY_RELU } }"
     "objective { reconstruction {} }",
     true},
    {"latent { dim: 3 deterministic { activation: ACTIVATION_TANH } }"
     "objective { reconstruction {} }",
     false},
    {"latent { dim: 3 deterministic { activation: ACTIVATION_SIGMOID } }"
     "objective { reconstruction {} }",
     false},
    {"latent { dim: 3 deterministic { activation: ACTIVATION_ELU } }"
     "objective { reconstruction {} }",
     false},
    {"latent { dim: 3 deterministic { activation: ACTIVATION_SILU } }"
     "objective { reconstruction {} }",
     false},
    {"latent { dim: 3 deterministic { activation: ACTIVATION_SOFTPLUS } }"
     "objective { reconstruction {} }",
     false},
    {"latent { dim: 3 top_k { k: 2 relu: true } } objective { reconstruction {} }", true},
    {"latent { dim: 3 top_k { k: 1 relu: false } } objective { reconstruction {} }", true},
    {"latent { dim: 3 gaussian {} } objective { elbo { draws: 1 } }", false},
    {"latent { dim: 3 gaussian {} } objective { elbo { draws: 3 } }", false},
    {"latent { dim: 3 gaussian {} } objective { elbo { draws: 2 free_bits: 0.3 } }", true},
    {"latent { dim: 3 gaussian {} } objective { reconstruction {} }", false},
    {"latent { dim: 3 gaussian {} } objective { iwae { draws: 1 } }", false},
    {"latent { dim: 3 gaussian {} } objective { iwae { draws: 5 } }", false},
    {"latent { dim: 3 gaussian {} }"
     "objective { elbo { draws: 2 capacity: 0.01 capacity_weight: 3 } }",
     false},
    {"latent { dim: 3 gaussian {} } objective { elbo { draws: 1 capacity: 20 free_bits: 0.3 } }",
     true},
    {"latent { dim: 5 hierarchical { layers: [3, 2] hidden_units: 4 activation: ACTIVATION_TANH } }"
     "objective { elbo { draws: 2 } }",
     false},
    {"latent { dim: 6 hierarchical { layers: [3, 1, 2] hidden_units: [4, 3]"
     "                               activation: ACTIVATION_SIGMOID } }"
     "objective { iwae { draws: 3 } }",
     false},
    {"latent { dim: 3 deterministic { activation: ACTIVATION_TANH } }"
     "objective { mmd { weight: 7 } }",
     false},
};
constexpr Part kLikelihoods[] = {
    {"likelihood { gaussian { variance: 0.5 } }", false},
    {"likelihood { gaussian { learned_variance: true variance: 0.7 } }", false},
    {"likelihood { bernoulli {} }", false},
    {"likelihood { multinomial {} }", false},
    {"likelihood { mixed { learned_variance: true variance: 0.7 "
     "                     categorical { first: 0 count: 2 } } }",
     false},
};
// Hidden layers of encoder and, in reverse, of decoder; widths by depth.
constexpr int kWidths[] = {4, 6};
constexpr Part kActivations[] = {
    {"ACTIVATION_TANH", false},     {"ACTIVATION_SIGMOID", false},   {"ACTIVATION_RELU", true},
    {"ACTIVATION_IDENTITY", false}, {"ACTIVATION_LEAKY_RELU", true}, {"ACTIVATION_SILU", false},
    {"ACTIVATION_ELU", true},       {"ACTIVATION_SOFTPLUS", false},
};
enum PenaltyKind { kNoPenalty, kL1, kL2, kPerLayer, kContractive, kKlSparsity, kPenaltyKinds };
constexpr const char* kScalings[] = {"none {}", "min_max {}", "standardise {}", "l2_row {}"};
constexpr const char* kCorruptions[] = {
    "none {}", "gaussian { sigma: 0.2 }", "masking { fraction: 0.3 }",
    "salt_and_pepper { fraction: 0.4 }", "dropout { fraction: 0.3 }"};

std::string Hidden(int depth, const char* activation, bool reversed) {
  std::string text;
  for (int i = 0; i < depth; ++i) {
    const int units = kWidths[reversed ? depth - 1 - i : i];
    text += absl::StrCat("layers { dense { units: ", units, " activation: ", activation, " } } ");
  }
  return text;
}

std::string Penalties(PenaltyKind kind, int depth) {
  switch (kind) {
    case kNoPenalty:
    case kPenaltyKinds:
      return "";
    case kL1:
      return "penalties { l1 { weight: 0.05 } }";
    case kL2:
      return "penalties { l2 { weight: 0.05 } }";
    case kContractive:
      return "penalties { contractive { weight: 0.3 } }";
    case kKlSparsity:
      return "penalties { kl_sparsity { weight: 0.3 target: 0.2 } l2 { weight: 0.01 } }";
    case kPerLayer:
      break;
  }
  std::string text = "penalties { unit_norm_decoder: true l2 { weight: 0.02 } l1 {";
  for (int i = 0; i < 2 * depth + 1; ++i) text += absl::StrCat(" per_layer: ", 0.03 * (i + 1));
  return text + " } }";
}

bool Fits(PenaltyKind kind, const std::string& latent) {
  const auto has = [&](const char* word) { return latent.find(word) != std::string::npos; };
  if (kind == kContractive) return !has("top_k") && !has("hierarchical");
  return kind != kKlSparsity || (has("SIGMOID") && has("deterministic"));
}

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

// The residual counts as a constant, so only what does not change it can be checked: entries that
// are in no row's code.
TEST(DeadEntryGradientTest, EqualsDifferencesWhereTheResidualStays) {
  for (const char* tied : {"", "tied_weights: true "}) {
    const UniformRows data(kRows, kColumns);
    const auto model = MakeModel(
        ParseSpec(absl::StrCat(tied,
                               "latent { dim: 8 top_k { k: 1 relu: true dead_after_rows: 9 "
                               "dead_weight: 0.5 dead_k: 3 } } likelihood { gaussian { "
                               "variance: 0.7 } } objective { reconstruction {} }")),
        data.rows);
    OneBatch batch(model.get(), data.rows);
    for (std::uint64_t& counter : batch.pass.counters()) counter = 1;
    batch.Step(0);
    std::vector<std::size_t> unused;
    for (std::size_t i = 0; i < 8; ++i) {
      if (batch.pass.counters()[i] > kRows) unused.push_back(i);
      batch.pass.counters()[i] = batch.pass.counters()[i] > kRows ? 9 : 0;
    }
    ASSERT_GE(unused.size(), 4u);
    EXPECT_GT(batch.ForwardBackward().dead, 0);
    const std::vector<double> analytic(batch.pass.gradient().begin(), batch.pass.gradient().end());
    ParameterSet& parameters = model->parameters();
    const auto loss_at = [&](double& parameter, double value) {
      const double kept = std::exchange(parameter, value);
      batch.Refresh();
      const double loss = batch.Forward().total;
      parameter = kept;
      batch.Refresh();
      return loss;
    };
    const auto check = [&](std::size_t segment, std::size_t index) {
      const std::size_t at = parameters.segment(segment).offset + index;
      double& parameter = parameters.values()[at];
      const double h = 1e-5;
      const double numeric =
          (loss_at(parameter, parameter + h) - loss_at(parameter, parameter - h)) / (2 * h);
      EXPECT_NEAR(analytic[at], numeric, 1e-6 * std::max(1.0, std::abs(numeric)))
          << tied << parameters.segment(segment).name << "[" << index << "]";
    };
    const bool is_tied = tied[0] != 0;
    for (const std::size_t i : unused) {
      check(parameters.Find("latent.code.bias"), i);
      for (std::size_t c = 0; c < kColumns; ++c) {
        check(parameters.Find("latent.code.weight"), c * 8 + i);
        if (!is_tied) check(parameters.Find("output.weight"), i * kColumns + c);
      }
    }
  }
}

// The straight-through gradient is that of a surrogate: the decoder reads z + (e - z0), where z0
// and the vectors e that replace it are held as they are, and commitment |z - e|^2 / 2 is charged.
// Its differences come from a deterministic model of the same weights.
class StraightThrough {
 public:
  StraightThrough(const std::string& parts, double l2)
      : data_(kRows, kColumns),
        model_(MakeModel(ParseSpec(parts + kQuantised), data_.rows)),
        twin_(
            MakeModel(ParseSpec(parts + "latent { dim: 6 deterministic { activation: "
                                        "ACTIVATION_IDENTITY } } objective { reconstruction {} }"),
                      data_.rows)),
        batch_(model_.get(), data_.rows),
        l2_(l2) {
    FillNormal({.seed = 5}, model_->parameters().values());
    batch_.Refresh();
    for (const ParameterSegment& segment : twin_->parameters().segments()) {
      const std::span<double> from =
          model_->parameters().span(model_->parameters().Find(segment.name));
      std::copy(from.begin(), from.end(),
                twin_->parameters().values().begin() + static_cast<std::ptrdiff_t>(segment.offset));
    }
    twin_->RefreshPacked();
    vectors_ = Codes(*model_);
    offsets_ = vectors_;
    const std::vector<double> start = Codes(*twin_);
    for (std::size_t i = 0; i < start.size(); ++i) offsets_[i] -= start[i];
  }

  double WorstError(std::string* where) {
    batch_.ForwardBackward();
    double worst = 0;
    for (const ParameterSegment& segment : twin_->parameters().segments()) {
      const std::size_t at =
          model_->parameters().segment(model_->parameters().Find(segment.name)).offset;
      for (std::size_t i = 0; i < segment.size(); ++i) {
        const double a = batch_.pass.gradient()[at + i];
        double& parameter = twin_->parameters().values()[segment.offset + i];
        const double h = 1e-5, x = parameter;
        const double n = (LossAt(parameter, x + h) - LossAt(parameter, x - h)) / (2 * h);
        const double error = std::abs(a - n) / std::max({std::abs(a), std::abs(n), 1e-3});
        if (error <= worst) continue;
        worst = error;
        *where = absl::StrCat(segment.name, "[", i, "]: gradient ", a, ", differences ", n);
      }
    }
    return worst;
  }
  double SurrogateLoss() {
    const std::vector<double> z = Codes(*twin_);
    std::vector<double> read = z, nats(kRows);
    double charged = 0;
    for (std::size_t i = 0; i < z.size(); ++i) {
      read[i] += offsets_[i];
      charged += 0.4 * (z[i] - vectors_[i]) * (z[i] - vectors_[i]) / 2 + l2_ * read[i] * read[i];
    }
    twin_->ReconstructionNats(data_.rows, ConstMatrix(read.data(), kRows, 6), nats, ws_);
    for (const double n : nats) charged += n;
    return charged / kRows;
  }
  double Loss() { return batch_.Forward().total; }
  // By one entry of the code's bias, of the loss as it is.
  double LossDifference() {
    double& bias = model_->parameters().span(model_->parameters().Find("latent.code.bias"))[0];
    const double h = 1e-6, x = bias;
    const auto at = [&](double value) {
      bias = value;
      return Loss();
    };
    const double difference = (at(x + h) - at(x - h)) / (2 * h);
    bias = x;
    return difference;
  }
  double BiasGradient() {
    batch_.ForwardBackward();
    return batch_.pass.gradient()
        [model_->parameters().segment(model_->parameters().Find("latent.code.bias")).offset];
  }

 private:
  static constexpr char kQuantised[] =
      " latent { dim: 6 vector_quantised { groups: 3 codebook_size: 5 commitment: 0.4 decay: 0.9"
      " smoothing: 1e-5 restart_after_rows: 9 } } objective { reconstruction {} }";

  std::vector<double> Codes(const ComposedAutoencoder& model) {
    std::vector<double> codes(kRows * 6);
    model.Forward(data_.rows, {.codes = Matrix(codes.data(), kRows, 6)}, ws_);
    return codes;
  }
  double LossAt(double& parameter, double value) {
    const double kept = std::exchange(parameter, value);
    twin_->RefreshPacked();
    const double loss = SurrogateLoss();
    parameter = kept;
    twin_->RefreshPacked();
    return loss;
  }

  UniformRows data_;
  std::unique_ptr<ComposedAutoencoder> model_, twin_;
  OneBatch batch_;
  double l2_;
  Workspace ws_;
  std::vector<double> vectors_, offsets_;
};

TEST(StraightThroughGradientTest, EqualsDifferencesOfTheSurrogate) {
  const std::string hidden = "layers { dense { units: 4 activation: ACTIVATION_TANH } } ";
  for (const char* likelihood : {"gaussian { variance: 0.5 }", "bernoulli {}"}) {
    for (const bool tied : {false, true}) {
      for (const double l2 : {0.0, 0.03}) {
        const std::string parts =
            absl::StrCat("encoder { ", hidden, " } decoder { ", hidden, " } likelihood { ",
                         likelihood, " } tied_weights: ", tied ? "true" : "false",
                         " penalties { l2 { per_layer: 0 per_layer: ", l2, " per_layer: 0 } }");
        StraightThrough checked(parts, l2);
        std::string where;
        EXPECT_NEAR(checked.Loss(), checked.SurrogateLoss(), 1e-9) << parts;
        EXPECT_LT(checked.WorstError(&where), 1e-6) << parts << "\n" << where;
      }
    }
  }
}

TEST(StraightThroughGradientTest, IsNotTheGradientOfTheLoss) {
  StraightThrough checked("encoder {} likelihood { gaussian { variance: 0.5 } }", 0);
  EXPECT_GT(std::abs(checked.BiasGradient() - checked.LossDifference()), 0.01);
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

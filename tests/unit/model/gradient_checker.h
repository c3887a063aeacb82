// Analytic gradients against central differences in float64, and the parts that tests combine; for
// the files of gradient_test alone.
#ifndef LATENT_TESTS_UNIT_MODEL_GRADIENT_CHECKER_H_
#define LATENT_TESTS_UNIT_MODEL_GRADIENT_CHECKER_H_

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {

inline constexpr std::size_t kColumns = 5;
inline constexpr std::size_t kRows = 4;

struct Tolerance {
  double step;
  double relative;
};
// Five-point differences: the error of the rule is O(step^4), that of rounding O(1e-15 / step).
inline constexpr Tolerance kSmooth = {1e-3, 1e-6};
// Near a kink only a step that does not reach it is right.
inline constexpr Tolerance kKinked = {1e-6, 1e-4};
// Likewise where the loss, a sum over more cells, rounds more.
inline constexpr Tolerance kKinkedImages = {1e-5, 1e-4};

class GradientChecker {
 public:
  // `sparse`: the pass sees the cells of the data that are not 0.
  GradientChecker(const v1::ModelSpec& spec, double beta, UniformRows data = {kRows, kColumns},
                  bool sparse = false)
      : data_(std::move(data)),
        labels_(SomeLabels(data_.rows.rows)),
        cells_(data_.rows),
        model_(MakeModel(spec, data_.rows)),
        beta_(beta),
        batch_(model_.get(), (sparse ? cells_.view() : RowsView(data_.rows)).WithLabels(labels_)) {
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
  std::vector<std::int32_t> labels_;
  SparseCopy cells_;
  std::unique_ptr<ComposedAutoencoder> model_;
  double beta_;
  double analytic_beta_ = beta_;
  OneBatch batch_;
};

inline void ExpectGradient(const v1::ModelSpec& spec, bool kinked, const std::string& name,
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

inline constexpr Part kLatents[] = {
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
inline constexpr Part kLikelihoods[] = {
    {"likelihood { gaussian { variance: 0.5 } }", false},
    {"likelihood { gaussian { learned_variance: true variance: 0.7 } }", false},
    {"likelihood { bernoulli {} }", false},
    {"likelihood { multinomial {} }", false},
    {"likelihood { mixed { learned_variance: true variance: 0.7 "
     "                     categorical { first: 0 count: 2 } } }",
     false},
};
// Hidden layers of encoder and, in reverse, of decoder; widths by depth.
inline constexpr int kWidths[] = {4, 6};
inline constexpr Part kActivations[] = {
    {"ACTIVATION_TANH", false},     {"ACTIVATION_SIGMOID", false},   {"ACTIVATION_RELU", true},
    {"ACTIVATION_IDENTITY", false}, {"ACTIVATION_LEAKY_RELU", true}, {"ACTIVATION_SILU", false},
    {"ACTIVATION_ELU", true},       {"ACTIVATION_SOFTPLUS", false},
};
enum PenaltyKind { kNoPenalty, kL1, kL2, kPerLayer, kContractive, kKlSparsity, kPenaltyKinds };
inline constexpr const char* kScalings[] = {"none {}", "min_max {}", "standardise {}", "l2_row {}"};
inline constexpr const char* kCorruptions[] = {
    "none {}", "gaussian { sigma: 0.2 }", "masking { fraction: 0.3 }",
    "salt_and_pepper { fraction: 0.4 }", "dropout { fraction: 0.3 }"};

inline std::string Hidden(int depth, const char* activation, bool reversed) {
  std::string text;
  for (int i = 0; i < depth; ++i) {
    const int units = kWidths[reversed ? depth - 1 - i : i];
    text += absl::StrCat("layers { dense { units: ", units, " activation: ", activation, " } } ");
  }
  return text;
}

inline std::string Penalties(PenaltyKind kind, int depth) {
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

inline bool Fits(PenaltyKind kind, const std::string& latent) {
  const auto has = [&](const char* word) { return latent.find(word) != std::string::npos; };
  if (kind == kContractive) return !has("top_k") && !has("hierarchical");
  return kind != kKlSparsity || (has("SIGMOID") && has("deterministic"));
}

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_MODEL_GRADIENT_CHECKER_H_

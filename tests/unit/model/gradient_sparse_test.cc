// Gradients of passes that read sparse rows as they are, the sampled softmax among them (of one
// sample, whose loss it is the gradient of), against central differences in float64.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/model/gradient_checker.h"

namespace latent {
namespace {

constexpr std::size_t kItems = 11;

UniformRows FewCells() {
  UniformRows rows(kRows, kItems, 5);
  for (double& cell : rows.cells) cell = cell < 0.6 ? 0 : cell * 3;
  return rows;
}

constexpr const char* kNetworks[] = {
    "encoder { layers { dense { units: 6 activation: ACTIVATION_TANH } } } latent { dim: 3 "
    "gaussian "
    "{} } objective { elbo { draws: 2 } }",
    "encoder { layers { dense { units: 6 activation: ACTIVATION_SILU } } } latent { dim: 3 "
    "gaussian "
    "{} } objective { iwae { draws: 3 } }",
    "latent { dim: 4 gaussian {} } objective { elbo { draws: 1 } }",
    "latent { dim: 4 deterministic { activation: ACTIVATION_TANH } } objective { reconstruction {} "
    "} penalties { l2 { weight: 0.1 } }",
};
constexpr const char* kLikelihoods[] = {
    "multinomial {}",
    "multinomial { sampled_columns: 2 }",
    "multinomial { sampled_columns: 100 }",
    "gaussian { variance: 0.7 }",
};
constexpr const char* kInputs[] = {
    "scaling { l2_row {} } corruption { dropout { fraction: 0.3 } }",
    "corruption { masking { fraction: 0.3 } }",
};

TEST(SparseGradientTest, EqualsCentralDifferences) {
  for (const char* network : kNetworks) {
    for (const char* likelihood : kLikelihoods) {
      for (const char* input : kInputs) {
        const std::string text = absl::StrCat(network, " likelihood { ", likelihood, " } ", input);
        std::string where;
        const double error = GradientChecker(ParseSpec(text), 0.7, FewCells(), true)
                                 .WorstError(kSmooth.step, &where);
        EXPECT_LT(error, kSmooth.relative) << text << "\n" << where;
      }
    }
  }
}

TEST(SparseGradientTest, SeesAnotherBeta) {
  const v1::ModelSpec spec =
      ParseSpec(absl::StrCat(kNetworks[0], " likelihood { multinomial { sampled_columns: 2 } }"));
  GradientChecker checker(spec, 0.7, FewCells(), true);
  checker.PlantBeta(0.8);
  std::string where;
  EXPECT_GT(checker.WorstError(kSmooth.step, &where), 1e-3);
}

}  // namespace
}  // namespace latent

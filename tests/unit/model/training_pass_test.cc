#include "core/model/training_pass.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kColumns = 20;
constexpr char kEncoder[] =
    "encoder { layers { dense { units: 30 activation: ACTIVATION_RELU } }"
    "          layers { dense { units: 17 activation: ACTIVATION_TANH } } }";
constexpr char kPlain[] =
    "latent { dim: 6 deterministic { activation: ACTIVATION_RELU } }"
    "likelihood { gaussian { variance: 1 } } objective { reconstruction {} }";
constexpr char kVariational[] =
    "latent { dim: 6 gaussian {} } likelihood { gaussian { learned_variance: true } }"
    "objective { elbo { draws: 3 } } corruption { gaussian { sigma: 0.2 } }"
    "penalties { l1 { weight: 0.01 } unit_norm_decoder: true }";

// All parameters after some steps.
std::vector<float> Trained(const std::string& spec, std::size_t threads = 1) {
  const UniformRows data(53, kColumns);
  const auto model = MakeModel(ParseSpec(kEncoder + spec), data.rows);
  OneBatch batch(model.get(), data.rows, threads);
  for (int i = 0; i < 4; ++i) batch.Step(0.05F);
  const std::span<const float> values = std::as_const(*model).parameters().values();
  return {values.begin(), values.end()};
}

TEST(TrainingPassTest, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const char* spec : {kPlain, kVariational}) {
    const std::vector<float> one = Trained(spec, 1);
    EXPECT_EQ(Trained(spec, 2), one);
    EXPECT_EQ(Trained(spec, 5), one);
    EXPECT_EQ(Trained(std::string(spec) + " tied_weights: true", 3),
              Trained(std::string(spec) + " tied_weights: true", 1));
  }
}

TEST(TrainingPassTest, GivesTheSameBitsForAnyNumberOfThreadsWithPenaltiesOnTheCode) {
  const std::string base =
      "latent { dim: 6 deterministic { activation: ACTIVATION_SIGMOID } }"
      "likelihood { gaussian { variance: 1 } } objective { reconstruction {} } ";
  for (const char* penalty :
       {"contractive { weight: 0.1 }", "kl_sparsity { weight: 0.1 target: 0.1 }",
        "contractive { weight: 0.1 } kl_sparsity { weight: 1 target: 0.2 }"}) {
    const std::string spec = base + "penalties { " + penalty + " }";
    const std::vector<float> one = Trained(spec, 1);
    EXPECT_EQ(Trained(spec, 2), one) << penalty;
    EXPECT_EQ(Trained(spec, 5), one) << penalty;
    EXPECT_NE(Trained(base), one) << penalty;
  }
}

TEST(TrainingPassTest, TrainsAsPlainAtNoiseZero) {
  for (const char* corruption : {"gaussian { sigma: 0 }", "masking { fraction: 0 }",
                                 "salt_and_pepper { fraction: 0 }", "dropout { fraction: 0 }"}) {
    EXPECT_EQ(Trained(std::string(kPlain) + "corruption { " + corruption + " }"), Trained(kPlain))
        << corruption;
  }
}

TEST(TrainingPassTest, ReportsTheServedLossWhateverTheActivation) {
  const UniformRows data(9, kColumns);
  for (const char* f : {"ELU", "SILU", "SOFTPLUS"}) {
    const std::string name = std::string("ACTIVATION_") + f;
    const auto model =
        MakeModel(ParseSpec("encoder { layers { dense { units: 30 activation: " + name +
                            " } } } latent { dim: 6 deterministic { activation: " + name +
                            " } } likelihood { gaussian {} } objective { reconstruction {} }"),
                  data.rows);
    std::vector<double> score(9);
    Workspace ws;
    model->Forward(data.rows, {.score = score}, ws);
    double sum = 0;
    for (const double s : score) sum += s;
    EXPECT_DOUBLE_EQ(OneBatch(model.get(), data.rows).Forward().reconstruction, sum / 9) << f;
  }
}

TEST(TrainingPassTest, TrainsAsPlainAtPenaltyZero) {
  for (const char* penalty :
       {"l1 { weight: 0 }", "l2 { weight: 0 }", "l1 { per_layer: [0, 0, 0, 0, 0] }",
        "contractive { weight: 0 }", "kl_sparsity { weight: 0 target: 0.1 }"}) {
    EXPECT_EQ(Trained(std::string(kPlain) + "penalties { " + penalty + " }"), Trained(kPlain))
        << penalty;
  }
}

TEST(TrainingPassTest, TrainsOtherwiseWithNoiseOrPenalty) {
  EXPECT_NE(Trained(std::string(kPlain) + "corruption { gaussian { sigma: 0.1 } }"),
            Trained(kPlain));
  EXPECT_NE(Trained(std::string(kPlain) + "penalties { l1 { weight: 0.1 } }"), Trained(kPlain));
}

TEST(TrainingPassTest, LowersTheLoss) {
  const UniformRows data(53, kColumns);
  const auto model = MakeModel(ParseSpec(std::string(kEncoder) + kVariational), data.rows);
  OneBatch batch(model.get(), data.rows);
  const double before = batch.Forward().total;
  for (int i = 0; i < 30; ++i) batch.Step(0.02F);
  EXPECT_LT(batch.Forward().total, before);
}

TEST(TrainingPassTest, ReportsTheServedModelsLossWithoutNoise) {
  const UniformRows data(9, kColumns);
  const auto model = MakeModel(ParseSpec(std::string(kEncoder) + kPlain), data.rows);
  OneBatch batch(model.get(), data.rows);
  std::vector<double> score(9);
  Workspace ws;
  model->Forward(data.rows, {.score = score}, ws);
  double sum = 0;
  for (const double s : score) sum += s;
  EXPECT_DOUBLE_EQ(batch.Forward().reconstruction, sum / 9);
}

TEST(TrainingPassTest, CoversEveryParameterOnce) {
  const UniformRows data(9, kColumns);
  const auto model = MakeModel(ParseSpec(std::string(kEncoder) + kVariational), data.rows);
  const TrainingPass pass(model.get(), 9, 3);
  std::vector<int> owners(model->parameters().values().size());
  for (std::size_t t = 0; t < 3; ++t) {
    for (const ParameterRange& range : pass.ranges(t)) {
      for (std::size_t i = 0; i < range.size; ++i) ++owners[range.offset + i];
    }
  }
  std::size_t owned = 0;
  for (const int n : owners) {
    EXPECT_LE(n, 1);
    owned += static_cast<std::size_t>(n);
  }
  EXPECT_EQ(owned, model->parameters().count());
}

TEST(TrainingPassTest, TakesBatchesOfAnySizeInTurn) {
  const UniformRows data(31, kColumns);
  const auto model = MakeModel(ParseSpec(std::string(kEncoder) + kPlain), data.rows);
  TrainingPass pass(model.get(), 31, 1);
  const std::vector<std::uint64_t> all = {5, 6, 7, 8, 30, 0, 1}, one = {30};
  const auto gradient = [&](std::span<const std::uint64_t> indices) {
    pass.Begin({.rows = data.rows, .indices = indices});
    pass.RunPhase(0, 0, 0, indices.size());
    for (const ParameterRange& range : pass.ranges(0)) pass.Gradient(range);
    return std::vector<float>(pass.gradient().begin(), pass.gradient().end());
  };
  const std::vector<float> alone = gradient(one);
  const std::vector<float> many = gradient(all);
  EXPECT_EQ(gradient(one), alone);
  EXPECT_EQ(gradient(all), many);
  EXPECT_NE(alone, many);
}

TEST(TrainingPassTest, NamesTheTermsThatTheModelHas) {
  const UniformRows data(9, kColumns);
  const auto names = [&](const std::string& spec) {
    const auto model = MakeModel(ParseSpec(kEncoder + spec), data.rows);
    const TrainingPass pass(model.get(), 9, 1);
    std::vector<std::string> list;
    for (const NamedTerm& term : pass.Terms({})) list.emplace_back(term.name);
    return list;
  };
  using testing::ElementsAre;
  EXPECT_THAT(names(kPlain), ElementsAre("reconstruction"));
  EXPECT_THAT(names(kVariational), ElementsAre("reconstruction", "kl", "l1"));
}

TEST(TrainingPassTest, KeepsConstraints) {
  const UniformRows data(20, kColumns);
  const auto model = MakeModel(ParseSpec(std::string(kEncoder) + kVariational), data.rows);
  OneBatch batch(model.get(), data.rows);
  EXPECT_TRUE(batch.pass.has_constraints());
  ParameterSet& parameters = model->parameters();
  float& log_variance = parameters.span(parameters.Find("likelihood.log_variance"))[0];
  log_variance = 9;
  for (float& w : parameters.span(parameters.Find("decoder.0.weight"))) w *= 3;
  batch.pass.ApplyConstraints(0);
  EXPECT_EQ(log_variance, 6);
  double squares = 0;
  for (const float w : parameters.matrix(parameters.Find("decoder.0.weight")).row(0)) {
    squares += static_cast<double>(w) * static_cast<double>(w);
  }
  EXPECT_NEAR(squares, 1, 1e-5);
}

TEST(TrainingPassTest, NeedsNoConstraintsWhereThereAreNone) {
  const UniformRows data(9, kColumns);
  const auto model = MakeModel(ParseSpec(std::string(kEncoder) + kPlain), data.rows);
  EXPECT_FALSE(TrainingPass(model.get(), 9, 1).has_constraints());
}

// Layers so wide that their weights come in several ranges.
TEST(TrainingPassTest, PacksByRangesWhatItPacksAtOnce) {
  const UniformRows data(9, 150);
  const v1::ModelSpec spec = ParseSpec(
      std::string("encoder { layers { dense { units: 700 activation: ACTIVATION_RELU } } }") +
      kPlain);
  const auto first = MakeModel(spec, data.rows), second = MakeModel(spec, data.rows);
  OneBatch at_once(first.get(), data.rows, 2), by_ranges(second.get(), data.rows, 2);
  for (const auto& model : {first.get(), second.get()}) {
    for (Real& value : model->parameters().values()) value /= 2;
  }
  at_once.Refresh();
  ASSERT_TRUE(by_ranges.pass.packs_ranges());
  ASSERT_GT(by_ranges.pass.ranges(0).size(), first->parameters().segments().size());
  for (const std::size_t thread : {0, 1}) {
    for (const ParameterRange& range : by_ranges.pass.ranges(thread)) {
      by_ranges.pass.PackRange(range);
    }
  }
  EXPECT_EQ(by_ranges.ForwardBackward().total, at_once.ForwardBackward().total);
  EXPECT_TRUE(std::ranges::equal(by_ranges.pass.gradient(), at_once.pass.gradient()));
}

TEST(TrainingPassTest, PacksNoRangeWhereWeightsAreStillReadOrChanged) {
  const UniformRows data(9, kColumns);
  for (const char* parts :
       {"penalties { unit_norm_decoder: true }", "penalties { contractive { weight: 0.1 } }"}) {
    const auto model = MakeModel(ParseSpec(std::string(kEncoder) + kPlain + parts), data.rows);
    EXPECT_FALSE(TrainingPass(model.get(), 9, 1).packs_ranges()) << parts;
  }
}

struct Planted {
  const char* segment;
  float value;
};

// What is found after a step with some segments' first entries replaced.
std::string FoundAfter(const std::vector<Planted>& planted) {
  const UniformRows data(9, kColumns);
  const auto model = MakeModel(ParseSpec(std::string(kEncoder) + kVariational), data.rows);
  OneBatch batch(model.get(), data.rows);
  for (const Planted& p : planted) {
    model->parameters().span(model->parameters().Find(p.segment))[0] = p.value;
  }
  batch.Refresh();
  batch.ForwardBackward();
  return batch.pass.FindNotFinite();
}

TEST(TrainingPassTest, FindsNothingWhereAllIsFinite) { EXPECT_EQ(FoundAfter({}), ""); }

TEST(TrainingPassTest, NamesAParameterThatIsNotFinite) {
  EXPECT_EQ(FoundAfter({{"encoder.1.weight", std::numeric_limits<float>::quiet_NaN()}}),
            "parameter encoder.1.weight");
}

TEST(TrainingPassTest, NamesTheFirstLayerThatOverflows) {
  EXPECT_EQ(FoundAfter({{"decoder.1.bias", 1e30F}, {"output.weight", 1e30F}}),
            "layer output (activation)");
}

TEST(TrainingPassTest, LetsANanCellShowInTheLoss) {
  UniformRows data(9, kColumns);
  const auto model = MakeModel(ParseSpec(std::string(kEncoder) + kVariational), data.rows);
  data.cells[3] = std::numeric_limits<float>::quiet_NaN();
  OneBatch batch(model.get(), data.rows);
  EXPECT_FALSE(std::isfinite(batch.ForwardBackward().total));
  EXPECT_EQ(batch.pass.FindNotFinite(), "layer encoder.0 (activation)");
}

TEST(TrainingPassTest, CountsWhatItHolds) {
  const v1::ModelSpec spec = ParseSpec(std::string(kEncoder) + kPlain);
  EXPECT_GT(TrainingPass::BytesNeeded(spec, 784, 128), 128u * 784 * 4);
  EXPECT_GT(TrainingPass::BytesNeeded(spec, 784, 256), TrainingPass::BytesNeeded(spec, 784, 128));
}

}  // namespace
}  // namespace latent

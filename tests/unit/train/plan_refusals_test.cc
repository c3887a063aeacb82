// Every refusal of Resolve: which field it names and what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "core/base/status.h"
#include "core/train/plan.h"
#include "tests/unit/train/plan_fixture.h"

namespace latent {
namespace {

struct Case {
  const char* name;
  std::string request;  // text format of TrainJobSpec
  std::string path;
  std::string says;
};

class PlanRefusalTest : public testing::TestWithParam<Case> {};

TEST_P(PlanRefusalTest, NamesTheField) {
  const absl::Status status = ResolveText(GetParam().request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const auto fields = DetailsOf(status).fields;
  ASSERT_EQ(fields.size(), 1u) << status;
  EXPECT_EQ(fields[0].path, GetParam().path);
  EXPECT_THAT(fields[0].description, testing::HasSubstr(GetParam().says));
}

std::string Model(const std::string& text) { return "architecture { " + text + " }"; }
std::string Gradient(const std::string& text) {
  return "training { solver { gradient { " + text + " } } }";
}
std::string Ease(const std::string& text) { return "preset: 'ease' " + Model(text); }
std::string Pca(const std::string& text) { return "preset: 'pca' " + Model(text); }
const std::string kModel = "spec.architecture.";
const std::string kSolver = "spec.training.solver.gradient.";

std::string Layers(int count) {
  std::string text = "encoder { ";
  for (int i = 0; i < count; ++i) text += "layers { dense { units: 1 } } ";
  return Model(text + "} decoder {}");
}
std::string Labels(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "labels { key: 'k" + std::to_string(i) + "' } ";
  return text;
}

const Case kRequest[] = {
    {"Model", "model: 'A B'", "spec.model", "got \"A B\""},
    {"LongModel", "model: '" + std::string(64, 'a') + "'", "spec.model", "1 to 63 of a-z"},
    {"Dataset", "dataset: '../x'", "spec.dataset", "got \"../x\""},
    {"Preset", "preset: 'vea'", "spec.preset",
     "pca, plain, conv, denoising, sparse, contractive, topk, vae, beta-vae, iwae, dlgm, cvae, "
     "vq-vae, "
     "wae, mult-dae, mult-vae, ease, table"},
    {"TooManyLabels", Labels(33), "spec.labels", "at most 32 labels, got 33"},
    {"LabelValue", "labels { key: 'k' value: '" + std::string(129, 'x') + "' }",
     "spec.labels[\"k\"]", "at most 128 bytes expected, got 129"},
    {"Description", "description: '" + std::string(4097, 'x') + "'", "spec.description",
     "at most 4096 bytes expected, got 4097"},
    {"Policy", "publish { policy: 9 }", "spec.publish.policy", "got number 9"},
    {"Bound", "publish { bound: inf }", "spec.publish.bound", "finite"},
    {"Alias", "publish { aliases: 'No' }", "spec.publish.aliases[0]", "got \"No\""},
    {"AliasTwice", "publish { aliases: ['a', 'a'] }", "spec.publish.aliases[1]", "once"},
};
INSTANTIATE_TEST_SUITE_P(Request, PlanRefusalTest, testing::ValuesIn(kRequest),
                         [](const auto& param) { return std::string(param.param.name); });

const Case kArchitecture[] = {
    {"Sigma", Model("corruption { gaussian { sigma: -1 } }"), kModel + "corruption.gaussian.sigma",
     ">= 0, got -1"},
    {"SigmaNan", Model("corruption { gaussian { sigma: nan } }"),
     kModel + "corruption.gaussian.sigma", "got nan"},
    {"Masking", Model("corruption { masking { fraction: 1.5 } }"),
     kModel + "corruption.masking.fraction", "0 to 1, got 1.5"},
    {"SaltAndPepper", Model("corruption { salt_and_pepper { fraction: -0.5 } }"),
     kModel + "corruption.salt_and_pepper.fraction", "got -0.5"},
    {"Dropout", Model("corruption { dropout { fraction: 1 } }"),
     kModel + "corruption.dropout.fraction", "value < 1, got 1"},
    {"Units", Model("encoder { layers { dense { units: 0 } } }  decoder {}"),
     kModel + "encoder.layers[0].dense.units", "1 to 65536, got 0"},
    {"UnitsLeftOut", Model("encoder {} decoder { layers { dense { } } }"),
     kModel + "decoder.layers[0].dense.units", "1 to 65536, got 0"},
    {"LayerKind", Model("encoder { layers { } } decoder {}"), kModel + "encoder.layers[0]",
     "dense"},
    {"Activation", Model("encoder { layers { dense { units: 1 activation: 77 } } } decoder {}"),
     kModel + "encoder.layers[0].dense.activation", "got number 77"},
    {"TooManyLayers", Layers(65), kModel + "encoder.layers", "at most 64 layers, got 65"},
    {"Dim", Model("latent { dim: 65537 }"), kModel + "latent.dim", "1 to 65536, got 65537"},
    {"CodeActivation", Model("latent { deterministic { activation: 99 } }"),
     kModel + "latent.deterministic.activation", "got number 99"},
    {"Variance", Model("likelihood { gaussian { variance: 0 } }"),
     kModel + "likelihood.gaussian.variance", "> 0, got 0"},
    {"BernoulliStandardised", Model("likelihood { bernoulli {} } scaling { standardise {} }"),
     kModel + "likelihood.bernoulli", "min_max"},
    {"MultinomialStandardised", Model("likelihood { multinomial {} } scaling { standardise {} }"),
     kModel + "likelihood.multinomial", "l2_row"},
    {"ElboWithoutDraws", Model("objective { elbo { } }"), kModel + "objective.elbo",
     "needs a gaussian latent"},
    {"ReconstructionOfDraws", Model("latent { gaussian {} } objective { reconstruction {} }"),
     kModel + "objective.reconstruction", "needs objective elbo"},
    {"Draws", Model("latent { gaussian {} } objective { elbo { draws: 65 } }"),
     kModel + "objective.elbo.draws", "1 to 64, got 65"},
    {"Beta", Model("latent { gaussian {} } objective { elbo { beta: -1 } }"),
     kModel + "objective.elbo.beta", ">= 0, got -1"},
    {"Capacity", Model("latent { gaussian {} } objective { elbo { capacity: -1 } }"),
     kModel + "objective.elbo.capacity", ">= 0, got -1"},
    {"CapacityWeight", Model("latent { gaussian {} } objective { elbo { capacity_weight: -1 } }"),
     kModel + "objective.elbo.capacity_weight", ">= 0, got -1"},
    {"IwaeOfOneCode", Model("objective { iwae {} }"), kModel + "objective.iwae",
     "needs a gaussian latent"},
    {"IwaeDraws", Model("latent { gaussian {} } objective { iwae { draws: 0 } }"),
     kModel + "objective.iwae.draws", "1 to 64, got 0"},
    {"MmdOfDraws", Model("latent { gaussian {} } objective { mmd {} }"), kModel + "objective.mmd",
     "needs a deterministic latent"},
    {"MmdWeight", Model("objective { mmd { weight: -2 } }"), kModel + "objective.mmd.weight",
     ">= 0, got -2"},
    {"LayersOfOne", Model("latent { hierarchical { layers: 3 } }"),
     kModel + "latent.hierarchical.layers", "2 to 8, got 1"},
    {"LayersThatDoNotSum", Model("latent { dim: 9 hierarchical { layers: [3, 2] } }"),
     kModel + "latent.hierarchical.layers", "sum to latent.dim, 9, got 5"},
    {"LayerOfNothing", Model("latent { hierarchical { layers: [3, 0] } }"),
     kModel + "latent.hierarchical.layers[1]", "got 0"},
    {"GapsOfLayers", Model("latent { hierarchical { layers: [3, 2] hidden_units: [4, 4] } }"),
     kModel + "latent.hierarchical.hidden_units", "1, got 2"},
    {"LayerActivation", Model("latent { hierarchical { activation: 77 } }"),
     kModel + "latent.hierarchical.activation", "got number 77"},
    {"MixedVariance", Model("likelihood { mixed { variance: 0 } }"),
     kModel + "likelihood.mixed.variance", "> 0, got 0"},
    {"MixedRowScaling", Model("likelihood { mixed {} } scaling { l2_row {} }"),
     kModel + "likelihood.mixed", "standardise"},
    {"MixedColumns", Model("likelihood { mixed { categorical { first: 0 count: 3 } } }"),
     kModel + "likelihood.mixed.categorical", "dataset's 0 categorical columns"},
    {"BinariseReals", Model("binarise: BINARISE_DYNAMIC likelihood { gaussian {} }"),
     kModel + "binarise", "likelihood bernoulli"},
    {"WarmUp", Model("latent { gaussian {} } objective { elbo { warm_up_fraction: 2 } }"),
     kModel + "objective.elbo.warm_up_fraction", "0 to 1, got 2"},
    {"FreeBits", Model("latent { gaussian {} } objective { elbo { free_bits: -1 } }"),
     kModel + "objective.elbo.free_bits", "got -1"},
    {"Groups", Model("latent { dim: 9 vector_quantised { groups: 2 } }"),
     kModel + "latent.vector_quantised.groups", "a divisor of latent.dim, 9, got 2"},
    {"NoGroups", Model("latent { vector_quantised { groups: 0 } }"),
     kModel + "latent.vector_quantised.groups", "got 0"},
    {"CodebookSize", Model("latent { vector_quantised { codebook_size: 1 } }"),
     kModel + "latent.vector_quantised.codebook_size", "2 to 65536, got 1"},
    {"Commitment", Model("latent { vector_quantised { commitment: -1 } }"),
     kModel + "latent.vector_quantised.commitment", ">= 0, got -1"},
    {"CodebookDecay", Model("latent { vector_quantised { decay: 1 } }"),
     kModel + "latent.vector_quantised.decay", "0 <= value < 1, got 1"},
    {"CodebookSmoothing", Model("latent { vector_quantised { smoothing: 0 } }"),
     kModel + "latent.vector_quantised.smoothing", "> 0, got 0"},
    {"CodebookRestarts", Model("latent { vector_quantised { restart_after_rows: 0 } }"),
     kModel + "latent.vector_quantised.restart_after_rows", "got 0"},
    {"QuantisedElbo", Model("latent { vector_quantised {} } objective { elbo {} }"),
     kModel + "objective.elbo", "gaussian latent"},
    {"QuantisedContractive",
     Model("latent { vector_quantised {} } penalties { contractive { weight: 1 } }"),
     kModel + "penalties.contractive", "deterministic or gaussian"},
    {"K", Model("latent { dim: 9 top_k { k: 10 } }"), kModel + "latent.top_k.k", "1 to 9, got 10"},
    {"DeadK", Model("latent { dim: 9 top_k { dead_k: 10 } }"), kModel + "latent.top_k.dead_k",
     "1 to 9, got 10"},
    {"DeadAfter", Model("latent { top_k { dead_after_rows: 0 } }"),
     kModel + "latent.top_k.dead_after_rows", "got 0"},
    {"DeadWeight", Model("latent { top_k { dead_weight: -1 } }"),
     kModel + "latent.top_k.dead_weight", ">= 0, got -1"},
    {"DeadUnderLayers", Model("latent { top_k { dead_weight: 1 } }"),
     kModel + "latent.top_k.dead_weight", "without hidden layers, got 2"},
    {"DeadUnderBernoulli",
     Model("encoder {} latent { top_k { dead_weight: 1 } } likelihood { bernoulli {} }"),
     kModel + "latent.top_k.dead_weight", "fixed variance"},
    {"KlSparsityWeight", Model("penalties { kl_sparsity { weight: -1 } }"),
     kModel + "penalties.kl_sparsity.weight", "got -1"},
    {"KlSparsityTarget", Model("penalties { kl_sparsity { target: 1 } }"),
     kModel + "penalties.kl_sparsity.target", "0 < value < 1, got 1"},
    {"KlSparsityOnIdentity", Model("penalties { kl_sparsity { weight: 1 } }"),
     kModel + "penalties.kl_sparsity", "ACTIVATION_SIGMOID"},
    {"Contractive", Model("penalties { contractive { weight: -1 } }"),
     kModel + "penalties.contractive.weight", "got -1"},
    {"ContractiveTopK", Model("latent { top_k {} } penalties { contractive { weight: 1 } }"),
     kModel + "penalties.contractive", "deterministic or gaussian"},
    {"Penalty", Model("penalties { l1 { weight: -2 } }"), kModel + "penalties.l1.weight", "got -2"},
    {"PenaltyCount", Model("penalties { l2 { per_layer: [1, 2] } }"),
     kModel + "penalties.l2.per_layer", "expected 5 weights"},
    {"PenaltyEntry", Model("penalties { l1 { per_layer: [0, 0, -1, 0, 0] } }"),
     kModel + "penalties.l1.per_layer[2]", "got -1"},
    {"PenaltyTwice", Model("penalties { l1 { weight: 1 per_layer: [1, 1, 1, 1, 1] } }"),
     kModel + "penalties.l1", "either weight, code_weight and decoder_weight or per_layer"},
    {"PenaltyOnCode", Model("penalties { l1 { code_weight: -1 } }"),
     kModel + "penalties.l1.code_weight", "got -1"},
    {"PenaltyOnDecoder", Model("penalties { l1 { decoder_weight: -1 } }"),
     kModel + "penalties.l1.decoder_weight", "got -1"},
    {"TiedToAnother", Model("tied_weights: true decoder { layers { dense { units: 9 } } }"),
     kModel + "tied_weights", "reverse"},
    {"TiedUnitNorm", Model("tied_weights: true penalties { unit_norm_decoder: true }"),
     kModel + "penalties.unit_norm_decoder", "tied_weights"},
};
INSTANTIATE_TEST_SUITE_P(Architecture, PlanRefusalTest, testing::ValuesIn(kArchitecture),
                         [](const auto& param) { return std::string(param.param.name); });

const Case kTraining[] = {
    {"Epochs", Gradient("epochs: 10001"), kSolver + "epochs", "1 to 10000, got 10001"},
    {"Batch", Gradient("batch_size: 0"), kSolver + "batch_size", "1 to 65536, got 0"},
    {"Clip", Gradient("clip_norm: -1"), kSolver + "clip_norm", "got -1"},
    {"Beta1", Gradient("optimizer { adam { beta1: 1 } }"), kSolver + "optimizer.adam.beta1",
     "value < 1, got 1"},
    {"Beta2", Gradient("optimizer { adam { beta2: nan } }"), kSolver + "optimizer.adam.beta2",
     "got nan"},
    {"Epsilon", Gradient("optimizer { adam { epsilon: 0 } }"), kSolver + "optimizer.adam.epsilon",
     "> 0, got 0"},
    {"Lazy", Gradient("optimizer { adam { lazy: true } }"), kSolver + "optimizer.adam.lazy",
     "needs a sparse dataset"},
    {"Decay", Gradient("optimizer { adam { weight_decay: -1 } }"),
     kSolver + "optimizer.adam.weight_decay", "got -1"},
    {"Momentum", Gradient("optimizer { sgd { momentum: 1 } }"), kSolver + "optimizer.sgd.momentum",
     "value < 1, got 1"},
    {"NesterovAlone", Gradient("optimizer { sgd { nesterov: true momentum: 0 } }"),
     kSolver + "optimizer.sgd.nesterov", "momentum > 0"},
    {"SgdDecay", Gradient("optimizer { sgd { weight_decay: -1 } }"),
     kSolver + "optimizer.sgd.weight_decay", "got -1"},
    {"Factor", Gradient("schedule { plateau { factor: 1 } }"), kSolver + "schedule.plateau.factor",
     "0 < value < 1, got 1"},
    {"PlateauPatience", Gradient("schedule { plateau { patience: 0 } }"),
     kSolver + "schedule.plateau.patience", "1 to 10000, got 0"},
    {"Rate", Gradient("schedule { learning_rate: 0 }"), kSolver + "schedule.learning_rate",
     "> 0, got 0"},
    {"RateWarmUp", Gradient("schedule { warm_up_fraction: 1.1 }"),
     kSolver + "schedule.warm_up_fraction", "got 1.1"},
    {"Final", Gradient("schedule { cosine { final_fraction: 7 } }"),
     kSolver + "schedule.cosine.final_fraction", "got 7"},
    {"Patience", Gradient("early_stopping { patience: 0 }"), kSolver + "early_stopping.patience",
     "got 0"},
    {"Threads", "training { threads: 65 }", "spec.training.threads", "1 to 64, got 65"},
    {"Duration", "training { max_duration_seconds: 0 }", "spec.training.max_duration_seconds",
     "> 0, got 0"},
    {"Interval", "training { checkpoint_interval_seconds: -1 }",
     "spec.training.checkpoint_interval_seconds", "got -1"},
    {"Quantile", "training { anomaly_quantile: 1 }", "spec.training.anomaly_quantile",
     "0 < value < 1, got 1"},
    {"Components", "training { sampler { mixture { max_components: 65 } } }",
     "spec.training.sampler.mixture.max_components", "1 to 64, got 65"},
    {"WideMixture", "architecture { latent { dim: 129 } } training { sampler { mixture {} } }",
     "spec.training.sampler.mixture", "at most 128 entries, got 129"},
    {"PriorSampler", "preset: 'vae' training { sampler { gaussian {} } }", "spec.training.sampler",
     "draws from its prior"},
};
INSTANTIATE_TEST_SUITE_P(Training, PlanRefusalTest, testing::ValuesIn(kTraining),
                         [](const auto& param) { return std::string(param.param.name); });

const Case kEase[] = {
    {"Ridge", "preset: 'ease' training { solver { ease { ridge: 0 } } }",
     "spec.training.solver.ease.ridge", "> 0, got 0"},
    {"Code", Ease("latent { deterministic {} dim: 3 }"), kModel + "latent", "use latent none"},
    {"Dim", Ease("latent { dim: 3 }"), kModel + "latent.dim", "expected 0"},
    {"Hidden", Ease("encoder { layers { dense { units: 9 } } } decoder {}"),
     kModel + "encoder.layers", "no layers"},
    {"HiddenUp", Ease("decoder { layers { dense { units: 9 } } }"), kModel + "decoder.layers",
     "no layers"},
    {"Scaling", Ease("scaling { l2_row {} }"), kModel + "scaling", "use none"},
    {"Corruption", Ease("corruption { masking {} }"), kModel + "corruption", "no corruption"},
    {"Likelihood", Ease("likelihood { multinomial {} }"), kModel + "likelihood", "squared error"},
    {"Learned", Ease("likelihood { gaussian { learned_variance: true } }"), kModel + "likelihood",
     "squared error"},
    {"L1", Ease("penalties { l1 { weight: 1 } }"), kModel + "penalties.l1", "no penalties"},
    {"GradientSolver", "preset: 'ease' training { solver { gradient {} } }", kModel + "latent.none",
     "training.solver.ease"},
};
INSTANTIATE_TEST_SUITE_P(Ease, PlanRefusalTest, testing::ValuesIn(kEase),
                         [](const auto& param) { return std::string(param.param.name); });

const Case kPca[] = {
    {"RowScaling", Pca("scaling { l2_row {} }"), kModel + "scaling", "not rows"},
    {"Hidden", Pca("encoder { layers { dense { units: 9 } } } decoder {} tied_weights: false"),
     kModel + "encoder.layers", "no hidden layers, got 1"},
    {"HiddenUp", Pca("decoder { layers { dense { units: 9 } } } tied_weights: false"),
     kModel + "decoder.layers", "no hidden layers, got 1"},
    {"Corruption", Pca("corruption { masking {} }"), kModel + "corruption", "no corruption"},
    {"Gaussian", Pca("latent { gaussian {} } likelihood { gaussian {} }"), kModel + "latent",
     "deterministic"},
    {"Activation", Pca("latent { deterministic { activation: ACTIVATION_TANH } }"),
     kModel + "latent.deterministic.activation", "ACTIVATION_IDENTITY"},
    {"Dim", Pca("latent { dim: 65 }"), kModel + "latent.dim", "64, got 65"},
    {"Bernoulli", Pca("likelihood { bernoulli {} }"), kModel + "likelihood", "gaussian"},
    {"Mixed", Pca("likelihood { mixed {} }"), kModel + "likelihood", "gaussian"},
    {"Learned", Pca("likelihood { gaussian { learned_variance: true } }"),
     kModel + "likelihood.gaussian.learned_variance", "fixed variance"},
    {"L1", Pca("penalties { l1 { weight: 1 } }"), kModel + "penalties.l1", "no penalties"},
    {"Contractive", Pca("penalties { contractive { weight: 1 } }"),
     kModel + "penalties.contractive", "no penalties"},
    {"TopK", Pca("latent { top_k {} }"), kModel + "latent", "deterministic"},
    {"L2", Pca("penalties { l2 { per_layer: 1 } }"), kModel + "penalties.l2", "no penalties"},
};
INSTANTIATE_TEST_SUITE_P(Pca, PlanRefusalTest, testing::ValuesIn(kPca),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(PlanRefusalsTest, EveryBadFieldIsNamedAtOnce) {
  const absl::Status status =
      ResolveText("model: 'A' architecture { latent { dim: 0 } } training { threads: 0 }").status();
  std::vector<std::string> paths;
  for (const auto& field : DetailsOf(status).fields) paths.push_back(field.path);
  EXPECT_THAT(paths, testing::ElementsAre("spec.model", "spec.architecture.latent.dim",
                                          "spec.training.threads"));
}

TEST(PlanRefusalsTest, BernoulliSaysTheRangeItFound) {
  DatasetInfo info = DigitsInfo();
  info.train_min = -0.5;
  info.train_max = 300;
  const absl::Status status =
      ResolveText("architecture { scaling { none {} } likelihood { bernoulli {} } }", info)
          .status();
  EXPECT_EQ(DetailsOf(status).fields.at(0).path, "spec.architecture.likelihood.bernoulli");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("got -0.5 to 300"));
}

TEST(PlanRefusalsTest, EarlyStoppingWithoutValidationRows) {
  DatasetInfo info = DigitsInfo();
  info.part_rows[v1::PART_VALIDATION] = 0;
  const absl::Status status =
      ResolveText(Gradient("early_stopping { enabled: true }"), info).status();
  EXPECT_EQ(DetailsOf(status).fields.at(0).path, kSolver + "early_stopping.enabled");
}

TEST(PlanRefusalsTest, PlateauWithoutValidationRows) {
  DatasetInfo info = DigitsInfo();
  info.part_rows[v1::PART_VALIDATION] = 0;
  const absl::Status status = ResolveText(Gradient("schedule { plateau {} }"), info).status();
  EXPECT_EQ(DetailsOf(status).fields.at(0).path, kSolver + "schedule.plateau");
}

TEST(PlanRefusalsTest, DatasetWithoutTrainingRows) {
  DatasetInfo info = DigitsInfo();
  info.part_rows = {};
  EXPECT_EQ(DetailsOf(ResolveText("", info).status()).fields.at(0).path, "spec.dataset");
}

TEST(PlanRefusalsTest, PlanBeyondMemorySaysHowMuch) {
  const PlanEnvironment small{.default_threads = 1, .training_memory_bytes = 1 << 20};
  const absl::Status status = Resolve(Request(""), DigitsInfo(), small).status();
  EXPECT_EQ(DetailsOf(status).fields.at(0).path, "spec.architecture");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("limit is 1 MiB"));
}

TEST(PlanRefusalsTest, MemoryCountsWhatFollowsTraining) {
  // A short network with a very wide code: evaluation and sampler outweigh its training.
  const auto plan = Resolve(Request("architecture { encoder { layers { dense { units: 4 } } } "
                                    "latent { dim: 30000 } }"),
                            DigitsInfo(), PlanEnvironment());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_GT(plan->training_bytes(), DigitsInfo().rows(v1::PART_TRAIN) * 30'000 * sizeof(float));
}

TEST(PlanRefusalsTest, ClosedFormBeyondItsSizeSaysHowMuchItTakes) {
  DatasetInfo info = DigitsInfo();
  info.columns = 3000;
  info.row_shape = {3000};
  info.part_rows[v1::PART_TRAIN] = 2000;
  EXPECT_TRUE(ResolveText("preset: 'pca' architecture { latent { dim: 512 } }", info).ok());
  const absl::Status status =
      ResolveText("preset: 'pca' architecture { latent { dim: 513 } }", info).status();
  EXPECT_EQ(DetailsOf(status).fields.at(0).path, kModel + "latent.dim");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("at most 512 components"));
  info.part_rows[v1::PART_TRAIN] = 1000;
  EXPECT_TRUE(ResolveText("preset: 'pca' architecture { latent { dim: 513 } }", info).ok());
}

TEST(PlanRefusalsTest, MetricMustBeInTheTable) {
  PlanEnvironment environment;
  environment.metric_direction = [](std::string_view name) -> std::optional<MetricDirection> {
    if (name == "active_units") return MetricDirection::kNone;
    if (name == "validation_objective") return MetricDirection::kLower;
    return std::nullopt;
  };
  const auto refused = [&](const std::string& publish) {
    const absl::Status status =
        Resolve(Request("publish { " + publish + " }"), DigitsInfo(), environment).status();
    return status.ok() ? "" : DetailsOf(status).fields.at(0).path;
  };
  EXPECT_EQ(refused(""), "");
  EXPECT_EQ(refused("metric: 'accuracy'"), "spec.publish.metric");
  EXPECT_EQ(refused("metric: 'active_units' metric_higher_is_better: false"), "");
  const std::string direction = "spec.publish.metric_higher_is_better";
  EXPECT_EQ(refused("metric: 'active_units'"), direction);
  EXPECT_EQ(refused("metric: 'validation_objective' metric_higher_is_better: true"), direction);
  EXPECT_EQ(refused("metric: 'validation_objective' metric_higher_is_better: false"), "");
}

TEST(PlanRefusalsTest, MultinomialRowsMustNotBeNegative) {
  DatasetInfo info = DigitsInfo();
  info.train_min = -0.5;
  const auto fields = DetailsOf(ResolveText("preset: 'mult-dae'", info).status()).fields;
  ASSERT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields[0].path, "spec.architecture.likelihood.multinomial");
  EXPECT_THAT(fields[0].description, testing::HasSubstr(">= 0, got -0.5"));
}

TEST(PlanRefusalsTest, EaseBeyondTheMemoryLimitIsToldItsBytes) {
  DatasetInfo info = DigitsInfo();
  info.columns = 60'000;
  info.row_shape = {60'000};
  info.part_rows = {0, 1, 0, 0};
  const absl::Status status = ResolveText("preset: 'ease'", info).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const auto fields = DetailsOf(status).fields;
  ASSERT_EQ(fields.size(), 1u) << status;
  EXPECT_EQ(fields[0].path, "spec.training.solver.ease");
  EXPECT_THAT(fields[0].description, testing::HasSubstr("would need 72000240000 bytes"));
}

}  // namespace
}  // namespace latent

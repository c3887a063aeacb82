// Training that begins with a version's weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/eval/evaluation.h"
#include "core/model/model_io.h"
#include "core/model/presets.h"
#include "core/train/trainer.h"
#include "tests/unit/train/plan_fixture.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

std::string Small(const std::string& preset) {
  return "preset: '" + preset +
         "' architecture { encoder { layers { dense { units: 24 } } } latent { dim: 6 } }"
         " training { solver { gradient { epochs: 3 batch_size: 64 } } }";
}

// A version to begin with, and what training needs of it.
struct Version {
  WarmSource source;
  std::unique_ptr<Autoencoder> model;
  TensorFile tensors, optimizer;
};

Version Published(const Dataset& data, const std::string& request) {
  Version version;
  version.source = {"m", 3, PlanFor(data, request)};
  auto result = Fit(version.source.plan, data);
  EXPECT_TRUE(result.ok()) << result.status();
  version.model = std::move(result->model);
  version.optimizer = std::move(result->optimizer);
  version.tensors = ToTensors(*version.model);
  return version;
}

absl::StatusOr<v1::TrainingPlan> ResolveAfter(const WarmSource& source, const DatasetInfo& data,
                                              const std::string& more) {
  return Resolve(Request("training { warm_start { model: 'm' version: 3 } } " + more), data,
                 {.default_threads = 1}, &source);
}

v1::TrainingPlan PlanAfter(const Version& version, const Dataset& data, const std::string& more) {
  auto plan = ResolveAfter(version.source, data.info(), more);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.value_or(v1::TrainingPlan());
}

absl::StatusOr<TrainResult> TrainAfter(const Version& version, const v1::TrainingPlan& plan,
                                       const Dataset& data, const std::string& checkpoint = "",
                                       const TrainCallbacks& callbacks = {}) {
  return Train(plan, data, checkpoint, TrainingPriority::kNormal, callbacks, {}, &version.tensors);
}

std::vector<float> Codes(const Autoencoder& model, const Dataset& data) {
  std::vector<float> scratch;
  const RowsView part = RowsFor(model.spec(), data, v1::PART_TRAIN);
  const auto rows = part.Read(0, part.rows, scratch);
  std::vector<float> codes(rows.rows * model.latent_dim());
  ForwardOutputs outputs;
  outputs.codes = {codes.data(), rows.rows, model.latent_dim()};
  Workspace workspace;
  model.Forward(rows, outputs, workspace);
  return codes;
}

constexpr char kBriefly[] = "training { solver { gradient { epochs: 2 batch_size: 64 } } } ";
constexpr char kKeeping[] = "training { warm_start { keep_latent_space: true } } ";

// Every preset that is trained by gradients.
class WarmStartTest : public testing::TestWithParam<std::string> {};
std::vector<std::string> TrainedPresets() {
  std::vector<std::string> names;
  for (const Preset& preset : Presets()) {
    const v1::Solver& solver = preset.training.solver();
    if (!solver.has_pca() && !solver.has_ease()) names.emplace_back(preset.name);
  }
  return names;
}
INSTANTIATE_TEST_SUITE_P(Presets, WarmStartTest, testing::ValuesIn(TrainedPresets()),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(WarmStartTest, IsNeverWorseThanItsStart) {
  const auto first = SomeDigits(200, 50), next = SomeDigits(300, 100);
  const Version version = Published(*first, Small(GetParam()));
  // Steps so long that they can only do harm.
  const v1::TrainingPlan plan = PlanAfter(
      version, *next,
      std::string(kBriefly) + "training { solver { gradient { schedule { learning_rate: 1 } } } }");
  const auto result = TrainAfter(version, plan, *next);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LE(ValidationObjective(*result->model, *next, v1::PART_VALIDATION, 0),
            ValidationObjective(*version.model, *next, v1::PART_VALIDATION, 0));
}

TEST_P(WarmStartTest, KeepsCodesToTheBitWhereOnlyTheDecoderLearns) {
  const auto first = SomeDigits(200, 50), next = SomeDigits(300, 0);
  const Version version = Published(*first, Small(GetParam()));
  const bool tied = version.source.plan.architecture().tied_weights();
  const std::string more =
      std::string(kBriefly) + kKeeping + (tied ? "architecture { tied_weights: false }" : "");
  if (tied) {
    const auto refused = ResolveAfter(version.source, next->info(), kKeeping);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("keep_latent_space"));
    return;
  }
  const auto result = TrainAfter(version, PlanAfter(version, *next, more), *next);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Codes(*result->model, *next), Codes(*version.model, *next));
  EXPECT_EQ(result->model->LatentSpaceId(), version.model->LatentSpaceId());
  EXPECT_NE(WeightsOf(*result->model), WeightsOf(*version.model));
}

TEST_P(WarmStartTest, ResumesToTheSameWeights) {
  const auto first = SomeDigits(200, 50), next = SomeDigits(300, 50);
  const Version version = Published(*first, Small(GetParam()));
  v1::TrainingPlan plan = PlanAfter(version, *next, kBriefly);
  const auto whole = TrainAfter(version, plan, *next);
  ASSERT_TRUE(whole.ok()) << whole.status();
  plan.mutable_training()->set_checkpoint_interval_seconds(1e-9);
  std::vector<std::string> checkpoints;
  TrainCallbacks callbacks;
  callbacks.on_checkpoint = [&](std::string bytes) { checkpoints.push_back(std::move(bytes)); };
  ASSERT_TRUE(TrainAfter(version, plan, *next, "", callbacks).ok());
  for (const std::size_t i : {0u, 6u}) {
    const auto rest = TrainAfter(version, plan, *next, checkpoints[i]);
    ASSERT_TRUE(rest.ok()) << rest.status();
    EXPECT_EQ(WeightsOf(*rest->model), WeightsOf(*whole->model)) << "checkpoint " << i;
  }
}

constexpr char kKeepsOptimizer[] = " publish { keep_optimizer_state: true } ";

// Steady steps: no schedule that depends on how long a run is, no order that depends on the epoch.
std::string Steadily(int epochs, const std::string& optimizer) {
  return "training { solver { gradient { epochs: " + std::to_string(epochs) +
         " batch_size: 64 shuffle: false schedule { warm_up_fraction: 0 constant {} } optimizer "
         "{ " +
         optimizer + " } } } }";
}

class OptimizerStateTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Optimizers, OptimizerStateTest, testing::Values("adam {}", "sgd {}"),
                         [](const auto& param) {
                           return param.param.substr(0, param.param.find(' '));
                         });

TEST_P(OptimizerStateTest, TwoRunsAreOneWhereItIsKept) {
  const auto data = SomeDigits(256, 0);
  const std::string model =
      "architecture { encoder { layers { dense { units: 24 } } } latent { dim: 6 } } ";
  const auto whole = Fit(PlanFor(*data, model + Steadily(4, GetParam())), *data);
  ASSERT_TRUE(whole.ok()) << whole.status();

  Version half = Published(*data, model + Steadily(2, GetParam()) + kKeepsOptimizer);
  const std::string rest = Steadily(2, GetParam());
  const auto afresh = TrainAfter(half, PlanAfter(half, *data, rest), *data);
  ASSERT_TRUE(afresh.ok()) << afresh.status();
  EXPECT_NE(WeightsOf(*afresh->model), WeightsOf(*whole->model));
  EXPECT_TRUE(afresh->optimizer.tensors.empty());

  half.tensors.tensors.merge(half.optimizer.tensors);
  half.tensors.metadata.merge(half.optimizer.metadata);
  const auto on = TrainAfter(
      half, PlanAfter(half, *data, rest + " training { warm_start { optimizer_state: true } }"),
      *data);
  ASSERT_TRUE(on.ok()) << on.status();
  EXPECT_EQ(WeightsOf(*on->model), WeightsOf(*whole->model));
}

TEST(OptimizerStatePlanTest, IsRefusedWhereThereIsNone) {
  const auto data = SomeDigits(100, 0);
  const WarmSource without = {"m", 3, PlanFor(*data, "")};
  const std::string going_on = "training { warm_start { optimizer_state: true } }";
  const absl::Status none = ResolveAfter(without, data->info(), going_on).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(none.message()), HasSubstr("keeps its optimiser's state"));
  const WarmSource with = {"m", 3, PlanFor(*data, kKeepsOptimizer)};
  EXPECT_TRUE(ResolveAfter(with, data->info(), going_on).ok());
  const absl::Status other =
      ResolveAfter(with, data->info(),
                   going_on + " training { solver { gradient { optimizer { sgd {} } } } }")
          .status();
  EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other.message()), HasSubstr("adam, got sgd"));
}

TEST(OptimizerStatePlanTest, ClosedFormsHaveNone) {
  const auto data = SomeDigits(100, 0);
  const absl::Status refused =
      Resolve(Request("preset: 'pca' publish { keep_optimizer_state: true }"), data->info(),
              {.default_threads = 1})
          .status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("a closed form has no optimiser"));
}

TEST_P(WarmStartTest, TakesPresetAndArchitectureFromTheVersion) {
  const auto data = SomeDigits(200, 50);
  const WarmSource source = {"m", 3, PlanFor(*data, Small(GetParam()))};
  const auto plan = ResolveAfter(source, data->info(), "");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->preset(), GetParam());
  v1::ModelSpec expected = source.plan.architecture();
  if (expected.objective().has_elbo()) {
    expected.mutable_objective()->mutable_elbo()->set_warm_up_fraction(0);
  }
  EXPECT_EQ(plan->architecture().SerializeAsString(), expected.SerializeAsString());
  EXPECT_EQ(plan->training().warm_start().version(), 3u);
}

TEST(WarmStartScalingTest, IsTheVersionsOwn) {
  const auto first = SomeDigits(200, 50), next = SomeDigits(300, 50);
  const std::string standardise = " architecture { scaling { standardise {} } }";
  const Version version = Published(*first, Small("plain") + standardise);
  // No step at all: what comes out is what went in.
  const v1::TrainingPlan plan =
      PlanAfter(version, *next,
                std::string(kBriefly) +
                    "training { solver { gradient { schedule { learning_rate: 1e-30 } } } }");
  const auto result = TrainAfter(version, plan, *next);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Codes(*result->model, *next), Codes(*version.model, *next));
}

TEST(WarmStartScalingTest, RowsThatTheVersionsScalingLeadsAstrayAreRefused) {
  const auto dark = [] {
    DatasetInfo info;
    info.name = "digits";
    info.content_hash = "dark";
    info.columns = 2;
    return MakeDataset(info, {{0, 0, 0.5f, 0.5f}, {}}, {}, {});
  }();
  const auto bright = [] {
    DatasetInfo info;
    info.name = "digits";
    info.content_hash = "bright";
    info.columns = 2;
    return MakeDataset(info, {{0, 0, 1, 1}, {}}, {}, {});
  }();
  const Version version =
      Published(*dark,
                "preset: 'vae' architecture { scaling { min_max {} } latent { dim: 1 } "
                "likelihood { bernoulli {} } } "
                "training { solver { gradient { epochs: 1 } } }");
  const auto result = TrainAfter(version, PlanAfter(version, *bright, kBriefly), *bright);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("from 0 to 0.5, got 1"));
}

struct Refusal {
  const char* name;
  const char* source;
  const char* request;
  const char* field;
  const char* message;
};
const Refusal kRefusals[] = {
    {"Width", "", "architecture { latent { dim: 7 } }", "spec.architecture.latent.dim",
     "expected 6, as version 3 of model m has, whose weights training begins with, got 7"},
    {"Layers", "", "architecture { encoder { } decoder { } }", "spec.architecture.encoder.layers",
     "expected 1 entries"},
    {"Units", "", "architecture { encoder { layers { dense { units: 9 } } } }",
     "spec.architecture.encoder.layers[0].dense.units", "expected 24"},
    {"Latent", "", "preset: 'vae'", "spec.architecture.latent", "expected deterministic"},
    {"Scaling", "", "architecture { scaling { min_max {} } }", "spec.architecture.scaling",
     "expected none"},
    {"Likelihood", "", "architecture { likelihood { bernoulli {} } }",
     "spec.architecture.likelihood", "expected gaussian"},
    {"Activation", "",
     "architecture { encoder { layers { dense { units: 24 activation: ACTIVATION_TANH } } } }",
     "spec.architecture.encoder.layers[0].dense.activation", "expected ACTIVATION_RELU"},
    {"ClosedForm", "", "training { solver { pca {} } }", "spec.training.warm_start",
     "closed form begins with nothing"},
    {"Tied", "architecture { tied_weights: true }",
     "training { warm_start { keep_latent_space: true } }",
     "spec.training.warm_start.keep_latent_space", "tied_weights"},
};
class WarmStartRefusalTest : public testing::TestWithParam<Refusal> {};
INSTANTIATE_TEST_SUITE_P(Cases, WarmStartRefusalTest, testing::ValuesIn(kRefusals),
                         [](const auto& param) { return std::string(param.param.name); });

TEST_P(WarmStartRefusalTest, NamesTheFieldWhatWasExpectedAndWhatCame) {
  const DatasetInfo info = DigitsInfo();
  const auto from = ResolveText(Small("plain") + GetParam().source, info);
  ASSERT_TRUE(from.ok()) << from.status();
  const auto plan = ResolveAfter({"m", 3, *from}, info, GetParam().request);
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
  bool found = false;
  for (const auto& field : DetailsOf(plan.status()).fields) {
    if (field.path != GetParam().field) continue;
    found = true;
    EXPECT_THAT(field.description, HasSubstr(GetParam().message));
  }
  EXPECT_TRUE(found) << plan.status();
}

TEST(WarmStartPlanTest, OtherColumnsAreRefused) {
  DatasetInfo info = DigitsInfo();
  const auto from = ResolveText(Small("plain"), info);
  ASSERT_TRUE(from.ok());
  WarmSource source = {"m", 3, *from};
  info.columns = 32;
  info.row_shape = {32};
  EXPECT_THAT(std::string(ResolveAfter(source, info, "").status().message()),
              HasSubstr("expected rows of 64 cells"));
  info = DigitsInfo();
  for (int c = 0; c < 64; ++c) {
    source.plan.mutable_data()->add_column_names("item" + std::to_string(c));
    info.column_names.push_back("item" + std::to_string(c == 5 ? 99 : c));
  }
  EXPECT_THAT(std::string(ResolveAfter(source, info, "").status().message()),
              HasSubstr("column 5 is \"item5\", got \"item99\""));
}

TEST(WarmStartPlanTest, ObjectiveCorruptionAndPenaltiesMayDiffer) {
  const DatasetInfo info = DigitsInfo();
  const auto from = ResolveText(Small("vae"), info);
  ASSERT_TRUE(from.ok());
  for (const char* more :
       {"preset: 'iwae'", "architecture { objective { elbo { beta: 4 } } }",
        "architecture { corruption { masking {} } }",
        "architecture { penalties { l1 { weight: 0.1 } } }", "preset: 'beta-vae'"}) {
    EXPECT_TRUE(ResolveAfter({"m", 3, *from}, info, more).ok())
        << more << ResolveAfter({"m", 3, *from}, info, more).status();
  }
}

TEST(WarmStartPlanTest, WithoutTheVersionNothingIsResolved) {
  EXPECT_EQ(ResolveText("training { warm_start { model: 'm' } }").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace latent

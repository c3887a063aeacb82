#include "core/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/base/status.h"
#include "core/eval/evaluation.h"
#include "core/train/checkpoint.h"
#include "core/train/validation.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const char kSmall[] =
    " architecture { encoder { layers { dense { units: 24 } } } latent { dim: 6 } }"
    " training { solver { gradient { epochs: 3 batch_size: 64 } } }";

std::string Small(const std::string& more) { return kSmall + (" " + more); }

// Trains with a checkpoint after every update and returns them all.
std::vector<std::string> EveryCheckpoint(v1::TrainingPlan plan, const Dataset& data) {
  plan.mutable_training()->set_checkpoint_interval_seconds(1e-9);
  std::vector<std::string> all;
  TrainCallbacks callbacks;
  callbacks.on_checkpoint = [&](std::string bytes) { all.push_back(std::move(bytes)); };
  EXPECT_TRUE(Train(plan, data, "", TrainingPriority::kNormal, callbacks, {}).ok());
  return all;
}

// What must be the same however training is cut up: threads, resumption.
struct Recipe {
  const char* name;
  const char* more;
};
constexpr Recipe kRecipes[] = {
    {"plain", "preset: 'plain'"},
    {"tied", "architecture { tied_weights: true }"},
    {"denoising", "preset: 'denoising'"},
    {"masking", "architecture { corruption { masking {} } }"},
    {"saltAndPepper", "architecture { corruption { salt_and_pepper {} } }"},
    {"dropout", "architecture { corruption { dropout {} } }"},
    {"silu",
     "architecture { encoder { layers { dense { units: 24 activation: ACTIVATION_SILU } } } }"},
    {"momentum", "training { solver { gradient { optimizer { sgd {} } } } }"},
    {"nesterov",
     "training { solver { gradient { optimizer { sgd { nesterov: true momentum: 0.8 } } } } }"},
    {"plateau",
     "training { solver { gradient { schedule { learning_rate: 0.1 warm_up_fraction: 0 plateau {"
     " patience: 1 } } optimizer { sgd {} } } } }"},
    {"sparse", "preset: 'sparse'"},
    {"contractive", "preset: 'contractive'"},
    {"deepContractive", "architecture { penalties { contractive { weight: 0.1 } } }"},
    {"klSparsity",
     "architecture { latent { deterministic { activation: ACTIVATION_SIGMOID } } penalties {"
     " kl_sparsity { weight: 0.1 target: 0.1 } } }"},
    {"topK",
     "preset: 'topk' architecture { encoder { } latent { dim: 96 top_k { k: 3"
     " dead_after_rows: 60 } } }"},
    {"vqVae",
     "preset: 'vq-vae' architecture { latent { vector_quantised { groups: 2 codebook_size: 40"
     " restart_after_rows: 100 } } }"},
    {"vae", "preset: 'vae'"},
    {"draws", "preset: 'vae' architecture { objective { elbo { draws: 3 free_bits: 0.1 } } }"},
    {"betaVae", "preset: 'beta-vae' architecture { likelihood { gaussian {} } }"},
    {"learnedVariance",
     "architecture { likelihood { gaussian { learned_variance: true } }"
     " scaling { standardise {} } }"},
    {"iwae", "preset: 'iwae'"},
    {"wae", "preset: 'wae'"},
    {"dlgm", "preset: 'dlgm'"},
    {"cvae", "preset: 'cvae'"},
    {"conditionalTied",
     "architecture { tied_weights: true corruption { masking {} } condition { label {} } }"},
    {"conditionalTopK",
     "preset: 'topk' architecture { encoder { } latent { dim: 96 } condition { label {} } }"},
    {"conditionalDlgm", "preset: 'dlgm' architecture { condition { label {} } }"},
    {"dlgmIwae", "preset: 'dlgm' architecture { objective { iwae { draws: 3 } } }"},
    {"capacity",
     "preset: 'vae' architecture { objective { elbo { capacity: 3 warm_up_fraction: 0 } } }"},
    {"binarised", "preset: 'vae' architecture { binarise: BINARISE_DYNAMIC }"},
    {"mixed",
     "architecture { scaling { none {} } likelihood { mixed { learned_variance: true } } }"},
    {"mixedIwae",
     "preset: 'iwae' architecture { scaling { none {} } likelihood { mixed {"
     " learned_variance: true } } }"},
    {"sparseDenoisingVae",
     "preset: 'vae' architecture { corruption { gaussian {} } penalties { l1 { weight: 0.01 }"
     " l2 { weight: 0.001 } unit_norm_decoder: true } }"},
};
class RecipeTest : public testing::TestWithParam<Recipe> {};
INSTANTIATE_TEST_SUITE_P(Recipes, RecipeTest, testing::ValuesIn(kRecipes),
                         [](const auto& param) { return std::string(param.param.name); });

TEST_P(RecipeTest, OneAndTwoThreadsGiveTheSameWeights) {
  const auto data = SomeDigits(300, 50);
  v1::TrainingPlan plan = PlanFor(*data, Small(GetParam().more));
  const auto one = FitWeights(plan, *data);
  plan.mutable_training()->set_threads(2);
  EXPECT_EQ(FitWeights(plan, *data), one);
  plan.mutable_training()->set_threads(3);
  EXPECT_EQ(FitWeights(plan, *data), one);
}

TEST_P(RecipeTest, SparseRowsGiveTheWeightsOfTheSameDenseRows) {
  const auto dense = SomeDigits(150, 50);
  const auto sparse = MakeSparse(*dense);
  ASSERT_TRUE(sparse->rows(v1::PART_TRAIN).sparse());
  EXPECT_EQ(FitWeights(PlanFor(*sparse, Small(GetParam().more)), *sparse),
            FitWeights(PlanFor(*dense, Small(GetParam().more)), *dense));
}

TEST_P(RecipeTest, ResumesFromAnyCheckpointToTheSameWeights) {
  const auto data = SomeDigits(300, 50);
  const v1::TrainingPlan plan = PlanFor(*data, Small(GetParam().more));
  const auto whole = Fit(plan, *data);
  ASSERT_TRUE(whole.ok()) << whole.status();
  const auto checkpoints = EveryCheckpoint(plan, *data);
  ASSERT_EQ(checkpoints.size(), 15u);  // 3 epochs of 5 updates
  for (const std::size_t i : {0u, 3u, 4u, 6u, 13u, 14u}) {
    const auto rest = Train(plan, *data, checkpoints[i], TrainingPriority::kNormal, {}, {});
    ASSERT_TRUE(rest.ok()) << rest.status();
    EXPECT_EQ(WeightsOf(*rest->model), WeightsOf(*whole->model)) << "checkpoint " << i;
    EXPECT_EQ(rest->progress.train_loss(), whole->progress.train_loss()) << "checkpoint " << i;
    EXPECT_EQ(rest->progress.best_validation_loss(), whole->progress.best_validation_loss());
  }
}

TEST_P(RecipeTest, LossFalls) {
  const auto data = SomeDigits(600, 100);
  v1::TrainingPlan plan = PlanFor(*data, Small(GetParam().more));
  plan.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(12);
  plan.set_total_updates(12 * 10);
  std::vector<double> losses;
  TrainCallbacks callbacks;
  callbacks.on_progress = [&](const v1::TrainProgress& progress, bool epoch_end) {
    if (epoch_end) losses.push_back(progress.validation_loss());
  };
  ASSERT_TRUE(Train(plan, *data, "", TrainingPriority::kNormal, callbacks, {}).ok());
  ASSERT_EQ(losses.size(), 12u);
  EXPECT_LT(losses.back(), losses.front());
}

TEST(TrainerTest, SeedsDiffer) {
  const auto data = SomeDigits(300, 0);
  EXPECT_NE(FitWeights(PlanFor(*data, Small("training { seed: 1 }")), *data),
            FitWeights(PlanFor(*data, Small("training { seed: 2 }")), *data));
}

TEST(TrainerTest, NoiseOfZeroIsNoNoise) {
  const auto data = SomeDigits(300, 0);
  const auto plain = FitWeights(PlanFor(*data, Small("preset: 'plain'")), *data);
  EXPECT_EQ(FitWeights(PlanFor(*data, Small("preset: 'denoising' architecture { corruption {"
                                            " gaussian { sigma: 0 } } }")),
                       *data),
            plain);
  EXPECT_EQ(
      FitWeights(PlanFor(*data, Small("architecture { corruption { masking { fraction: 0 } } }")),
                 *data),
      plain);
}

TEST(TrainerTest, PenaltyOfZeroIsNoPenalty) {
  const auto data = SomeDigits(300, 0);
  const std::string code =
      "architecture { latent { deterministic { activation: ACTIVATION_RELU } }";
  for (const std::string norm : {"true", "false"}) {
    const std::string penalties = " penalties { unit_norm_decoder: " + norm;
    EXPECT_EQ(
        FitWeights(
            PlanFor(*data, Small("preset: 'sparse' " + code + penalties + " l1 { weight: 0 } } }")),
            *data),
        FitWeights(PlanFor(*data, Small("preset: 'plain' " + code + penalties + " } }")), *data));
  }
}

TEST(TrainerTest, BackgroundPriorityChangesNoBit) {
  const auto data = SomeDigits(300, 0);
  const auto plan = PlanFor(*data, Small(""));
  const auto result = Train(plan, *data, "", TrainingPriority::kBackground, {}, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(WeightsOf(*result->model), FitWeights(plan, *data));
}

TEST(TrainerTest, EarlyStoppingRestoresTheBestWeights) {
  const auto data = SomeDigits(60, 100);
  const auto plan =
      PlanFor(*data,
              "architecture { encoder { layers { dense { units: 64 } } } }"
              " training { solver { gradient { epochs: 400 batch_size: 8 schedule {"
              " learning_rate: 0.01 constant {} } early_stopping { patience: 3 } } } }");
  const auto result = Fit(plan, *data);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->ended_because, StartsWith("early stopping after "));
  EXPECT_LT(result->progress.epoch(), 400u);
  EXPECT_LT(result->progress.best_validation_loss(), result->progress.validation_loss());
  ThreadPool pool(1);
  EXPECT_EQ(ValidationPass(data->rows(v1::PART_VALIDATION)).Objective(*result->model, 0, pool),
            result->progress.best_validation_loss());
}

TEST(TrainerTest, EarlyStoppingSeesTheObjectiveOfReports) {
  const auto data = SomeDigits(300, 150);
  for (const char* preset :
       {"preset: 'plain'", "preset: 'vae'", "preset: 'iwae'", "preset: 'dlgm'"}) {
    const auto result = Fit(PlanFor(*data, Small(preset)), *data);
    ASSERT_TRUE(result.ok()) << result.status();
    const double reported = ValidationObjective(*result->model, *data, v1::PART_VALIDATION, 0);
    EXPECT_NEAR(reported / result->progress.best_validation_loss(), 1, 1e-12) << preset;
  }
}

TEST(TrainerTest, NothingIsBestDuringTheKlWarmUp) {
  const auto data = SomeDigits(300, 50);
  const auto plan = PlanFor(*data, Small("preset: 'vae' architecture { objective { elbo {"
                                         " warm_up_fraction: 1 } } }"));
  bool best_before_the_end = false;
  TrainCallbacks callbacks;
  callbacks.on_progress = [&](const v1::TrainProgress& progress, bool) {
    best_before_the_end |= progress.has_best_validation_loss() && progress.epoch() < 3;
  };
  const auto result = Train(plan, *data, "", TrainingPriority::kNormal, callbacks, {});
  EXPECT_FALSE(best_before_the_end);
  EXPECT_TRUE(result->progress.has_best_validation_loss());
}

TEST(TrainerTest, StopHandsOutACheckpointThatGoesOn) {
  const auto data = SomeDigits(300, 50);
  const auto plan = PlanFor(*data, Small(""));
  std::stop_source source;
  std::string last;
  TrainCallbacks callbacks;
  callbacks.on_checkpoint = [&](std::string bytes) { last = std::move(bytes); };
  callbacks.on_progress = [&](const v1::TrainProgress& progress, bool) {
    if (progress.epoch() == 2) source.request_stop();
  };
  const auto stopped =
      Train(plan, *data, "", TrainingPriority::kNormal, callbacks, source.get_token());
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
  const auto rest = Train(plan, *data, last, TrainingPriority::kNormal, {}, {});
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(WeightsOf(*rest->model), FitWeights(plan, *data));
}

// Trains with a checkpoint after every update; returns the error and appends the checkpoints.
absl::Status FailAtRate(const std::string& rate, std::vector<std::string>& checkpoints) {
  const auto data = SomeDigits(300, 50);
  const auto plan =
      PlanFor(*data, Small("training { solver { gradient { schedule { learning_rate: " + rate +
                           " } } } checkpoint_interval_seconds: 1e-9 }"));
  TrainCallbacks callbacks;
  callbacks.on_checkpoint = [&](std::string bytes) { checkpoints.push_back(std::move(bytes)); };
  return Train(plan, *data, "", TrainingPriority::kNormal, callbacks, {}).status();
}

TEST(TrainerTest, NotFiniteStopsWithStepAndLayer) {
  std::vector<std::string> checkpoints;
  const absl::Status status = FailAtRate("1e30", checkpoints);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "NOT_FINITE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("update 2 of epoch 1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("layer latent.code (activation)"));
  EXPECT_EQ(checkpoints.size(), 1u);
}

TEST(TrainerTest, WeightsThatAreNotFiniteNeverReachACheckpoint) {
  std::vector<std::string> checkpoints;
  const absl::Status status = FailAtRate("1e300", checkpoints);
  EXPECT_EQ(DetailsOf(status).reason, "NOT_FINITE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("update 1 of epoch 1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("parameter encoder.0.weight"));
  EXPECT_TRUE(checkpoints.empty());
}

TEST(TrainerTest, MaxDurationEndsWithWhatThereIs) {
  const auto data = SomeDigits(300, 50);
  const auto plan = PlanFor(*data, Small("training { max_duration_seconds: 1e-9 }"));
  const auto result = Fit(plan, *data);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->ended_because, "max_duration");
  EXPECT_EQ(result->progress.step(), 1u);
  EXPECT_TRUE(result->progress.has_validation_loss());
}

TEST(TrainerTest, ProgressNamesEveryTerm) {
  const auto data = SomeDigits(300, 50);
  const auto result =
      Fit(PlanFor(*data, Small("preset: 'vae' architecture { penalties { l1 { weight: 0.01 } } }")),
          *data);
  ASSERT_TRUE(result.ok()) << result.status();
  const v1::TrainProgress& progress = result->progress;
  std::vector<std::string> names;
  for (const auto& term : progress.terms()) names.push_back(term.name());
  EXPECT_THAT(names, testing::ElementsAre("reconstruction", "kl", "l1"));
  EXPECT_EQ(progress.epoch(), 3u);
  EXPECT_EQ(progress.step(), 15u);
  EXPECT_EQ(progress.steps(), 15u);
  EXPECT_GT(progress.samples_per_second(), 0);
  EXPECT_EQ(progress.eta_seconds(), 0);
  EXPECT_GT(progress.gradient_norm(), 0);
  EXPECT_GT(progress.learning_rate(), 0);
}

struct Odd {
  const char* name;
  std::size_t rows;
  const char* more;
};
class OddSizeTest : public testing::TestWithParam<Odd> {};
INSTANTIATE_TEST_SUITE_P(
    Sizes, OddSizeTest,
    testing::Values(Odd{"OneRow", 1, ""}, Odd{"LastBatchOfOne", 129, ""},
                    Odd{"BatchLargerThanAll", 100,
                        "training { solver { gradient { batch_size: 65536 } } }"},
                    Odd{"BatchOfOne", 9, "training { solver { gradient { batch_size: 1 } } }"},
                    Odd{"OneUnit", 50,
                        "architecture { encoder { layers { dense { units: 1 } } }"
                        " latent { dim: 1 } }"},
                    Odd{"WideCode", 50, "architecture { latent { dim: 200 } }"},
                    Odd{"OneRowVae", 1, "preset: 'vae'"}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_P(OddSizeTest, TrainsTheSameOnOneAndTwoThreads) {
  const auto data = SomeDigits(GetParam().rows, 0);
  v1::TrainingPlan plan = PlanFor(*data, std::string(kSmall) + GetParam().more);
  const auto one = FitWeights(plan, *data);
  for (const float weight : one) ASSERT_TRUE(std::isfinite(weight));
  plan.mutable_training()->set_threads(2);
  EXPECT_EQ(FitWeights(plan, *data), one);
}

TEST(TrainerTest, AnotherDatasetIsRefused) {
  const auto plan = PlanFor(*SomeDigits(300, 50), Small(""));
  const absl::Status status = Fit(plan, *SomeDigits(200, 50)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "DATASET_CHANGED");
}

TEST(TrainerTest, ADamagedCheckpointIsRefused) {
  const auto data = SomeDigits(300, 50);
  const auto plan = PlanFor(*data, Small(""));
  EXPECT_EQ(Train(plan, *data, "rubbish", TrainingPriority::kNormal, {}, {}).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace latent

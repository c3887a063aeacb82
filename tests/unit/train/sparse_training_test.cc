// Training on rows that stay sparse: equal to dense training where it says so, and the two ways to
// train that differ from it, lazy Adam and the sampled softmax.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/base/thread_pool.h"
#include "core/model/composed_autoencoder.h"
#include "core/model/model_io.h"
#include "core/train/trainer.h"
#include "core/train/validation.h"
#include "tests/unit/train/plan_fixture.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t kItems = 90;

// Histories of users who like one of three thirds of the items, the earlier items more than the
// later ones; the last ten are nobody's.
std::vector<float> Histories(std::size_t users, std::uint64_t seed) {
  std::vector<float> cells(users * kItems);
  for (std::size_t u = 0; u < users; ++u) {
    for (std::uint32_t i = 0; i + 10 < kItems; ++i) {
      const double liking = (i % 3 == u % 3 ? 0.5 : 0.05) * (1.2 - static_cast<double>(i) / kItems);
      if (static_cast<double>(UniformAt({.seed = seed, .sample = u}, i)) < liking) {
        cells[u * kItems + i] = static_cast<float>(1 + (u + i) % 2);
      }
    }
  }
  return cells;
}

// Which third each user likes.
std::vector<std::int32_t> Tastes(std::size_t users) {
  std::vector<std::int32_t> labels(users);
  for (std::size_t u = 0; u < users; ++u) labels[u] = static_cast<std::int32_t>(u % 3);
  return labels;
}

std::shared_ptr<const Dataset> DenseHistories() {
  DatasetInfo info;
  info.name = "digits";
  info.content_hash = "histories";
  info.columns = kItems;
  info.row_shape = {kItems};
  return MakeDataset(info, {Histories(200, 1), Tastes(200)}, {Histories(40, 2), Tastes(40)}, {});
}
std::shared_ptr<const Dataset> SparseHistories() { return MakeSparse(*DenseHistories()); }

std::string Mult(const std::string& more) {
  return "preset: 'mult-vae' architecture { latent { dim: 6 } }"
         " training { solver { gradient { epochs: 3 batch_size: 64 } } } " +
         more;
}

const std::string kLazy = "training { solver { gradient { optimizer { adam { lazy: true } } } } } ";
const std::string kSampled = "architecture { likelihood { multinomial { sampled_columns: 12 } } } ";

struct SparseRecipe {
  const char* name;
  std::string more;
  bool as_dense;  // whether dense training gives the same weights
};
const SparseRecipe kSparseRecipes[] = {
    {"multVae", "", true},
    {"multDae", "preset: 'mult-dae' architecture { latent { dim: 20 } }", true},
    {"deep",
     "architecture { encoder { layers { dense { units: 33 activation: ACTIVATION_SILU } } layers {"
     " dense { units: 9 } } } }",
     true},
    {"headsOnRows", "architecture { encoder { } }", true},
    {"masking", "architecture { corruption { masking {} } }", true},
    {"clean", "architecture { corruption { none {} } scaling { none {} } }", true},
    {"gaussianCells", "architecture { likelihood { gaussian {} } }", true},
    {"draws", "architecture { objective { elbo { draws: 3 } } }", true},
    {"penalties", "architecture { penalties { l1 { weight: 0.01 } } }", true},
    {"unclipped", "training { solver { gradient { clip_norm: 0 } } }", true},
    {"momentum", "training { solver { gradient { optimizer { sgd {} } } } }", true},
    {"gaussianNoise", "architecture { corruption { gaussian {} } }", true},
    {"tied", "architecture { tied_weights: true }", true},
    {"labels", "architecture { condition { label {} } }", true},
    {"lazy", kLazy, false},
    {"lazyUnclipped", kLazy + "training { solver { gradient { clip_norm: 0 } } }", false},
    {"sampled", kSampled, false},
    {"sampledDae", "preset: 'mult-dae' architecture { latent { dim: 20 } } " + kSampled, false},
    {"sampledIwae", kSampled + "architecture { objective { iwae { draws: 3 } } }", false},
    {"sampledLazy", kLazy + kSampled, false},
};
class SparseRecipeTest : public testing::TestWithParam<SparseRecipe> {};
INSTANTIATE_TEST_SUITE_P(Recipes, SparseRecipeTest, testing::ValuesIn(kSparseRecipes),
                         [](const auto& param) { return std::string(param.param.name); });

TEST_P(SparseRecipeTest, AnyNumberOfThreadsGivesTheSameWeights) {
  const auto data = SparseHistories();
  v1::TrainingPlan plan = PlanFor(*data, Mult(GetParam().more));
  const auto one = FitWeights(plan, *data);
  for (const std::uint32_t threads : {2u, 3u}) {
    plan.mutable_training()->set_threads(threads);
    EXPECT_EQ(FitWeights(plan, *data), one) << threads;
  }
}

TEST_P(SparseRecipeTest, DenseRowsGiveTheSameWeightsWhereTheyAreTaken) {
  const auto sparse = SparseHistories(), dense = DenseHistories();
  if (!GetParam().as_dense) {
    const auto plan = Resolve(Request(Mult(GetParam().more)), dense->info(), {});
    ASSERT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(plan.status().message()), HasSubstr("needs a sparse dataset"));
    return;
  }
  EXPECT_EQ(FitWeights(PlanFor(*sparse, Mult(GetParam().more)), *sparse),
            FitWeights(PlanFor(*dense, Mult(GetParam().more)), *dense));
}

TEST_P(SparseRecipeTest, ResumesToTheSameWeights) {
  const auto data = SparseHistories();
  v1::TrainingPlan plan = PlanFor(*data, Mult(GetParam().more));
  const auto whole = FitWeights(plan, *data);
  plan.mutable_training()->set_checkpoint_interval_seconds(1e-9);
  std::vector<std::string> checkpoints;
  TrainCallbacks callbacks;
  callbacks.on_checkpoint = [&](std::string bytes) { checkpoints.push_back(std::move(bytes)); };
  ASSERT_TRUE(Train(plan, *data, "", TrainingPriority::kNormal, callbacks, {}).ok());
  ASSERT_EQ(checkpoints.size(), 12u);
  for (const std::size_t i : {1u, 3u, 7u}) {
    const auto rest = Train(plan, *data, checkpoints[i], TrainingPriority::kNormal, {}, {});
    ASSERT_TRUE(rest.ok()) << rest.status();
    EXPECT_EQ(WeightsOf(*rest->model), whole) << i;
  }
}

TEST_P(SparseRecipeTest, ValidationObjectiveIsTheServedModels) {
  const auto data = SparseHistories();
  const auto fit = Fit(PlanFor(*data, Mult(GetParam().more)), *data);
  ASSERT_TRUE(fit.ok()) << fit.status();
  ThreadPool pool(1);
  ValidationPass validation(RowsFor(fit->model->spec(), *data, v1::PART_VALIDATION));
  EXPECT_EQ(fit->progress.best_validation_loss(), validation.Objective(*fit->model, 0, pool));
}

std::vector<float> FirstLayer(const Autoencoder& model) {
  const ParameterSet& parameters = dynamic_cast<const ComposedAutoencoder&>(model).parameters();
  const auto weights = parameters.span(parameters.Find("encoder.0.weight"));
  return {weights.begin(), weights.end()};
}

TEST(LazyAdamTest, LeavesWeightsOfColumnsAloneThatNobodyHas) {
  const auto data = SparseHistories();
  const std::string decay =
      "training { solver { gradient { optimizer { adam { weight_decay: 1 } } } } } ";
  const v1::TrainingPlan lazily = PlanFor(*data, Mult(decay + kLazy));
  const auto start =
      FirstLayer(**CreateModel(lazily, ComputeColumnStatistics(data->rows(v1::PART_TRAIN))));
  const auto lazy = FirstLayer(*Fit(lazily, *data)->model);
  const auto dense = FirstLayer(*Fit(PlanFor(*data, Mult(decay)), *data)->model);
  const std::size_t nobodys = (kItems - 10) * (lazy.size() / kItems);
  const auto rest = [&](const std::vector<float>& weights) {
    return std::vector<float>(weights.begin() + static_cast<std::ptrdiff_t>(nobodys),
                              weights.end());
  };
  EXPECT_EQ(rest(lazy), rest(start));
  EXPECT_NE(lazy[0], start[0]);
  EXPECT_NE(rest(dense), rest(start));  // Adam decays them
}

TEST(LazyAdamTest, IsAdamWhereEveryBatchHasEveryColumn) {
  DatasetInfo info;
  info.name = "digits";
  info.columns = 6;
  info.row_shape = {6};
  std::vector<float> cells(70 * 6);
  FillUniform({.seed = 3}, cells);
  for (float& cell : cells) cell += 0.1f;
  const auto data = MakeSparse(*MakeDataset(info, {cells, {}}, {}, {}));
  const std::string clean = "architecture { corruption { none {} } }";
  EXPECT_EQ(FitWeights(PlanFor(*data, Mult(clean + kLazy)), *data),
            FitWeights(PlanFor(*data, Mult(clean)), *data));
}

TEST(SampledSoftmaxTest, OfAllColumnsIsTheExactOne) {
  const auto data = SparseHistories();
  const std::string all = "architecture { likelihood { multinomial { sampled_columns: 90 } } }";
  EXPECT_EQ(FitWeights(PlanFor(*data, Mult(all)), *data),
            FitWeights(PlanFor(*data, Mult("")), *data));
}

TEST(SampledSoftmaxTest, ReachesAboutTheObjectiveOfTheExactOne) {
  const auto data = SparseHistories();
  const auto objective = [&](const std::string& more) {
    v1::TrainingPlan plan =
        PlanFor(*data, Mult("training { solver { gradient { epochs: 60 batch_size: 16 schedule {"
                            " learning_rate: 0.003 } } } } " +
                            more));
    return Fit(plan, *data)->progress.best_validation_loss();
  };
  const double exact = objective(""), sampled = objective(kSampled);
  EXPECT_NEAR(sampled, exact, 0.03 * exact);
}

TEST(SparsePlanTest, RefusesWhatDoesNotStaySparse) {
  const std::map<std::string, std::string> cases = {
      {kLazy + "architecture { scaling { min_max {} } }", "adam.lazy"},
      {kLazy + "architecture { tied_weights: true }", "adam.lazy"},
      {kLazy + "architecture { corruption { gaussian {} } }", "adam.lazy"},
      {kSampled + "architecture { tied_weights: true }", "sampled_columns"},
      {kSampled + "architecture { scaling { min_max {} } }", "sampled_columns"},
      {"architecture { likelihood { multinomial { sampled_columns: 70000 } } }", "sampled_columns"},
  };
  const auto data = SparseHistories();
  for (const auto& [more, field] : cases) {
    const auto plan = Resolve(Request(Mult(more)), data->info(), {});
    ASSERT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << more;
    const auto fields = DetailsOf(plan.status()).fields;
    ASSERT_EQ(fields.size(), 1u) << plan.status();
    EXPECT_THAT(fields[0].path, testing::EndsWith(field)) << more;
  }
}

}  // namespace
}  // namespace latent

// What no model may depend on: the order of rows and columns, a repeated dataset, the units of
// standardised columns, the size of batches.
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/thread_pool.h"
#include "core/model/column_statistics.h"
#include "core/model/composed_autoencoder.h"
#include "core/model/model_io.h"
#include "core/model/presets.h"
#include "core/train/validation.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kRows = 60, kColumns = 64;

std::vector<std::uint32_t> Permutation(std::size_t n) {
  std::vector<std::uint32_t> order(n);
  FillPermutation(11, 0, order);
  return order;
}

// As `of`, with cells taken from elsewhere: cell(r, c) of `rows` x 64.
template <typename Cell>
std::shared_ptr<const Dataset> Made(const Dataset& of, std::size_t rows, Cell cell) {
  std::vector<float> cells;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < kColumns; ++c) cells.push_back(cell(r, c));
  }
  DatasetInfo info = of.info();
  info.content_hash += "'";
  return MakeDataset(info, {std::move(cells), {}}, {}, {});
}

ConstMatrix RowsOf(const Dataset& data) { return data.rows(v1::PART_TRAIN).dense(); }

struct Answers {
  std::vector<float> codes, rebuilt;
};
Answers Ask(const Autoencoder& model, const LabelledRows& rows) {
  Answers answers{std::vector<float>(rows.rows * model.latent_dim()),
                  std::vector<float>(rows.rows * rows.columns)};
  ForwardOutputs out;
  out.codes = {answers.codes.data(), rows.rows, model.latent_dim()};
  out.reconstruction = {answers.rebuilt.data(), rows.rows, rows.columns};
  Workspace workspace;
  model.Forward(rows, out, workspace);
  return answers;
}

std::unique_ptr<ComposedAutoencoder> Drawn(const v1::TrainingPlan& plan, const Dataset& data) {
  return *CreateModel(plan, ComputeColumnStatistics(data.rows(v1::PART_TRAIN)));
}

class PresetInvarianceTest : public testing::TestWithParam<std::string> {};
std::vector<std::string> PresetsWithCodes() {
  std::vector<std::string> names;
  for (const Preset& preset : Presets()) {
    if (!preset.architecture.latent().has_none()) names.emplace_back(preset.name);
  }
  return names;
}
INSTANTIATE_TEST_SUITE_P(Presets, PresetInvarianceTest, testing::ValuesIn(PresetsWithCodes()),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(PresetInvarianceTest, PermutedRowsHavePermutedAnswersToTheBit) {
  const auto data = SomeDigits(kRows, 0);
  const auto order = Permutation(kRows);
  const auto model = Drawn(PlanFor(*data, "preset: '" + GetParam() + "'"), *data);
  const auto mixed =
      Made(*data, kRows, [&](std::size_t r, std::size_t c) { return RowsOf(*data)(order[r], c); });
  std::vector<std::int32_t> labels, mixed_labels;
  if (model->spec().condition().has_label()) {
    const auto own = data->labels(v1::PART_TRAIN);
    labels.assign(own.begin(), own.end());
    for (const std::uint32_t r : order) mixed_labels.push_back(own[r]);
  }
  const Answers answers = Ask(*model, {RowsOf(*data), labels});
  const Answers others = Ask(*model, {RowsOf(*mixed), mixed_labels});
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t i = 0; i < model->latent_dim(); ++i) {
      ASSERT_EQ(others.codes[r * model->latent_dim() + i],
                answers.codes[order[r] * model->latent_dim() + i]);
    }
    for (std::size_t c = 0; c < kColumns; ++c) {
      ASSERT_EQ(others.rebuilt[r * kColumns + c], answers.rebuilt[order[r] * kColumns + c]);
    }
  }
}

TEST(InvarianceTest, PermutedColumnsAndWeightsGiveTheSameCodes) {
  const auto data = SomeDigits(kRows, 0);
  const auto order = Permutation(kColumns);
  const auto mixed =
      Made(*data, kRows, [&](std::size_t r, std::size_t c) { return RowsOf(*data)(r, order[c]); });
  const std::string request = "preset: 'vae' architecture { scaling { standardise {} } }";
  const auto model = Drawn(PlanFor(*data, request), *data);
  const auto other = Drawn(PlanFor(*mixed, request), *mixed);
  ParameterSet &from = model->parameters(), &to = other->parameters();
  std::copy(from.values().begin(), from.values().end(), to.values().begin());
  for (std::size_t c = 0; c < kColumns; ++c) {
    const Matrix out = to.matrix(to.Find("encoder.0.weight"));
    const ConstMatrix in = from.matrix(from.Find("encoder.0.weight"));
    for (std::size_t o = 0; o < in.columns; ++o) out(c, o) = in(order[c], o);
    const Matrix out_last = to.matrix(to.Find("output.weight"));
    const ConstMatrix in_last = from.matrix(from.Find("output.weight"));
    for (std::size_t i = 0; i < in_last.rows; ++i) out_last(i, c) = in_last(i, order[c]);
    to.span(to.Find("output.bias"))[c] = from.span(from.Find("output.bias"))[order[c]];
  }
  other->RefreshPacked();
  const Answers answers = Ask(*model, RowsOf(*data)), others = Ask(*other, RowsOf(*mixed));
  for (std::size_t i = 0; i < answers.codes.size(); ++i) {
    ASSERT_NEAR(others.codes[i], answers.codes[i], 2e-5);
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kColumns; ++c) {
      ASSERT_NEAR(others.rebuilt[r * kColumns + c], answers.rebuilt[r * kColumns + order[c]], 2e-5);
    }
  }
}

// Epochs of one update each over all rows.
std::string WholeBatches(const std::string& architecture) {
  return architecture +
         " training { solver { gradient { epochs: 20 batch_size: 4096 shuffle: false } } }";
}

TEST(InvarianceTest, ARepeatedDatasetGivesTheSameLossAndWeights) {
  const auto data = SomeDigits(kRows, 0);
  const auto twice = Made(
      *data, 2 * kRows, [&](std::size_t r, std::size_t c) { return RowsOf(*data)(r % kRows, c); });
  const std::string request = WholeBatches("architecture { latent { dim: 4 } }");
  const auto once = Fit(PlanFor(*data, request), *data);
  const auto again = Fit(PlanFor(*twice, request), *twice);
  ASSERT_TRUE(once.ok() && again.ok()) << once.status() << again.status();
  EXPECT_NEAR(again->progress.train_loss() / once->progress.train_loss(), 1, 1e-5);
  ThreadPool pool(1);
  EXPECT_NEAR(ValidationPass(twice->rows(v1::PART_TRAIN)).Objective(*once->model, 0, pool),
              ValidationPass(data->rows(v1::PART_TRAIN)).Objective(*once->model, 0, pool), 1e-9);
  EXPECT_NEAR(SquaredErrorPerRow(*again->model, *data) / SquaredErrorPerRow(*once->model, *data), 1,
              1e-3);
}

TEST(InvarianceTest, UnitsOfStandardisedColumnsDoNotShowInTheLoss) {
  const auto data = SomeDigits(kRows, 0);
  const auto scaled =
      Made(*data, kRows, [&](std::size_t r, std::size_t c) { return 12.8f * RowsOf(*data)(r, c); });
  for (const char* const likelihood : {"gaussian {}", "gaussian { learned_variance: true }"}) {
    const std::string request =
        WholeBatches(std::string("architecture { scaling { standardise {} } likelihood { ") +
                     likelihood + " } }");
    const auto one = Fit(PlanFor(*data, request), *data);
    const auto other = Fit(PlanFor(*scaled, request), *scaled);
    ASSERT_TRUE(one.ok() && other.ok()) << one.status() << other.status();
    EXPECT_NEAR(other->progress.train_loss() / one->progress.train_loss(), 1, 1e-4) << likelihood;
  }
}

TEST(InvarianceTest, TheReportedLossIsAMeanOverRowsWhateverTheBatch) {
  const auto data = SomeDigits(kRows, 0);
  const auto loss = [&](const std::string& request, int batch) {
    const auto result =
        Fit(PlanFor(*data, request + " training { solver { gradient { epochs: 1 batch_size: " +
                               std::to_string(batch) +
                               " schedule { learning_rate: 1e-30 } optimizer { adam { "
                               "weight_decay: 0 } } } } }"),
            *data);
    EXPECT_TRUE(result.ok()) << result.status();
    return result->progress.train_loss();
  };
  // The weight of the KL term would rise from batch to batch.
  const std::string steady = " architecture { objective { elbo { warm_up_fraction: 0 } } }";
  for (const std::string& request :
       {std::string("preset: 'plain'"), std::string("preset: 'sparse'"), "preset: 'vae'" + steady,
        "preset: 'mult-vae'" + steady}) {
    const double all = loss(request, 60);
    for (const int batch : {1, 7, 16}) EXPECT_NEAR(loss(request, batch) / all, 1, 2e-6) << request;
  }
}

}  // namespace
}  // namespace latent

// Conditional models: what Resolve makes of a dataset's labels, and what training makes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/eval/evaluation.h"
#include "core/model/model_io.h"
#include "core/model/sampler.h"
#include "core/train/fits.h"
#include "tests/unit/train/plan_fixture.h"
#include "tests/unit/train/train_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

// The one field that a request is refused for, and why.
std::string Refusal(const absl::StatusOr<v1::TrainingPlan>& plan) {
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
  const auto fields = DetailsOf(plan.status()).fields;
  EXPECT_EQ(fields.size(), 1u);
  return fields.empty() ? "" : fields[0].path + ": " + fields[0].description;
}

TEST(ConditionalPlanTest, ListsTheLabelsOfTrainRowsWithTheirNames) {
  DatasetInfo info = DigitsInfo();
  info.label_names = {"zero", "one", "two"};
  info.part_labels.fill({-1, 1, 2, 5});
  const auto plan = ResolveText("preset: 'cvae'", info);
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::string classes;
  for (const v1::LabelClass& one : plan->architecture().condition().label().classes()) {
    EXPECT_TRUE(one.has_name());
    classes += std::to_string(one.label()) + one.name() + " ";
  }
  EXPECT_EQ(classes, "-1 1one 2two 5 ");
}

TEST(ConditionalPlanTest, HasNoConditionUnlessAskedFor) {
  const auto plan = ResolveText("preset: 'vae'");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->architecture().condition().has_none());
}

TEST(ConditionalPlanTest, DatasetWithoutLabelsIsRefused) {
  DatasetInfo info = DigitsInfo();
  info.has_labels = false;
  info.part_labels = {};
  EXPECT_THAT(Refusal(ResolveText("preset: 'cvae'", info)),
              HasSubstr("spec.architecture.condition.label: needs a dataset with labels"));
}

TEST(ConditionalPlanTest, DatasetWhoseLabelsAreNotListedIsRefused) {
  DatasetInfo info = DigitsInfo();
  info.part_labels = {};
  EXPECT_THAT(Refusal(ResolveText("preset: 'cvae'", info)), HasSubstr("upload it again"));
}

TEST(ConditionalPlanTest, LabelThatTrainRowsLackIsRefused) {
  DatasetInfo info = DigitsInfo();
  info.part_labels[v1::PART_TEST].push_back(11);
  EXPECT_THAT(Refusal(ResolveText("preset: 'cvae'", info)),
              testing::AllOf(HasSubstr("spec.dataset: "), HasSubstr("got 11 in TEST")));
}

TEST(ConditionalPlanTest, OneClassOrVeryManyAreRefused) {
  for (const int count : {1, 4097}) {
    DatasetInfo info = DigitsInfo();
    std::vector<std::int32_t> labels;
    for (int i = 0; i < count; ++i) labels.push_back(i);
    info.part_labels.fill(labels);
    EXPECT_THAT(Refusal(ResolveText("preset: 'cvae'", info)),
                HasSubstr("spec.architecture.condition.label.classes: expected 2 to 4096"))
        << count;
  }
}

TEST(ConditionalPlanTest, ClosedFormsReadNoLabels) {
  for (const char* preset : {"pca", "ease"}) {
    EXPECT_THAT(Refusal(ResolveText(std::string("preset: '") + preset +
                                    "' architecture { condition { label {} } }")),
                HasSubstr("spec.architecture.condition: the closed form"));
  }
}

TEST(ConditionalPlanTest, CombinesWithEveryOtherPreset) {
  for (const Preset& preset : Presets()) {
    const v1::Solver& solver = preset.training.solver();
    if (solver.has_pca() || solver.has_ease()) continue;
    const auto plan =
        ResolveText("preset: '" + preset.name + "' architecture { condition { label {} } }");
    EXPECT_TRUE(plan.ok()) << preset.name << plan.status();
  }
}

TEST(ConditionalPlanTest, WarmStartKeepsTheCondition) {
  const WarmSource source{"m", 3, *ResolveText("preset: 'cvae'")};
  const auto resolve = [&](const std::string& more, const DatasetInfo& info = DigitsInfo()) {
    return Resolve(Request("training { warm_start { model: 'm' version: 3 } } " + more), info,
                   {.default_threads = 2}, &source);
  };
  DatasetInfo fewer = DigitsInfo();
  fewer.part_labels.fill({3, 4});
  const auto plan = resolve("", fewer);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->architecture().condition().label().classes_size(), 10);
  EXPECT_THAT(Refusal(resolve("architecture { condition { none {} } }")),
              HasSubstr("spec.architecture.condition: expected label, as version 3"));
  DatasetInfo more = DigitsInfo();
  more.part_labels.fill({3, 10});
  EXPECT_THAT(Refusal(resolve("", more)), HasSubstr("got 10 in TRAIN"));
}

TEST(ConditionalPlanTest, VersionIsNotEvaluatedOnLabelsItDoesNotKnow) {
  const v1::TrainingPlan plan = *ResolveText("preset: 'cvae'");
  DatasetInfo info = DigitsInfo();
  EXPECT_TRUE(CheckFits(plan, info).ok());
  info.part_labels[v1::PART_VALIDATION] = {12};
  EXPECT_EQ(CheckFits(plan, info).code(), absl::StatusCode::kInvalidArgument);
  info.has_labels = false;
  EXPECT_THAT(std::string(CheckFits(plan, info).message()), HasSubstr("expected labels"));
}

// The class of most of a row's five nearest rows.
std::int32_t Vote(std::span<const float> row, const RowsView& rows,
                  std::span<const std::int32_t> labels) {
  std::vector<std::pair<double, std::int32_t>> near;
  std::vector<float> scratch(rows.columns);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const std::span<const float> other = rows.row(r, scratch);
    double squares = 0;
    for (std::size_t c = 0; c < row.size(); ++c) {
      squares += (row[c] - other[c]) * (row[c] - other[c]);
    }
    near.emplace_back(squares, labels[r]);
  }
  std::partial_sort(near.begin(), near.begin() + 5, near.end());
  std::array<int, 10> votes{};
  for (int i = 0; i < 5; ++i) ++votes[static_cast<std::size_t>(near[i].second)];
  return static_cast<std::int32_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

class TrainedConditionalTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    data_ = SomeDigits(1500, 150);
    plan_ = PlanFor(*data_,
                    "preset: 'cvae' architecture { latent { dim: 8 } } training { solver {"
                    " gradient { epochs: 30 } } }");
    auto result = Fit(plan_, *data_);
    ASSERT_TRUE(result.ok()) << result.status();
    model_ = std::move(result->model);
  }
  static void TearDownTestSuite() { model_.reset(); }

  inline static std::shared_ptr<const Dataset> data_;
  inline static v1::TrainingPlan plan_;
  inline static std::shared_ptr<const Autoencoder> model_;
};

TEST_F(TrainedConditionalTest, SamplesAreOfTheLabelThatIsAskedFor) {
  constexpr std::size_t kEach = 30;
  const auto sampler = StandardNormalSampler(8);
  std::vector<float> codes(kEach * 8), rows(kEach * 64);
  int right = 0;
  for (std::int32_t label = 0; label < 10; ++label) {
    sampler->Draw(5, 1, kEach * static_cast<std::size_t>(label), {codes.data(), kEach, 8});
    const std::vector<std::int32_t> labels(kEach, label);
    Workspace ws;
    const Matrix sampled(rows.data(), kEach, 64);
    model_->Decode({ConstMatrix(codes.data(), kEach, 8), labels}, sampled, ws);
    int own = 0;
    for (std::size_t r = 0; r < kEach; ++r) {
      own +=
          Vote(sampled.row(r), data_->rows(v1::PART_TRAIN), data_->labels(v1::PART_TRAIN)) == label
              ? 1
              : 0;
    }
    EXPECT_GE(own, 18) << "label " << label;  // 60 %
    right += own;
  }
  RecordProperty("right_of_300", right);
  EXPECT_GE(right, 270);  // 90 %
}

TEST_F(TrainedConditionalTest, WrongLabelsMakeRowsLessLikely) {
  const RowsView rows = RowsFor(plan_.architecture(), *data_, v1::PART_VALIDATION);
  std::vector<float> scratch;
  const LabelledRows own = rows.Read(0, rows.rows, scratch);
  std::vector<std::int32_t> others;
  for (std::size_t r = 0; r < rows.rows; ++r) others.push_back((own.labels[r] + 1) % 10);
  std::vector<double> right(rows.rows), wrong(rows.rows);
  Workspace ws;
  model_->Forward(own, {.score = right}, ws);
  model_->Forward({own, others}, {.score = wrong}, ws);
  double gain = 0;
  for (std::size_t r = 0; r < rows.rows; ++r) gain += wrong[r] - right[r];
  EXPECT_GT(gain / static_cast<double>(rows.rows), 2);  // nats
}

TEST_F(TrainedConditionalTest, IsEvaluatedWithEachRowsOwnLabel) {
  const auto evaluation = Evaluate(*model_, plan_, *data_, {});
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_NEAR(FindMetric(evaluation->metrics, "validation_objective")->value(),
              ValidationObjective(*model_, *data_, v1::PART_VALIDATION, 0), 1e-9);
  // What the label tells is left out of the code.
  EXPECT_TRUE(FindMetric(evaluation->metrics, "test_iwae_nll").ok());
  EXPECT_LT(FindMetric(evaluation->metrics, "linear_code_accuracy")->value(),
            FindMetric(evaluation->metrics, "linear_raw_accuracy")->value());
}

TEST_F(TrainedConditionalTest, IsTheSameModelFromItsFiles) {
  const auto again = FromTensors(plan_, ToTensors(*model_));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->LatentSpaceId(), model_->LatentSpaceId());
  const RowsView rows = RowsFor(plan_.architecture(), *data_, v1::PART_VALIDATION);
  std::vector<float> scratch, before(50 * 64), after(50 * 64);
  const LabelledRows some = rows.Read(0, 50, scratch);
  Workspace ws;
  model_->Forward(some, {.reconstruction = {before.data(), 50, 64}}, ws);
  (*again)->Forward(some, {.reconstruction = {after.data(), 50, 64}}, ws);
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace latent

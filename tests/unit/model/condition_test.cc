#include "core/model/condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/status.h"
#include "core/model/latent_part.h"
#include "core/model/model_file.h"
#include "core/model/model_io.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kRows = 40;
constexpr std::size_t kColumns = 6;
constexpr std::size_t kDim = 2;

const char* const kModels[] = {
    "encoder { layers { dense { units: 5 activation: ACTIVATION_TANH } } } latent { dim: 2 "
    "gaussian "
    "{} } likelihood { bernoulli {} } objective { elbo { draws: 2 } }",
    "encoder {} latent { dim: 2 gaussian {} } likelihood { bernoulli {} } objective { elbo {} }",
    "encoder {} tied_weights: true latent { dim: 2 deterministic { activation: ACTIVATION_TANH } } "
    "likelihood { gaussian { variance: 1 } }",
    "encoder {} latent { dim: 2 hierarchical { layers: [1, 1] hidden_units: 4 activation: "
    "ACTIVATION_TANH } } likelihood { bernoulli {} } objective { iwae { draws: 3 } }",
    "encoder {} latent { dim: 2 top_k { k: 1 relu: false } } likelihood { gaussian { variance: 1 } "
    "}",
    "encoder {} latent { dim: 2 vector_quantised { groups: 1 codebook_size: 4 decay: 0.9 "
    "smoothing: "
    "1e-5 restart_after_rows: 50 commitment: 0.25 } } likelihood { gaussian { variance: 1 } }",
    "encoder { layers { convolution { channels: 3 kernel: 3 stride: 2 padding: 1 activation: "
    "ACTIVATION_RELU input { height: 6 width: 1 channels: 1 } output { height: 3 width: 1 "
    "channels: "
    "3 } } } } latent { dim: 2 gaussian {} } likelihood { bernoulli {} } objective { elbo {} }"};

// A model whose every number differs from 0.
std::unique_ptr<ComposedAutoencoder> Stirred(const std::string& text, const UniformRows& data) {
  auto model = MakeModel(ParseSpec(kLabels + text), data.rows);
  std::vector<Real> noise(model->parameters().values().size());
  FillNormal({.seed = 5}, noise);
  for (std::size_t i = 0; i < noise.size(); ++i) {
    model->parameters().values()[i] += noise[i] / 2;
  }
  model->RefreshPacked();
  return model;
}

struct Answers {
  std::vector<Real> codes = std::vector<Real>(kRows * kDim);
  std::vector<Real> rows = std::vector<Real>(kRows * kColumns);
  std::vector<double> score = std::vector<double>(kRows);
  ForwardOutputs Of(std::size_t first, std::size_t n) {
    return {.codes = {codes.data() + first * kDim, n, kDim},
            .reconstruction = {rows.data() + first * kColumns, n, kColumns},
            .score = std::span(score).subspan(first, n)};
  }
};

class ConditionalModelTest : public testing::TestWithParam<const char*> {
 protected:
  Answers Forward(std::span<const std::int32_t> labels) const {
    Answers answers;
    Workspace ws;
    model_->Forward({data_.rows, labels}, answers.Of(0, kRows), ws);
    return answers;
  }

  const UniformRows data_{kRows, kColumns};
  const std::vector<std::int32_t> labels_ = SomeLabels(kRows);
  const std::unique_ptr<ComposedAutoencoder> model_ = Stirred(GetParam(), data_);
};
INSTANTIATE_TEST_SUITE_P(Models, ConditionalModelTest, testing::ValuesIn(kModels));

TEST_P(ConditionalModelTest, CodesAndRowsDependOnTheLabel) {
  const Answers own = Forward(labels_);
  const Answers twos = Forward(std::vector<std::int32_t>(kRows, 2));
  std::size_t others = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    if (labels_[r] == 2) {
      EXPECT_EQ(own.score[r], twos.score[r]) << r;
      EXPECT_EQ(own.codes[r * kDim], twos.codes[r * kDim]) << r;
    } else {
      others += own.score[r] != twos.score[r] ? 1u : 0u;
    }
  }
  EXPECT_EQ(others, kRows - kRows / 4);
  // The decoder alone: one code, two labels.
  Workspace ws;
  std::vector<Real> codes(2 * kDim, Real{0.5}), rows(2 * kColumns);
  const std::vector<std::int32_t> two = {-3, 7};
  model_->Decode({ConstMatrix(codes.data(), 2, kDim), two}, {rows.data(), 2, kColumns}, ws);
  EXPECT_NE(rows[0], rows[kColumns]);
}

TEST_P(ConditionalModelTest, RowsHaveTheSameBitsAloneAndTogether) {
  Answers together = Forward(labels_), alone;
  Workspace ws;
  for (std::size_t r = 0; r < kRows; ++r) {
    const LabelledRows rows(data_.rows, labels_);
    model_->Forward(rows.slice_rows(r, 1), alone.Of(r, 1), ws);
  }
  EXPECT_EQ(alone.codes, together.codes);
  EXPECT_EQ(alone.rows, together.rows);
  EXPECT_EQ(alone.score, together.score);
}

TEST_P(ConditionalModelTest, ServesFromItsFilesWhatItWasTrainedTo) {
  v1::TrainingPlan plan;
  *plan.mutable_architecture() = model_->spec();
  plan.mutable_data()->set_columns(kColumns);
  const auto read = FromTensors(plan, ToTensors(*model_));
  ASSERT_TRUE(read.ok()) << read.status();
  Answers served;
  Workspace ws;
  (*read)->Forward({data_.rows, labels_}, served.Of(0, kRows), ws);
  const Answers own = Forward(labels_);
  EXPECT_EQ(served.codes, own.codes);
  EXPECT_EQ(served.rows, own.rows);
  EXPECT_EQ((*read)->LatentSpaceId(), model_->LatentSpaceId());
}

TEST_P(ConditionalModelTest, LatentSpaceIsThatOfTheEncodersLabels) {
  const std::string id = model_->LatentSpaceId();
  std::size_t tables = 0;
  for (const ParameterSegment& segment : model_->parameters().segments()) {
    if (!segment.name.ends_with(".label_bias")) continue;
    ++tables;
    Real& number = model_->parameters().values()[segment.offset];
    const Real kept = number;
    number += 1;
    const bool encodes = segment.name.starts_with("encoder") || segment.name.starts_with("latent");
    EXPECT_EQ(model_->LatentSpaceId() != id, encodes) << segment.name;
    number = kept;
  }
  EXPECT_GE(tables, 2u);
}

TEST_P(ConditionalModelTest, GradientsAreTheSameForAnyNumberOfThreads) {
  const RowsView rows = RowsView(data_.rows).WithLabels(labels_);
  OneBatch one(model_.get(), rows, 1), three(model_.get(), rows, 3);
  const double loss = one.ForwardBackward().total;
  EXPECT_EQ(three.ForwardBackward().total, loss);
  EXPECT_TRUE(std::equal(one.pass.gradient().begin(), one.pass.gradient().end(),
                         three.pass.gradient().begin()));
}

// y = x W + b + table[label] is the product of (x, one-hot label) with one matrix, W over the
// table.
TEST(ConditionalLayerTest, IsTheProductWithTheOneHotLabel) {
  const UniformRows data(kRows, kColumns);
  const auto labels = SomeLabels(kRows);
  const auto model = Stirred(
      "encoder {} latent { dim: 2 deterministic { activation: ACTIVATION_IDENTITY } } "
      "likelihood { gaussian { variance: 1 } }",
      data);
  const ParameterSet& p = model->parameters();
  const ConstMatrix w = p.matrix(p.Find("latent.code.weight"));
  const ConstMatrix table = p.matrix(p.Find("latent.code.label_bias"));
  const auto bias = p.span(p.Find("latent.code.bias"));
  ASSERT_EQ(table.rows, 3u);
  std::vector<Real> codes(kRows * kDim);
  Workspace ws;
  model->Forward({data.rows, labels}, {.codes = Matrix(codes.data(), kRows, kDim)}, ws);
  for (std::size_t r = 0; r < kRows; ++r) {
    const std::size_t row_class = labels[r] == -3 ? 0 : labels[r] == 2 ? 1 : 2;
    for (std::size_t j = 0; j < kDim; ++j) {
      double sum = static_cast<double>(bias[j]);
      for (std::size_t i = 0; i < kColumns; ++i) sum += double{data.rows(r, i)} * double{w(i, j)};
      for (std::size_t k = 0; k < 3; ++k) sum += (k == row_class ? 1.0 : 0.0) * double{table(k, j)};
      EXPECT_NEAR(codes[r * kDim + j], sum, 1e-5);
    }
  }
}

TEST(ConditionTest, FindsTheClassesOfLabels) {
  const Condition condition(ParseSpec(kLabels).condition());
  EXPECT_EQ(condition.classes(), 3u);
  EXPECT_EQ(condition.ClassOf(-3), 0u);
  EXPECT_EQ(condition.ClassOf(7), 2u);
  EXPECT_EQ(condition.ClassOf(3), std::nullopt);
  EXPECT_EQ(condition.Text(), "-3, 2, 7");
  EXPECT_EQ(Condition(v1::Condition()).classes(), 0u);
}

TEST(ConditionTest, ClassesThatCannotBeAreRefused) {
  const std::string parts =
      "encoder {} latent { dim: 2 gaussian {} } likelihood { bernoulli {} } objective { elbo {} } ";
  for (const char* classes :
       {"", "classes { label: 1 }", "classes { label: 2 } classes { label: 1 }",
        "classes { label: 1 } classes { label: 1 }"}) {
    const v1::ModelSpec spec =
        ParseSpec(parts + "condition { label { " + std::string(classes) + " } }");
    const absl::Status status = CheckArchitecture(spec, kColumns);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << classes;
    ASSERT_EQ(DetailsOf(status).fields.size(), 1u) << classes;
    EXPECT_EQ(DetailsOf(status).fields[0].path, "architecture.condition.label.classes");
  }
}

TEST(LabelledRowsTest, LabelsFollowTheirRows) {
  const UniformRows data(6, 2);
  const std::vector<std::int32_t> labels = {10, 11, 12, 13, 14, 15};
  const RowsView rows = RowsView(data.rows).WithLabels(labels);
  std::vector<Real> scratch;
  EXPECT_EQ(rows.Read(2, 3, scratch).labels[1], 13);
  EXPECT_EQ(rows.slice_rows(1, 4).EveryNth(2).Read(1, 1, scratch).labels[0], 13);
  EXPECT_EQ(rows.EveryNth(2).slice_rows(1, 2).labels()[1], 14);
  EXPECT_FALSE(RowsView(data.rows).Read(0, 2, scratch).labels.given());
}

}  // namespace
}  // namespace latent

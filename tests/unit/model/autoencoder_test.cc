// What a served model promises, over a table of compositions.
#include <cmath>
#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "core/model/composed_autoencoder.h"
#include "core/model/model_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

constexpr std::size_t kColumns = 23;
constexpr std::size_t kRows = 37;

struct ModelCase {
  const char* name;
  const char* spec;
};
void PrintTo(const ModelCase& c, std::ostream* os) { *os << c.name; }

const ModelCase kModels[] = {
    {"Linear",
     "latent { dim: 5 deterministic { activation: ACTIVATION_IDENTITY } }"
     "likelihood { gaussian { variance: 1 } } objective { reconstruction {} }"},
    {"TiedRelu",
     "scaling { min_max {} } tied_weights: true "
     "encoder { layers { dense { units: 19 activation: ACTIVATION_RELU } } }"
     "latent { dim: 7 deterministic { activation: ACTIVATION_TANH } }"
     "likelihood { gaussian { learned_variance: true variance: 0.5 } }"
     "objective { reconstruction {} }"},
    {"Sparse",
     "scaling { standardise {} } encoder {"
     "  layers { dense { units: 33 activation: ACTIVATION_LEAKY_RELU } }"
     "  layers { dense { units: 18 activation: ACTIVATION_SIGMOID } } }"
     "latent { dim: 40 deterministic { activation: ACTIVATION_RELU } }"
     "likelihood { gaussian { variance: 1 } } objective { reconstruction {} }"
     "penalties { l1 { weight: 0.01 } unit_norm_decoder: true }"},
    {"Variational",
     "encoder { layers { dense { units: 32 activation: ACTIVATION_TANH } } }"
     "latent { dim: 6 gaussian {} } likelihood { bernoulli {} } objective { elbo { draws: 1 } }"},
    {"TiedVariational",
     "scaling { standardise {} } tied_weights: true corruption { gaussian { sigma: 0.1 } }"
     "encoder { layers { dense { units: 16 activation: ACTIVATION_RELU } } }"
     "latent { dim: 3 gaussian {} } likelihood { gaussian { learned_variance: true } }"
     "objective { elbo { draws: 2 } }"},
    {"TopK",
     "latent { dim: 40 top_k { k: 5 relu: true } } likelihood { gaussian { variance: 1 } }"
     "encoder { layers { dense { units: 21 activation: ACTIVATION_RELU } } }"
     "objective { reconstruction {} } penalties { unit_norm_decoder: true }"},
    {"VectorQuantised",
     "encoder { layers { dense { units: 21 activation: ACTIVATION_RELU } } }"
     "latent { dim: 12 vector_quantised { groups: 3 codebook_size: 37 decay: 0.9 smoothing: 1e-5"
     "                                   commitment: 0.25 restart_after_rows: 50 } }"
     "likelihood { gaussian { variance: 1 } } objective { reconstruction {} }"},
    {"Smooth",
     "encoder { layers { dense { units: 21 activation: ACTIVATION_SILU } }"
     "          layers { dense { units: 19 activation: ACTIVATION_ELU } } }"
     "latent { dim: 7 deterministic { activation: ACTIVATION_SOFTPLUS } }"
     "likelihood { gaussian { variance: 1 } } objective { reconstruction {} }"},
};

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Everything that one pass can yield.
struct Results {
  Results(const Autoencoder& model, ConstMatrix rows)
      : codes(rows.rows * model.latent_dim()),
        sigma(model.variational() ? codes.size() : 0),
        reconstruction(rows.rows * rows.columns),
        feature_nats(rows.rows * rows.columns),
        squared_error(rows.rows),
        score(rows.rows),
        nats(rows.rows),
        kl(rows.rows) {
    ForwardOutputs outputs{.codes = Matrix(codes.data(), rows.rows, model.latent_dim()),
                           .reconstruction = {reconstruction.data(), rows.rows, rows.columns},
                           .squared_error = squared_error,
                           .score = score,
                           .reconstruction_nats = nats,
                           .kl = kl,
                           .feature_nats = {feature_nats.data(), rows.rows, rows.columns}};
    if (model.variational()) {
      outputs.sigma = Matrix(sigma.data(), rows.rows, model.latent_dim());
    }
    Workspace ws;
    model.Forward(rows, outputs, ws);
  }
  std::vector<float> codes, sigma, reconstruction, feature_nats;
  std::vector<double> squared_error, score, nats, kl;
};

class AutoencoderTest : public testing::TestWithParam<ModelCase> {
 protected:
  AutoencoderTest()
      : data_(kRows, kColumns), model_(MakeModel(ParseSpec(GetParam().spec), data_.rows)) {}

  UniformRows data_;
  std::unique_ptr<ComposedAutoencoder> model_;
};

void CheckRowsAlone(const Autoencoder& model, ConstMatrix rows) {
  const Results together(model, rows);
  for (std::size_t r = 0; r < kRows; ++r) {
    const Results alone(model, rows.slice_rows(r, 1));
    const auto part = [&](const std::vector<float>& all, const std::vector<float>& one) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(r * one.size());
      return std::vector<float>(first, first + static_cast<std::ptrdiff_t>(one.size()));
    };
    ASSERT_TRUE(SameBits(part(together.codes, alone.codes), alone.codes)) << r;
    ASSERT_TRUE(SameBits(part(together.sigma, alone.sigma), alone.sigma)) << r;
    ASSERT_TRUE(SameBits(part(together.reconstruction, alone.reconstruction), alone.reconstruction))
        << r;
    ASSERT_TRUE(SameBits(part(together.feature_nats, alone.feature_nats), alone.feature_nats)) << r;
    ASSERT_EQ(together.score[r], alone.score[0]) << r;
    ASSERT_EQ(together.squared_error[r], alone.squared_error[0]) << r;
  }
}

TEST_P(AutoencoderTest, GivesARowTheSameBitsAloneAndInABatch) {
  CheckRowsAlone(*model_, data_.rows);
}

TEST_P(AutoencoderTest, GivesARowTheSameBitsInAnyBatchWithNarrowWeights) {
  const auto wide = model_->Narrowed(WeightFormat::kFloat32);
  const Results exact(*model_, data_.rows), same(*wide, data_.rows);
  EXPECT_TRUE(SameBits(same.reconstruction, exact.reconstruction));
  for (const WeightFormat format : {WeightFormat::kFloat16, WeightFormat::kInt8}) {
    const auto narrow = model_->Narrowed(format);
    EXPECT_LT(narrow->weight_bytes(), wide->weight_bytes());
    CheckRowsAlone(*narrow, data_.rows);
    EXPECT_FALSE(SameBits(Results(*narrow, data_.rows).reconstruction, exact.reconstruction));
  }
}

TEST_P(AutoencoderTest, DecodesItsCodesToItsReconstructions) {
  const Results results(*model_, data_.rows);
  std::vector<float> decoded(kRows * kColumns);
  Workspace ws;
  model_->Decode(ConstMatrix(results.codes.data(), kRows, model_->latent_dim()),
                 Matrix(decoded.data(), kRows, kColumns), ws);
  EXPECT_TRUE(SameBits(decoded, results.reconstruction));
}

TEST_P(AutoencoderTest, AnswersTheSameWithFewerOutputs) {
  const Results all(*model_, data_.rows);
  std::vector<double> score(kRows);
  Workspace ws;
  model_->Forward(data_.rows, {.score = score}, ws);
  EXPECT_EQ(score, all.score);
}

TEST_P(AutoencoderTest, ScoresReconstructionPlusKl) {
  const Results results(*model_, data_.rows);
  for (std::size_t r = 0; r < kRows; ++r) {
    EXPECT_DOUBLE_EQ(results.score[r], results.nats[r] + results.kl[r]);
    EXPECT_EQ(results.kl[r] > 0, model_->variational());
  }
}

TEST_P(AutoencoderTest, SplitsReconstructionNatsByFeature) {
  const Results results(*model_, data_.rows);
  double sum = 0;
  for (std::size_t c = 0; c < kColumns; ++c) sum += static_cast<double>(results.feature_nats[c]);
  EXPECT_NEAR(sum, results.nats[0], 1e-5 * std::abs(results.nats[0]));
}

TEST_P(AutoencoderTest, GivesReconstructionNatsOfItsCodes) {
  const Results results(*model_, data_.rows);
  std::vector<double> nats(kRows);
  Workspace ws;
  model_->ReconstructionNats(
      data_.rows, ConstMatrix(results.codes.data(), kRows, model_->latent_dim()), nats, ws);
  EXPECT_EQ(nats, results.nats);
}

TEST_P(AutoencoderTest, MeasuresSquaredErrorInDatasetUnits) {
  const Results results(*model_, data_.rows);
  double sum = 0;
  for (std::size_t c = 0; c < kColumns; ++c) {
    const double d =
        static_cast<double>(results.reconstruction[c]) - static_cast<double>(data_.rows(0, c));
    sum += d * d;
  }
  EXPECT_NEAR(results.squared_error[0], sum, 1e-5 * sum);
}

TEST_P(AutoencoderTest, AnswersToTheBitAfterSaveAndLoad) {
  v1::TrainingPlan plan;
  *plan.mutable_architecture() = model_->spec();
  plan.mutable_data()->set_columns(kColumns);
  const absl::StatusOr<TensorFile> file = ParseTensors(SerializeTensors(ToTensors(*model_)));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto loaded = FromTensors(plan, *file);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const Results before(*model_, data_.rows);
  const Results after(**loaded, data_.rows);
  EXPECT_TRUE(SameBits(before.codes, after.codes));
  EXPECT_TRUE(SameBits(before.reconstruction, after.reconstruction));
  EXPECT_EQ(before.score, after.score);
  EXPECT_EQ(model_->LatentSpaceId(), (*loaded)->LatentSpaceId());
}

INSTANTIATE_TEST_SUITE_P(Models, AutoencoderTest, testing::ValuesIn(kModels),
                         [](const auto& param) { return param.param.name; });

TEST(ComposedAutoencoderTest, CrossesChunkBordersWithoutATrace) {
  const UniformRows data(600, kColumns);
  const auto model = MakeModel(ParseSpec(kModels[3].spec), data.rows);
  const Results all(*model, data.rows);
  const Results last(*model, data.rows.slice_rows(599, 1));
  EXPECT_EQ(all.score[599], last.score[0]);
}

TEST(ComposedAutoencoderTest, StartsAtTheMeanRow) {
  const UniformRows data(50, kColumns);
  for (const ModelCase& c : kModels) {
    const auto model = MakeModel(ParseSpec(c.spec), data.rows);
    std::vector<float> zero(model->latent_dim()), row(kColumns);
    // Without the decoder's hidden biases, which start at 0, a zero code gives the output bias
    // (sigmoid layers apart). A codebook has no zero.
    if (std::string(c.name) == "Sparse" || model->codebook()) continue;
    Workspace ws;
    model->Decode(ConstMatrix(zero.data(), 1, zero.size()), Matrix(row.data(), 1, kColumns), ws);
    for (std::size_t i = 0; i < kColumns; ++i) {
      EXPECT_NEAR(row[i], model->column_means()[i], 1e-4) << c.name;
    }
  }
}

TEST(ComposedAutoencoderTest, HoldsDecoderColumnsAtUnitNormFromTheStart) {
  const UniformRows data(20, kColumns);
  const auto model = MakeModel(ParseSpec(kModels[2].spec), data.rows);
  const std::size_t segment = model->parameters().Find("decoder.0.weight");
  const Matrix weights = model->parameters().matrix(segment);
  for (std::size_t k = 0; k < weights.rows; ++k) {
    double squares = 0;
    for (const float w : weights.row(k)) squares += static_cast<double>(w) * static_cast<double>(w);
    EXPECT_NEAR(squares, 1, 1e-5);
  }
}

TEST(ComposedAutoencoderTest, ChangesItsLatentSpaceIdWithEncoderOrScalingOnly) {
  const UniformRows data(20, kColumns);
  const auto model = MakeModel(ParseSpec(kModels[1].spec), data.rows);
  const std::string id = model->LatentSpaceId();
  EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]{16}"));
  ParameterSet& parameters = model->parameters();
  parameters.span(parameters.Find("output.bias"))[0] += 1;
  EXPECT_EQ(model->LatentSpaceId(), id);
  parameters.span(parameters.Find("encoder.0.bias"))[0] += 1;
  EXPECT_NE(model->LatentSpaceId(), id);
}

TEST(ComposedAutoencoderTest, TakesAClosedFormSolution) {
  const UniformRows data(9, 3);
  const auto model = MakeModel(
      ParseSpec(
          "scaling { none {} } latent { dim: 1 deterministic { activation: "
          "ACTIVATION_IDENTITY } } tied_weights: true likelihood { gaussian { variance: 1 } }"),
      data.rows);
  const std::vector<double> component = {0.6, 0.8, 0}, mean = {1, 2, 3};
  ASSERT_TRUE(model->SetLinear({component.data(), 1, 3}, mean).ok());
  std::vector<float> row = {2, 2, 5};
  const Results results(*model, ConstMatrix(row.data(), 1, 3));
  EXPECT_NEAR(results.codes[0], 0.6, 1e-6);
  EXPECT_NEAR(results.reconstruction[0], 1.36, 1e-6);
  EXPECT_NEAR(results.reconstruction[1], 2.48, 1e-6);
  EXPECT_NEAR(results.reconstruction[2], 3, 1e-6);
}

TEST(ComposedAutoencoderTest, RefusesAClosedFormSolutionOfAnotherShape) {
  const UniformRows data(9, kColumns);
  const std::vector<double> component(kColumns), mean(kColumns);
  const auto model = MakeModel(ParseSpec(kModels[1].spec), data.rows);
  EXPECT_EQ(model->SetLinear({component.data(), 1, kColumns}, mean).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ComposedAutoencoderTest, CorruptsRequestedRowsInScaledUnits) {
  const UniformRows data(4, kColumns);
  const auto model = MakeModel(ParseSpec(kModels[1].spec), data.rows);
  std::vector<float> noisy(4 * kColumns);
  const v1::ModelSpec spec = ParseSpec("corruption { masking { fraction: 1 } }");
  ASSERT_TRUE(
      model->Corrupt(data.rows, spec.corruption(), 1, Matrix(noisy.data(), 4, kColumns)).ok());
  // 0 in min-max units is the column's minimum.
  for (std::size_t c = 0; c < kColumns; ++c) {
    EXPECT_FLOAT_EQ(noisy[c], static_cast<float>(model->statistics().min[c]));
  }
}

TEST(ComposedAutoencoderTest, DrawsCellsByRowNumber) {
  const UniformRows data(4, kColumns);
  const auto model = MakeModel(ParseSpec(kModels[0].spec), data.rows);
  std::vector<float> all = data.cells, tail(data.cells.begin() + 2 * kColumns, data.cells.end());
  model->DrawCells(Matrix(all.data(), 4, kColumns), 5, 0);
  model->DrawCells(Matrix(tail.data(), 2, kColumns), 5, 2);
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), all.begin() + 2 * kColumns));
  EXPECT_NE(all, data.cells);
}

TEST(DrawCodesTest, DrawsByRowNumberAroundTheMean) {
  std::vector<float> mean(6, 2), sigma(6, 0.5F), all(6), tail(3);
  DrawCodes(ConstMatrix(mean.data(), 2, 3), ConstMatrix(sigma.data(), 2, 3), 5, 0,
            Matrix(all.data(), 2, 3));
  DrawCodes(ConstMatrix(mean.data(), 1, 3), ConstMatrix(sigma.data(), 1, 3), 5, 1,
            Matrix(tail.data(), 1, 3));
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), all.begin() + 3));
  std::vector<float> none(6, 0);
  DrawCodes(ConstMatrix(mean.data(), 2, 3), ConstMatrix(none.data(), 2, 3), 5, 0,
            Matrix(all.data(), 2, 3));
  EXPECT_EQ(all, mean);
}

}  // namespace
}  // namespace latent

#include "core/model/model_io.h"

#include <cmath>
#include <limits>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/model/model_fixture.h"

namespace latent {
namespace {

constexpr char kSpec[] =
    "encoder { layers { dense { units: 4 activation: ACTIVATION_TANH } } }"
    "latent { dim: 2 gaussian {} } likelihood { bernoulli {} } objective { elbo { draws: 1 } }";

v1::TrainingPlan SmallPlan() {
  v1::TrainingPlan plan;
  *plan.mutable_architecture() = ParseSpec(kSpec);
  plan.mutable_training()->set_seed(5);
  plan.mutable_data()->set_columns(3);
  return plan;
}

std::unique_ptr<ComposedAutoencoder> SmallModel() {
  const UniformRows data(10, 3);
  return *CreateModel(SmallPlan(), ComputeColumnStatistics(data.rows));
}

TEST(CreateModelTest, DrawsTheSameWeightsForTheSameSeed) {
  EXPECT_EQ(SmallModel()->LatentSpaceId(), SmallModel()->LatentSpaceId());
}

TEST(CreateModelTest, DrawsOtherWeightsForAnotherSeed) {
  const UniformRows data(10, 3);
  v1::TrainingPlan plan = SmallPlan();
  plan.mutable_training()->set_seed(6);
  EXPECT_NE((*CreateModel(plan, ComputeColumnStatistics(data.rows)))->LatentSpaceId(),
            SmallModel()->LatentSpaceId());
}

TEST(CreateModelTest, RefusesAnArchitectureThatIsNotResolved) {
  const UniformRows data(10, 3);
  EXPECT_EQ(CreateModel({}, ComputeColumnStatistics(data.rows)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ToTensorsTest, NamesEveryTensorAndStoresWeightsAsOutputsByInputs) {
  const TensorFile file = ToTensors(*SmallModel());
  std::string shapes;
  for (const auto& [name, tensor] : file.tensors) {
    shapes += name;
    for (const std::uint64_t n : tensor.shape) absl::StrAppend(&shapes, " ", n);
    shapes += "\n";
  }
  // Part of the file format: names and shapes never change.
  EXPECT_EQ(shapes,
            "data.max 3\ndata.mean 3\ndata.min 3\ndata.standard_deviation 3\n"
            "decoder.0.bias 4\ndecoder.0.weight 4 2\n"
            "encoder.0.bias 4\nencoder.0.weight 4 3\n"
            "latent.log_variance.bias 2\nlatent.log_variance.weight 2 4\n"
            "latent.mu.bias 2\nlatent.mu.weight 2 4\n"
            "output.bias 3\noutput.weight 3 4\n");
}

absl::Status LoadAfter(void (*damage)(TensorFile&)) {
  TensorFile file = ToTensors(*SmallModel());
  damage(file);
  return FromTensors(SmallPlan(), file).status();
}

TEST(FromTensorsTest, LoadsWhatWasSaved) {
  EXPECT_TRUE(LoadAfter([](TensorFile&) {}).ok());
}

TEST(FromTensorsTest, NamesAMissingTensor) {
  const absl::Status status = LoadAfter([](TensorFile& f) { f.tensors.erase("latent.mu.bias"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("latent.mu.bias is missing"));
}

TEST(FromTensorsTest, RefusesAnotherShape) {
  const absl::Status status = LoadAfter([](TensorFile& f) {
    f.tensors["output.weight"].shape = {4, 3};
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("expected [3, 4]"));
}

TEST(FromTensorsTest, RefusesNan) {
  const absl::Status status = LoadAfter([](TensorFile& f) {
    f.tensors["encoder.0.bias"].values[1] = std::numeric_limits<float>::quiet_NaN();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("encoder.0.bias"));
}

TEST(FromTensorsTest, RefusesANewerFormat) {
  const absl::Status status = LoadAfter([](TensorFile& f) { f.metadata["format_version"] = "2"; });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "UNKNOWN_MODEL_FORMAT");
}

struct ArchitectureCase {
  const char* name;
  const char* change;  // merged over a good architecture
  const char* field;   // at fault; empty if it is fine
};
void PrintTo(const ArchitectureCase& c, std::ostream* os) { *os << c.name; }

const ArchitectureCase kArchitectures[] = {
    {"Good", "", ""},
    {"NoDim", "latent { dim: 0 }", "architecture.latent.dim"},
    {"NoUnits", "encoder { layers { dense { activation: ACTIVATION_RELU } } }",
     "architecture.encoder.layers[1].dense.units"},
    {"NoActivation", "decoder { layers { dense { units: 3 } } }",
     "architecture.decoder.layers[0].dense.activation"},
    {"AutoLikelihood", "likelihood { auto {} }", "architecture.likelihood.kind"},
    {"NoVariance", "likelihood { gaussian { variance: 0 } }",
     "architecture.likelihood.gaussian.variance"},
    {"ElboOfACode", "latent { deterministic { activation: ACTIVATION_RELU } }",
     "architecture.objective.elbo"},
    {"TiedToAnother",
     "tied_weights: true decoder { layers { dense { units: 5 activation: ACTIVATION_RELU } } }",
     "architecture.tied_weights"},
    {"TiedToItsMirror",
     "tied_weights: true decoder { layers { dense { units: 4 activation: ACTIVATION_RELU } } }",
     ""},
    {"TooFewWeights", "penalties { l1 { per_layer: [1, 2] } }",
     "architecture.penalties.l1.per_layer"},
    {"OneWeightALayer", "penalties { l1 { per_layer: [1, 2, 3] } }", ""},
    {"BadNoise", "corruption { gaussian { sigma: -1 } }", "architecture.corruption.gaussian.sigma"},
};

class ArchitectureTest : public testing::TestWithParam<ArchitectureCase> {};

TEST_P(ArchitectureTest, NamesTheFieldAtFault) {
  v1::ModelSpec spec = ParseSpec(kSpec);
  spec.MergeFrom(ParseSpec(GetParam().change));
  const absl::Status status = CheckArchitecture(spec, 3);
  std::string fields;
  for (const ErrorDetails::Field& field : DetailsOf(status).fields) fields += field.path;
  EXPECT_EQ(fields, GetParam().field) << status;
}

INSTANTIATE_TEST_SUITE_P(Specs, ArchitectureTest, testing::ValuesIn(kArchitectures),
                         [](const auto& param) { return param.param.name; });

TEST(CountParametersTest, CountsWhatTheModelHas) {
  EXPECT_EQ(CountParameters(ParseSpec(kSpec), 3), SmallModel()->parameters().count());
}

}  // namespace
}  // namespace latent

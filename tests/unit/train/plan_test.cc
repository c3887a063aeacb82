#include "core/train/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/model/model_io.h"
#include "core/train/plan_json.h"
#include "tests/unit/train/plan_fixture.h"

namespace latent {
namespace {

v1::TrainingPlan Plan(const std::string& text, const DatasetInfo& info = DigitsInfo()) {
  auto plan = ResolveText(text, info);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.value_or(v1::TrainingPlan());
}

// Collects the paths of fields that a plan leaves open.
void FindUnset(const google::protobuf::Message& message, const std::string& prefix,
               std::set<std::string>& unset) {
  using google::protobuf::FieldDescriptor;
  const auto* reflection = message.GetReflection();
  const auto* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->oneof_decl_count(); ++i) {
    const auto* oneof = descriptor->oneof_decl(i);
    if (!reflection->HasOneof(message, oneof)) unset.insert(prefix + oneof->name());
  }
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    const std::string path = prefix + field->name();
    if (field->is_map()) continue;
    if (field->is_repeated()) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      for (int j = 0; j < reflection->FieldSize(message, field); ++j) {
        FindUnset(reflection->GetRepeatedMessage(message, field, j), path + ".", unset);
      }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const bool set = reflection->HasField(message, field);
      if (!set && field->real_containing_oneof() == nullptr) unset.insert(path);
      if (set) FindUnset(reflection->GetMessage(message, field), path + ".", unset);
    } else if (field->has_presence() && !reflection->HasField(message, field)) {
      unset.insert(path);
    }
  }
}

class EveryPresetTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Presets, EveryPresetTest, testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const Preset& preset : Presets()) names.push_back(preset.name);
                           return names;
                         }()),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(EveryPresetTest, PlanLeavesNothingOpen) {
  std::set<std::string> unset;
  FindUnset(Plan("preset: '" + GetParam() + "'"), "", unset);
  unset.erase("publish._bound");  // absent means: compare with the alias's current version
  unset.erase("publish.bound");
  for (const std::string network : {"encoder", "decoder"}) {  // absent means: dense
    unset.erase("architecture." + network + ".output");
    unset.erase("architecture." + network + "._output");
  }
  unset.erase("training._warm_start");  // absent means: drawn weights
  unset.erase("training.warm_start");
  EXPECT_THAT(unset, testing::IsEmpty());
}

TEST_P(EveryPresetTest, PlanIsTheGoldenOne) {
  const std::string path = std::string(LATENT_TEST_DATA) + "/plans/" + GetParam() + ".json";
  const std::string json = PlanToJson(Plan("preset: '" + GetParam() + "'"));
  if (std::getenv("LATENT_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << json;
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(json, golden.str()) << "set LATENT_UPDATE_GOLDEN=1 to write " << path << " anew";
}

TEST_P(EveryPresetTest, PlanSurvivesTheDisk) {
  const std::string json = PlanToJson(Plan("preset: '" + GetParam() + "'"));
  const auto read = ParsePlan(json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(PlanToJson(*read), json);
}

TEST_P(EveryPresetTest, CountsTheParametersThatTheModelHas) {
  const v1::TrainingPlan plan = Plan("preset: '" + GetParam() + "'");
  if (plan.architecture().latent().has_none()) {
    EXPECT_EQ(plan.parameters(), 64u * 64);
    return;
  }
  const std::vector<float> rows(2 * 64, 0.5f);
  const auto model = CreateModel(plan, ComputeColumnStatistics({rows.data(), 2, 64}));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(plan.parameters(), (*model)->parameters().count());
}

TEST_P(EveryPresetTest, IsShownResolved) {
  const v1::TrainingPlan plan = ResolveForDisplay(*FindPreset(GetParam()), 2);
  EXPECT_EQ(plan.preset(), GetParam());
  EXPECT_GT(plan.parameters(), 0u);
}

TEST(PlanTest, PresetDefaultsToPlain) { EXPECT_EQ(Plan("").preset(), "plain"); }

TEST(PlanTest, LikelihoodFollowsDataAndCode) {
  DatasetInfo wide = DigitsInfo();
  wide.train_min = -3;
  EXPECT_TRUE(Plan("preset: 'vae'").architecture().likelihood().has_bernoulli());
  const auto vae = Plan("preset: 'vae'", wide).architecture().likelihood();
  ASSERT_TRUE(vae.has_gaussian());
  EXPECT_TRUE(vae.gaussian().learned_variance());
  const auto plain = Plan("preset: 'plain'").architecture().likelihood();
  ASSERT_TRUE(plain.has_gaussian());
  EXPECT_FALSE(plain.gaussian().learned_variance());
  EXPECT_EQ(plain.gaussian().variance(), 1);
}

TEST(PlanTest, RowsOutsideTheUnitIntervalAreStandardised) {
  DatasetInfo wide = DigitsInfo();
  wide.train_max = 300;
  EXPECT_TRUE(Plan("", wide).architecture().scaling().has_standardise());
  EXPECT_TRUE(Plan("").architecture().scaling().has_none());
  EXPECT_TRUE(Plan("preset: 'pca'", wide).architecture().scaling().has_none());
}

TEST(PlanTest, DecoderMirrorsTheEncoder) {
  const auto model = Plan(
                         "architecture { encoder {"
                         " layers { dense { units: 30 activation: ACTIVATION_TANH } }"
                         " layers { dense { units: 20 } } } }")
                         .architecture();
  ASSERT_EQ(model.decoder().layers_size(), 2);
  EXPECT_EQ(model.decoder().layers(0).dense().units(), 20u);
  EXPECT_EQ(model.decoder().layers(0).dense().activation(), v1::ACTIVATION_RELU);
  EXPECT_EQ(model.decoder().layers(1).dense().units(), 30u);
  EXPECT_EQ(model.decoder().layers(1).dense().activation(), v1::ACTIVATION_TANH);
}

TEST(PlanTest, AnEmptyEncoderMeansNoHiddenLayers) {
  const auto model = Plan("architecture { encoder {} }").architecture();
  EXPECT_EQ(model.encoder().layers_size(), 0);
  EXPECT_EQ(model.decoder().layers_size(), 0);
}

TEST(PlanTest, EarlyStoppingNeedsValidationRows) {
  DatasetInfo info = DigitsInfo();
  EXPECT_TRUE(Plan("").training().solver().gradient().early_stopping().enabled());
  info.part_rows[v1::PART_VALIDATION] = 0;
  EXPECT_FALSE(Plan("", info).training().solver().gradient().early_stopping().enabled());
}

TEST(PlanTest, VariationalModelsClipTheGradient) {
  EXPECT_EQ(Plan("preset: 'vae'").training().solver().gradient().clip_norm(), 5);
  EXPECT_EQ(Plan("preset: 'plain'").training().solver().gradient().clip_norm(), 0);
}

TEST(PlanTest, SparsePresetChargesCodeAndDecoder) {
  const auto l1 =
      Plan("preset: 'sparse' architecture { encoder { layers { dense { units: 9 } } } }")
          .architecture()
          .penalties()
          .l1();
  EXPECT_THAT(l1.per_layer(), testing::ElementsAre(0, 0.01, 0.05));
}

TEST(PlanTest, PenaltyOfTheRequestReplacesThePresets) {
  const auto l1 = Plan("preset: 'sparse' architecture { penalties { l1 { weight: 0.5 } } }")
                      .architecture()
                      .penalties()
                      .l1();
  EXPECT_EQ(l1.per_layer_size(), 5);
  for (const double weight : l1.per_layer()) EXPECT_EQ(weight, 0.5);
}

TEST(PlanTest, ChargeOnTheCodeReplacesThatAlone) {
  const auto l1 = Plan("preset: 'sparse' architecture { penalties { l1 { code_weight: 0.5 } } }")
                      .architecture()
                      .penalties()
                      .l1();
  ASSERT_EQ(l1.per_layer_size(), 5);
  EXPECT_EQ(l1.per_layer(2), 0.5);
  EXPECT_EQ(l1.per_layer(1), l1.weight());
  EXPECT_LT(l1.weight(), 0.5);
}

TEST(PlanTest, ChargeOnTheDecoderIsForItsHiddenLayers) {
  const auto l1 = Plan("architecture { penalties { l1 { weight: 1 decoder_weight: 0.5 } } }")
                      .architecture()
                      .penalties()
                      .l1();
  EXPECT_EQ(std::vector<double>(l1.per_layer().begin(), l1.per_layer().end()),
            (std::vector<double>{1, 1, 1, 0.5, 0.5}));
}

TEST(PlanTest, CountsParametersAndUpdates) {
  const auto plan = Plan(
      "architecture { encoder { layers { dense { units: 10 } } } latent { dim: 3 } }"
      "training { solver { gradient { epochs: 7 batch_size: 1000 } } }");
  // 64-10-3 with biases, 3-10-64 with biases.
  EXPECT_EQ(plan.parameters(), 64u * 10 + 10 + 10 * 3 + 3 + 3 * 10 + 10 + 10 * 64 + 64);
  EXPECT_EQ(plan.total_updates(), 7u * 2);
  EXPECT_GT(plan.training_bytes(), 64u * 1797 * 4);
}

TEST(PlanTest, CountsTheBytesThatSparseRowsTake) {
  DatasetInfo info = DigitsInfo();
  const auto dense = ResolveText("", info);
  info.sparse = true;
  info.part_cells = {0, 1000, 100, 10};
  const auto sparse = ResolveText("", info);
  ASSERT_TRUE(dense.ok() && sparse.ok());
  EXPECT_EQ(dense->training_bytes() - sparse->training_bytes(),
            1797u * 64 * 4 - (1110 * 8 + 1797 * 8));
  EXPECT_EQ(sparse->data().stored_cells(), 1110u);
}

TEST(PlanTest, FewRowsAreSeenOftenInSmallBatches) {
  struct Case {
    std::uint64_t rows;
    std::uint32_t batch, epochs;
  };
  for (const Case& c : {Case{1, 32, 200}, Case{1455, 32, 173}, Case{9999, 32, 25},
                        Case{54000, 128, 20}, Case{1000000, 128, 20}}) {
    DatasetInfo info = DigitsInfo();
    info.part_rows[v1::PART_TRAIN] = c.rows;
    const auto solver = Plan("", info).training().solver().gradient();
    EXPECT_EQ(solver.batch_size(), c.batch) << c.rows;
    EXPECT_EQ(solver.epochs(), c.epochs) << c.rows;
  }
}

TEST(PlanTest, TiedWeightsCountOnceAndHeadsTwice) {
  const char* layers = "encoder { layers { dense { units: 10 } } } latent { dim: 3 ";
  const std::string tied = std::string("architecture { tied_weights: true ") + layers + "} }";
  const std::string gaussian = std::string("architecture { ") + layers + " gaussian {} } }";
  EXPECT_EQ(Plan(tied).parameters(), 64u * 10 + 10 + 10 * 3 + 3 + 10 + 64);
  EXPECT_EQ(Plan(gaussian).parameters(),
            64u * 10 + 10 + 2 * (10 * 3 + 3) + 3 * 10 + 10 + 10 * 64 + 64);
}

TEST(PlanTest, SamplerIsAMixtureWhereTheCodeIsNarrowAndHasNoPrior) {
  const auto sampler = [](const std::string& text) {
    const auto plan = ResolveText(text);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan->training().sampler();
  };
  EXPECT_EQ(sampler("").mixture().max_components(), 16u);
  EXPECT_TRUE(sampler("preset: 'topk' architecture { latent { dim: 64 } }").has_mixture());
  EXPECT_TRUE(sampler("architecture { latent { dim: 129 } }").has_gaussian());
  EXPECT_TRUE(sampler("preset: 'vae'").has_automatic());
  EXPECT_TRUE(sampler("training { sampler { gaussian {} } }").has_gaussian());
  EXPECT_EQ(
      sampler("training { sampler { mixture { max_components: 3 } } }").mixture().max_components(),
      3u);
}

TEST(PlanTest, CombinationNobodyNamedIsFine) {
  const auto model = Plan(
                         "preset: 'vae' architecture {"
                         " corruption { masking { fraction: 0.2 } }"
                         " penalties { l1 { weight: 0.001 } } scaling { min_max {} } }")
                         .architecture();
  EXPECT_TRUE(model.likelihood().has_bernoulli());
  EXPECT_EQ(model.corruption().masking().fraction(), 0.2);
}

}  // namespace
}  // namespace latent

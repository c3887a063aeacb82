#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cli/parse.h"
#include "client/cli/train_flags.h"
#include "google/protobuf/text_format.h"

namespace latent::cli {
namespace {

using ::testing::HasSubstr;

TrainFlags Minimal() {
  TrainFlags flags;
  flags.model = "faces";
  flags.dataset = "pixels";
  return flags;
}

std::string Text(const v1::TrainJobSpec& spec) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string text;
  printer.PrintToString(spec, &text);
  return text.empty() ? text : text.substr(0, text.size() - 1);
}

TEST(TrainSpecTest, LeavesWhatIsNotGivenToThePreset) {
  const auto spec = BuildTrainJobSpec(Minimal());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(Text(*spec), "model: \"faces\" dataset: \"pixels\"");
}

TEST(TrainSpecTest, TurnsEachOptionIntoItsField) {
  const struct {
    const char* field;
    void (*set)(TrainFlags&);
  } cases[] = {
      {"architecture { latent { dim: 8 } }", [](TrainFlags& f) { f.latent_dim = 8; }},
      {"architecture { encoder { layers { dense { units: 512 } } layers { dense { units: 256 } } } "
       "}",
       [](TrainFlags& f) { f.hidden = "512,256"; }},
      {"architecture { encoder { } }", [](TrainFlags& f) { f.hidden = ""; }},
      {"architecture { corruption { gaussian { sigma: 0.3 } } }",
       [](TrainFlags& f) { f.corruption = "gaussian:0.3"; }},
      {"architecture { condition { label { } } }", [](TrainFlags& f) { f.condition = "label"; }},
      {"architecture { condition { none { } } }", [](TrainFlags& f) { f.condition = "none"; }},
      {"architecture { corruption { dropout { fraction: 0.5 } } }",
       [](TrainFlags& f) { f.corruption = "dropout:0.5"; }},
      {"training { warm_start { model: \"faces\" version: 3 keep_latent_space: true } }",
       [](TrainFlags& f) { f.warm_start = "faces@3", f.keep_latent_space = true; }},
      {"training { warm_start { model: \"faces\" alias: \"canary\" } }",
       [](TrainFlags& f) { f.warm_start = "faces@canary"; }},
      {"training { warm_start { model: \"faces\" } }",
       [](TrainFlags& f) { f.warm_start = "faces"; }},
      {"training { sampler { gaussian { } } }", [](TrainFlags& f) { f.sampler = "gaussian"; }},
      {"training { sampler { mixture { max_components: 4 } } }",
       [](TrainFlags& f) { f.sampler = "mixture:4"; }},
      {"architecture { latent { top_k { k: 9 } } }", [](TrainFlags& f) { f.k = 9; }},
      {"architecture { latent { vector_quantised { groups: 4 codebook_size: 64 } } }",
       [](TrainFlags& f) { f.groups = 4, f.codebook_size = 64; }},
      {"architecture { objective { elbo { capacity: 5 } } }",
       [](TrainFlags& f) { f.capacity = 5; }},
      {"architecture { objective { mmd { weight: 20 } } }",
       [](TrainFlags& f) { f.mmd_weight = 20; }},
      {"architecture { binarise: BINARISE_DYNAMIC }",
       [](TrainFlags& f) { f.binarise = "dynamic"; }},
      {"training { solver { ease { ridge: 50 } } }", [](TrainFlags& f) { f.ridge = 50; }},
      {"training { evaluation { importance_draws: 0 importance_rows: 9 } }",
       [](TrainFlags& f) { f.importance_draws = 0, f.importance_rows = 9; }},
      {"training { warm_start { model: \"faces\" optimizer_state: true } }",
       [](TrainFlags& f) { f.warm_start = "faces", f.optimizer_state = true; }},
      {"publish { keep_optimizer_state: true }",
       [](TrainFlags& f) { f.keep_optimizer_state = true; }},
      {"architecture { penalties { kl_sparsity { weight: 2 target: 0.1 } } }",
       [](TrainFlags& f) { f.kl_sparsity = 2, f.rho = 0.1; }},
      {"architecture { penalties { contractive { weight: 0.5 } } }",
       [](TrainFlags& f) { f.contractive = 0.5; }},
      {"architecture { corruption { masking { } } }",
       [](TrainFlags& f) { f.corruption = "masking"; }},
      {"architecture { objective { elbo { beta: 0 } } }", [](TrainFlags& f) { f.beta = 0; }},
      {"architecture { penalties { l1 { per_layer: 0 per_layer: 0.01 per_layer: 0 } } }",
       [](TrainFlags& f) { f.l1_per_layer = "0,0.01,0"; }},
      {"architecture { likelihood { gaussian { learned_variance: true } } }",
       [](TrainFlags& f) { f.likelihood = "gaussian-learned"; }},
      {"architecture { scaling { l2_row { } } likelihood { multinomial { } } }",
       [](TrainFlags& f) {
         f.likelihood = "multinomial";
         f.scaling = "l2-row";
       }},
      {"architecture { scaling { standardise { } } }",
       [](TrainFlags& f) { f.scaling = "standardise"; }},
      {"architecture { likelihood { multinomial { sampled_columns: 500 } } }",
       [](TrainFlags& f) { f.likelihood = "multinomial:500"; }},
      {"training { solver { gradient { optimizer { adam { lazy: true } } } } }",
       [](TrainFlags& f) { f.optimizer = "adam-lazy"; }},
      {"training { solver { gradient { epochs: 3 batch_size: 64 } } }",
       [](TrainFlags& f) {
         f.epochs = 3;
         f.batch_size = 64;
       }},
      {"training { solver { gradient { optimizer { sgd { momentum: 0.8 nesterov: true "
       "weight_decay: 0 } "
       "} } } }",
       [](TrainFlags& f) { f.optimizer = "sgd-nesterov:0.8", f.weight_decay = 0; }},
      {"training { solver { gradient { schedule { plateau { factor: 0.6 } } } } }",
       [](TrainFlags& f) { f.schedule = "plateau:0.6"; }},
      {"training { solver { gradient { early_stopping { enabled: false } } } }",
       [](TrainFlags& f) { f.early_stopping = false; }},
      {"architecture { penalties { unit_norm_decoder: false } }",
       [](TrainFlags& f) { f.unit_norm_decoder = false; }},
      {"training { seed: 7 threads: 2 }",
       [](TrainFlags& f) {
         f.seed = 7;
         f.threads = 2;
       }},
      {"publish { policy: PUBLISH_POLICY_IF_BETTER aliases: \"canary\" }",
       [](TrainFlags& f) {
         f.publish = "if-better";
         f.aliases = {"canary"};
       }},
  };
  for (const auto& c : cases) {
    TrainFlags flags = Minimal();
    c.set(flags);
    const auto spec = BuildTrainJobSpec(flags);
    ASSERT_TRUE(spec.ok()) << c.field << ": " << spec.status();
    EXPECT_EQ(Text(*spec), absl::StrCat("model: \"faces\" dataset: \"pixels\" ", c.field));
  }
}

TEST(TrainSpecTest, RefusesBadValuesNamingTheOption) {
  const struct {
    const char* message;
    void (*set)(TrainFlags&);
  } cases[] = {
      {"--dataset", [](TrainFlags& f) { f.dataset.clear(); }},
      {"--hidden", [](TrainFlags& f) { f.hidden = "512,wide"; }},
      {"--corruption", [](TrainFlags& f) { f.corruption = "fog:0.3"; }},
      {"--corruption", [](TrainFlags& f) { f.corruption = "gaussian:much"; }},
      {"--likelihood", [](TrainFlags& f) { f.likelihood = "poisson"; }},
      {"--l1",
       [](TrainFlags& f) {
         f.l1 = 1;
         f.l1_per_layer = "1,2";
       }},
      {"--code-activation", [](TrainFlags& f) { f.code_activation = "unspecified"; }},
      {"--activation", [](TrainFlags& f) { f.activation = "relu"; }},
      {"--label", [](TrainFlags& f) { f.labels = {"novalue"}; }},
      {"--keep-latent-space", [](TrainFlags& f) { f.keep_latent_space = true; }},
      {"--sampler", [](TrainFlags& f) { f.sampler = "mixture:65"; }},
  };
  for (const auto& c : cases) {
    TrainFlags flags = Minimal();
    c.set(flags);
    const auto spec = BuildTrainJobSpec(flags);
    EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument) << c.message;
    EXPECT_THAT(std::string(spec.status().message()), HasSubstr(c.message));
  }
}

TEST(TrainOptionsTest, SwitchesGoBothWays) {
  const struct {
    std::vector<std::string> arguments;
    std::optional<bool> tied, early_stopping;
  } cases[] = {
      {{"m"}, {}, {}},
      {{"--tied", "m", "--no-early-stopping"}, true, false},
      {{"m", "--no-tied", "--early-stopping"}, false, true},
  };
  for (const auto& c : cases) {
    TrainFlags flags;
    CLI::App app;
    AddTrainOptions(app, flags);
    std::vector<std::string> reversed(c.arguments.rbegin(), c.arguments.rend());
    app.parse(reversed);
    EXPECT_EQ(flags.tied, c.tied);
    EXPECT_EQ(flags.early_stopping, c.early_stopping);
  }
}

class ConfigTest : public testing::Test {
 protected:
  TrainFlags With(const std::string& json) {
    std::ofstream(path_) << json;
    TrainFlags flags;
    flags.model = "faces";
    flags.config = path_;
    return flags;
  }
  void TearDown() override { std::filesystem::remove(path_); }
  const std::string path_ =
      testing::TempDir() + "/latent_config_test_" + std::to_string(getpid()) + ".json";
};

TEST_F(ConfigTest, OptionsGoOverTheFile) {
  TrainFlags flags = With(R"({"dataset": "pixels", "preset": "vae",
      "training": {"seed": "4", "solver": {"gradient": {"epochs": 9, "batchSize": 32}}}})");
  flags.epochs = 5;
  const auto spec = BuildTrainJobSpec(flags);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(Text(*spec),
            "model: \"faces\" dataset: \"pixels\" preset: \"vae\" "
            "training { solver { gradient { epochs: 5 batch_size: 32 } } seed: 4 }");
}

TEST_F(ConfigTest, UnknownFieldsAreRefused) {
  const auto spec = BuildTrainJobSpec(With(R"({"dataset": "pixels", "epochs": 5})"));
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr("epochs"));
}

TEST_F(ConfigTest, MissingFileIsNotFound) {
  TrainFlags flags = Minimal();
  flags.config = path_ + ".missing";
  EXPECT_EQ(BuildTrainJobSpec(flags).status().code(), absl::StatusCode::kNotFound);
}

TEST(ParseTest, ReadsShapes) {
  EXPECT_EQ(*ParseShape("28x28x1"), (std::vector<std::uint32_t>{28, 28, 1}));
  EXPECT_TRUE(ParseShape("")->empty());
  EXPECT_EQ(ParseShape("28x").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseShape("-1x2").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace latent::cli

#include "core/model/presets.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace latent {
namespace {

TEST(PresetsTest, NamesAreThoseThatPeopleKnow) {
  std::set<std::string> names;
  for (const Preset& preset : Presets()) names.insert(preset.name);
  EXPECT_EQ(names,
            (std::set<std::string>{"beta-vae", "contractive", "conv", "cvae", "denoising", "dlgm",
                                   "ease", "iwae", "mult-dae", "mult-vae", "pca", "plain", "sparse",
                                   "table", "topk", "vae", "vq-vae", "wae"}));
}

TEST(PresetsTest, DescriptionsAreOneSentence) {
  for (const Preset& preset : Presets()) {
    EXPECT_EQ(preset.description.find('.'), preset.description.size() - 1) << preset.name;
  }
}

TEST(PresetsTest, FindsByNameAndNothingElse) {
  ASSERT_NE(FindPreset("vae"), nullptr);
  EXPECT_EQ(FindPreset("vae")->name, "vae");
  EXPECT_EQ(FindPreset("VAE"), nullptr);
  EXPECT_EQ(FindPreset(""), nullptr);
}

TEST(PresetsTest, CodesAreHalfTheRowWithinLimits) {
  const Preset& plain = *FindPreset("plain");
  EXPECT_EQ(DefaultLatentDim(plain, 1), 1u);
  EXPECT_EQ(DefaultLatentDim(plain, 10), 5u);
  EXPECT_EQ(DefaultLatentDim(plain, 784), 32u);
  EXPECT_EQ(DefaultLatentDim(*FindPreset("sparse"), 784), 128u);
  EXPECT_EQ(DefaultLatentDim(*FindPreset("sparse"), 10), 20u);
}

TEST(PresetsTest, NetworksGrowWithTheRow) {
  struct Case {
    std::uint32_t columns, first, second;
  };
  for (const Case& c : {Case{1, 32, 16}, Case{16, 32, 16}, Case{64, 128, 64}, Case{784, 512, 256},
                        Case{65536, 512, 256}}) {
    const v1::Network network = DefaultEncoder(*FindPreset("plain"), c.columns);
    ASSERT_EQ(network.layers_size(), 2) << c.columns;
    EXPECT_EQ(network.layers(0).dense().units(), c.first) << c.columns;
    EXPECT_EQ(network.layers(1).dense().units(), c.second) << c.columns;
  }
}

TEST(PresetsTest, RecommendersAreAsWideAsPublishedOrInProportion) {
  const Preset& vae = *FindPreset("mult-vae");
  struct Case {
    std::uint32_t columns, hidden, code;
  };
  for (const Case& c : {Case{1, 1, 1}, Case{1200, 200, 60}, Case{20108, 600, 200}}) {
    const v1::Network network = DefaultEncoder(vae, c.columns);
    ASSERT_EQ(network.layers_size(), 1) << c.columns;
    EXPECT_EQ(network.layers(0).dense().units(), c.hidden) << c.columns;
    EXPECT_EQ(network.layers(0).dense().activation(), v1::ACTIVATION_TANH);
    EXPECT_EQ(DefaultLatentDim(vae, c.columns), c.code) << c.columns;
  }
  EXPECT_EQ(DefaultLatentDim(*FindPreset("mult-dae"), 20108), 200u);
}

}  // namespace
}  // namespace latent

#include "core/model/presets.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace latent {
namespace {

TEST(PresetsTest, NamesAreThoseThatPeopleKnow) {
  std::set<std::string> names;
  for (const Preset& preset : Presets()) names.insert(preset.name);
  EXPECT_EQ(names, (std::set<std::string>{"beta-vae", "contractive", "denoising", "dlgm", "iwae",
                                          "pca", "plain", "sparse", "topk", "vae", "wae"}));
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
    const v1::Network network = DefaultEncoder(c.columns);
    ASSERT_EQ(network.layers_size(), 2) << c.columns;
    EXPECT_EQ(network.layers(0).dense().units(), c.first) << c.columns;
    EXPECT_EQ(network.layers(1).dense().units(), c.second) << c.columns;
  }
}

}  // namespace
}  // namespace latent

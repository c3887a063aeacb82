#include "core/train/spec_merge.h"

#include <gtest/gtest.h>

#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "latent/v1/spec.pb.h"

namespace latent {
namespace {

v1::ModelSpec Model(const char* text) {
  v1::ModelSpec model;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &model)) << text;
  return model;
}

struct Case {
  const char* name;
  const char* base;
  const char* over;
  const char* merged;
};

class SpecMergeTest : public testing::TestWithParam<Case> {};

TEST_P(SpecMergeTest, LaysOneSpecOverAnother) {
  v1::ModelSpec merged = Model(GetParam().base);
  MergeSpec(Model(GetParam().over), merged);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(merged, Model(GetParam().merged)))
      << merged.DebugString();
}

constexpr Case kCases[] = {
    {"EmptyChangesNothing", "tied_weights: true", "", "tied_weights: true"},
    {"ScalarReplaces", "tied_weights: true", "tied_weights: false", "tied_weights: false"},
    {"ZeroReplaces", "objective { elbo { beta: 4 draws: 2 } }", "objective { elbo { beta: 0 } }",
     "objective { elbo { beta: 0 draws: 2 } }"},
    {"MessageMerges", "latent { dim: 8 }", "latent { gaussian {} }",
     "latent { dim: 8 gaussian {} }"},
    {"OtherMemberOfOneofReplaces", "corruption { gaussian { sigma: 0.3 } }",
     "corruption { masking {} }", "corruption { masking {} }"},
    {"SameMemberOfOneofMerges", "likelihood { gaussian { variance: 2 } }",
     "likelihood { gaussian { learned_variance: true } }",
     "likelihood { gaussian { variance: 2 learned_variance: true } }"},
    {"RepeatedReplacesWhole", "encoder { layers { dense { units: 9 } } layers { dense {} } }",
     "encoder { layers { dense { units: 3 } } }", "encoder { layers { dense { units: 3 } } }"},
    {"NestedRepeatedReplacesWhole",
     "penalties { l1 { per_layer: [1, 2] } unit_norm_decoder: true }",
     "penalties { l1 { per_layer: 3 } }",
     "penalties { l1 { per_layer: 3 } unit_norm_decoder: true }"},
    {"EmptyMessageIsPresent", "", "encoder {}", "encoder {}"},
};
INSTANTIATE_TEST_SUITE_P(Cases, SpecMergeTest, testing::ValuesIn(kCases),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace latent

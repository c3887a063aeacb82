#include "core/base/sha256.h"

#include <gtest/gtest.h>

namespace latent {
namespace {

// The examples of FIPS 180-2, appendix B.
TEST(Sha256Test, HashesThePublishedExamples) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256Test, HashesPiecesLikeTheWhole) {
  Sha256 hasher;
  hasher.Update("a");
  hasher.Update("");
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish(), Sha256Hex("abc"));
}

TEST(Sha256Test, StartsAnewAfterFinish) {
  Sha256 hasher;
  hasher.Update("xyz");
  hasher.Finish();
  hasher.Update("abc");
  EXPECT_EQ(hasher.Finish(), Sha256Hex("abc"));
}

}  // namespace
}  // namespace latent

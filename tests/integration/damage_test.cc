// A version whose files were changed behind the server's back.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

class DamageTest : public ServerTest {
 protected:
  // Changes one byte in the middle of the weights of m's version 1.
  void FlipByte() {
    const std::string path = config_.state_dir + "/models/default/m/1/model.safetensors";
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    const std::streamoff middle = file.tellg() / 2;
    file.seekg(middle);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(middle);
    file.put(byte);
    ASSERT_TRUE(file.good());
  }
};

TEST_F(DamageTest, ADamagedAliasTargetIsToldAndCounted) {
  TurnMetricsOn();
  config_.log_level = "warning";
  StartServer();
  UploadRandom("data", 60, 6);
  Train(Spec("m", "data", "pca", 2));
  EXPECT_EQ(Value(Scrape(), "latent_model_versions_damaged"), 0);
  StopServer();
  ASSERT_NO_FATAL_FAILURE(FlipByte());
  ::testing::internal::CaptureStderr();
  StartServer();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::AllOf(::testing::HasSubstr("damaged version"),
                               ::testing::HasSubstr("\"model\":\"m\"")));
  EXPECT_EQ(Value(Scrape(), "latent_model_versions_damaged"), 1);
  v1::EncodeRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_rows() = DenseRows(6, std::vector<float>(6, 0.5f));
  v1::EncodeResponse response;
  const grpc::Status status =
      Call(*inference_, &v1::InferenceService::Stub::Encode, request, &response);
  EXPECT_EQ(PartsOf(status).reason, "VERSION_DAMAGED");
}

}  // namespace
}  // namespace latent

// The names of all metrics are a contract with dashboards: metrics.txt lists them.
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_split.h"
#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

class MetricsTest : public ServerTest {
 protected:
  MetricsTest() { TurnMetricsOn(); }
  // "name type" of every family.
  static std::set<std::string> Families(const std::string& text) {
    std::set<std::string> families;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      if (words.size() == 4 && words[1] == "TYPE") families.insert(words[2] + " " + words[3]);
    }
    return families;
  }
};

TEST_F(MetricsTest, NamesAreThoseOfTheList) {
  StartServer();
  UploadDigits();
  Train(Spec("m", "digits", "pca", 4));
  // Families of a running job are there while one runs.
  v1::TrainJobSpec spec = Spec("m2", "digits", "plain", 4);
  auto* gradient = spec.mutable_training()->mutable_solver()->mutable_gradient();
  gradient->set_epochs(10000);
  gradient->mutable_early_stopping()->set_enabled(false);
  spec.mutable_training()->set_checkpoint_interval_seconds(0.05);
  const std::string id = Submit(spec);
  std::set<std::string> families;
  grpc::ClientContext context;
  v1::WatchTrainJobRequest watch;
  watch.set_job_id(id);
  auto reader = training_->WatchTrainJob(&context, watch);
  for (v1::WatchTrainJobResponse event; reader->Read(&event);) {
    families = Families(Scrape());
    if (families.contains("latent_training_last_checkpoint_timestamp_seconds gauge")) break;
  }
  context.TryCancel();
  std::set<std::string> listed;
  std::ifstream in(LATENT_TEST_METRICS);
  for (std::string line; std::getline(in, line);) listed.insert(line);
  for (const std::string& family : families) {
    EXPECT_TRUE(listed.contains(family)) << "not in metrics.txt: " << family;
  }
  for (const std::string& line : listed) {
    EXPECT_TRUE(families.contains(line)) << "in metrics.txt alone: " << line;
  }
}

TEST_F(MetricsTest, PromtoolFindsNothingToCorrect) {
  StartServer();
  UploadDigits();
  Train(Spec("m", "digits", "pca", 4));
  const std::string text = Scrape();
  FILE* promtool = ::popen("promtool check metrics", "w");
  ASSERT_NE(promtool, nullptr);
  const std::string body = text.substr(text.find("\r\n\r\n") + 4);
  EXPECT_EQ(std::fwrite(body.data(), 1, body.size(), promtool), body.size());
  EXPECT_EQ(::pclose(promtool), 0);
}

TEST_F(MetricsTest, CallsAreCountedByCode) {
  StartServer();
  v1::GetModelRequest request;
  request.set_model("nobody");
  v1::GetModelResponse response;
  EXPECT_FALSE(Call(*registry_, &v1::RegistryService::Stub::GetModel, request, &response).ok());
  const std::string text = Scrape();
  EXPECT_EQ(Value(text,
                  "grpc_server_handled_total{grpc_code=\"NotFound\",grpc_method=\"GetModel\","
                  "grpc_service=\"latent.v1.RegistryService\",grpc_type=\"unary\"}"),
            1);
  EXPECT_EQ(Value(text,
                  "grpc_server_started_total{grpc_method=\"GetModel\","
                  "grpc_service=\"latent.v1.RegistryService\",grpc_type=\"unary\"}"),
            1);
}

TEST_F(MetricsTest, SeriesGoWithTheirVersion) {
  StartServer();
  UploadDigits();
  Train(Spec("m", "digits", "pca", 4));
  const std::string series = "latent_model_loaded_info{model=\"m\",version=\"1\",preset=\"pca\"}";
  EXPECT_EQ(Value(Scrape(), series), 1);
  v1::DeleteModelRequest request;
  request.set_model("m");
  v1::DeleteModelResponse response;
  ASSERT_TRUE(Call(*registry_, &v1::RegistryService::Stub::DeleteModel, request, &response).ok());
  EXPECT_EQ(Value(Scrape(), series), -1);
}

}  // namespace
}  // namespace latent

// `latent train` and `latent jobs` against a server whose answers a test gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "latent/v1/training_service.grpc.pb.h"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/latent_program.h"

namespace latent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class FakeTraining : public v1::TrainingService::Service {
 public:
  grpc::Status CreateTrainJob(grpc::ServerContext*, const v1::CreateTrainJobRequest* request,
                              v1::CreateTrainJobResponse* response) override {
    if (request->spec().preset() == "bad") {
      google::rpc::BadRequest bad;
      auto* violation = bad.add_field_violations();
      violation->set_field("spec.preset");
      violation->set_description("expected one of pca, plain; got \"bad\"");
      return StatusWithDetails(grpc::StatusCode::INVALID_ARGUMENT, "spec.preset: bad", bad);
    }
    response->mutable_job()->set_id("job-1");
    return grpc::Status::OK;
  }
  grpc::Status WatchTrainJob(grpc::ServerContext*, const v1::WatchTrainJobRequest*,
                             grpc::ServerWriter<v1::WatchTrainJobResponse>* writer) override {
    for (std::uint32_t epoch = 1; epoch <= 3; ++epoch) {
      v1::WatchTrainJobResponse response;
      v1::JobEvent& event = *response.mutable_event();
      event.set_sequence(epoch);
      event.set_stored(true);
      event.set_state(v1::JOB_STATE_RUNNING);
      event.set_phase(v1::JOB_PHASE_TRAINING);
      event.mutable_progress()->set_epoch(epoch);
      event.mutable_progress()->set_epochs(3);
      event.mutable_progress()->set_step(epoch);
      event.mutable_progress()->set_steps(3);
      event.mutable_progress()->set_train_loss(10.0 / epoch);
      writer->Write(response);
    }
    return grpc::Status::OK;
  }
  grpc::Status GetTrainJob(grpc::ServerContext*, const v1::GetTrainJobRequest*,
                           v1::GetTrainJobResponse* response) override {
    response->mutable_job()->set_id("job-1");
    response->mutable_job()->set_state(state);
    response->mutable_job()->set_error(state == v1::JOB_STATE_FAILED ? "NaN in step 7" : "");
    return grpc::Status::OK;
  }
  v1::JobState state = v1::JOB_STATE_SUCCEEDED;
};

TEST(CommandLineTest, ListsEveryBadField) {
  FakeTraining training;
  FakeServer server({&training});
  const Outcome outcome =
      Latent("--server " + server.address() + " train m --dataset d --preset bad");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("  spec.preset: expected one of pca, plain; got \"bad\"\n"));
}

TEST(CommandLineTest, TrainPrintsTheJobsId) {
  FakeTraining training;
  FakeServer server({&training});
  const Outcome outcome =
      Latent("--output-format csv --server " + server.address() + " train m --dataset d");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("field,value\nid,job-1\n"));
}

TEST(CommandLineTest, WatchWritesALineAnEpochToStderr) {
  FakeTraining training;
  FakeServer server({&training});
  const Outcome outcome = Latent("--server " + server.address() + " train m --dataset d --watch");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("TRAINING  epoch 2/3  loss 5"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("\r")));
  EXPECT_THAT(outcome.out, HasSubstr("SUCCEEDED"));
}

TEST(CommandLineTest, WatchingAJobThatFailsExitsWith1) {
  FakeTraining training;
  training.state = v1::JOB_STATE_FAILED;
  FakeServer server({&training});
  const Outcome outcome = Latent("--quiet --server " + server.address() + " jobs watch job-1");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("ended as FAILED: NaN in step 7"));
}

TEST(CommandLineTest, DrawsLossCurves) {
  FakeTraining training;
  FakeServer server({&training});
  const std::string image =
      testing::TempDir() + "/latent_curves_" + std::to_string(getpid()) + ".png";
  const Outcome outcome =
      Latent("--server " + server.address() + " jobs show job-1 --image " + image);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(ReadFile(image), StartsWith("\x89PNG"));
  std::filesystem::remove(image);
}

}  // namespace
}  // namespace latent

// Runs the `latent` program itself against a server whose answers a test gives.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "latent/v1/dataset_service.grpc.pb.h"
#include "latent/v1/inference_service.grpc.pb.h"
#include "latent/v1/registry_service.grpc.pb.h"
#include "latent/v1/system_service.grpc.pb.h"
#include "latent/v1/training_service.grpc.pb.h"
#include "tests/unit/client/fake_server.h"

namespace latent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Outcome {
  int code = -1;
  std::string out, err;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Arguments are shell words.
Outcome Latent(const std::string& arguments) {
  const std::string err = testing::TempDir() + "/latent_cli_stderr." + std::to_string(getpid());
  const std::string command = "env -u LATENT_SERVER LC_ALL=C.UTF-8 '" LATENT_BINARY "' " +
                              arguments + " 2>'" + err + "' </dev/null";
  Outcome outcome;
  std::FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    outcome.out.append(buffer, n);
  }
  outcome.code = WEXITSTATUS(pclose(pipe));
  outcome.err = ReadFile(err);
  std::filesystem::remove(err);
  return outcome;
}

TEST(CommandLineTest, WrongUsageExitsWith2AndSaysWhy) {
  const struct {
    const char* arguments;
    const char* message;
  } cases[] = {
      {"", "subcommand is required"},
      {"fly", "fly"},
      {"datasets", "subcommand is required"},
      {"datasets upload digits", "--train is required"},
      {"encode", "--model is required"},
      {"encode --model m", "--input FILE or --dataset NAME"},
      {"train m", "--dataset"},
      {"train m --dataset d --epochs many", "--epochs"},
      {"train m --dataset d --corruption fog:1", "--corruption"},
      {"--output-format yaml info", "yaml"},
      {"sample --model m --output x.txt", ".csv or .npy"},
      {"--timeout 0 info", "--timeout"},
      {"models alias set m production", "VERSION is required"},
  };
  for (const auto& c : cases) {
    const Outcome outcome = Latent(c.arguments);
    EXPECT_EQ(outcome.code, 2) << c.arguments;
    EXPECT_THAT(outcome.err, HasSubstr(c.message)) << c.arguments;
    EXPECT_EQ(outcome.out, "") << c.arguments;
  }
}

TEST(CommandLineTest, HelpHasExamples) {
  for (const char* verb : {"", "datasets upload", "train", "encode", "decode", "reconstruct",
                           "denoise", "sample", "interpolate", "score", "health", "completion"}) {
    const Outcome outcome = Latent(std::string(verb) + " --help");
    EXPECT_EQ(outcome.code, 0) << verb;
    EXPECT_THAT(outcome.out, HasSubstr("Example")) << verb;
  }
}

TEST(CommandLineTest, CompletionKnowsEveryVerb) {
  const Outcome outcome = Latent("completion bash");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\"latent datasets upload\") words=\""));
  EXPECT_THAT(outcome.out, HasSubstr("--sparsify-top-k"));
}

TEST(CommandLineTest, UnreachableServerExitsWith5) {
  const Outcome outcome = Latent("--server 127.0.0.1:1 --timeout 5 info");
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("is latentd running there?"));
}

class FakeRegistry : public v1::RegistryService::Service {
 public:
  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override {
    const bool second = request->page_token() == "next";
    v1::Model* model = response->add_models();
    model->set_name(second ? "b" : "a");
    model->set_newest_version(second ? 12 : 3);
    model->set_description(second ? "" : "\x1b[31mred");
    if (!second) response->set_next_page_token("next");
    return grpc::Status::OK;
  }
  grpc::Status GetModelVersion(grpc::ServerContext*, const v1::GetModelVersionRequest*,
                               v1::GetModelVersionResponse* response) override {
    v1::DatasetSchema* data = response->mutable_version()->mutable_plan()->mutable_data();
    for (const std::uint32_t side : {2u, 1u}) data->add_row_shape(side);
    data->set_train_max(1);
    return grpc::Status::OK;
  }
  grpc::Status SetAlias(grpc::ServerContext*, const v1::SetAliasRequest*,
                        v1::SetAliasResponse*) override {
    return {grpc::StatusCode::ABORTED, "alias production names version 4, expected 3"};
  }
};

TEST(CommandLineTest, ListsAllPagesAndEscapesServerText) {
  FakeRegistry registry;
  FakeServer server({&registry});
  const Outcome outcome = Latent("--server " + server.address() + " models list");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "NAME  NEWEST  VERSIONS  ALIASES  CREATED  DESCRIPTION\n"
            "a          3         0                    \\x1b[31mred\n"
            "b         12         0                    \n");
}

TEST(CommandLineTest, PrintsTheApisJson) {
  FakeRegistry registry;
  FakeServer server({&registry});
  const Outcome outcome = Latent("models list --output-format json --server " + server.address());
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\"newestVersion\": \"12\""));
}

TEST(CommandLineTest, RefusalsExitWith4) {
  FakeRegistry registry;
  FakeServer server({&registry});
  const Outcome outcome = Latent("--server " + server.address() +
                                 " models alias set m production 5 --expected-current-version 3");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("alias production names version 4, expected 3"));
}

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

// Codes are the rows; noise adds nothing, denoised rows are zero.
class EchoInference : public v1::InferenceService::Service {
 public:
  grpc::Status Encode(grpc::ServerContext*, const v1::EncodeRequest* request,
                      v1::EncodeResponse* response) override {
    response->mutable_answered_by()->set_version(7);
    if (request->has_sparsify()) {
      v1::SparseRows& sparse = *response->mutable_codes()->mutable_sparse();
      sparse.set_columns(4);
      for (const std::uint32_t offset : {0u, 2u, 3u}) sparse.add_row_offsets(offset);
      for (const std::uint32_t index : {0u, 3u, 1u}) sparse.add_indices(index);
      for (const float value : {0.5f, -1.0f, 2.0f}) sparse.add_values(value);
    } else {
      *response->mutable_codes() = request->rows();
    }
    return grpc::Status::OK;
  }
  grpc::Status Denoise(grpc::ServerContext*, const v1::DenoiseRequest* request,
                       v1::DenoiseResponse* response) override {
    response->mutable_answered_by()->set_version(7);
    *response->mutable_noisy_rows() = request->rows().dense();
    v1::DenseRows& rows = *response->mutable_rows();
    rows = request->rows().dense();
    rows.set_data(std::string(rows.data().size(), '\0'));
    return grpc::Status::OK;
  }
};

class InferTest : public testing::Test {
 protected:
  InferTest() : server_({&inference_, &registry_}) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/rows.csv") << "1,0\n0.5,0.5\n";
  }
  ~InferTest() override { std::filesystem::remove_all(folder_); }
  Outcome Run(const std::string& arguments) {
    return Latent("--server " + server_.address() + " " + arguments + " --model m --input " +
                  folder_ + "/rows.csv");
  }
  EchoInference inference_;
  FakeRegistry registry_;
  FakeServer server_;
  const std::string folder_ = testing::TempDir() + "/latent_infer_test_" + std::to_string(getpid());
};

TEST_F(InferTest, WritesCodesToStdout) {
  const Outcome outcome = Run("encode --output-format csv");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "code_0,code_1\n1,0\n0.5,0.5\n");
}

TEST_F(InferTest, WritesSparseCodesAndPrintsTheirDensity) {
  const Outcome outcome =
      Run("encode --sparsify-top-k 2 --output-format json --output " + folder_ + "/codes.csv");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(ReadFile(folder_ + "/codes.csv"), "row,index,value\n0,0,0.5\n0,3,-1\n1,1,2\n");
  EXPECT_THAT(outcome.out, HasSubstr("\"density\": 0.375"));
  EXPECT_THAT(outcome.out, HasSubstr("\"version\": 7"));
}

TEST_F(InferTest, ReportsPsnrAndDrawsTheTriptych) {
  const Outcome outcome =
      Run("denoise --add-noise gaussian:0.3 --output-format csv --image " + folder_ + "/t.png");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("psnr_denoised_db,4.25969\n"));
  EXPECT_THAT(ReadFile(folder_ + "/t.png"), StartsWith("\x89PNG"));
}

// Answers only when the caller has gone.
class StuckSystem : public v1::SystemService::Service {
 public:
  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse*) override {
    entered.store(true);
    entered.notify_all();
    while (!context->IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  }
  std::atomic<bool> entered = false;
};

TEST(CommandLineTest, InterruptCancelsTheCallAndExitsWith130) {
  StuckSystem system;
  FakeServer server({&system});
  std::string binary = LATENT_BINARY, flag = "--server=" + server.address(), verb = "info";
  char* const arguments[] = {binary.data(), flag.data(), verb.data(), nullptr};
  pid_t process = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ASSERT_EQ(posix_spawn(&process, binary.c_str(), &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  system.entered.wait(false);
  kill(process, SIGINT);
  int status = 0;
  ASSERT_EQ(waitpid(process, &status, 0), process);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
}

TEST_F(InferTest, ServerErrorsCarryTheirCode) {
  const Outcome outcome = Run("score");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, StartsWith("error: UNIMPLEMENTED"));
}

}  // namespace
}  // namespace latent

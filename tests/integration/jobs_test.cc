// Jobs over the wire: idempotency, cancel, watchers, and what a shutdown leaves behind.
#include <gmock/gmock.h>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using Training = v1::TrainingService::Stub;

class JobsTest : public ServerTest {
 protected:
  // Trains for longer than any test waits.
  v1::TrainJobSpec Long(const std::string& model = "m") {
    v1::TrainJobSpec spec = Spec(model, "digits", "plain", 16);
    auto* gradient = spec.mutable_training()->mutable_solver()->mutable_gradient();
    gradient->set_epochs(10000);
    gradient->mutable_early_stopping()->set_enabled(false);
    return spec;
  }
  v1::TrainJob Get(const std::string& id) {
    v1::GetTrainJobRequest request;
    request.set_job_id(id);
    v1::GetTrainJobResponse response;
    EXPECT_TRUE(Call(*training_, &Training::GetTrainJob, request, &response).ok());
    return response.job();
  }
  // Reads events until one is of this state and phase.
  static bool ReadUntil(grpc::ClientReader<v1::WatchTrainJobResponse>& reader, v1::JobPhase phase) {
    v1::WatchTrainJobResponse event;
    while (reader.Read(&event)) {
      if (event.event().phase() == phase) return true;
    }
    return false;
  }
  std::unique_ptr<grpc::ClientReader<v1::WatchTrainJobResponse>> Watch(grpc::ClientContext* context,
                                                                       const std::string& id,
                                                                       std::uint64_t after = 0) {
    v1::WatchTrainJobRequest request;
    request.set_job_id(id);
    request.set_after_sequence(after);
    return training_->WatchTrainJob(context, request);
  }
  grpc::Status Cancel(const std::string& id, v1::CancelTrainJobResponse* response) {
    v1::CancelTrainJobRequest request;
    request.set_job_id(id);
    return Call(*training_, &Training::CancelTrainJob, request, response);
  }
};

TEST_F(JobsTest, ARepeatedCreateIsTheSameJob) {
  StartServer();
  UploadDigits();
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = Spec("m", "digits", "pca", 4);
  request.set_request_id("0d9f5c1e-8b1c-4e6f-9d0e-2a7a3f1c5b6d");
  v1::CreateTrainJobResponse first, again;
  ASSERT_TRUE(Call(*training_, &Training::CreateTrainJob, request, &first).ok());
  ASSERT_TRUE(Call(*training_, &Training::CreateTrainJob, request, &again).ok());
  EXPECT_EQ(first.job().id(), again.job().id());
  request.mutable_spec()->set_description("another");
  EXPECT_EQ(Call(*training_, &Training::CreateTrainJob, request, &again).error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(JobsTest, ABadRequestIdIsRefused) {
  StartServer();
  UploadDigits();
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = Spec("m", "digits", "pca", 4);
  request.set_request_id("42");
  v1::CreateTrainJobResponse response;
  const grpc::Status status = Call(*training_, &Training::CreateTrainJob, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_EQ(PartsOf(status).fields.size(), 1u);
  EXPECT_EQ(PartsOf(status).fields[0].first, "request_id");
}

TEST_F(JobsTest, ValidateOnlyStoresNothing) {
  StartServer();
  UploadDigits();
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = Spec("m", "digits", "vae", 4);
  request.set_validate_only(true);
  v1::CreateTrainJobResponse response;
  ASSERT_TRUE(Call(*training_, &Training::CreateTrainJob, request, &response).ok());
  EXPECT_EQ(response.job().id(), "");
  EXPECT_GT(response.job().plan().parameters(), 0u);
  v1::ListTrainJobsResponse jobs;
  ASSERT_TRUE(Call(*training_, &Training::ListTrainJobs, {}, &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 0);
}

TEST_F(JobsTest, ACancelledJobEnds) {
  StartServer();
  UploadDigits();
  const std::string id = Submit(Long());
  grpc::ClientContext context;
  auto reader = Watch(&context, id);
  ASSERT_TRUE(ReadUntil(*reader, v1::JOB_PHASE_TRAINING));
  v1::CancelTrainJobResponse response;
  ASSERT_TRUE(Cancel(id, &response).ok());
  v1::JobState last = v1::JOB_STATE_UNSPECIFIED;
  for (v1::WatchTrainJobResponse event; reader->Read(&event);) last = event.event().state();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(last, v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Cancel(id, &response).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(JobsTest, AQueuedJobIsCancelledAtOnce) {
  StartServer();
  UploadDigits();
  const std::string running = Submit(Long("a"));
  const std::string queued = Submit(Long("b"));
  v1::CancelTrainJobResponse response;
  ASSERT_TRUE(Cancel(queued, &response).ok());
  EXPECT_EQ(response.job().state(), v1::JOB_STATE_CANCELLED);
  ASSERT_TRUE(Cancel(running, &response).ok());
}

TEST_F(JobsTest, AFullQueueIsRefusedWithADelay) {
  config_.limits.queued_jobs = 1;
  StartServer();
  UploadDigits();
  const std::string running = Submit(Long("a"));
  grpc::ClientContext context;
  auto reader = Watch(&context, running);
  ASSERT_TRUE(ReadUntil(*reader, v1::JOB_PHASE_TRAINING));
  Submit(Long("b"));
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = Long("c");
  v1::CreateTrainJobResponse response;
  const grpc::Status status = Call(*training_, &Training::CreateTrainJob, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(PartsOf(status).has_retry);
}

TEST_F(JobsTest, WatchingGoesOnAfterASequenceNumber) {
  StartServer();
  UploadDigits();
  const std::string id = Train(Spec("m", "digits", "pca", 4)).id();
  std::vector<std::uint64_t> all, rest;
  v1::WatchTrainJobResponse event;
  grpc::ClientContext first_context;
  auto first = Watch(&first_context, id);
  while (first->Read(&event)) all.push_back(event.event().sequence());
  ASSERT_TRUE(first->Finish().ok());
  ASSERT_GE(all.size(), 3u);
  grpc::ClientContext second_context;
  auto second = Watch(&second_context, id, all[0]);
  while (second->Read(&event)) rest.push_back(event.event().sequence());
  EXPECT_THAT(rest, ::testing::ElementsAreArray(all.begin() + 1, all.end()));
}

TEST_F(JobsTest, WatchingNobodyIsNotFound) {
  StartServer();
  grpc::ClientContext context;
  auto reader = Watch(&context, "job-nobody");
  v1::WatchTrainJobResponse event;
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(JobsTest, ASlowWatcherHoldsNobodyUp) {
  StartServer();
  UploadDigits();
  v1::TrainJobSpec spec = Spec("m", "digits", "plain", 4);
  spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(3);
  const std::string id = Submit(spec);
  grpc::ClientContext context;
  auto slow = Watch(&context, id);  // reads nothing until the job has ended
  EXPECT_EQ(WaitForJob(id).state(), v1::JOB_STATE_SUCCEEDED);
  v1::WatchTrainJobResponse event;
  v1::JobState last = v1::JOB_STATE_UNSPECIFIED;
  while (slow->Read(&event)) last = event.event().state();
  EXPECT_TRUE(slow->Finish().ok());
  EXPECT_EQ(last, v1::JOB_STATE_SUCCEEDED);
}

TEST_F(JobsTest, ManyWatchersAreServedByAShortQueue) {
  config_.io_threads = 1;
  config_.io_queue = 1;
  StartServer();
  UploadDigits();
  const std::string id = Submit(Long());
  constexpr std::size_t kWatchers = 100;
  std::vector<grpc::ClientContext> contexts(kWatchers);
  std::vector<std::unique_ptr<grpc::ClientReader<v1::WatchTrainJobResponse>>> readers;
  for (auto& context : contexts) readers.push_back(Watch(&context, id));
  for (auto& reader : readers) EXPECT_TRUE(ReadUntil(*reader, v1::JOB_PHASE_TRAINING));
  v1::CancelTrainJobResponse cancelled;
  EXPECT_TRUE(Cancel(id, &cancelled).ok());
  for (auto& reader : readers) {
    v1::JobState last = v1::JOB_STATE_UNSPECIFIED;
    for (v1::WatchTrainJobResponse event; reader->Read(&event);) last = event.event().state();
    EXPECT_TRUE(reader->Finish().ok());
    EXPECT_EQ(last, v1::JOB_STATE_CANCELLED);
  }
}

TEST_F(JobsTest, ShutdownRequeuesTheJobAndEndsItsWatchers) {
  StartServer();
  UploadDigits();
  const std::string id = Submit(Long());
  grpc::ClientContext context;
  auto reader = Watch(&context, id);
  ASSERT_TRUE(ReadUntil(*reader, v1::JOB_PHASE_TRAINING));
  const auto start = std::chrono::steady_clock::now();
  StopServer();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  v1::WatchTrainJobResponse event;
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  StartServer();
  const v1::TrainJob job = Get(id);
  EXPECT_THAT(job.state(), ::testing::AnyOf(v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING));
  EXPECT_THAT(job.attempt(), ::testing::AnyOf(1u, 2u));
  v1::CancelTrainJobResponse cancelled;
  EXPECT_TRUE(Cancel(id, &cancelled).ok());
}

TEST_F(JobsTest, ShutdownLetsCallsInFlightEnd) {
  StartServer();
  UploadDigits();
  v1::TrainJobSpec spec = Spec("m", "digits", "plain", 32);
  spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(1);
  Train(spec);
  v1::ReconstructRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_rows() = DenseRows(64, std::vector<float>(4096 * 64, 0.5f));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  v1::ReconstructResponse response;
  grpc::Status status;
  auto call = inference_->AsyncReconstruct(&context, request, &queue);
  // Until the server has taken the call in (or has even answered it).
  void* tag = nullptr;
  bool ok = false;
  call->Finish(&response, &status, &status);
  while (app_->rows_in_flight() == 0 &&
         queue.AsyncNext(&tag, &ok, std::chrono::system_clock::now()) ==
             grpc::CompletionQueue::TIMEOUT) {
  }
  StopServer();
  if (tag == nullptr) queue.Next(&tag, &ok);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.reconstruction().data().size(), 4096u * 64 * 4);
}

TEST_F(JobsTest, ARepeatedCreateDatasetIsTheSameAndAnotherIsRefused) {
  StartServer();
  Declare("d", "", 1);
  Declare("d", "", 1);
  v1::CreateDatasetRequest request;
  request.mutable_dataset()->set_name("d");
  request.mutable_dataset()->add_files()->set_name("other.csv");
  v1::CreateDatasetResponse response;
  EXPECT_EQ(
      Call(*datasets_, &v1::DatasetService::Stub::CreateDataset, request, &response).error_code(),
      grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(JobsTest, ADatasetThatAJobNeedsStays) {
  StartServer();
  UploadDigits();
  const std::string id = Submit(Long());
  v1::DeleteDatasetRequest request;
  request.set_dataset("digits");
  v1::DeleteDatasetResponse response;
  const grpc::Status status =
      Call(*datasets_, &v1::DatasetService::Stub::DeleteDataset, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr(id));
  v1::CancelTrainJobResponse cancelled;
  EXPECT_TRUE(Cancel(id, &cancelled).ok());
}

}  // namespace
}  // namespace latent

#include "tests/integration/server_fixture.h"

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/crc32c.h"
#include "google/rpc/status.pb.h"

namespace latent {

ErrorParts PartsOf(const grpc::Status& status) {
  ErrorParts parts;
  google::rpc::Status rpc;
  rpc.ParseFromString(status.error_details());
  for (const auto& detail : rpc.details()) {
    if (google::rpc::ErrorInfo info; detail.UnpackTo(&info)) {
      EXPECT_EQ(info.domain(), "latent");
      parts.reason = info.reason();
      parts.metadata.insert(info.metadata().begin(), info.metadata().end());
    }
    if (google::rpc::BadRequest bad; detail.UnpackTo(&bad)) {
      for (const auto& field : bad.field_violations()) {
        parts.fields.emplace_back(field.field(), field.description());
      }
    }
    parts.has_retry |= detail.Is<google::rpc::RetryInfo>();
  }
  return parts;
}

ServerTest::ServerTest() {
  std::string dir = ::testing::TempDir() + "/latent_XXXXXX";
  config_.state_dir = ::mkdtemp(dir.data());
  config_.listen = "127.0.0.1:0";
  config_.metrics_listen = "off";
  config_.log_level = "error";
}

ServerTest::~ServerTest() {
  app_.reset();
  std::filesystem::remove_all(config_.state_dir);
}

void ServerTest::StartServer(const App::Observer& observer) {
  auto app = App::Start(config_, observer);
  ASSERT_TRUE(app.ok()) << app.status();
  app_ = std::move(*app);
  Connect(app_->port());
}

void ServerTest::Connect(int port) {
  channel_ =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  health_ = grpc::health::v1::Health::NewStub(channel_);
  inference_ = v1::InferenceService::NewStub(channel_);
  training_ = v1::TrainingService::NewStub(channel_);
  datasets_ = v1::DatasetService::NewStub(channel_);
  registry_ = v1::RegistryService::NewStub(channel_);
  system_ = v1::SystemService::NewStub(channel_);
}

void ServerTest::StopServer() { app_.reset(); }

std::string ServerTest::Scrape() const {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(app_->metrics_port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  EXPECT_EQ(::write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string text;
  char buffer[65536];
  for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return text;
}

double ServerTest::Value(const std::string& text, const std::string& series) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    double value = 0;
    if (line.rfind(series + " ", 0) == 0 &&
        absl::SimpleAtod(absl::string_view(line).substr(series.size() + 1), &value)) {
      return value;
    }
  }
  return -1;
}

void ServerTest::Declare(const std::string& name, const std::string& label_column,
                         double value_scale) {
  v1::CreateDatasetRequest create;
  auto* declaration = create.mutable_dataset();
  declaration->set_name(name);
  declaration->set_value_scale(value_scale);
  declaration->mutable_csv()->set_label_column(label_column);
  auto* file = declaration->add_files();
  file->set_name("data.csv");
  file->set_format(v1::FILE_FORMAT_CSV);
  v1::CreateDatasetResponse created;
  const grpc::Status status =
      Call(*datasets_, &v1::DatasetService::Stub::CreateDataset, create, &created);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

grpc::Status ServerTest::Upload(const std::string& name, std::size_t offset,
                                const std::string& bytes) {
  v1::UploadDatasetRequest chunk;
  chunk.set_offset(offset);
  chunk.set_data(bytes);
  chunk.set_crc32c(Crc32c(bytes));
  return UploadChunk(name, std::move(chunk));
}

grpc::Status ServerTest::UploadChunk(const std::string& name, v1::UploadDatasetRequest chunk) {
  chunk.set_dataset(name);
  chunk.set_file("data.csv");
  grpc::ClientContext context;
  v1::UploadDatasetResponse uploaded;
  auto writer = datasets_->UploadDataset(&context, &uploaded);
  writer->Write(chunk);
  writer->WritesDone();
  return writer->Finish();
}

void ServerTest::UploadCsv(const std::string& name, const std::string& bytes,
                           const std::string& label_column, double value_scale) {
  ASSERT_NO_FATAL_FAILURE(Declare(name, label_column, value_scale));
  const std::size_t half = bytes.size() / 2;
  ASSERT_TRUE(Upload(name, 0, bytes.substr(0, half)).ok());
  ASSERT_TRUE(Upload(name, half, bytes.substr(half)).ok());
  v1::FinishDatasetRequest finish;
  finish.set_dataset(name);
  v1::FinishDatasetResponse finished;
  const grpc::Status status =
      Call(*datasets_, &v1::DatasetService::Stub::FinishDataset, finish, &finished);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(finished.dataset().state(), v1::Dataset::STATE_READY) << finished.dataset().error();
}

void ServerTest::UploadDigits(const std::string& name) {
  std::ifstream in(LATENT_TEST_DATA "/digits/digits.csv.gz", std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  UploadCsv(name, bytes.str(), "-1", 1.0 / 16);
}

void ServerTest::UploadRandom(const std::string& name, int rows, int columns) {
  std::mt19937 random(1);
  std::string text;
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      absl::StrAppend(&text, c == 0 ? "" : ",", random() % 1000, "e-3");
    }
    text += "\n";
  }
  UploadCsv(name, text, "");
}

std::string ServerTest::Submit(const v1::TrainJobSpec& spec) {
  v1::CreateTrainJobRequest request;
  *request.mutable_spec() = spec;
  v1::CreateTrainJobResponse response;
  const grpc::Status status =
      Call(*training_, &v1::TrainingService::Stub::CreateTrainJob, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.job().id();
}

v1::TrainJob ServerTest::WaitForJob(const std::string& id) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
  v1::WatchTrainJobRequest watch;
  watch.set_job_id(id);
  auto reader = training_->WatchTrainJob(&context, watch);
  for (v1::WatchTrainJobResponse event; reader->Read(&event);) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  v1::GetTrainJobRequest get;
  get.set_job_id(id);
  v1::GetTrainJobResponse got;
  EXPECT_TRUE(Call(*training_, &v1::TrainingService::Stub::GetTrainJob, get, &got).ok());
  return got.job();
}

v1::TrainJob ServerTest::Train(const v1::TrainJobSpec& spec) {
  const v1::TrainJob job = WaitForJob(Submit(spec));
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED) << job.error();
  return job;
}

v1::TrainJobSpec ServerTest::Spec(const std::string& model, const std::string& dataset,
                                  const std::string& preset, std::uint32_t latent_dim) {
  v1::TrainJobSpec spec;
  spec.set_model(model);
  spec.set_dataset(dataset);
  spec.set_preset(preset);
  spec.mutable_architecture()->mutable_latent()->set_dim(latent_dim);
  return spec;
}

v1::Rows ServerTest::DenseRows(std::uint32_t columns, const std::vector<float>& cells) {
  v1::Rows rows;
  rows.mutable_dense()->set_columns(columns);
  rows.mutable_dense()->set_data(cells.data(), cells.size() * sizeof(float));
  return rows;
}

std::vector<float> ServerTest::Cells(const v1::DenseRows& rows) {
  std::vector<float> cells(rows.data().size() / sizeof(float));
  if (!cells.empty()) std::memcpy(cells.data(), rows.data().data(), rows.data().size());
  return cells;
}

v1::Rows ServerTest::Slice(const std::string& dataset, std::uint32_t count) {
  v1::Rows rows;
  rows.mutable_dataset_slice()->set_dataset(dataset);
  rows.mutable_dataset_slice()->set_count(count);
  return rows;
}

}  // namespace latent

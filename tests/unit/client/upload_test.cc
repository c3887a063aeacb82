#include "client/upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "client/checksum.h"
#include "latent/v1/dataset_service.grpc.pb.h"
#include "tests/unit/client/fake_server.h"

namespace latent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Keeps what is sent; can break a stream after some chunks.
class FakeDatasets : public v1::DatasetService::Service {
 public:
  grpc::Status CreateDataset(grpc::ServerContext*, const v1::CreateDatasetRequest* request,
                             v1::CreateDatasetResponse* response) override {
    dataset_.mutable_declaration()->CopyFrom(request->dataset());
    dataset_.set_state(state);
    FillProgress(dataset_.mutable_files());
    *response->mutable_dataset() = dataset_;
    return grpc::Status::OK;
  }
  grpc::Status UploadDataset(grpc::ServerContext*,
                             grpc::ServerReader<v1::UploadDatasetRequest>* reader,
                             v1::UploadDatasetResponse* response) override {
    ++streams;
    v1::UploadDatasetRequest chunk;
    while (reader->Read(&chunk)) {
      if (chunks == break_after_chunks) {
        break_after_chunks = -1;
        return {grpc::StatusCode::UNAVAILABLE, "restarting"};
      }
      ++chunks;
      std::string& bytes = content[chunk.file()];
      if (chunk.offset() != bytes.size()) return {grpc::StatusCode::OUT_OF_RANGE, "gap"};
      if (chunk.crc32c() != client_internal::UploadCrc32c(chunk.data())) {
        return {grpc::StatusCode::DATA_LOSS, "checksum"};
      }
      bytes += chunk.data();
    }
    FillProgress(response->mutable_files());
    return grpc::Status::OK;
  }
  grpc::Status GetDataset(grpc::ServerContext*, const v1::GetDatasetRequest*,
                          v1::GetDatasetResponse* response) override {
    FillProgress(dataset_.mutable_files());
    *response->mutable_dataset() = dataset_;
    return grpc::Status::OK;
  }
  grpc::Status FinishDataset(grpc::ServerContext*, const v1::FinishDatasetRequest* request,
                             v1::FinishDatasetResponse* response) override {
    sha256 = {request->file_sha256().begin(), request->file_sha256().end()};
    dataset_.set_state(v1::Dataset::STATE_READY);
    *response->mutable_dataset() = dataset_;
    return grpc::Status::OK;
  }

  v1::Dataset::State state = v1::Dataset::STATE_UPLOADING;
  int break_after_chunks = -1;
  int chunks = 0, streams = 0;
  std::map<std::string, std::string> content;
  std::vector<std::string> sha256;

 private:
  void FillProgress(google::protobuf::RepeatedPtrField<v1::FileProgress>* files) const {
    files->Clear();
    for (const auto& [name, bytes] : content) {
      v1::FileProgress* file = files->Add();
      file->set_name(name);
      file->set_committed_bytes(bytes.size());
    }
  }
  v1::Dataset dataset_;
};

class UploadTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/latent_upload_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    options_.chunk_bytes = 4;
    options_.resume.wait = [this](std::chrono::milliseconds) { ++waits_; };
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void AddFile(const std::string& name, const std::string& content) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    paths_.push_back(path);
    declaration_.add_files()->set_name(name);
  }
  absl::StatusOr<v1::Dataset> Run() {
    declaration_.set_name("digits");
    FakeServer server({&service_});
    Client client(server.options());
    return Upload(client, declaration_, paths_, options_);
  }

  std::string folder_;
  FakeDatasets service_;
  v1::DatasetDeclaration declaration_;
  std::vector<std::string> paths_;
  UploadOptions options_;
  int waits_ = 0;
};

TEST_F(UploadTest, SendsEveryFileInChunks) {
  AddFile("rows.csv", "0123456789");
  AddFile("labels.csv", "abcdefgh");
  const auto dataset = Run();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->state(), v1::Dataset::STATE_READY);
  EXPECT_EQ(service_.content["rows.csv"], "0123456789");
  EXPECT_EQ(service_.content["labels.csv"], "abcdefgh");
  EXPECT_EQ(service_.chunks, 3 + 2);
  EXPECT_EQ(service_.streams, 1);
}

TEST_F(UploadTest, SendsTheHashOfEachFileInOrder) {
  AddFile("b", "abc");
  AddFile("a", "abcd");
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(service_.sha256,
              ElementsAre("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                          "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589"));
}

TEST_F(UploadTest, ResumesWhereTheServerStandsAfterABreak) {
  AddFile("rows.csv", "0123456789abcdefghij");
  service_.break_after_chunks = 2;
  const auto dataset = Run();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(service_.content["rows.csv"], "0123456789abcdefghij");
  EXPECT_EQ(service_.chunks, 5);
  EXPECT_EQ(service_.streams, 2);
  EXPECT_EQ(waits_, 1);
}

TEST_F(UploadTest, SkipsWhatTheServerHadBefore) {
  AddFile("rows.csv", "0123456789");
  AddFile("more.csv", "xy");
  service_.content["rows.csv"] = "01234567";
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(service_.content["rows.csv"], "0123456789");
  EXPECT_EQ(service_.chunks, 2);
}

TEST_F(UploadTest, CutsLongUploadsIntoStreams) {
  AddFile("rows.csv", "0123456789abcdefghij");
  options_.stream_bytes = 8;
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(service_.content["rows.csv"], "0123456789abcdefghij");
  EXPECT_EQ(service_.streams, 3);
}

TEST_F(UploadTest, SendsNothingToADatasetThatIsReady) {
  AddFile("rows.csv", "0123456789");
  service_.state = v1::Dataset::STATE_READY;
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(service_.streams, 0);
}

TEST_F(UploadTest, ReportsProgressUpToTheLastByte) {
  AddFile("rows.csv", "0123456789");
  std::vector<std::uint64_t> sent;
  options_.progress = [&](const UploadProgress& progress) {
    EXPECT_EQ(progress.step == UploadProgress::Step::kHashing ? 10u : progress.total_bytes, 10u);
    if (progress.step == UploadProgress::Step::kSending) sent.push_back(progress.bytes);
  };
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(sent, ElementsAre(4, 8, 10));
}

TEST_F(UploadTest, NamesAFileThatIsNotThere) {
  declaration_.add_files()->set_name("x");
  paths_.push_back(folder_ + "/missing.csv");
  const auto dataset = Run();
  EXPECT_EQ(dataset.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(dataset.status().message()), HasSubstr("missing.csv"));
}

TEST_F(UploadTest, RefusesAnEmptyFileBeforeTheNameIsTaken) {
  AddFile("rows.csv", "1,2");
  AddFile("test.csv", "");
  const auto dataset = Run();
  EXPECT_EQ(dataset.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(dataset.status().message()), HasSubstr("test.csv is empty"));
  EXPECT_EQ(service_.streams, 0);
}

TEST_F(UploadTest, RefusesAFolder) {
  declaration_.add_files()->set_name("x");
  paths_.push_back(folder_);
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace latent

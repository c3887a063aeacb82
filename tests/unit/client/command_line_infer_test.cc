// The inference verbs of `latent` against a server that echoes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "latent/v1/inference_service.grpc.pb.h"
#include "tests/unit/client/fake_registry.h"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/latent_program.h"

namespace latent {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Codes are the rows, and rows the codes; noise adds nothing, denoised rows are zero.
class EchoInference : public v1::InferenceService::Service {
 public:
  std::vector<std::int32_t> labels, decoded_as;  // of the last Encode and Decode

  grpc::Status Encode(grpc::ServerContext*, const v1::EncodeRequest* request,
                      v1::EncodeResponse* response) override {
    response->mutable_answered_by()->set_version(7);
    labels.assign(request->labels().begin(), request->labels().end());
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
  grpc::Status Decode(grpc::ServerContext*, const v1::DecodeRequest* request,
                      v1::DecodeResponse* response) override {
    decoded_as.assign(request->labels().begin(), request->labels().end());
    *response->mutable_rows() = request->codes().dense();
    return grpc::Status::OK;
  }
  grpc::Status StreamEncode(grpc::ServerContext*,
                            grpc::ServerReaderWriter<v1::StreamEncodeResponse,
                                                     v1::StreamEncodeRequest>* stream) override {
    v1::StreamEncodeRequest message;
    for (streamed = 0; stream->Read(&message); ++streamed) {
      v1::StreamEncodeResponse reply;
      reply.mutable_answered_by()->set_version(7);
      if (streamed == 0 && message.model().include_timing()) {
        reply.mutable_answered_by()->mutable_timing()->set_queue_us(5);
      }
      *reply.mutable_codes() = message.rows();
      stream->Write(reply);
    }
    return grpc::Status::OK;
  }
  int streamed = 0;
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
  Outcome Run(const std::string& arguments, const std::string& model = "m") {
    return Latent("--server " + server_.address() + " " + arguments + " --model " + model +
                  " --input " + folder_ + "/rows.csv");
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

// More rows than one request carries go over one stream.
TEST_F(InferTest, EncodesManyRowsOverAStream) {
  std::ofstream rows(folder_ + "/rows.csv");
  std::string expected = "code_0,code_1\n";
  for (int i = 0; i < 2500; ++i) {
    const std::string line = std::to_string(i) + "," + std::to_string(i % 7) + "\n";
    rows << line;
    expected += line;
  }
  rows.close();
  const Outcome outcome = Run("encode --timing --no-header --output " + folder_ + "/codes.csv");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(ReadFile(folder_ + "/codes.csv"), expected);
  EXPECT_EQ(inference_.streamed, 3);
  EXPECT_THAT(outcome.out, HasSubstr("queue_us"));
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

TEST_F(InferTest, ServerErrorsCarryTheirCode) {
  const Outcome outcome = Run("score");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, StartsWith("error: UNIMPLEMENTED"));
}

TEST_F(InferTest, LabelsGoToModelsThatReadThem) {
  std::ofstream(folder_ + "/labels.csv") << "5\n3\n";
  const std::string labels = " --no-header --labels " + folder_ + "/labels.csv";
  EXPECT_EQ(Run("encode --no-header --label three", "digits").code, 0);
  EXPECT_EQ(inference_.labels, (std::vector<std::int32_t>{3, 3}));
  EXPECT_EQ(Run("encode --no-header --label 5", "digits").code, 0);
  EXPECT_EQ(inference_.labels, (std::vector<std::int32_t>{5, 5}));
  EXPECT_EQ(Run("encode" + labels, "digits").code, 0);
  EXPECT_EQ(inference_.labels, (std::vector<std::int32_t>{5, 3}));
  // To others they are for pictures.
  EXPECT_EQ(Run("encode" + labels).code, 0);
  EXPECT_TRUE(inference_.labels.empty());
}

TEST_F(InferTest, TextsOfTheLabelColumnAreTheModelsNames) {
  std::ofstream(folder_ + "/rows.csv") << "a,b,class\n1,0,three\n0.5,0.5,three\n";
  const Outcome outcome = Run("encode --label-column class", "digits");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(inference_.labels, (std::vector<std::int32_t>{3, 3}));
  std::ofstream(folder_ + "/rows.csv") << "a,b,class\n1,0,three\n0.5,0.5,four\n";
  const Outcome unknown = Run("encode --label-column -1", "digits");
  EXPECT_NE(unknown.code, 0);
  EXPECT_THAT(unknown.err, HasSubstr("row 2, label: expected one of the version's labels, "
                                     "3 (three), 5, got \"four\""));
  EXPECT_EQ(Run("encode --label-column -1 --label 5", "digits").code, 0);
  EXPECT_EQ(inference_.labels, (std::vector<std::int32_t>{5, 5}));
}

TEST_F(InferTest, AReportDecodesRoundedCodesAsTheRowsThatTheyAreOf) {
  std::ofstream rows(folder_ + "/rows.csv"), labels(folder_ + "/labels.csv");
  std::vector<std::int32_t> expected;
  for (int i = 0; i < 16; ++i) {
    rows << i << "," << i % 5 << "\n";
    labels << (expected.emplace_back(i % 3 == 0 ? 3 : 5)) << "\n";
  }
  rows.close();
  labels.close();
  const Outcome outcome = Latent("--server " + server_.address() + " models report digits" +
                                 " --no-header --input " + folder_ + "/rows.csv --labels " +
                                 folder_ + "/labels.csv --output " + folder_ + "/report.html");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(ReadFile(folder_ + "/report.html"), HasSubstr("Rate and distortion"));
  EXPECT_EQ(inference_.labels, expected);
  EXPECT_EQ(inference_.decoded_as, expected);
}

TEST_F(InferTest, LabelThatTheModelDoesNotKnowIsRefused) {
  const Outcome unknown = Run("encode --no-header --label 4", "digits");
  EXPECT_NE(unknown.code, 0);
  EXPECT_THAT(unknown.err,
              HasSubstr("expected one of the version's labels, 3 (three), 5, got \"4\""));
  EXPECT_THAT(Run("encode --no-header --label 3").err, HasSubstr("reads no labels"));
}

}  // namespace
}  // namespace latent

// A reply whose memory is used again says what a fresh one would, and nothing of the one before.
#include "server/reply_reuse.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/inference_convert.h"
#include "server/rows_codec.h"
#include "tests/unit/serve/served_fixture.h"

namespace latent {
namespace {

// Every reply is filled twice: into memory that held the replies before it, and into fresh memory.
template <typename Request, typename Response>
class Replies {
 public:
  void Expect(Request request, const ModelPtr& model) {
    SetDense(RandomCells(2, kTestColumns, 7), request.mutable_rows()->mutable_dense());
    auto rows = ToRows(request.rows(), kTestColumns, limits_, "rows");
    ASSERT_TRUE(rows.ok());
    EncodeOperation operation;
    ASSERT_TRUE(BeginEncode(request, model, *std::move(rows), &operation).ok());
    Operation* batch[] = {&operation};
    runner_.Run(batch);
    ASSERT_TRUE(operation.outcome().ok());
    Response fresh;
    Fill(request, operation, &fresh);
    EmptyForReuse(used_);
    Fill(request, operation, &used_);
    EXPECT_EQ(used_.SerializeAsString(), fresh.SerializeAsString()) << request.ShortDebugString();
    used_.add_labels(3);
  }

 private:
  static void Fill(const Request& request, const Operation& operation, Response* response) {
    FillResponse(request, operation, response);
    response->mutable_answered_by()->set_model(operation.model().key().model);
  }

  const RequestLimits limits_;
  BatchRunner runner_;
  Response used_;
};

TEST(ReplyReuseTest, RepliesOfEncodeKeepNothingOfTheOneBefore) {
  const ModelPtr plain = TestModel("plain"), vae = TestModel("vae");
  v1::EncodeRequest sigma, float16, sparse;
  sigma.set_include_sigma(true);
  float16.set_format(v1::DTYPE_FLOAT16);
  sparse.mutable_sparsify()->set_top_k(2);
  Replies<v1::EncodeRequest, v1::EncodeResponse> replies;
  for (const v1::EncodeRequest& first : {float16, sparse, v1::EncodeRequest()}) {
    replies.Expect(sigma, vae);
    for (const v1::EncodeRequest& next : {v1::EncodeRequest(), sparse, float16}) {
      replies.Expect(first, plain);
      replies.Expect(next, plain);
    }
  }
}

TEST(ReplyReuseTest, RepliesOfAStreamKeepNothingOfTheOneBefore) {
  const ModelPtr plain = TestModel("plain");
  v1::StreamEncodeRequest omitted, float16, sparse;
  omitted.mutable_outputs()->set_omit_codes(true);
  omitted.mutable_outputs()->set_include_reconstruction(true);
  omitted.mutable_outputs()->set_include_error(true);
  float16.mutable_outputs()->set_format(v1::DTYPE_FLOAT16);
  sparse.mutable_outputs()->mutable_sparsify()->set_top_k(2);
  Replies<v1::StreamEncodeRequest, v1::StreamEncodeResponse> replies;
  for (const auto& first : {omitted, float16, sparse, v1::StreamEncodeRequest()}) {
    for (const auto& next : {v1::StreamEncodeRequest(), omitted, float16, sparse}) {
      replies.Expect(first, plain);
      replies.Expect(next, plain);
    }
  }
}

TEST(ReplyReuseTest, LargeCodesAreFreed) {
  v1::EncodeResponse reply;
  reply.mutable_codes()->mutable_dense()->set_data(std::string(kKeptCellBytes, 'x'));
  EmptyForReuse(reply);
  EXPECT_TRUE(reply.has_codes()) << "small ones are kept";
  reply.mutable_codes()->mutable_dense()->set_data(std::string(kKeptCellBytes + 100, 'x'));
  EmptyForReuse(reply);
  EXPECT_FALSE(reply.has_codes());
  v1::StreamEncodeResponse message;
  message.mutable_codes()->mutable_dense()->set_data(std::string(kKeptStreamCellBytes, 'x'));
  message.mutable_reconstruction()->set_data(std::string(kKeptStreamCellBytes + 100, 'x'));
  EmptyForReuse(message);
  EXPECT_TRUE(message.has_codes());
  EXPECT_FALSE(message.has_reconstruction());
}

}  // namespace
}  // namespace latent

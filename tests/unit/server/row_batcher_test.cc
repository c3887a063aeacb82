#include "server/row_batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "server/rpc_metrics.h"
#include "tests/unit/serve/served_fixture.h"

namespace latent {
namespace {

// A call that has just come and has no deadline.
class ArrivedCall final : public CallBase {
 public:
  explicit ArrivedCall(const MethodInfo* method) : CallBase(nullptr, method, /*notify=*/false) {
    Reset();
    EXPECT_TRUE(Admit().ok());
  }
  void Proceed(bool) override {}

 private:
  void Recycle() override {}
};

// One that finds no memory when its turn comes.
class HungryOperation final : public Operation {
 public:
  explicit HungryOperation(ModelPtr model) : Operation(std::move(model)) {}
  std::size_t cost_rows() const override { return 1; }
  std::optional<Pass> Next() override { throw std::bad_alloc(); }
};

class RowBatcherTest : public ::testing::Test {
 protected:
  RowBatcherTest() {
    method_.metrics = rpcs_.Register("S", "M", "unary");
    method_.environment = &environment_;
    method_.before_ready = true;
  }
  // Adds the operation and notes how it ends.
  void Add(std::unique_ptr<Operation> operation) {
    batcher_.Add({.operation = std::move(operation),
                  .call = &*call_,
                  .arrival = call_->arrival(),
                  .admission = {},
                  .done = [this](const absl::Status& ran, const RunTimes& times,
                                 std::unique_ptr<Operation> done) {
                    ends_.push_back(ran.code());
                    versions_.push_back(done->model().key().version);
                    batch_rows_.push_back(times.batch_rows);
                  }});
  }
  void AddDecode(const ModelPtr& model, std::size_t rows) {
    auto decode = DecodeOperation::Make(model, Cells(rows, kTestDim));
    ASSERT_TRUE(decode.ok()) << decode.status();
    Add(*std::move(decode));
  }

  prometheus::Registry registry_;
  RpcMetrics rpcs_{registry_};
  Metrics metrics_;
  CallEnvironment environment_;
  MethodInfo method_;
  std::unique_ptr<ArrivedCall> call_;
  RowBatcher batcher_{&metrics_.batches()};
  std::vector<absl::StatusCode> ends_;
  std::vector<std::uint64_t> versions_;
  std::vector<std::size_t> batch_rows_;
};

TEST_F(RowBatcherTest, NoMemoryForAnOperationEndsItsBatchAlone) {
  call_ = std::make_unique<ArrivedCall>(&method_);
  const ModelPtr model = TestModel("plain");
  Add(std::make_unique<HungryOperation>(model));
  batcher_.RunPiece();
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0], absl::StatusCode::kResourceExhausted);
  auto next = DecodeOperation::Make(model, Cells(1, kTestDim));
  ASSERT_TRUE(next.ok()) << next.status();
  Add(std::move(*next));
  batcher_.RunPiece();
  ASSERT_EQ(ends_.size(), 2u);
  EXPECT_EQ(ends_[1], absl::StatusCode::kOk);
}

TEST_F(RowBatcherTest, AFloodOnOneVersionHoldsAnotherUpForOnePieceAtMost) {
  call_ = std::make_unique<ArrivedCall>(&method_);
  const ModelPtr busy = TestModel("plain", 1), quiet = TestModel("plain", 2),
                 third = TestModel("plain", 3);
  // Rows that fill a piece by themselves.
  const std::size_t piece = kPieceMultiplyAdds / MultiplyAdds(*busy, 1, false);
  for (int i = 0; i < 5; ++i) AddDecode(busy, piece);
  EXPECT_TRUE(batcher_.RunPiece());
  AddDecode(quiet, 1);
  AddDecode(third, 1);
  while (batcher_.RunPiece()) {
  }
  EXPECT_THAT(versions_, ::testing::ElementsAre(1, 1, 2, 3, 1, 1, 1));
}

TEST_F(RowBatcherTest, SmallOnesOfAVersionShareAPassAndPassLargeOnesBy) {
  call_ = std::make_unique<ArrivedCall>(&method_);
  const ModelPtr model = TestModel("plain");
  const std::size_t piece = kPieceMultiplyAdds / MultiplyAdds(*model, 1, false);
  AddDecode(model, 2);
  AddDecode(model, piece);
  AddDecode(model, 3);
  EXPECT_TRUE(batcher_.RunPiece());
  EXPECT_THAT(batch_rows_, ::testing::ElementsAre(5, 5));
  EXPECT_FALSE(batcher_.RunPiece());
  EXPECT_EQ(batch_rows_.back(), piece);
}

TEST_F(RowBatcherTest, AdmissionsComeBackBeforeTheAnswer) {
  call_ = std::make_unique<ArrivedCall>(&method_);
  InFlight in_flight(10, 1000);
  auto decode = DecodeOperation::Make(TestModel("plain"), Cells(1, kTestDim));
  ASSERT_TRUE(decode.ok());
  std::uint64_t rows = 99;
  batcher_.Add({.operation = *std::move(decode),
                .call = &*call_,
                .arrival = call_->arrival(),
                .admission = *in_flight.Admit(1, 12),
                .done = [&](const absl::Status&, const RunTimes&, std::unique_ptr<Operation>) {
                  rows = in_flight.rows();
                }});
  EXPECT_EQ(in_flight.rows(), 1u);
  batcher_.RunPiece();
  EXPECT_EQ(rows, 0u);
}

TEST(InFlightTest, RefusesWhatExceedsRowsOrBytesUnlessItComesAlone) {
  InFlight in_flight(10, 1000);
  {
    const auto alone = in_flight.Admit(50, 5000);
    ASSERT_TRUE(alone.ok()) << alone.status();
    EXPECT_EQ(in_flight.Admit(1, 1).status().code(), absl::StatusCode::kResourceExhausted);
  }
  const auto some = in_flight.Admit(4, 900);
  ASSERT_TRUE(some.ok()) << some.status();
  const absl::Status rows = in_flight.Admit(7, 1).status(),
                     bytes = in_flight.Admit(6, 101).status();
  EXPECT_EQ(DetailsOf(rows).reason, "TOO_MANY_ROWS_IN_FLIGHT");
  EXPECT_EQ(DetailsOf(bytes).reason, "TOO_MANY_BYTES_IN_FLIGHT");
  EXPECT_TRUE(DetailsOf(rows).retry_after && DetailsOf(bytes).retry_after);
  EXPECT_TRUE(in_flight.Admit(6, 100).ok());
  EXPECT_EQ(in_flight.rows(), 4u);
}

}  // namespace
}  // namespace latent

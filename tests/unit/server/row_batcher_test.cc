#include "server/row_batcher.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <memory>
#include <new>
#include <utility>
#include <vector>

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
    batcher_.Add({std::move(operation), &*call_,
                  [this](const absl::Status& ran, Operation&) { ends_.push_back(ran.code()); }});
  }

  prometheus::Registry registry_;
  RpcMetrics rpcs_{registry_};
  Metrics metrics_;
  CallEnvironment environment_;
  MethodInfo method_;
  std::unique_ptr<ArrivedCall> call_;
  RowBatcher batcher_{&metrics_.batches()};
  std::vector<absl::StatusCode> ends_;
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

}  // namespace
}  // namespace latent

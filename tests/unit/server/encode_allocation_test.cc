// An Encode takes no memory but what gRPC and the parser take: every allocation of this binary is
// counted.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "server/inference_convert.h"
#include "server/reply_reuse.h"
#include "server/rows_codec.h"
#include "tests/unit/serve/served_fixture.h"

namespace {
std::atomic<long> allocations{0};

void* Allocate(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t whole = std::max<std::size_t>(1, (size + alignment - 1) / alignment);
  void* memory = std::aligned_alloc(alignment, whole * alignment);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

// The other forms of the library lead to these.
void* operator new(std::size_t size) { return Allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace latent {
namespace {

constexpr int kBatch = 7;

template <typename Request>
Request RequestFor(std::uint64_t seed) {
  Request request;
  SetDense(RandomCells(1 + seed % 3, kTestColumns, seed), request.mutable_rows()->mutable_dense());
  return request;
}

// Calls that share a pass, from their messages to their replies, as one loop runs them.
template <typename Request, typename Response>
class Calls {
 public:
  explicit Calls(const std::string& preset) : model_(TestModel(preset)) {
    for (std::uint64_t i = 0; i < kBatch; ++i) requests_.push_back(RequestFor<Request>(i));
    responses_.resize(kBatch);
    operations_.resize(kBatch);
    for (EncodeOperation& operation : operations_) batch_.push_back(&operation);
  }
  std::vector<Request>& requests() { return requests_; }
  // Allocations of one batch.
  long Run() {
    const long before = allocations.load();
    for (std::size_t i = 0; i < kBatch; ++i) {
      auto rows = ToRows(requests_[i].rows(), kTestColumns, limits_, "rows");
      EXPECT_TRUE(rows.ok());
      EXPECT_TRUE(BeginEncode(requests_[i], model_, *std::move(rows), &operations_[i]).ok());
    }
    runner_.Run(batch_);
    for (std::size_t i = 0; i < kBatch; ++i) {
      EXPECT_TRUE(operations_[i].outcome().ok());
      FillResponse(requests_[i], operations_[i], &responses_[i]);
      responses_[i].mutable_answered_by()->set_latent_space_id(
          operations_[i].model().latent_space_id());
      EmptyForReuse(responses_[i]);
      operations_[i].Release();
    }
    return allocations.load() - before;
  }

 private:
  const RequestLimits limits_;
  const ModelPtr model_;
  std::vector<Request> requests_;
  std::vector<Response> responses_;
  std::vector<EncodeOperation> operations_;
  std::vector<Operation*> batch_;
  BatchRunner runner_;
};

TEST(EncodeAllocationTest, CountsWhatIsAllocated) {
  const long before = allocations.load();
  const std::string text(1000, 'x');
  EXPECT_EQ(allocations.load(), before + 1) << text;
}

TEST(EncodeAllocationTest, AWarmEncodeTakesNone) {
  for (const char* preset : {"plain", "vae", "topk", "pca"}) {
    Calls<v1::EncodeRequest, v1::EncodeResponse> calls(preset);
    EXPECT_GT(calls.Run(), 0) << preset;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(calls.Run(), 0) << preset;
  }
}

TEST(EncodeAllocationTest, AWarmMessageOfAStreamTakesNone) {
  Calls<v1::StreamEncodeRequest, v1::StreamEncodeResponse> calls("plain");
  for (auto& request : calls.requests()) {
    request.mutable_outputs()->set_include_reconstruction(true);
    request.mutable_outputs()->set_include_error(true);
  }
  EXPECT_GT(calls.Run(), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(calls.Run(), 0);
}

}  // namespace
}  // namespace latent

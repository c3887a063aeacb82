// Collects the row operations of one event loop's calls and runs them joined per version, about a
// millisecond of compute a piece, so that calls share forward passes without anybody waiting for a
// timer. Belongs to one loop's thread; stats() from any. Not its job: large operations
// (inference_service hands them to the compute executor).
#ifndef LATENT_SERVER_ROW_BATCHER_H_
#define LATENT_SERVER_ROW_BATCHER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/serve/batch.h"
#include "core/serve/operations.h"
#include "server/call.h"
#include "server/metrics.h"

namespace latent {

// Multiply-adds that go into one pass: about a millisecond on one core.
inline constexpr std::uint64_t kPieceMultiplyAdds = 1 << 25;
// What `rows` rows cost on this version; `sampled`: with drawing their codes.
std::uint64_t MultiplyAdds(const ServedModel& model, std::size_t rows, bool sampled);

class RowBatcher final : public BatchTask {
 public:
  struct Item {
    std::unique_ptr<Operation> operation;
    const CallBase* call = nullptr;  // whose deadline and arrival count
    // Gets the operation with its results, or why it was not run.
    std::function<void(const absl::Status&, Operation&)> done;
  };

  explicit RowBatcher(const BatchMetrics* metrics) : metrics_(metrics) {}
  void Add(Item item) { items_.push_back(std::move(item)); }
  bool RunPiece() override;
  BatchStats stats() const { return runner_.stats(); }

 private:
  void DropUnwanted();
  // Moves the first item and those that may share its pass to `batch_`.
  void TakeBatch();

  const BatchMetrics* const metrics_;
  BatchRunner runner_;
  std::vector<Item> items_;  // in order of arrival
  std::vector<Item> batch_;
  std::vector<Operation*> operations_;
};

}  // namespace latent

#endif  // LATENT_SERVER_ROW_BATCHER_H_

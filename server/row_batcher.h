// Collects the row operations of one event loop's calls and runs them joined per version, about a
// millisecond of compute a piece and the versions in turn, so that calls share forward passes
// without anybody waiting for a timer. Belongs to one loop's thread; stats() from any. Not its job:
// large operations (inference_service hands them to the compute executor).
#ifndef LATENT_SERVER_ROW_BATCHER_H_
#define LATENT_SERVER_ROW_BATCHER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/serve/batch.h"
#include "core/serve/operations.h"
#include "server/admission.h"
#include "server/call.h"
#include "server/metrics.h"

namespace latent {

// Multiply-adds that go into one pass: about a millisecond on one core.
inline constexpr std::uint64_t kPieceMultiplyAdds = 1 << 25;
// What `rows` rows cost on this version; `sampled`: with drawing their codes.
std::uint64_t MultiplyAdds(const ServedModel& model, std::size_t rows, bool sampled);

// Where the time of an answer went.
struct RunTimes {
  std::chrono::duration<double, std::micro> queue{0}, compute{0};
  std::size_t batch_rows = 0;  // that shared the passes
};

class RowBatcher final : public BatchTask {
 public:
  struct Item {
    std::unique_ptr<Operation> operation;
    const CallBase* call = nullptr;  // whose deadline counts
    CallBase::SteadyClock::time_point arrival;
    Admission admission;
    // Gets the operation with its results, or why it was not run.
    std::function<void(const absl::Status&, const RunTimes&, std::unique_ptr<Operation>)> done;
  };

  explicit RowBatcher(const BatchMetrics* metrics) : metrics_(metrics) {}
  void Add(Item item);
  bool RunPiece() override;
  BatchStats stats() const { return runner_.stats(); }

 private:
  // What waits for one version, in order of arrival.
  struct Line {
    const ServedModel* model = nullptr;
    std::vector<Item> items;
  };
  // Moves the first item of the first line and those that may share its pass to `batch_`, and items
  // of that line that nobody waits for any more to `dropped_`; the line then stands last.
  void TakeBatch();
  void EndDropped();
  void RunBatch();

  const BatchMetrics* const metrics_;
  BatchRunner runner_;
  std::vector<Line> lines_;                // in turn
  std::vector<std::vector<Item>> unused_;  // of lines that have gone, for their memory
  std::vector<Item> batch_, dropped_;
  std::vector<Operation*> operations_;
};

}  // namespace latent

#endif  // LATENT_SERVER_ROW_BATCHER_H_

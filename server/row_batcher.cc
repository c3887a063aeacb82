#include "server/row_batcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace latent {

std::uint64_t MultiplyAdds(const ServedModel& model, std::size_t rows, bool sampled) {
  return std::max<std::uint64_t>(1, model.plan().parameters()) * rows +
         (sampled ? model.sampler().MultiplyAdds(rows) : 0);
}

bool RowBatcher::RunPiece() {
  if (items_.empty()) return false;
  DropUnwanted();
  if (items_.empty()) return false;
  TakeBatch();
  const auto now = CallBase::SteadyClock::now();
  operations_.clear();
  for (const Item& item : batch_) {
    const std::chrono::duration<double> waited = now - item.call->arrival();
    metrics_->queue_wait_seconds->Observe(waited.count());
    operations_.push_back(item.operation.get());
  }
  // Operations allocate their results on the way. What they share a pass with fails with them.
  const absl::Status ran = Guarded([this] {
    runner_.Run(operations_);
    return absl::OkStatus();
  });
  for (Item& item : batch_) item.done(ran, *item.operation);
  batch_.clear();
  return !items_.empty();
}

void RowBatcher::DropUnwanted() {
  const auto unwanted = std::stable_partition(
      items_.begin(), items_.end(), [](const Item& item) { return item.call->StillWanted().ok(); });
  std::vector<Item> dropped(std::make_move_iterator(unwanted),
                            std::make_move_iterator(items_.end()));
  items_.erase(unwanted, items_.end());
  for (Item& item : dropped) {
    const absl::Status why = item.call->StillWanted();
    metrics_->CountUnwanted(why);
    item.done(why, *item.operation);
  }
}

void RowBatcher::TakeBatch() {
  const ServedModel* model = &items_.front().operation->model();
  std::uint64_t cost = 0;
  const auto joins = [&](const Item& item) {
    if (&item.operation->model() != model) return false;
    const std::uint64_t more =
        MultiplyAdds(*model, item.operation->cost_rows(), item.operation->samples());
    if (cost > 0 && cost + more > kPieceMultiplyAdds) return false;
    cost += more;
    return true;
  };
  auto kept = items_.begin();
  for (auto it = items_.begin(); it != items_.end(); ++it) {
    if (joins(*it)) {
      batch_.push_back(std::move(*it));
    } else {
      if (kept != it) *kept = std::move(*it);
      ++kept;
    }
  }
  items_.erase(kept, items_.end());
}

}  // namespace latent

#include "server/row_batcher.h"

#include <algorithm>
#include <utility>

namespace latent {

std::uint64_t MultiplyAdds(const ServedModel& model, std::size_t rows, bool sampled) {
  return std::max<std::uint64_t>(1, model.plan().parameters()) * rows +
         (sampled ? model.sampler().MultiplyAdds(rows) : 0);
}

void RowBatcher::Add(Item item) {
  const ServedModel* model = &item.operation->model();
  auto line = std::find_if(lines_.begin(), lines_.end(),
                           [&](const Line& other) { return other.model == model; });
  if (line == lines_.end()) {
    line = lines_.insert(line, Line{.model = model, .items = {}});
    if (!unused_.empty()) {
      line->items = std::move(unused_.back());
      unused_.pop_back();
    }
  }
  line->items.push_back(std::move(item));
}

bool RowBatcher::RunPiece() {
  if (lines_.empty()) return false;
  TakeBatch();
  EndDropped();
  if (!batch_.empty()) RunBatch();
  return !lines_.empty();
}

void RowBatcher::TakeBatch() {
  Line& line = lines_.front();
  const auto now = std::chrono::system_clock::now();
  std::uint64_t cost = 0;
  const auto joins = [&](const Item& item) {
    const std::uint64_t more =
        MultiplyAdds(*line.model, item.operation->cost_rows(), item.operation->samples());
    if (cost > 0 && cost + more > kPieceMultiplyAdds) return false;
    cost += more;
    return true;
  };
  auto kept = line.items.begin();
  for (auto it = line.items.begin(); it != line.items.end(); ++it) {
    if (!it->call->Wanted(now)) {
      dropped_.push_back(std::move(*it));
    } else if (joins(*it)) {
      batch_.push_back(std::move(*it));
    } else {
      if (kept != it) *kept = std::move(*it);
      ++kept;
    }
  }
  line.items.erase(kept, line.items.end());
  if (!line.items.empty()) {
    std::rotate(lines_.begin(), lines_.begin() + 1, lines_.end());
    return;
  }
  unused_.push_back(std::move(line.items));
  lines_.erase(lines_.begin());
}

void RowBatcher::EndDropped() {
  for (Item& item : dropped_) {
    const absl::Status why = item.call->StillWanted();
    metrics_->CountUnwanted(why);
    item.admission = {};
    item.done(why, {}, std::move(item.operation));
  }
  dropped_.clear();
}

void RowBatcher::RunBatch() {
  const auto start = CallBase::SteadyClock::now();
  RunTimes times;
  operations_.clear();
  for (const Item& item : batch_) {
    const std::chrono::duration<double> waited = start - item.arrival;
    metrics_->queue_wait_seconds->Observe(waited.count());
    times.batch_rows += item.operation->cost_rows();
    operations_.push_back(item.operation.get());
  }
  // Operations allocate their results on the way. What they share a pass with fails with them.
  const absl::Status ran = Guarded([this] {
    runner_.Run(operations_);
    return absl::OkStatus();
  });
  times.compute = CallBase::SteadyClock::now() - start;
  for (Item& item : batch_) {
    times.queue = start - item.arrival;
    item.admission = {};
    item.done(ran, times, std::move(item.operation));
  }
  batch_.clear();
}

}  // namespace latent

#include "core/train/progress_meter.h"

namespace latent {
namespace {

constexpr std::chrono::seconds kWindow{10};
// Epochs may end far more often than twice a second; so many marks are enough.
constexpr std::chrono::milliseconds kMarkSpacing{200};

}  // namespace

void ProgressMeter::Reported(Time now) {
  reported_ = now;
  if (now - marks_.back().time >= kMarkSpacing) marks_.push_back({now, rows_});
  while (marks_.size() > 1 && now - marks_[1].time >= kWindow) marks_.pop_front();
}

double ProgressMeter::RowsPerSecond(Time now) const {
  const double seconds = std::chrono::duration<double>(now - marks_.front().time).count();
  return seconds > 0 ? static_cast<double>(rows_ - marks_.front().rows) / seconds : 0;
}

}  // namespace latent

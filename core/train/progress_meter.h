// Decides when a run reports, and how fast it is of late. One thread; times come from the caller.
#ifndef LATENT_CORE_TRAIN_PROGRESS_METER_H_
#define LATENT_CORE_TRAIN_PROGRESS_METER_H_

#include <chrono>
#include <cstdint>
#include <deque>

namespace latent {

class ProgressMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit ProgressMeter(Time now) { marks_.push_back({now, 0}); }

  void AddRows(std::uint64_t rows) { rows_ += rows; }
  // At most twice a second.
  bool Due(Time now) const { return now - reported_ >= std::chrono::milliseconds(500); }
  void Reported(Time now);
  // Wall rate over about the last ten seconds; 0 before anything was measured.
  double RowsPerSecond(Time now) const;

 private:
  struct Mark {
    Time time;
    std::uint64_t rows;
  };
  std::uint64_t rows_ = 0;
  Time reported_{};
  std::deque<Mark> marks_;  // oldest first; the oldest is as old as the window allows
};

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_PROGRESS_METER_H_

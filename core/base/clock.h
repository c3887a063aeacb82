// Time as a dependency, so that tests need no sleeps. The real clock lives for ever; whoever takes
// a Clock* borrows it. Any thread. Deadlines and durations use Now(), records use WallNow().
#ifndef LATENT_CORE_BASE_CLOCK_H_
#define LATENT_CORE_BASE_CLOCK_H_

#include <chrono>
#include <cstdint>

#include "core/base/mutex.h"

namespace latent {

class Clock {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;
  using WallTime = std::chrono::system_clock::time_point;

  virtual ~Clock() = default;
  // Never goes back.
  virtual SteadyTime Now() const = 0;
  // The calendar's; may jump.
  virtual WallTime WallNow() const = 0;

  static const Clock* Real();
};

// Microseconds since 1970-01-01 UTC: how times stand in the database.
inline std::int64_t ToUnixMicros(Clock::WallTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}
inline Clock::WallTime FromUnixMicros(std::int64_t micros) {
  return Clock::WallTime(
      std::chrono::duration_cast<Clock::WallTime::duration>(std::chrono::microseconds(micros)));
}

// Stands still until it is moved.
class FakeClock : public Clock {
 public:
  // Starts at 2026-01-01 00:00:00 UTC.
  FakeClock();
  SteadyTime Now() const override;
  WallTime WallNow() const override;
  // Moves both clocks.
  void Advance(std::chrono::nanoseconds by);

 private:
  mutable Mutex mutex_;
  SteadyTime now_ ABSL_GUARDED_BY(mutex_);
  WallTime wall_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace latent

#endif  // LATENT_CORE_BASE_CLOCK_H_

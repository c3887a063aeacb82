#include "core/base/clock.h"

namespace latent {
namespace {

class RealClock : public Clock {
 public:
  SteadyTime Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
};

constexpr std::int64_t kFakeStartMicros = 1767225600LL * 1000000;

}  // namespace

const Clock* Clock::Real() {
  static const RealClock clock;
  return &clock;
}

FakeClock::FakeClock() : wall_(FromUnixMicros(kFakeStartMicros)) {}

Clock::SteadyTime FakeClock::Now() const {
  MutexLock lock(&mutex_);
  return now_;
}

Clock::WallTime FakeClock::WallNow() const {
  MutexLock lock(&mutex_);
  return wall_;
}

void FakeClock::Advance(std::chrono::nanoseconds by) {
  MutexLock lock(&mutex_);
  now_ += std::chrono::duration_cast<SteadyTime::duration>(by);
  wall_ += std::chrono::duration_cast<WallTime::duration>(by);
}

}  // namespace latent

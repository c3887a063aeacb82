#include "core/train/training_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <thread>

#include "core/base/mutex.h"

namespace latent {
namespace {

using SteadyClock = std::chrono::steady_clock;

// CPU time that a running thread has had, in seconds.
double CpuSeconds(std::thread& thread) {
  clockid_t clock{};
  timespec used{};
  if (pthread_getcpuclockid(thread.native_handle(), &clock) != 0) return 0;
  if (clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

// A flag that one thread sets and another waits for.
class Done {
 public:
  void Set() {
    MutexLock lock(&mutex_);
    done_ = true;
    changed_.NotifyAll();
  }
  // True if it was set before the deadline.
  bool WaitUntil(SteadyClock::time_point deadline) {
    MutexLock lock(&mutex_);
    while (!done_) {
      if (!changed_.WaitUntil(&mutex_, deadline)) return done_;
    }
    return true;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

void EnterThreadClass(ThreadClass thread_class) {
  if (thread_class == ThreadClass::kNormal) return;
  // On Linux a nice value belongs to the thread. Both calls may fail in a sandbox; training then
  // runs at the priority it has.
  static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19));
  if (thread_class == ThreadClass::kIdle) {
    const sched_param no_priority{};
    static_cast<void>(pthread_setschedparam(pthread_self(), SCHED_IDLE, &no_priority));
  }
}

bool Starves(double cpu_seconds, double wall_seconds) { return cpu_seconds < 0.02 * wall_seconds; }

void RunTrainingThread(ThreadClass thread_class, const std::function<void()>& work,
                       const std::function<void()>& on_starved, double window_seconds) {
  Done done;
  std::exception_ptr thrown;
  std::thread thread([&] {
    EnterThreadClass(thread_class);
    try {
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
    done.Set();
  });
  const auto window = std::chrono::duration_cast<SteadyClock::duration>(
      std::chrono::duration<double>(window_seconds));
  SteadyClock::time_point start = SteadyClock::now();
  double cpu = 0;
  while (!done.WaitUntil(start + window)) {
    const SteadyClock::time_point now = SteadyClock::now();
    const double used = CpuSeconds(thread);
    if (Starves(used - cpu, std::chrono::duration<double>(now - start).count())) on_starved();
    start = now;
    cpu = used;
  }
  thread.join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace latent

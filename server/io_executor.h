// A few threads for work that blocks (SQLite, files, loading models), behind a
// bounded queue, so that no event loop ever waits. Owned by App, which outlives every call; any
// thread. Not its job: bringing results back to a loop (EventLoop::Post).
#ifndef LATENT_SERVER_IO_EXECUTOR_H_
#define LATENT_SERVER_IO_EXECUTOR_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "core/base/mutex.h"

namespace latent {

class IoExecutor {
 public:
  struct Stats {
    std::size_t queued = 0;
    std::size_t busy = 0;
    std::uint64_t done = 0;
    std::uint64_t refused = 0;
    double wait_seconds = 0;  // summed over the work that was started
  };

  // threads >= 1, called `name` (at most 15 bytes); at most `queue_limit` pieces of work wait.
  // `nice`, 0 to 19, is how far the threads give way to those of calls.
  IoExecutor(const char* name, int threads, std::size_t queue_limit, int nice = 0);
  ~IoExecutor();
  IoExecutor(const IoExecutor&) = delete;
  IoExecutor& operator=(const IoExecutor&) = delete;

  // RESOURCE_EXHAUSTED with a retry delay when the queue is full, UNAVAILABLE after Stop().
  absl::Status Submit(std::function<void()> work);
  // Finishes what is queued and joins the threads. May be called twice.
  void Stop();
  Stats stats() const;

 private:
  struct Item {
    std::function<void()> work;
    std::chrono::steady_clock::time_point since;
  };
  void Run();

  const std::size_t queue_limit_;
  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace latent

#endif  // LATENT_SERVER_IO_EXECUTOR_H_

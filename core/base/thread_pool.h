// A fixed team of threads for training: the caller is thread 0, the pool owns threads 1 to n - 1.
// Between calls they spin briefly, then sleep; no call allocates. One caller at a time, always the
// same kind of work: not a queue for strangers' tasks and not for what blocks.
#ifndef LATENT_CORE_BASE_THREAD_POOL_H_
#define LATENT_CORE_BASE_THREAD_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "core/base/mutex.h"

namespace latent {

// The part'th of `parts` nearly equal ranges of 0 .. total - 1, as (first, count); their borders
// are multiples of `granularity`. Depends on the arguments alone.
std::pair<std::size_t, std::size_t> Share(std::size_t total, std::size_t parts, std::size_t part,
                                          std::size_t granularity = 1);

class ThreadPool {
 public:
  // `threads` >= 1 counts the caller. `on_start` runs once on each thread that the pool makes
  // (1 .. threads - 1), e.g. to lower its priority; the caller sees to its own.
  explicit ThreadPool(std::size_t threads, std::function<void(std::size_t thread)> on_start = {});
  // Waits for the threads to leave.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t threads() const { return workers_.size() + 1; }

  // Calls fn(0) here and fn(1) .. fn(threads() - 1) on the team; returns when all have. What fn
  // wrote is visible to the caller. Not reentrant. Throws the first of what they threw, which must
  // not be before a barrier.
  void Run(absl::FunctionRef<void(std::size_t thread)> fn);
  // Inside Run: waits until every thread of the team has arrived. All call it equally often.
  void Barrier();
  // Calls fn(0) .. fn(tasks - 1), each once, whoever is free taking the next.
  void ParallelFor(std::size_t tasks, absl::FunctionRef<void(std::size_t task)> fn);

 private:
  void WorkerLoop(std::size_t thread);
  // Calls fn and keeps what it throws.
  void Call(absl::FunctionRef<void(std::size_t thread)> fn, std::size_t thread);

  std::function<void(std::size_t)> on_start_;
  const absl::FunctionRef<void(std::size_t)>* work_ = nullptr;  // published by round_
  alignas(64) std::atomic<std::uint32_t> round_{0};             // one more for each Run
  alignas(64) std::atomic<std::uint32_t> busy_{0};              // workers still in this Run
  alignas(64) std::atomic<std::uint32_t> arrived_{0};           // threads at the barrier
  alignas(64) std::atomic<std::uint32_t> phase_{0};             // barriers passed
  std::atomic<bool> stop_{false};
  Mutex mutex_;
  std::exception_ptr thrown_ ABSL_GUARDED_BY(mutex_);  // the first of this Run
  std::vector<std::thread> workers_;
};

}  // namespace latent

#endif  // LATENT_CORE_BASE_THREAD_POOL_H_

#include "core/base/thread_pool.h"

#include <algorithm>

namespace latent {
namespace {

// Long enough to bridge the gap between a step's phases, short enough to cost a sleeping team
// nothing that anyone would notice.
constexpr int kSpins = 20000;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Returns once `value` is no longer `old`.
void AwaitChange(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    Pause();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

std::pair<std::size_t, std::size_t> Share(std::size_t total, std::size_t parts, std::size_t part,
                                          std::size_t granularity) {
  const std::size_t units = (total + granularity - 1) / granularity;
  const auto border = [&](std::size_t p) {
    return std::min(total, (units / parts * p + std::min(p, units % parts)) * granularity);
  };
  return {border(part), border(part + 1) - border(part)};
}

ThreadPool::ThreadPool(std::size_t threads, std::function<void(std::size_t)> on_start)
    : on_start_(std::move(on_start)) {
  workers_.reserve(threads - 1);
  for (std::size_t thread = 1; thread < threads; ++thread) {
    workers_.emplace_back([this, thread] { WorkerLoop(thread); });
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::WorkerLoop(std::size_t thread) {
  if (on_start_) on_start_(thread);
  for (std::uint32_t seen = 0;;) {
    AwaitChange(round_, seen);
    // The next round cannot begin before this thread has left this one.
    ++seen;
    if (stop_.load(std::memory_order_relaxed)) return;
    Call(*work_, thread);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void ThreadPool::Run(absl::FunctionRef<void(std::size_t)> fn) {
  work_ = &fn;
  busy_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  if (!workers_.empty()) round_.notify_all();
  Call(fn, 0);
  for (std::uint32_t left; (left = busy_.load(std::memory_order_acquire)) != 0;) {
    AwaitChange(busy_, left);
  }
  std::exception_ptr thrown;
  {
    MutexLock lock(&mutex_);
    thrown = std::exchange(thrown_, nullptr);
  }
  if (thrown) std::rethrow_exception(thrown);
}

void ThreadPool::Call(absl::FunctionRef<void(std::size_t)> fn, std::size_t thread) {
  try {
    fn(thread);
  } catch (...) {
    MutexLock lock(&mutex_);
    if (!thrown_) thrown_ = std::current_exception();
  }
}

void ThreadPool::Barrier() {
  const std::uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads()) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.fetch_add(1, std::memory_order_release);
    if (!workers_.empty()) phase_.notify_all();
    return;
  }
  AwaitChange(phase_, phase);
}

void ThreadPool::ParallelFor(std::size_t tasks, absl::FunctionRef<void(std::size_t)> fn) {
  std::atomic<std::size_t> next{0};
  Run([&](std::size_t) {
    for (std::size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) {
      fn(task);
    }
  });
}

}  // namespace latent

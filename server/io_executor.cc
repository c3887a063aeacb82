#include "server/io_executor.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {

IoExecutor::IoExecutor(const char* name, int threads, std::size_t queue_limit, int nice)
    : queue_limit_(queue_limit) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, name, nice] {
      pthread_setname_np(pthread_self(), name);
      // On Linux a nice value belongs to the thread. Where it is refused, all are equal.
      if (nice != 0) {
        static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice));
      }
      Run();
    });
  }
}

IoExecutor::~IoExecutor() { Stop(); }

absl::Status IoExecutor::Submit(std::function<void()> work) {
  MutexLock lock(&mutex_);
  if (stopping_) {
    return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                     "the server is shutting down; call again after it has restarted");
  }
  if (queue_.size() >= queue_limit_) {
    ++stats_.refused;
    ErrorDetails details;
    details.reason = "EXECUTOR_QUEUE_FULL";
    details.metadata["limit"] = absl::StrCat(queue_limit_);
    details.retry_after = std::chrono::milliseconds(200);
    return MakeError(absl::StatusCode::kResourceExhausted,
                     absl::StrCat("the queue for blocking work is full (limit ", queue_limit_,
                                  "); try again shortly"),
                     std::move(details));
  }
  queue_.push_back({std::move(work), std::chrono::steady_clock::now()});
  wake_.NotifyOne();
  return absl::OkStatus();
}

void IoExecutor::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  threads_.clear();
}

IoExecutor::Stats IoExecutor::stats() const {
  MutexLock lock(&mutex_);
  Stats stats = stats_;
  stats.queued = queue_.size();
  return stats;
}

void IoExecutor::Run() {
  for (;;) {
    Item item;
    {
      MutexLock lock(&mutex_);
      while (queue_.empty() && !stopping_) wake_.Wait(&mutex_);
      if (queue_.empty()) return;
      item = std::move(queue_.front());
      queue_.pop_front();
      const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - item.since;
      stats_.wait_seconds += waited.count();
      ++stats_.busy;
    }
    item.work();
    item.work = nullptr;  // what it holds is freed before it counts as done
    MutexLock lock(&mutex_);
    --stats_.busy;
    ++stats_.done;
  }
}

}  // namespace latent

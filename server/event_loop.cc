#include "server/event_loop.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace latent {
namespace {

// Events that are taken before the batch tasks run, however many more there are.
constexpr int kMaxEventsPerDrain = 512;

}  // namespace

EventLoop::EventLoop(int index, std::unique_ptr<grpc::ServerCompletionQueue> queue,
                     std::chrono::microseconds spin)
    : index_(index), queue_(std::move(queue)), spin_(spin) {}

EventLoop::~EventLoop() {
  Stop();
  Join();
}

void EventLoop::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), absl::StrCat("latent-loop-", index_).c_str());
    Run();
  });
}

bool EventLoop::Post(std::function<void()> work) {
  MutexLock lock(&mutex_);
  if (closed_) return false;
  posted_.push_back(std::move(work));
  if (!woken_) {
    woken_ = true;
    alarm_.Set(queue_.get(), gpr_time_0(GPR_CLOCK_MONOTONIC), &wake_);
  }
  return true;
}

void EventLoop::Join() {
  if (!thread_.joinable()) return Close();
  Post([this] { leaving_ = true; });
  thread_.join();
}

void EventLoop::Close() {
  MutexLock lock(&mutex_);
  if (closed_) return;
  closed_ = true;
  queue_->Shutdown();
}

void EventLoop::Run() {
  void* tag = nullptr;
  bool ok = false;
  bool more = false;
  for (;;) {
    if (!more) {
      if (!Next(&tag, &ok)) return;
      static_cast<Tag*>(tag)->Proceed(ok);
    }
    const gpr_timespec now = gpr_time_0(GPR_CLOCK_MONOTONIC);
    for (int taken = 0; taken < kMaxEventsPerDrain; ++taken) {
      if (queue_->AsyncNext(&tag, &ok, now) != grpc::CompletionQueue::GOT_EVENT) break;
      static_cast<Tag*>(tag)->Proceed(ok);
    }
    more = RunTasks();
    RunDeferred();
    // Not before: what runs here may still ask for events.
    if (leaving_ && !more) Close();
  }
}

bool EventLoop::Next(void** tag, bool* ok) {
  if (spin_.count() > 0) {
    const auto end = std::chrono::steady_clock::now() + spin_;
    do {
      const auto status = queue_->AsyncNext(tag, ok, gpr_time_0(GPR_CLOCK_MONOTONIC));
      if (status == grpc::CompletionQueue::SHUTDOWN) return false;
      if (status == grpc::CompletionQueue::GOT_EVENT) return true;
    } while (std::chrono::steady_clock::now() < end);
  }
  return queue_->Next(tag, ok);
}

void EventLoop::RunDeferred() {
  // None of them defers another.
  for (std::size_t i = 0; i < deferred_.size(); ++i) deferred_[i]->RunDeferred();
  deferred_.clear();
}

bool EventLoop::RunTasks() {
  bool more = false;
  for (BatchTask* task : tasks_) more |= task->RunPiece();
  return more;
}

void EventLoop::EndStreams() {
  const auto streams = streams_;  // ending one may remove it
  for (OpenStream* stream : streams) stream->EndByServer();
}

void EventLoop::RunPosted() {
  {
    MutexLock lock(&mutex_);
    taken_.swap(posted_);
    woken_ = false;
  }
  for (auto& piece : taken_) piece();
  taken_.clear();
}

}  // namespace latent

// One completion queue and the one thread that serves it: it takes what has arrived, lets calls
// proceed, then runs the batch tasks (one forward pass over the rows of many callers) and only then
// sleeps. Owned by App. Everything but Post, Stop and Join belongs to the loop's own thread.
#ifndef LATENT_SERVER_EVENT_LOOP_H_
#define LATENT_SERVER_EVENT_LOOP_H_

#include <grpcpp/alarm.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "core/base/mutex.h"

namespace latent {

// Waits for one event of a completion queue.
class Tag {
 public:
  virtual void Proceed(bool ok) = 0;

 protected:
  ~Tag() = default;
};

// Work that collects while events are taken and is done between them, about a millisecond at a
// time.
class BatchTask {
 public:
  virtual ~BatchTask() = default;
  // Does one piece. Returns whether there is more; the loop then looks for events in between.
  virtual bool RunPiece() = 0;
};

// A call that may stay open for as long as the server lives.
class OpenStream {
 public:
  // The server stops: end the call soon.
  virtual void EndByServer() = 0;

 protected:
  ~OpenStream() = default;
};

// What is to be done once the batch tasks have had their turn.
class Deferred {
 public:
  virtual void RunDeferred() = 0;

 protected:
  ~Deferred() = default;
};

class EventLoop {
 public:
  // Before it sleeps it polls for `spin`, which saves waking up where a core is to spare.
  EventLoop(int index, std::unique_ptr<grpc::ServerCompletionQueue> queue,
            std::chrono::microseconds spin = {});
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  grpc::ServerCompletionQueue* queue() const { return queue_.get(); }
  int index() const { return index_; }
  // Before Start only; the task must outlive the loop.
  void AddTask(BatchTask* task) { tasks_.push_back(task); }
  void Start();

  // Runs `work` on the loop's thread. Any thread; returns false after the queue was shut down.
  bool Post(std::function<void()> work);
  // Streams that are open now; loop thread.
  void AddStream(OpenStream* stream) { streams_.insert(stream); }
  void RemoveStream(OpenStream* stream) { streams_.erase(stream); }
  std::size_t stream_count() const { return streams_.size(); }
  void EndStreams();
  // Runs `work` once, after the tasks; loop thread.
  void Defer(Deferred* work) { deferred_.push_back(work); }
  void Forget(Deferred* work) { std::erase(deferred_, work); }

  // From now on no call is armed again. Any thread.
  void Stop() { stopping_.store(true, std::memory_order_release); }
  bool stopping() const { return stopping_.load(std::memory_order_acquire); }
  // Shuts the queue down on its own thread (so that nothing can be armed after it) and joins. Call
  // when the server has been shut down and nobody posts results any more.
  void Join();

 private:
  class Wake final : public Tag {
   public:
    explicit Wake(EventLoop* loop) : loop_(loop) {}
    void Proceed(bool) override { loop_->RunPosted(); }

   private:
    EventLoop* const loop_;
  };

  void Run();
  // Waits for an event; false once the queue has been shut down and is empty.
  bool Next(void** tag, bool* ok);
  void RunDeferred();
  void RunPosted();
  bool RunTasks();
  void Close();

  const int index_;
  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  const std::chrono::microseconds spin_;
  std::vector<BatchTask*> tasks_;
  std::vector<Deferred*> deferred_;
  std::set<OpenStream*> streams_;
  bool leaving_ = false;  // the queue is closed once what has been begun is done
  std::atomic<bool> stopping_{false};
  Wake wake_{this};
  Mutex mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> taken_;  // of what was posted, by the loop's thread
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace latent

#endif  // LATENT_SERVER_EVENT_LOOP_H_

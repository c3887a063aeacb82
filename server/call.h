// What every RPC shares, whatever its shape: admission, deadline, metrics, log line, status. Calls
// live on one event loop and are touched by its thread alone; they are reused (with their messages'
// capacity) through a CallPool. Not its job: what a call means (the *_service files).
#ifndef LATENT_SERVER_CALL_H_
#define LATENT_SERVER_CALL_H_

#include <google/protobuf/message.h>
#include <grpcpp/server_context.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/event_loop.h"
#include "server/rpc_metrics.h"

namespace latent {

// What calls need of the server; made by App, outlives all calls.
struct CallEnvironment {
  // Calls but health and GetServerInfo are refused until this is set.
  std::atomic<bool> ready{false};
  // Cut out of error messages.
  std::string hidden_path;
};

// One RPC.
struct MethodInfo {
  std::string full_name;  // "latent.v1.SystemService/GetServerInfo"
  MethodMetrics* metrics = nullptr;
  const CallEnvironment* environment = nullptr;
  bool before_ready = false;  // whether it answers before recovery has ended
  bool log_success = false;   // whether a good end is worth a line at INFO
};

class CallBase : public Tag {
 public:
  using SteadyClock = std::chrono::steady_clock;

  CallBase(const CallBase&) = delete;
  CallBase& operator=(const CallBase&) = delete;

  // The call itself, as of one message of a stream.
  const CallBase& base() const { return *this; }
  EventLoop& loop() const { return *loop_; }
  const MethodInfo& method() const { return *method_; }
  SteadyClock::time_point arrival() const { return arrival_; }
  // By clock: gRPC says nothing to calls that asked for no notice.
  bool expired() const;
  // Whether the caller has gone; known only to calls that ask for notice. Any thread.
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  // CANCELLED or DEADLINE_EXCEEDED if nobody waits for the answer any more. Any thread.
  absl::Status StillWanted() const;
  // Whether that is OK, with a clock that has been read.
  bool Wanted(std::chrono::system_clock::time_point now) const {
    return !cancelled() && now < deadline_;
  }
  // For the log line.
  void set_log_model(std::string_view model) { log_model_ = model; }
  void set_log_request_id(std::string_view id) { log_request_id_ = id; }

 protected:
  CallBase(EventLoop* loop, const MethodInfo* method, bool notify)
      : loop_(loop), method_(method), notify_(notify), done_(this) {}
  ~CallBase() = default;

  grpc::ServerContext& context() { return *context_; }
  // A fresh context for the next call.
  void Reset();
  // Counts the arrival; an error if the call must not be served.
  absl::Status Admit();
  // Metrics, log and trailers of the call's end; what the caller is told.
  grpc::Status Conclude(const absl::Status& status);
  // Back to the pool, unless the notice of the call's end is still to come.
  void Retire();
  virtual void Recycle() = 0;
  virtual void OnCancelled() {}

 private:
  class Done final : public Tag {
   public:
    explicit Done(CallBase* call) : call_(call) {}
    void Proceed(bool ok) override;

   private:
    CallBase* const call_;
  };

  EventLoop* const loop_;
  const MethodInfo* const method_;
  const bool notify_;
  Done done_;
  std::optional<grpc::ServerContext> context_;
  SteadyClock::time_point arrival_;
  std::chrono::system_clock::time_point deadline_;
  std::atomic<bool> cancelled_{false};
  bool awaits_done_ = false;
  bool retired_ = false;
  std::string log_model_;
  std::string log_request_id_;
};

// A call whose messages are larger than this is freed rather than reused.
inline constexpr std::size_t kKeepBytes = 256 << 10;

// Whether a message of an ended stream is worth keeping, with the memory that its strings have even
// when they are cleared: a stream is set up rarely, and many may be open.
inline bool IsSmall(const google::protobuf::Message& message) {
  return message.SpaceUsedLong() <= kKeepBytes;
}

// Runs `work`; what a library throws becomes a status here, at the edge.
template <typename Work>
absl::Status Guarded(const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("the server has not enough memory for this request");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

class CallPoolBase {
 public:
  virtual ~CallPoolBase() = default;
  virtual void ArmAll() = 0;
};

// The calls of one RPC on one loop: keeps `armed` of them waiting and reuses those that have ended.
template <typename Call>
class CallPool final : public CallPoolBase {
 public:
  CallPool(EventLoop* loop, typename Call::Binding binding, int armed)
      : loop_(loop), binding_(std::move(binding)), armed_(armed) {}

  // Before the loop starts.
  void ArmAll() override {
    for (int i = 0; i < armed_; ++i) ArmOne();
  }
  // When one was taken by a request.
  void ArmOne() {
    if (loop_->stopping()) return;
    if (free_.empty()) free_.push_back(std::make_unique<Call>(loop_, &binding_, this));
    // An armed call belongs to the completion queue until its events have come back.
    Call* call = free_.back().release();
    free_.pop_back();
    call->Arm();
  }
  // Takes an ended call back; without `keep` it is freed, and with it what its messages hold.
  void Recycle(Call* call, bool keep) {
    std::unique_ptr<Call> owned(call);
    if (keep && free_.size() < kMaxFree) free_.push_back(std::move(owned));
  }

 private:
  static constexpr std::size_t kMaxFree = 256;
  EventLoop* const loop_;
  const typename Call::Binding binding_;
  const int armed_;
  std::vector<std::unique_ptr<Call>> free_;
};

}  // namespace latent

#endif  // LATENT_SERVER_CALL_H_

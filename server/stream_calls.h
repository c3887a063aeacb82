// Calls with a stream in one direction. A source (server to client) or sink (client to server)
// holds what one such call means; it lives from the request to the call's end, on the loop's
// thread. One message is in flight at a time, so a slow peer never makes the server hold more than
// that.
#ifndef LATENT_SERVER_STREAM_CALLS_H_
#define LATENT_SERVER_STREAM_CALLS_H_

#include <grpcpp/support/async_stream.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/status.h"
#include "server/call.h"

namespace latent {

// Open streams of one loop; more are refused.
inline constexpr std::size_t kMaxStreamsPerLoop = 1024;

inline absl::Status StreamAdmission(const EventLoop& loop) {
  if (loop.stopping()) {
    return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                     "the server is shutting down; open the stream again after it has restarted");
  }
  if (loop.stream_count() < kMaxStreamsPerLoop) return absl::OkStatus();
  ErrorDetails details;
  details.reason = "TOO_MANY_STREAMS";
  details.retry_after = std::chrono::seconds(1);
  return MakeError(absl::StatusCode::kResourceExhausted,
                   "1024 streams are open on this event loop; close some or try again later",
                   std::move(details));
}

// Produces the replies of one stream. After Cancelled() it must still call Finish once.
class StreamSource {
 public:
  virtual ~StreamSource() = default;
  // The stream is open, or the last Write has gone out: write on, finish, or do so later.
  virtual void Ready() = 0;
  // The caller has gone or the server stops.
  virtual void Cancelled(const absl::Status& why) = 0;
};

template <typename Request, typename Response>
class ServerStreamCall final : public CallBase, public OpenStream {
 public:
  using Writer = grpc::ServerAsyncWriter<Response>;
  struct Binding {
    const MethodInfo* method;
    std::function<void(grpc::ServerContext*, Request*, Writer*, grpc::ServerCompletionQueue*,
                       void*)>
        request;
    std::function<std::unique_ptr<StreamSource>(ServerStreamCall&)> open;
  };

  ServerStreamCall(EventLoop* loop, const Binding* binding, CallPool<ServerStreamCall>* pool)
      : CallBase(loop, binding->method, /*notify=*/true), binding_(binding), pool_(pool) {}

  void Arm() {
    Reset();
    writer_.emplace(&context());
    phase_ = Phase::kArmed;
    writing_ = last_word_ = false;
    ending_.reset();
    final_.reset();
    binding_->request(&context(), &request_, &*writer_, loop().queue(), this);
  }

  const Request& request() const { return request_; }
  bool writing() const { return writing_; }
  bool finished() const { return final_.has_value(); }

  // Only while nothing is being written and before Finish.
  void Write(const Response& response) {
    writing_ = true;
    method().metrics->Sent();
    writer_->Write(response, this);
  }
  // Ends the stream after what is being written. Later calls are ignored.
  void Finish(const absl::Status& status) {
    if (final_) return;
    final_ = status;
    if (!writing_) SendFinal();
  }
  // At once, or after what is being written and one message of what is newest then: a watcher of
  // health learns that it is over even if the last state had not left yet.
  void EndByServer() override {
    ending_ = MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                        "the server is shutting down; open the stream again after it has "
                        "restarted");
    if (!writing_) EndSource(*ending_);
  }

  void Proceed(bool ok) override {
    switch (phase_) {
      case Phase::kArmed:
        if (!ok) return Recycle();
        return Open();
      case Phase::kOpen:
        writing_ = false;
        if (final_) return SendFinal();
        if (!ok) return EndSource(absl::CancelledError("the caller has gone"));
        if (!ending_) return source_->Ready();
        if (!std::exchange(last_word_, true)) source_->Ready();
        if (!writing_) EndSource(*ending_);
        return;
      case Phase::kEnding:
        source_.reset();
        loop().RemoveStream(this);
        return Retire();
    }
  }

 private:
  enum class Phase { kArmed, kOpen, kEnding };

  void Open() {
    pool_->ArmOne();
    phase_ = Phase::kOpen;
    absl::Status admitted = Admit();
    method().metrics->Received();
    if (admitted.ok()) admitted = StreamAdmission(loop());
    loop().AddStream(this);
    if (!admitted.ok()) return Finish(admitted);
    source_ = binding_->open(*this);
    if (source_ && !finished() && !writing_) source_->Ready();
  }
  void EndSource(const absl::Status& why) {
    if (source_ && !finished()) source_->Cancelled(why);
    Finish(why);
  }
  void SendFinal() {
    phase_ = Phase::kEnding;
    writer_->Finish(Conclude(*final_), this);
  }
  void OnCancelled() override { EndSource(absl::CancelledError("the caller cancelled")); }
  void Recycle() override {
    writer_.reset();
    const bool keep = IsSmall(request_);
    request_.Clear();
    pool_->Recycle(this, keep);
  }

  const Binding* const binding_;
  CallPool<ServerStreamCall>* const pool_;
  std::optional<Writer> writer_;
  Request request_;
  std::unique_ptr<StreamSource> source_;
  Phase phase_ = Phase::kArmed;
  bool writing_ = false;
  bool last_word_ = false;              // has been asked for
  std::optional<absl::Status> ending_;  // why the server ends the stream
  std::optional<absl::Status> final_;
};

// Consumes the messages of one upload; call.Next() asks for another one, call.Finish ends the call.
template <typename Request>
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  // `message` is valid until Next or Finish is called, which may be later.
  virtual void Message(const Request& message) = 0;
  // No more messages: finish the call with `why`, which is OK if the caller has sent all.
  virtual void End(const absl::Status& why) = 0;
};

template <typename Request, typename Response>
class ClientStreamCall final : public CallBase, public OpenStream {
 public:
  using Reader = grpc::ServerAsyncReader<Response, Request>;
  struct Binding {
    const MethodInfo* method;
    std::function<void(grpc::ServerContext*, Reader*, grpc::ServerCompletionQueue*, void*)> request;
    std::function<std::unique_ptr<StreamSink<Request>>(ClientStreamCall&)> open;
  };

  ClientStreamCall(EventLoop* loop, const Binding* binding, CallPool<ClientStreamCall>* pool)
      : CallBase(loop, binding->method, /*notify=*/true),
        binding_(binding),
        pool_(pool),
        read_(this) {}

  void Arm() {
    Reset();
    reader_.emplace(&context());
    phase_ = Phase::kArmed;
    reading_ = false;
    stopped_.reset();
    binding_->request(&context(), &*reader_, loop().queue(), this);
  }

  Response& response() { return response_; }
  // Reads on; when nothing is being read.
  void Next() {
    if (stopped_) return sink_->End(*stopped_);
    reading_ = true;
    reader_->Read(&message_, &read_);
  }
  // Ends the call.
  void Finish(const absl::Status& status) {
    phase_ = Phase::kEnding;
    // The end of the messages may come before the notice that the caller has gone.
    const grpc::Status rpc_status = Conclude(status.ok() && cancelled() ? Gone() : status);
    if (!rpc_status.ok()) return reader_->FinishWithError(rpc_status, this);
    method().metrics->Sent();
    reader_->Finish(response_, rpc_status, this);
  }
  // After the message that is being consumed; at once if the next one is being waited for.
  void EndByServer() override {
    if (stopped_ || phase_ != Phase::kOpen) return;
    stopped_ = MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                         "the server is shutting down; go on from the committed bytes after it "
                         "has restarted");
    if (reading_) sink_->End(*stopped_);
  }

  void Proceed(bool ok) override {
    switch (phase_) {
      case Phase::kArmed:
        if (!ok) return Recycle();
        return Open();
      case Phase::kOpen:
        return;
      case Phase::kEnding:
        phase_ = Phase::kEnded;
        if (!reading_) End();
        return;
      case Phase::kEnded:
        return;
    }
  }

 private:
  enum class Phase { kArmed, kOpen, kEnding, kEnded };
  // A read may be under way while the call is being finished: each has its own tag.
  class ReadTag final : public Tag {
   public:
    explicit ReadTag(ClientStreamCall* call) : call_(call) {}
    void Proceed(bool ok) override { call_->HasRead(ok); }

   private:
    ClientStreamCall* const call_;
  };

  void HasRead(bool ok) {
    reading_ = false;
    if (phase_ == Phase::kEnded) return End();
    // A message that comes after the sink was told to end has not been acknowledged.
    if (stopped_ || phase_ != Phase::kOpen) return;
    if (ok) method().metrics->Received();
    if (ok) return sink_->Message(message_);
    sink_->End(cancelled() ? Gone() : absl::OkStatus());
  }
  static absl::Status Gone() { return absl::CancelledError("the caller cancelled"); }
  void End() {
    sink_.reset();
    loop().RemoveStream(this);
    Retire();
  }

  void Open() {
    pool_->ArmOne();
    phase_ = Phase::kOpen;
    absl::Status admitted = Admit();
    if (admitted.ok()) admitted = StreamAdmission(loop());
    loop().AddStream(this);
    if (!admitted.ok()) return Finish(admitted);
    sink_ = binding_->open(*this);
    Next();
  }
  void Recycle() override {
    reader_.reset();
    const bool keep = IsSmall(message_) && IsSmall(response_);
    message_.Clear();
    response_.Clear();
    pool_->Recycle(this, keep);
  }

  const Binding* const binding_;
  CallPool<ClientStreamCall>* const pool_;
  ReadTag read_;
  std::optional<Reader> reader_;
  Request message_;
  Response response_;
  std::unique_ptr<StreamSink<Request>> sink_;
  Phase phase_ = Phase::kArmed;
  bool reading_ = false;
  std::optional<absl::Status> stopped_;
};

}  // namespace latent

#endif  // LATENT_SERVER_STREAM_CALLS_H_

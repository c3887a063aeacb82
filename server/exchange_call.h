// A call with a stream of requests and a stream of replies, one reply a request, in order. Messages
// are read ahead and worked on together, up to bounds that a slow reader cannot exceed; one read
// and one write are in flight. Lives on its loop's thread. Not its job: what a message means.
#ifndef LATENT_SERVER_EXCHANGE_CALL_H_
#define LATENT_SERVER_EXCHANGE_CALL_H_

#include <grpcpp/support/async_stream.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/call.h"
#include "server/reply_reuse.h"
#include "server/stream_calls.h"

namespace latent {

// Messages of one stream that are held at a time, from their arrival until their reply has left,
// and bytes of them beyond which none is read ahead.
inline constexpr std::size_t kMessagesAhead = 64;
inline constexpr std::size_t kBytesAhead = 4 << 20;

// `Session` is what the messages of one call share.
template <typename Request, typename Response, typename Session>
class ExchangeCall final : public CallBase, public OpenStream, public Deferred {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<Response, Request>;

  // One request and its reply; serves as a call of its own.
  class Message {
   public:
    explicit Message(ExchangeCall* call) : call_(call) {}
    const Request& request() const { return request_; }
    Request& mutable_request() { return request_; }
    Response& response() { return response_; }
    Session& session() const { return call_->session_; }
    EventLoop& loop() const { return call_->loop(); }
    const CallBase& base() const { return *call_; }
    absl::Status StillWanted() const { return call_->StillWanted(); }
    void set_log_model(std::string_view model) { call_->set_log_model(model); }
    SteadyClock::time_point arrival() const { return arrival_; }
    // Its number within the stream, from 0.
    std::uint64_t index() const { return index_; }
    // Whether it has been handled before and found no room.
    bool again() const { return again_; }
    // Counts bytes that work on it will take, beside its own.
    void Hold(std::size_t bytes) {
      bytes_ += bytes;
      call_->bytes_ += bytes;
    }
    // On the loop's thread, once for each time that it was handled. A message that finds no room
    // (RESOURCE_EXHAUSTED that says when to come again) is handled again when another one of its
    // stream has ended, if there is.
    void Finish(const absl::Status& status) { call_->HasEnded(*this, status); }

   private:
    friend class ExchangeCall;
    ExchangeCall* const call_;
    Request request_;
    Response response_;
    SteadyClock::time_point arrival_;
    std::uint64_t index_ = 0;
    std::size_t bytes_ = 0;
    bool done_ = false;
    bool again_ = false;
    absl::Status status_;
  };

  struct Binding {
    const MethodInfo* method;
    std::function<void(grpc::ServerContext*, Stream*, grpc::ServerCompletionQueue*, void*)> request;
    // Must lead to exactly one Finish.
    std::function<void(Message&)> handle;
  };

  ExchangeCall(EventLoop* loop, const Binding* binding, CallPool<ExchangeCall>* pool)
      : CallBase(loop, binding->method, /*notify=*/true),
        binding_(binding),
        pool_(pool),
        read_(this),
        write_(this) {}

  void Arm() {
    Reset();
    stream_.emplace(&context());
    phase_ = Phase::kArmed;
    reading_ = writing_ = all_read_ = failed_ = deferred_ = false;
    ending_.reset();
    final_.reset();
    first_ = count_ = working_ = bytes_ = 0;
    next_index_ = 0;
    session_ = Session();
    binding_->request(&context(), &*stream_, loop().queue(), this);
  }

  // What has been read is answered first.
  void EndByServer() override {
    ending_ = MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                        "the server is shutting down; go on with the message after the last reply "
                        "when it has restarted");
    Advance();
  }

  void Proceed(bool ok) override {
    switch (phase_) {
      case Phase::kArmed:
        if (!ok) return Recycle();
        return Open();
      case Phase::kEnding:
        phase_ = Phase::kEnded;
        if (!reading_) End();
        return;
      case Phase::kOpen:
      case Phase::kEnded:
        return;
    }
  }

 private:
  enum class Phase { kArmed, kOpen, kEnding, kEnded };
  // Of no field of any request: the greatest number that there is.
  static constexpr int kMark = (1 << 29) - 1;
  template <void (ExchangeCall::*Did)(bool)>
  class DoneTag final : public Tag {
   public:
    explicit DoneTag(ExchangeCall* call) : call_(call) {}
    void Proceed(bool ok) override { (call_->*Did)(ok); }

   private:
    ExchangeCall* const call_;
  };

  Message& At(std::size_t i) {
    std::unique_ptr<Message>& slot = slots_[(first_ + i) % kMessagesAhead];
    if (slot == nullptr) slot = std::make_unique<Message>(this);
    return *slot;
  }

  void Open() {
    pool_->ArmOne();
    phase_ = Phase::kOpen;
    absl::Status admitted = Admit();
    if (admitted.ok()) admitted = StreamAdmission(loop());
    loop().AddStream(this);
    if (!admitted.ok()) final_ = admitted;
    Advance();
  }

  void HasRead(bool ok) {
    reading_ = false;
    if (phase_ == Phase::kEnded) return End();
    if (phase_ != Phase::kOpen) return;
    const bool garbled = !ok && !MarkIn(At(count_).request_);
    if (!ok && !garbled) all_read_ = true;
    // What comes after the end was settled has not been acknowledged.
    if (!all_read_ && !failed_ && !ending_ && !final_) {
      Message& message = At(count_++);
      message.index_ = next_index_++;
      message.arrival_ = SteadyClock::now();
      message.bytes_ = 0;
      message.done_ = garbled;
      message.again_ = false;
      if (garbled) {
        failed_ = true;
        message.status_ = absl::InvalidArgumentError(
            absl::StrCat("expected a ", Request::descriptor()->name(), ", got other bytes"));
      } else {
        message.Hold(message.request_.ByteSizeLong());
        method().metrics->Received();
        Handle(message);
      }
    }
    Advance();
  }

  void Handle(Message& message) {
    ++working_;
    binding_->handle(message);
  }

  void HasEnded(Message& message, const absl::Status& status) {
    if (absl::IsResourceExhausted(status) && working_ > 1 && DetailsOf(status).retry_after) {
      --working_;
      message.again_ = true;
      bytes_ -= message.bytes_;
      message.bytes_ = 0;
      message.Hold(message.request_.ByteSizeLong());
      waiting_.push_back(&message);
      return;
    }
    --working_;
    message.done_ = true;
    message.status_ = status;
    failed_ |= !status.ok();
    message.request_.Clear();
    if (!status.ok()) message.response_.Clear();
    bytes_ -= message.bytes_;
    message.bytes_ = 0;
    message.Hold(message.response_.ByteSizeLong());
    for (Message* other : std::exchange(waiting_, {})) Handle(*other);
    if (!std::exchange(deferred_, true)) loop().Defer(this);
  }

  // When all messages of a batch have ended: now it is known which replies go out together.
  void RunDeferred() override {
    deferred_ = false;
    Advance();
  }

  void HasWritten(bool ok) {
    writing_ = false;
    if (ok) {
      Drop(At(0));
      first_ = (first_ + 1) % kMessagesAhead;
      --count_;
    } else if (!final_) {
      final_ = absl::CancelledError("the caller has gone");
    }
    Advance();
  }

  void Drop(Message& message) {
    bytes_ -= message.bytes_;
    message.bytes_ = 0;
    EmptyForReuse(message.response_);
  }

  // Does what can be done: writes, reads, ends.
  void Advance() {
    if (phase_ != Phase::kOpen) return;
    if (!writing_ && !final_ && count_ > 0 && At(0).done_) WriteFirst();
    if (!final_ && count_ == 0) {
      if (all_read_) {
        // The end of the messages may come before the notice that the caller has gone.
        final_ = cancelled() ? absl::CancelledError("the caller cancelled") : absl::OkStatus();
      } else if (ending_) {
        final_ = ending_;
      }
    }
    if (!final_) return ReadOn();
    if (writing_ || working_ > 0) return;
    phase_ = Phase::kEnding;
    stream_->Finish(Conclude(*final_), this);
  }

  void WriteFirst() {
    Message& message = At(0);
    if (!message.status_.ok()) {
      final_ = WithIndex(message.status_, message.index_);
      return;
    }
    grpc::WriteOptions options;
    // The next one follows at once and takes this one along. Not the first one: gRPC would hold the
    // stream's metadata back with it, and only say that it is written when these have left.
    if (message.index_ > 0 && count_ > 1 && At(1).done_ && At(1).status_.ok()) {
      options.set_buffer_hint();
    }
    writing_ = true;
    method().metrics->Sent();
    stream_->Write(message.response_, options, &write_);
  }

  void ReadOn() {
    if (reading_ || all_read_ || failed_ || ending_ || !waiting_.empty()) return;
    if (count_ == kMessagesAhead || (count_ > 0 && bytes_ >= kBytesAhead)) return;
    reading_ = true;
    Request& request = At(count_).request_;
    request.Clear();
    Request::GetReflection()->MutableUnknownFields(&request)->AddVarint(kMark, 1);
    stream_->Read(&request, &read_);
  }

  // gRPC reports a message that cannot be parsed like the end of the messages; but the parser
  // clears first, and an end leaves the mark where it is.
  static bool MarkIn(const Request& request) {
    const auto& unknown = Request::GetReflection()->GetUnknownFields(request);
    return unknown.field_count() == 1 && unknown.field(0).number() == kMark;
  }

  static absl::Status WithIndex(const absl::Status& status, std::uint64_t index) {
    ErrorDetails details = DetailsOf(status);
    details.metadata["message_index"] = absl::StrCat(index);
    return MakeError(status.code(), absl::StrCat("message ", index, ": ", status.message()),
                     std::move(details));
  }

  void OnCancelled() override {
    if (!final_) final_ = absl::CancelledError("the caller cancelled");
    Advance();
  }

  void End() {
    if (deferred_) loop().Forget(this);
    loop().RemoveStream(this);
    Retire();
  }

  void Recycle() override {
    stream_.reset();
    session_ = Session();
    // A stream is set up rarely, and what its messages have grown to is much.
    slots_ = {};
    pool_->Recycle(this, true);
  }

  const Binding* const binding_;
  CallPool<ExchangeCall>* const pool_;
  DoneTag<&ExchangeCall::HasRead> read_;
  DoneTag<&ExchangeCall::HasWritten> write_;
  std::optional<Stream> stream_;
  Session session_;
  Phase phase_ = Phase::kArmed;
  // A ring: `count_` messages from `first_` on, the next one is being read behind them.
  std::array<std::unique_ptr<Message>, kMessagesAhead> slots_;
  std::size_t first_ = 0, count_ = 0;
  std::size_t working_ = 0;  // messages that are handled
  std::size_t bytes_ = 0;    // of all that are held
  std::uint64_t next_index_ = 0;
  std::vector<Message*> waiting_;  // for room
  bool reading_ = false, writing_ = false, deferred_ = false;
  bool all_read_ = false;               // the caller sends no more
  bool failed_ = false;                 // a message did: those after it are not wanted
  std::optional<absl::Status> ending_;  // why the server ends the stream
  std::optional<absl::Status> final_;   // how it ends as soon as nothing is under way
};

}  // namespace latent

#endif  // LATENT_SERVER_EXCHANGE_CALL_H_

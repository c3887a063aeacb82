// A call with one request and one reply. A handler is "convert and call": it runs on the loop, on
// the I/O executor, or keeps the call and finishes it later (a batcher).
#ifndef LATENT_SERVER_UNARY_CALL_H_
#define LATENT_SERVER_UNARY_CALL_H_

#include <grpcpp/support/async_unary_call.h>

#include <functional>
#include <optional>
#include <utility>

#include "server/call.h"
#include "server/io_executor.h"
#include "server/reply_reuse.h"

namespace latent {

template <typename Request, typename Response>
class UnaryCall final : public CallBase {
 public:
  using Responder = grpc::ServerAsyncResponseWriter<Response>;
  struct Binding {
    const MethodInfo* method;
    // Asks gRPC for the next request.
    std::function<void(grpc::ServerContext*, Request*, Responder*, grpc::ServerCompletionQueue*,
                       void*)>
        request;
    // Must lead to exactly one Finish.
    std::function<void(UnaryCall&)> handle;
    bool notify;
  };

  UnaryCall(EventLoop* loop, const Binding* binding, CallPool<UnaryCall>* pool)
      : CallBase(loop, binding->method, binding->notify), binding_(binding), pool_(pool) {}

  void Arm() {
    Reset();
    responder_.emplace(&context());
    finishing_ = false;
    binding_->request(&context(), &request_, &*responder_, loop().queue(), this);
  }

  const Request& request() const { return request_; }
  Response& response() { return response_; }

  // On the loop's thread, once.
  void Finish(const absl::Status& status) {
    finishing_ = true;
    const grpc::Status rpc_status = Conclude(status);
    if (rpc_status.ok()) {
      method().metrics->Sent();
      responder_->Finish(response_, rpc_status, this);
    } else {
      responder_->FinishWithError(rpc_status, this);
    }
  }

  void Proceed(bool ok) override {
    if (finishing_) {
      Retire();
    } else if (!ok) {
      Recycle();  // the server shuts down; nothing was asked
    } else {
      pool_->ArmOne();
      const absl::Status admitted = Admit();
      method().metrics->Received();
      if (!admitted.ok()) return Finish(admitted);
      binding_->handle(*this);
    }
  }

 private:
  void Recycle() override {
    responder_.reset();
    const bool keep = request_.ByteSizeLong() + response_.ByteSizeLong() <= kKeepBytes;
    request_.Clear();
    EmptyForReuse(response_);
    pool_->Recycle(this, keep);
  }

  const Binding* const binding_;
  CallPool<UnaryCall>* const pool_;
  std::optional<Responder> responder_;
  Request request_;
  Response response_;
  bool finishing_ = false;
};

// A handler that fills the reply.
template <typename Request, typename Response>
using UnaryHandler = std::function<absl::Status(const Request&, Response*)>;

// Runs the handler on the loop: for what neither blocks nor takes a millisecond.
template <typename Request, typename Response>
std::function<void(UnaryCall<Request, Response>&)> OnLoop(UnaryHandler<Request, Response> handler) {
  return [handler = std::move(handler)](UnaryCall<Request, Response>& call) {
    call.Finish(Guarded([&] { return handler(call.request(), &call.response()); }));
  };
}

// Runs the handler on the executor and finishes the call back on its loop.
template <typename Request, typename Response>
std::function<void(UnaryCall<Request, Response>&)> OnExecutor(
    IoExecutor* executor, UnaryHandler<Request, Response> handler) {
  return [executor, handler = std::move(handler)](UnaryCall<Request, Response>& call) {
    if constexpr (requires { call.request().request_id(); }) {
      call.set_log_request_id(call.request().request_id());
    }
    const absl::Status submitted = executor->Submit([&call, &handler] {
      absl::Status status = call.StillWanted();
      if (status.ok()) {
        status = Guarded([&] { return handler(call.request(), &call.response()); });
      }
      call.loop().Post([&call, status] { call.Finish(status); });
    });
    if (!submitted.ok()) call.Finish(submitted);
  };
}

}  // namespace latent

#endif  // LATENT_SERVER_UNARY_CALL_H_

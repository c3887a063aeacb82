// Binds RPCs to handlers: one pool of calls per RPC and loop. Made by App before the loops start
// and kept until they have ended. Not its job: what handlers do.
#ifndef LATENT_SERVER_ROUTER_H_
#define LATENT_SERVER_ROUTER_H_

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/exchange_call.h"
#include "server/stream_calls.h"
#include "server/unary_call.h"

namespace latent {

// &AsyncService::RequestX of the generated code, by the call's shape.
template <typename Base, typename Request, typename Response>
using UnaryRequest = void (Base::*)(grpc::ServerContext*, Request*,
                                    grpc::ServerAsyncResponseWriter<Response>*,
                                    grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*);
template <typename Base, typename Request, typename Response>
using ServerStreamRequest = void (Base::*)(grpc::ServerContext*, Request*,
                                           grpc::ServerAsyncWriter<Response>*,
                                           grpc::CompletionQueue*, grpc::ServerCompletionQueue*,
                                           void*);
template <typename Base, typename Request, typename Response>
using ClientStreamRequest = void (Base::*)(grpc::ServerContext*,
                                           grpc::ServerAsyncReader<Response, Request>*,
                                           grpc::CompletionQueue*, grpc::ServerCompletionQueue*,
                                           void*);
template <typename Base, typename Request, typename Response>
using ExchangeRequest = void (Base::*)(grpc::ServerContext*,
                                       grpc::ServerAsyncReaderWriter<Response, Request>*,
                                       grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*);

struct MethodOptions {
  bool before_ready = false;
  bool log_success = false;
  int armed = 4;  // calls that wait for requests, per loop
};

class Router {
 public:
  Router(std::vector<EventLoop*> loops, IoExecutor* executor, RpcMetrics* metrics,
         const CallEnvironment* environment)
      : loops_(std::move(loops)),
        executor_(executor),
        metrics_(metrics),
        environment_(environment) {}

  const std::vector<EventLoop*>& loops() const { return loops_; }
  IoExecutor* executor() const { return executor_; }
  void ArmAll() {
    for (auto& pool : pools_) pool->ArmAll();
  }

  // `Rpc` is the generated service class; `request` is &Rpc::AsyncService::RequestX.
  // The handler runs on the loop.
  template <typename Rpc, typename Base, typename Request, typename Response>
  void Inline(typename Rpc::AsyncService* service, const std::string& name,
              UnaryRequest<Base, Request, Response> request,
              std::type_identity_t<UnaryHandler<Request, Response>> handler,
              MethodOptions options = {}) {
    Unary<Rpc>(service, name, request, OnLoop<Request, Response>(std::move(handler)), options,
               false);
  }
  // The handler runs on the executor, or on another one.
  template <typename Rpc, typename Base, typename Request, typename Response>
  void Blocking(typename Rpc::AsyncService* service, const std::string& name,
                UnaryRequest<Base, Request, Response> request,
                std::type_identity_t<UnaryHandler<Request, Response>> handler,
                MethodOptions options = {}, IoExecutor* executor = nullptr) {
    if (executor == nullptr) executor = executor_;
    Unary<Rpc>(service, name, request, OnExecutor<Request, Response>(executor, std::move(handler)),
               options, true);
  }
  // The handler finishes the call when it likes.
  template <typename Rpc, typename Base, typename Request, typename Response>
  void Unary(typename Rpc::AsyncService* service, const std::string& name,
             UnaryRequest<Base, Request, Response> request,
             std::type_identity_t<std::function<void(UnaryCall<Request, Response>&)>> handler,
             MethodOptions options, bool notify) {
    using Call = UnaryCall<Request, Response>;
    const MethodInfo* method = AddMethod(Rpc::service_full_name(), name, "unary", options);
    const auto ask = [service, request](grpc::ServerContext* context, Request* message,
                                        typename Call::Responder* responder,
                                        grpc::ServerCompletionQueue* queue, void* tag) {
      (service->*request)(context, message, responder, queue, queue, tag);
    };
    AddPools<Call>({method, ask, std::move(handler), notify}, options.armed);
  }
  template <typename Rpc, typename Base, typename Request, typename Response>
  void ServerStream(
      typename Rpc::AsyncService* service, const std::string& name,
      ServerStreamRequest<Base, Request, Response> request,
      std::type_identity_t<
          std::function<std::unique_ptr<StreamSource>(ServerStreamCall<Request, Response>&)>>
          open,
      MethodOptions options = {}) {
    using Call = ServerStreamCall<Request, Response>;
    const MethodInfo* method = AddMethod(Rpc::service_full_name(), name, "server_stream", options);
    const auto ask = [service, request](grpc::ServerContext* context, Request* message,
                                        typename Call::Writer* writer,
                                        grpc::ServerCompletionQueue* queue, void* tag) {
      (service->*request)(context, message, writer, queue, queue, tag);
    };
    AddPools<Call>({method, ask, std::move(open)}, options.armed);
  }
  template <typename Rpc, typename Base, typename Request, typename Response>
  void ClientStream(
      typename Rpc::AsyncService* service, const std::string& name,
      ClientStreamRequest<Base, Request, Response> request,
      std::type_identity_t<
          std::function<std::unique_ptr<StreamSink<Request>>(ClientStreamCall<Request, Response>&)>>
          open,
      MethodOptions options = {}) {
    using Call = ClientStreamCall<Request, Response>;
    const MethodInfo* method = AddMethod(Rpc::service_full_name(), name, "client_stream", options);
    const auto ask = [service, request](grpc::ServerContext* context, typename Call::Reader* reader,
                                        grpc::ServerCompletionQueue* queue, void* tag) {
      (service->*request)(context, reader, queue, queue, tag);
    };
    AddPools<Call>({method, ask, std::move(open)}, options.armed);
  }
  // `handle` finishes each message when it likes; they share a `Session`.
  template <typename Rpc, typename Session, typename Base, typename Request, typename Response>
  void Exchange(
      typename Rpc::AsyncService* service, const std::string& name,
      ExchangeRequest<Base, Request, Response> request,
      std::type_identity_t<
          std::function<void(typename ExchangeCall<Request, Response, Session>::Message&)>>
          handle,
      MethodOptions options = {}) {
    using Call = ExchangeCall<Request, Response, Session>;
    const MethodInfo* method = AddMethod(Rpc::service_full_name(), name, "bidi_stream", options);
    const auto ask = [service, request](grpc::ServerContext* context, typename Call::Stream* stream,
                                        grpc::ServerCompletionQueue* queue, void* tag) {
      (service->*request)(context, stream, queue, queue, tag);
    };
    AddPools<Call>({method, ask, std::move(handle)}, options.armed);
  }

 private:
  const MethodInfo* AddMethod(const std::string& service, const std::string& name,
                              const std::string& type, const MethodOptions& options) {
    auto method = std::make_unique<MethodInfo>();
    method->full_name = absl::StrCat(service, "/", name);
    method->metrics = metrics_->Register(service, name, type);
    method->environment = environment_;
    method->before_ready = options.before_ready;
    method->log_success = options.log_success;
    methods_.push_back(std::move(method));
    return methods_.back().get();
  }
  template <typename Call>
  void AddPools(const typename Call::Binding& binding, int armed) {
    for (EventLoop* loop : loops_) {
      pools_.push_back(std::make_unique<CallPool<Call>>(loop, binding, armed));
    }
  }

  const std::vector<EventLoop*> loops_;
  IoExecutor* const executor_;
  RpcMetrics* const metrics_;
  const CallEnvironment* const environment_;
  std::vector<std::unique_ptr<MethodInfo>> methods_;
  std::vector<std::unique_ptr<CallPoolBase>> pools_;
};

}  // namespace latent

#endif  // LATENT_SERVER_ROUTER_H_

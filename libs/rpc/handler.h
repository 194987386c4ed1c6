// How a service answers calls. A service class derives from the generated CallbackService and runs each method through
// rpc::Handlers, which does what is the same for all: token and scope, deadline, limits, trace, metrics, error details.
//
//   class TaskQueueRpc final : public TaskQueueService::CallbackService {
//    public:
//     TaskQueueRpc(rpc::CallGate& gate, ...) : rpc_(gate, TaskQueueService::service_full_name()) {}
//
//     grpc::ServerUnaryReactor* SubmitTask(grpc::CallbackServerContext* c, const SubmitTaskRequest* q,
//                                          SubmitTaskResponse* r) override {
//       return rpc_.Unary(c, submit_, q, r, [this](const rpc::CallContext& call, const SubmitTaskRequest& request,
//                                                  SubmitTaskResponse& response, rpc::Done done) { ... });
//     }
//
//    private:
//     rpc::Handlers rpc_;
//     const rpc::Method& submit_ = rpc_.Find("SubmitTask");
//   };
//
// Handlers run on gRPC's callback threads, of which there are very few: they never wait. Blocking work goes to a
// BoundedExecutor, which then calls Done.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "libs/base/log.h"
#include "libs/rpc/bidi_stream.h"
#include "libs/rpc/call_context.h"
#include "libs/rpc/call_gate.h"
#include "libs/rpc/server_stream.h"

namespace switchyard::rpc {

// What lives as long as a unary call.
class KeptForCall {
 public:
  virtual ~KeptForCall() = default;
  // Before the call is answered OK.
  virtual void Answer() = 0;
};

// A unary call under way: owned by its Done.
struct UnaryCall {
  CallGate& gate;
  const Method& method;
  grpc::CallbackServerContext* server_context;
  grpc::ServerUnaryReactor* reactor;
  absl::Time start;
  std::unique_ptr<CallContext> context;
  std::unique_ptr<KeptForCall> kept = nullptr;

  // Answers; neither the call nor request, response and context may be touched afterwards.
  static void Finish(std::unique_ptr<UnaryCall> call, const absl::Status& status);
};

// Answers a call: exactly once, from any thread. Dropped without an answer, it answers INTERNAL, reason
// HANDLER_DROPPED_CALL. Request, response and CallContext live until then. Move-only; not thread-safe itself.
class Done {
 public:
  explicit Done(std::unique_ptr<UnaryCall> call) : call_(std::move(call)) {}
  Done(Done&&) = default;
  Done& operator=(Done&& other);
  ~Done();

  // A second call stops the process.
  void operator()(const absl::Status& status);
  // Once, before the answer.
  void Keep(std::unique_ptr<KeptForCall> kept) { call_->kept = std::move(kept); }
  // True once the client has gone or the deadline has passed: work that only serves the answer may be dropped.
  bool IsCancelled() const { return call_->server_context->IsCancelled(); }
  // As gRPC names it, for logs only: "ipv4:127.0.0.1:40000".
  std::string peer() const { return call_->server_context->peer(); }

 private:
  void Drop();
  std::unique_ptr<UnaryCall> call_;
};

// The calls of one service. Thread-safe.
class Handlers {
 public:
  // `service` is the generated service_full_name(). Borrows the gate.
  Handlers(CallGate& gate, std::string_view service) : gate_(gate), service_(service) {}

  // Stops the process when the contract has no such method. Resolve once, not per call.
  const Method& Find(std::string_view method) { return gate_.Resolve(service_, method); }

  // `handler` is called as (const CallContext&, const Request&, Response&, Done), at once or after the authenticator
  // has answered; not at all when the call is refused.
  template <class Request, class Response, class Handler>
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* server_context, const Method& method,
                                  const Request* request, Response* response, Handler handler) {
    grpc::ServerUnaryReactor* const reactor = server_context->DefaultReactor();
    CallGate::Admission admission = gate_.Enter(*server_context, method, CallGate::Kind::kUnary);
    std::unique_ptr<UnaryCall> call(
        new UnaryCall{gate_, method, server_context, reactor, admission.start, std::move(admission.context)});
    if (!admission.status.ok()) {
      UnaryCall::Finish(std::move(call), admission.status);
    } else if (admission.verified) {
      Run(std::move(call), *request, *response, handler);
    } else {
      // std::function wants something that can be copied.
      UnaryCall* const raw = call.release();
      gate_.Authenticate(admission.token, method, *raw->context,
                         [raw, request, response, handler = std::move(handler)](const absl::Status& status) mutable {
                           std::unique_ptr<UnaryCall> call(raw);
                           if (!status.ok()) return UnaryCall::Finish(std::move(call), status);
                           Run(std::move(call), *request, *response, handler);
                         });
    }
    return reactor;
  }

  // `handler` is called as (const CallContext&, const Request&, std::shared_ptr<ServerStream<Response>>) and returns a
  // status: an error ends the stream, OK leaves it open for as long as somebody offers messages. The request is valid
  // only during that call.
  template <class Response, class Request, class Handler>
  grpc::ServerWriteReactor<Response>* Stream(grpc::CallbackServerContext* server_context, const Method& method,
                                             const Request* request, StreamLimits limits, Handler handler) {
    CallGate::Admission admission = gate_.Enter(*server_context, method, CallGate::Kind::kStream);
    auto stream = ServerStream<Response>::Open(gate_, method, server_context, admission, limits);
    grpc::ServerWriteReactor<Response>* const reactor = stream->reactor();
    if (!admission.status.ok()) {
      stream->CloseWith(admission.status);
      stream->Release();
    } else if (admission.verified) {
      Begin(std::move(stream), *request, handler);
    } else {
      CallContext& context = stream->mutable_context();
      gate_.Authenticate(
          admission.token, method, context,
          [stream = std::move(stream), request, handler = std::move(handler)](const absl::Status& status) mutable {
            if (status.ok()) return Begin(std::move(stream), *request, handler);
            stream->CloseWith(status);
            stream->Release();
          });
    }
    return reactor;
  }

  // `handler` is called as (const CallContext&, std::shared_ptr<BidiStream<In, Out>>), sets the stream's events and
  // returns a status: an error ends the stream. Nothing is read before the stream's SetReading.
  // The service derives from the generated WithRawCallbackMethod_ of this method.
  template <class In, class Out, class Handler>
  RawBidiReactor* Bidi(grpc::CallbackServerContext* server_context, const Method& method, StreamLimits limits,
                       typename OutQueue<Out>::Join join, Handler handler) {
    CallGate::Admission admission = gate_.Enter(*server_context, method, CallGate::Kind::kStream);
    auto stream = BidiStream<In, Out>::Open(gate_, method, server_context, admission, limits, join);
    RawBidiReactor* const reactor = stream->reactor();
    const auto begin = [stream, handler = std::move(handler)](const absl::Status& verified) {
      const absl::Status status = verified.ok() ? handler(stream->context(), stream) : verified;
      if (!status.ok()) stream->Close(status, std::nullopt);
      stream->Release();
    };
    if (!admission.status.ok() || admission.verified) {
      begin(admission.status);
    } else {
      gate_.Authenticate(admission.token, method, stream->mutable_context(), begin);
    }
    return reactor;
  }

 private:
  template <class Request, class Response, class Handler>
  static void Run(std::unique_ptr<UnaryCall> call, const Request& request, Response& response, Handler& handler) {
    const CallContext& context = *call->context;
    const ScopedTrace trace(context.trace().trace_id(), context.trace().span_id());
    handler(context, request, response, Done(std::move(call)));
  }

  template <class Response, class Request, class Handler>
  static void Begin(std::shared_ptr<ServerStream<Response>> stream, const Request& request, Handler& handler) {
    const CallContext& context = stream->context();
    const ScopedTrace trace(context.trace().trace_id(), context.trace().span_id());
    if (const absl::Status status = handler(context, request, stream); !status.ok()) stream->CloseWith(status);
    stream->Release();
  }

  CallGate& gate_;
  const std::string service_;
};

}  // namespace switchyard::rpc

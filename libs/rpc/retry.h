// Unary calls of ours, with deadline, token, trace, retries and error details the same over the network and in one
// process. The stub is the generated one; a callback or a wait is the only difference between the two forms:
//
//   rpc::CallUnary(caller, *stub, &TaskQueueService::StubInterface::GetTask, request, {.idempotent = true});
//   rpc::CallUnaryAsync(caller, stub->async(), &TaskQueueService::StubInterface::async_interface::GetTask, request,
//                       rpc::CallOptions::For(call), [](absl::StatusOr<GetTaskResponse> answer) { ... });
//
// Stub, caller and channel outlive the call.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/status_convert.h"

namespace switchyard::rpc {

// Blocks: for programs and tests, never for a gRPC callback.
template <class Stub, class Request, class Response>
absl::StatusOr<Response> CallUnary(const Caller& caller, std::type_identity_t<Stub>& stub,
                                   grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                   const std::type_identity_t<Request>& request, const CallOptions& options) {
  RetryLoop attempts(caller, options);
  while (true) {
    const std::unique_ptr<grpc::ClientContext> context = attempts.NextContext();
    Response response;
    const grpc::Status status = (stub.*method)(context.get(), request, &response);
    if (status.ok()) return response;
    absl::Status error = FromGrpcStatus(status);
    const std::optional<absl::Duration> delay = attempts.DelayAfter(error);
    if (!delay.has_value()) return error;
    caller.timer().Sleep(*delay);
  }
}

// `done` is called exactly once, on a callback thread, where it must not wait; never before this returns.
template <class Async, class Request, class Response>
void CallUnaryAsync(const Caller& caller, std::type_identity_t<Async>* stub,
                    void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                                          std::function<void(grpc::Status)>),
                    std::type_identity_t<Request> request, const CallOptions& options,
                    std::type_identity_t<std::function<void(absl::StatusOr<Response>)>> done) {
  // Shared by the callbacks of the attempts, one after the other.
  struct Call : std::enable_shared_from_this<Call> {
    Call(const Caller& caller, const CallOptions& options) : caller(caller), attempts(caller, options) {}
    void Attempt() {
      context = attempts.NextContext();
      response.Clear();
      (stub->*method)(context.get(), &request, &response,
                      [self = this->shared_from_this()](const grpc::Status& status) { self->Answered(status); });
    }
    void Answered(const grpc::Status& status) {
      if (status.ok()) return done(std::move(response));
      absl::Status error = FromGrpcStatus(status);
      const std::optional<absl::Duration> delay = attempts.DelayAfter(error);
      if (!delay.has_value()) return done(std::move(error));
      caller.timer().After(*delay, [self = this->shared_from_this()] { self->Attempt(); });
    }

    const Caller& caller;
    RetryLoop attempts;
    Async* stub = nullptr;
    void (Async::*method)(grpc::ClientContext*, const Request*, Response*, std::function<void(grpc::Status)>) = nullptr;
    Request request;
    Response response;
    std::unique_ptr<grpc::ClientContext> context;
    std::function<void(absl::StatusOr<Response>)> done;
  };
  auto call = std::make_shared<Call>(caller, options);
  call->stub = stub;
  call->method = method;
  call->request = std::move(request);
  call->done = std::move(done);
  call->Attempt();
}

}  // namespace switchyard::rpc

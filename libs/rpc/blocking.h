#pragma once

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "libs/base/bounded_executor.h"
#include "libs/rpc/handler.h"

namespace switchyard::rpc {

// What runs `work` on `executor` and then answers, as a function for Handlers.
template <class Request, class Response, class Work>
auto Waiting(Executor& executor, Work work) {
  return [&executor, work = std::move(work)](const CallContext& call, const Request& request, Response& response,
                                             Done done) {
    // Shared only because std::function must be copyable.
    const auto answer = std::make_shared<Done>(std::move(done));
    const absl::Status taken = executor.Run([&call, &request, &response, work, answer] {
      if (answer->IsCancelled()) return (*answer)(absl::CancelledError("the client has gone"));
      (*answer)(work(call, request, response));
    });
    if (!taken.ok()) (*answer)(taken);
  };
}

// A handler that waits: runs `work`, a function of (const CallContext&, const Request&, Response&) that returns a
// status, on `executor`, which must be stopped before what `work` uses goes. A full executor answers
// RESOURCE_EXHAUSTED; a call that nobody waits for any more is not run.
template <class Request, class Response, class Work>
grpc::ServerUnaryReactor* BlockingUnary(Handlers& handlers, Executor& executor, grpc::CallbackServerContext* context,
                                        const Method& method, const Request* request, Response* response, Work work) {
  return handlers.Unary(context, method, request, response, Waiting<Request, Response>(executor, std::move(work)));
}

}  // namespace switchyard::rpc

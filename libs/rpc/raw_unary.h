#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <utility>

#include "libs/base/bounded_executor.h"
#include "libs/rpc/handler.h"
#include "libs/rpc/raw_message.h"

namespace switchyard::rpc {

// A handler, as Handlers::Unary has them, of a method that the service takes raw (WithRawCallbackMethod_...): what the
// generated code cannot parse it answers by UNIMPLEMENTED without a word, before the token is looked at. Here it passes
// the gate like every call and is answered INVALID_ARGUMENT, INVALID_FIELD, with the fields that are at fault.
template <class Request, class Response, class Handler>
grpc::ServerUnaryReactor* RawUnary(Handlers& handlers, grpc::CallbackServerContext* context, const Method& method,
                                   const grpc::ByteBuffer* request, grpc::ByteBuffer* response, Handler handler) {
  class Messages final : public KeptForCall {
   public:
    explicit Messages(grpc::ByteBuffer& answer) : answer_(answer) {}
    void Answer() override { answer_ = ToBuffer(response); }
    Request request;
    Response response;

   private:
    grpc::ByteBuffer& answer_;
  };
  return handlers.Unary(context, method, request, response,
                        [handler = std::move(handler)](const CallContext& call, const grpc::ByteBuffer& bytes,
                                                       grpc::ByteBuffer& answer, Done done) mutable {
                          auto kept = std::make_unique<Messages>(answer);
                          Messages& messages = *kept;
                          if (absl::Status status = ParseRequest(bytes, messages.request); !status.ok()) {
                            return done(status);
                          }
                          done.Keep(std::move(kept));
                          handler(call, messages.request, messages.response, std::move(done));
                        });
}

// The same as BlockingUnary has them.
template <class Request, class Response, class Work>
grpc::ServerUnaryReactor* RawBlockingUnary(Handlers& handlers, Executor& executor, grpc::CallbackServerContext* context,
                                           const Method& method, const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response, Work work) {
  return RawUnary<Request, Response>(
      handlers, context, method, request, response,
      [&executor, work = std::move(work)](const CallContext& call, const Request& request, Response& response,
                                          Done done) {
        // Shared only because std::function must be copyable.
        const auto answer = std::make_shared<Done>(std::move(done));
        const absl::Status taken = executor.Run([&call, &request, &response, work, answer] {
          if (answer->IsCancelled()) return (*answer)(absl::CancelledError("the client has gone"));
          (*answer)(work(call, request, response));
        });
        if (!taken.ok()) (*answer)(taken);
      });
}

}  // namespace switchyard::rpc

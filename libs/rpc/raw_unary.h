#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <utility>

#include "libs/base/bounded_executor.h"
#include "libs/rpc/blocking.h"
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
  return RawUnary<Request, Response>(handlers, context, method, request, response,
                                     Waiting<Request, Response>(executor, std::move(work)));
}

}  // namespace switchyard::rpc

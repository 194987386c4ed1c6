#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/status.h>

#include <memory>

#include "absl/status/status.h"
#include "libs/rpc/handler.h"
#include "libs/rpc/raw_message.h"

namespace switchyard::rpc {

// A request as it arrived.
template <class Message>
struct RawRequest {
  Message message;
  // Why the bytes are no such message: INVALID_ARGUMENT, reason INVALID_FIELD, with the fields that are at fault.
  absl::Status status;
};

// Where the only method of a contract stands that takes this request; stops the process when there is none.
const google::protobuf::MethodDescriptor& MethodTaking(const google::protobuf::Descriptor& request);

// What a generated CallbackService answers by UNIMPLEMENTED without a word, and before the token is looked at, namely
// text that is no UTF-8 and bytes that are no message, passes the gate here like every call and is answered like every
// other fault. A valid request is parsed once, where gRPC always does. A service class derives from
// RawService<...::CallbackService> instead and names its methods in its constructor:
//
//   TaskQueueRpc::TaskQueueRpc(...) { TakeRaw(rpc_, &TaskQueueRpc::SubmitTask, &TaskQueueRpc::WatchTasks, ...); }
template <class Generated>
class RawService : public Generated {
 protected:
  // Unary methods and those that stream answers, each with a request of its own. `handlers` lives as long as the
  // service.
  template <class... Methods>
  void TakeRaw(Handlers& handlers, Methods... methods) {
    (Take(handlers, methods), ...);
  }

 private:
  template <class Self, class Request, class Response>
  void Take(Handlers& handlers,
            grpc::ServerUnaryReactor* (Self::*run)(grpc::CallbackServerContext*, const Request*, Response*)) {
    const google::protobuf::MethodDescriptor& descriptor = MethodTaking(*Request::descriptor());
    const Method& method = handlers.Find(descriptor.name());
    const auto react = [self = static_cast<Self*>(this), run, &handlers, &method](grpc::CallbackServerContext* context,
                                                                                  const RawRequest<Request>* request,
                                                                                  Response* response) {
      if (request->status.ok()) return (self->*run)(context, &request->message, response);
      return handlers.Unary(
          context, method, request, response,
          [](const CallContext&, const RawRequest<Request>& refused, Response&, Done done) { done(refused.status); });
    };
    this->MarkMethodCallback(descriptor.index(),
                             new grpc::internal::CallbackUnaryHandler<RawRequest<Request>, Response>(react));
  }

  template <class Self, class Request, class Response>
  void Take(Handlers& handlers,
            grpc::ServerWriteReactor<Response>* (Self::*run)(grpc::CallbackServerContext*, const Request*)) {
    const google::protobuf::MethodDescriptor& descriptor = MethodTaking(*Request::descriptor());
    const Method& method = handlers.Find(descriptor.name());
    const auto react = [self = static_cast<Self*>(this), run, &handlers, &method](grpc::CallbackServerContext* context,
                                                                                  const RawRequest<Request>* request) {
      if (request->status.ok()) return (self->*run)(context, &request->message);
      return handlers.Stream<Response>(context, method, request, StreamLimits{},
                                       [](const CallContext&, const RawRequest<Request>& refused,
                                          const std::shared_ptr<ServerStream<Response>>&) { return refused.status; });
    };
    this->MarkMethodCallback(descriptor.index(),
                             new grpc::internal::CallbackServerStreamingHandler<RawRequest<Request>, Response>(react));
  }
};

}  // namespace switchyard::rpc

namespace grpc {

// Never fails, so that the handler runs.
template <class Message>
class SerializationTraits<switchyard::rpc::RawRequest<Message>> {
 public:
  static Status Deserialize(ByteBuffer* buffer, switchyard::rpc::RawRequest<Message>* request) {
    request->status = switchyard::rpc::ParseRequest(*buffer, request->message);
    buffer->Clear();
    return Status::OK;
  }
};

}  // namespace grpc

#include "libs/rpc/handler.h"

#include <cstdlib>

#include "libs/base/status.h"

namespace switchyard::rpc {

void UnaryCall::Finish(std::unique_ptr<UnaryCall> call, const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = call->reactor;
  if (call->kept != nullptr && status.ok()) call->kept->Answer();
  grpc::Status answer =
      call->gate.Leave(call->method, CallGate::Kind::kUnary, call->start, status, call->context.get());
  call.reset();
  reactor->Finish(std::move(answer));
}

Done& Done::operator=(Done&& other) {
  Drop();
  call_ = std::move(other.call_);
  return *this;
}

Done::~Done() { Drop(); }

void Done::operator()(const absl::Status& status) {
  if (call_ == nullptr) {
    LogError("a call was answered twice");
    std::abort();
  }
  UnaryCall::Finish(std::move(call_), status);
}

void Done::Drop() {
  if (call_ == nullptr) return;
  UnaryCall::Finish(std::move(call_), MakeError(absl::StatusCode::kInternal, "HANDLER_DROPPED_CALL",
                                                "the handler ended without an answer"));
}

}  // namespace switchyard::rpc

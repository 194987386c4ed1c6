// Messages as bytes: with the generated reactors what is no message looks like the end of the stream.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"

namespace google::protobuf {
class Message;
class MessageLite;
}  // namespace google::protobuf

namespace switchyard::rpc {

// What the generated WithRawCallbackMethod_... wants.
using RawBidiReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

grpc::ByteBuffer ToBuffer(const google::protobuf::MessageLite& message);
// False for what is no such message. The buffer is empty afterwards.
bool ParseBuffer(grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message);
// INVALID_ARGUMENT, reason INVALID_FIELD, with the fields that are at fault (see WireFaults). The buffer stays.
absl::Status ParseRequest(const grpc::ByteBuffer& buffer, google::protobuf::Message& message);

}  // namespace switchyard::rpc

#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace switchyard::rpc {

// The only place that builds a grpc::Status. A failure carries exactly one google.rpc.ErrorInfo: the reason of
// MakeError, or the code's name when there is none, in `domain` ("switchyard.task_queue"); and BadRequest and RetryInfo
// where the status has them. Texts pass the redactor of libs/text and are cut so that all fits into the 8 KiB of
// metadata that clients accept by default; violations left out are counted in the metadata "violations_omitted".
grpc::Status ToGrpcStatus(const absl::Status& status, std::string_view domain);

// The way back, as MakeError would have made it; without ErrorInfo just code and message.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace switchyard::rpc

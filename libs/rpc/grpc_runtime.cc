#include "libs/rpc/grpc_runtime.h"

#include "absl/synchronization/mutex.h"

namespace switchyard::rpc {

void PrepareGrpc() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

}  // namespace switchyard::rpc

#include "libs/pg/group_commit.h"

#include "libs/base/status.h"

namespace switchyard::pg {

ConnectOptions GroupCommitConnect(std::string_view name, const GroupCommitOptions& options, ConnectOptions connect) {
  connect.application_name.append("/").append(name);
  connect.statement_timeout = options.transaction.timeout;
  connect.force_generic_plan = true;
  return connect;
}

absl::Status GroupCommitFull(const GroupCommitOptions& options) {
  return MakeError(absl::StatusCode::kResourceExhausted, "too many operations wait for the database",
                   ErrorDetails{.reason = std::string(kQueueFull), .retry_after = options.retry_after});
}

absl::Status GroupCommitStopping() {
  return MakeError(absl::StatusCode::kUnavailable, kStopping, "the service is stopping");
}

absl::Status GroupCommitTooLate() {
  return MakeError(absl::StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED",
                   "the deadline passed before the operation was begun; nothing was written");
}

}  // namespace switchyard::pg

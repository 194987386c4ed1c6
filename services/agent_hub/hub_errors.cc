#include "services/agent_hub/hub_errors.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::agent_hub {
namespace {

constexpr absl::Duration kSoon = absl::Seconds(1);

absl::Status Later(absl::StatusCode code, std::string_view reason, std::string_view message, absl::Duration after) {
  return MakeError(code, message,
                   {.reason = std::string(reason), .metadata = {}, .violations = {}, .retry_after = after});
}

}  // namespace

absl::Status TooManyStreams(std::size_t bound) {
  return Later(absl::StatusCode::kResourceExhausted, "TOO_MANY_AGENTS",
               absl::StrCat("this hub holds its most of ", bound, " streams"), absl::Seconds(5));
}
absl::Status HubDraining(absl::Duration retry_after) {
  return Later(absl::StatusCode::kUnavailable, "HUB_DRAINING", "this hub stops; connect again", retry_after);
}
absl::Status AgentPenalized(std::string_view violation, absl::Duration left) {
  return Later(absl::StatusCode::kResourceExhausted, "AGENT_PENALIZED",
               absl::StrCat("after ", ToAbsl(violation), " this agent has to wait"), left);
}
absl::Status AgentRemoved() {
  return MakeError(absl::StatusCode::kPermissionDenied, "AGENT_REMOVED",
                   "no agent of the installation has this token; it was removed, or never enrolled");
}
absl::Status VersionUnsupported(int min, int max) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "VERSION_UNSUPPORTED",
                   absl::StrCat("this hub speaks version 1 of the protocol, the executor ", min, " to ", max));
}
absl::Status SessionSuperseded() {
  return MakeError(absl::StatusCode::kAborted, "SESSION_SUPERSEDED", "another stream of the same agent took over");
}
absl::Status SessionLost() {
  return Later(absl::StatusCode::kAborted, "SESSION_LOST", "the session's lease has ended; connect again", kSoon);
}
absl::Status HeartbeatMissing() {
  return Later(absl::StatusCode::kDeadlineExceeded, "HEARTBEAT_MISSING", "three heartbeats are overdue", kSoon);
}
absl::Status LedgerUnavailable() {
  return Later(absl::StatusCode::kUnavailable, "LEDGER_UNAVAILABLE", "the task queue does not answer", kSoon);
}
absl::Status DatabaseUnavailable() {
  return Later(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "the hub's database does not answer", kSoon);
}
absl::Status Violation(std::string_view reason, std::string_view message, absl::Duration retry_after) {
  return Later(absl::StatusCode::kInvalidArgument, reason, message, retry_after);
}

absl::Status AgentNotHere() {
  return MakeError(absl::StatusCode::kNotFound, "AGENT_NOT_HERE", "no stream of that agent is at this hub");
}
absl::Status StaleSession() {
  return MakeError(absl::StatusCode::kFailedPrecondition, "STALE_SESSION", "the agent has another session by now");
}
absl::Status OverCapacity() {
  return MakeError(absl::StatusCode::kResourceExhausted, "OVER_CAPACITY", "the agent has no slot for so many");
}

}  // namespace switchyard::agent_hub

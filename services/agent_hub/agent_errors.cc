#include "services/agent_hub/agent_errors.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::agent_hub {
namespace {

absl::Status Make(absl::StatusCode code, std::string_view reason, std::string_view message,
                  std::vector<std::pair<std::string, std::string>> metadata) {
  return MakeError(
      code, message,
      {.reason = std::string(reason), .metadata = std::move(metadata), .violations = {}, .retry_after = {}});
}

}  // namespace

absl::Status AgentNotFound(std::string_view agent) {
  return Make(absl::StatusCode::kNotFound, "AGENT_NOT_FOUND",
              absl::StrCat("no agent has the id or name ", ToAbsl(agent)), {{"agent", std::string(agent)}});
}

absl::Status AgentBusy(const AgentRecord& agent) {
  return Make(
      absl::StatusCode::kFailedPrecondition, "AGENT_BUSY",
      absl::StrCat("agent ", agent.name, " holds ", agent.seen.held_tasks, " tasks; drain it first, or force it"),
      {{"agent", agent.name}, {"held_tasks", absl::StrCat(agent.seen.held_tasks)}});
}

absl::Status AgentNameTaken(std::string_view name) {
  return Make(absl::StatusCode::kAlreadyExists, "AGENT_NAME_TAKEN",
              absl::StrCat("an agent has the name ", ToAbsl(name), "; choose another, or remove or revoke that one"),
              {{"name", std::string(name)}});
}

absl::Status TooManyAgents(std::size_t bound) {
  return Make(absl::StatusCode::kResourceExhausted, "TOO_MANY_AGENTS",
              absl::StrCat("there are already ", bound, " agents and open enrolments; remove some or raise the bound"),
              {{"bound", absl::StrCat(bound)}});
}

absl::Status NoHubAddress() {
  return Make(absl::StatusCode::kFailedPrecondition, "NO_HUB_ADDRESS",
              "say with addresses where the new machine reaches the hub, or configure it", {});
}

absl::Status EnrollmentUnknown() {
  return Make(absl::StatusCode::kNotFound, "ENROLLMENT_UNKNOWN", "the token is not that of an open enrolment", {});
}

absl::Status EnrollmentNotFound(const EnrollmentId& id) {
  return Make(absl::StatusCode::kNotFound, "ENROLLMENT_NOT_FOUND",
              absl::StrCat("no enrolment has the id ", id.ToString()), {{"enrollment_id", id.ToString()}});
}

absl::Status EnrollmentRedeemed(const EnrollmentId& id) {
  return Make(absl::StatusCode::kFailedPrecondition, "ENROLLMENT_REDEEMED",
              absl::StrCat("enrolment ", id.ToString(), " was redeemed already; remove the agent instead"),
              {{"enrollment_id", id.ToString()}});
}

absl::Status TooManyLogStreams(std::size_t bound) {
  return Make(absl::StatusCode::kResourceExhausted, "TOO_MANY_LOG_STREAMS",
              absl::StrCat("this replica already serves ", bound, " readers of logs; try again later"), {});
}

absl::Status SlowLogReader() {
  return Make(absl::StatusCode::kResourceExhausted, "SLOW_READER",
              "the log was not read fast enough; resume with the last resume_token", {});
}

}  // namespace switchyard::agent_hub

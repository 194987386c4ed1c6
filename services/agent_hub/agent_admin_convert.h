// Between AgentAdminService's messages and the domain, nothing else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/agent_hub/agent_admin.h"
#include "services/agent_hub/task_log_streams.h"
#include "switchyard/agent/v1/agent_admin.pb.h"

namespace switchyard::agent_hub {

// INVALID_FIELD for what has no counterpart in the domain.
absl::StatusOr<ListAgentsQuery> FromProto(const agent::v1::ListAgentsRequest& request);
absl::StatusOr<EnrollQuery> FromProto(const agent::v1::EnrollAgentRequest& request, std::string_view requester);
absl::StatusOr<LogRequest> FromProto(const agent::v1::ReadTaskLogRequest& request);
absl::StatusOr<EnrollmentId> ParseEnrollmentId(std::string_view text);
// Nothing when absent.
absl::StatusOr<std::optional<absl::Duration>> GraceOf(const agent::v1::RotateAgentTokenRequest& request);

void ToProto(const AgentRecord& agent, absl::Time now, agent::v1::Agent& out);
void ToProto(const std::vector<Transition>& transitions, agent::v1::GetAgentResponse& out);
void ToProto(const EnrollmentView& view, absl::Time now, agent::v1::GetEnrollmentResponse& out);
void ToProto(const LogChunk& chunk, agent::v1::TaskLogChunk& out);
void ToProto(absl::Time time, google::protobuf::Timestamp& out);

// The string that `yard-agent enroll` takes.
std::string ToBundle(const Invitation& invitation, const AdminSettings& settings);
// SHA-256 in hex of the first certificate; empty when there is none.
std::string FingerprintOf(std::string_view pem);

}  // namespace switchyard::agent_hub

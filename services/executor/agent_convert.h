// Between the contract and what the executor knows; nothing else.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/executor/backend.h"
#include "services/executor/executor_core.h"
#include "services/executor/held_work.h"
#include "services/executor/log_buffer.h"
#include "services/executor/resources.h"
#include "switchyard/agent/v1/agent_hub.pb.h"

namespace switchyard::executor {

absl::Duration ToDuration(const google::protobuf::Duration& duration);
// No more than `bytes`, cut between characters; what is no UTF-8 becomes replacement characters, a NUL a blank.
std::string ToText(std::string_view text, std::size_t bytes);

Assignment ToAssignment(agent::v1::Assignment message);
// INVALID_ARGUMENT, reason UNSUPPORTED, when the assignment is of a kind that no back end knows.
absl::StatusOr<Work> ToWork(const Assignment& assignment);
// "" when the assignment is no probe.
std::string ProbeNonce(const Assignment& assignment);

Welcomed ToWelcomed(const agent::v1::Welcome& message);
std::vector<TaskKey> ToKeys(const google::protobuf::RepeatedPtrField<agent::v1::HeldTask>& tasks);

agent::v1::Hello ToHello(const HelloFacts& facts);
agent::v1::Heartbeat ToHeartbeat(const HeartbeatFacts& facts);
agent::v1::Report ToReport(const Report& report);
agent::v1::LogChunk ToLogChunk(OutgoingLog log);
agent::v1::AgentResources ToResources(const Resources& resources);
// One for the back end, from what it tested: its own result counts, the others explain.
agent::v1::SelfTest ToSelfTest(std::string_view backend, const std::vector<ProbeResult>& results, absl::Time now);

// The end of work, without its number; `cancelled` as ExecutorCore::OnFinished wants it.
struct Ended {
  Report report;
  bool cancelled = false;
};
Ended ToEnded(const Evidence& evidence);
int ToPhase(WorkPhase phase);
Confirmation ToConfirmation(const agent::v1::ConfirmResult& result);

}  // namespace switchyard::executor

// Between the messages of the contract and those of the core. Checks what the contract limits; no rules.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/agent_hub/hub_messages.h"
#include "services/agent_hub/hub_ports.h"
#include "services/agent_hub/hub_rules.h"
#include "services/agent_hub/log_store.h"
#include "switchyard/agent/v1/agent_dispatch.pb.h"
#include "switchyard/agent/v1/agent_hub.pb.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::agent_hub {

// An assignment on its way to an agent.
struct WorkBody final : Opaque {
  agent::v1::Assignment assignment;
};
// What it says of the endpoint that it leaves.
struct RouteAskedBody final : Opaque {
  agent::v1::RouteRequest request;
};
// A report on its way to the ledger: all but task, generation and owner.
struct ReportBody final : Opaque {
  task_queue::v1::TaskReport report;
};

absl::Time ToTime(const google::protobuf::Timestamp& time);
void Set(absl::Time time, google::protobuf::Timestamp* out);
// Cut to what the contract can say.
void Set(absl::Duration duration, google::protobuf::Duration* out);

struct Received {
  FromAgent message;
  // What is to be shown of the agent as it said it: all of it from a hello, what is new from a heartbeat.
  std::optional<agent::v1::Agent> said;
};
// Takes the message apart. INVALID_ARGUMENT for what breaks the contract; what is unknown is std::monostate. Not for
// logs.
absl::StatusOr<Received> FromProto(agent::v1::AgentMessage& message);
// The chunks of a message with logs.
absl::StatusOr<std::vector<LogChunk>> FromProto(agent::v1::LogBatch& logs);

agent::v1::HubMessage ToProto(ToAgent message, const std::string& hub_id, const HubRules& rules);
agent::v1::HubMessage ToGoodbye(const absl::Status& status, bool permanent);
// Assignments join assignments.
bool Join(agent::v1::HubMessage& last, agent::v1::HubMessage& next);

void ToProto(const LedgerReport& report, task_queue::v1::TaskReport* out);
// Moves the specification out.
absl::StatusOr<Work> ToWork(task_queue::v1::AssignResult& assigned, bool accepted);
absl::StatusOr<Work> ToWork(agent::v1::DispatchItem& item);
absl::StatusOr<Directive> FromProto(const task_queue::v1::Directive& directive);
absl::Status FromProto(const task_queue::v1::ItemError& error);
void ToProto(const absl::Status& status, task_queue::v1::ItemError* out);

agent::v1::AgentCapacity ToProto(const struct OfferedAgent& offered);

}  // namespace switchyard::agent_hub

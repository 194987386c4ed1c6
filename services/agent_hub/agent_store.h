#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/agent_hub/agent_record.h"

namespace switchyard::agent_hub {

// What a hub saw of one agent since it last told the store. Empty optionals leave what is stored.
struct Observation {
  AgentId agent;
  // Nothing is stored when the agent has a later one already: another hub has its stream.
  std::int64_t session_epoch = 0;
  std::string hub;
  // The state now; equal to the last transition's.
  AgentState state = AgentState::kOffline;
  absl::Time state_time;
  std::string state_cause;
  int held_tasks = 0;
  std::string unavailable_reason;
  std::optional<std::string> peer;
  std::optional<absl::Time> connect_time;
  std::optional<absl::Time> heartbeat_time;
  std::optional<std::vector<std::string>> capabilities;
  // As Seen::said.
  std::optional<std::string> said;
  // Oldest first; at most the last kMaxTransitions count.
  std::vector<Transition> transitions;
};

// Of one agent; written as they change. Empty optionals leave what is stored.
struct Health {
  AgentId agent;
  std::optional<Breaker> breaker;
  std::optional<Penalty> penalty;
  std::optional<Probe> probe;
};

struct AgentQuery {
  // Agents with greater names only.
  std::string after_name;
  int limit = 100;
  // Any of them; empty: all.
  std::vector<AgentState> states;
  // All of them.
  std::vector<std::string> capabilities;
};

enum class EnrollKind { kCreated, kNameTaken, kTooMany };

struct Redeemed {
  Enrollment enrollment;
  // The same request came before: tokens that it was given must end.
  bool repeated = false;
};

// Where agents and enrolments are kept. Every call is atomic, blocks, and may fail with UNAVAILABLE, in which case it
// is unknown whether a change was made; each may then be repeated. Times are kept to the microsecond. Thread-safe.
class AgentStore {
 public:
  virtual ~AgentStore() = default;

  // AGENT_NOT_FOUND; also for those removed, unless `removed` asks for them.
  virtual absl::StatusOr<AgentRecord> Find(const AgentId& id, bool removed = false) = 0;
  virtual absl::StatusOr<AgentRecord> FindByName(std::string_view name) = 0;
  // By name.
  virtual absl::StatusOr<std::vector<AgentRecord>> List(const AgentQuery& query) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<Transition>> Transitions(const AgentId& id) = 0;
  // Those, also removed ones, to which a person did something (marks, removal, revocation, reset of breaker, enrolment)
  // at or after `since`: how hubs learn of it. Transactions take a while: ask again from some seconds before the last
  // time.
  virtual absl::StatusOr<std::vector<AgentRecord>> TouchedSince(absl::Time since) = 0;

  // Batches of a hub; one entry per agent. Agents that are unknown or removed are passed over.
  virtual absl::Status Observe(absl::Span<const Observation> observations) = 0;
  virtual absl::Status SaveHealth(absl::Span<const Health> healths) = 0;

  // What a person does: `change` decides on the record as it stands, under a lock, and all but `id`, `name`,
  // `enroll_time` and `seen` is stored as it left it, unless it fails. It may run several times and has no other
  // effects. Answers with the agent afterwards. AGENT_NOT_FOUND.
  virtual absl::StatusOr<AgentRecord> Change(const AgentId& id, absl::Time now,
                                             absl::FunctionRef<absl::Status(AgentRecord&)> change) = 0;

  // Open enrolments for the name end. When an agent has the name and no live token, `enrollment.agent` becomes that
  // agent's id; with a live one, kNameTaken. kTooMany when `max_agents` agents and open enrolments exist at its
  // create_time.
  virtual absl::StatusOr<EnrollKind> Enroll(Enrollment& enrollment, std::size_t max_agents) = 0;
  // Makes the agent, its probe pending, unless this very request did so before. ENROLLMENT_UNKNOWN.
  virtual absl::StatusOr<Redeemed> Redeem(std::string_view token_hash, std::string_view redeem_hash,
                                          std::string_view host_name, absl::Time now) = 0;
  // ENROLLMENT_NOT_FOUND.
  virtual absl::StatusOr<Enrollment> FindEnrollment(const EnrollmentId& id) = 0;
  // ENROLLMENT_NOT_FOUND, ENROLLMENT_REDEEMED.
  virtual absl::Status RevokeEnrollment(const EnrollmentId& id, absl::Time now) = 0;
  // Forgets enrolments that ended and agents that were removed before `before`.
  virtual absl::Status Forget(absl::Time before) = 0;
};

}  // namespace switchyard::agent_hub

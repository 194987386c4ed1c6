// What the hub keeps of an agent beyond its stream. Numbers of enumerators equal those of the contract, so that
// conversion is a cast; a test compares them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/id.h"

namespace switchyard::agent_hub {

// The principal of the agent's token, so that rotation changes nothing.
using AgentId = Id<struct AgentIdTag>;
using EnrollmentId = Id<struct EnrollmentIdTag>;
using TaskId = Id<struct TaskIdTag>;

enum class AgentState : std::int8_t {
  kOffline = 1,
  kConnecting = 2,
  kIdle = 3,
  kAssigned = 4,
  kWorking = 5,
  kVerifying = 6,
  kBlocked = 7,
  kDraining = 8,
  kDegraded = 9,
  kUnresponsive = 10,
  kQuarantined = 11,
};

enum class ProbeState : std::int8_t { kPending = 1, kSent = 2, kRunning = 3, kPassed = 4, kFailed = 5 };

struct Transition {
  absl::Time time;
  AgentState from = AgentState::kOffline;
  AgentState to = AgentState::kOffline;
  // For people; cut at 256 bytes.
  std::string cause;
  std::string hub;

  friend bool operator==(const Transition&, const Transition&) = default;
};
// How many of an agent's transitions are kept.
inline constexpr int kMaxTransitions = 100;

struct Probe {
  ProbeState state = ProbeState::kPending;
  std::string message;
  std::optional<absl::Time> time;

  friend bool operator==(const Probe&, const Probe&) = default;
};

struct Breaker {
  int failures_in_row = 0;
  std::string last_failure;
  std::optional<absl::Time> open_time;
  // Set while open.
  std::optional<absl::Time> open_until;

  friend bool operator==(const Breaker&, const Breaker&) = default;
};

// For violations of the protocol; outlives the process.
struct Penalty {
  int violations = 0;
  std::string last_violation;
  std::optional<absl::Time> last_time;
  std::optional<absl::Time> until;

  friend bool operator==(const Penalty&, const Penalty&) = default;
};

struct Mark {
  std::string reason;
  std::string set_by;
  absl::Time time;

  friend bool operator==(const Mark&, const Mark&) = default;
};

// What was seen of an agent by the hub that holds, or last held, its stream.
struct Seen {
  AgentState state = AgentState::kOffline;
  absl::Time state_time;
  std::string state_cause;
  std::string hub;
  std::string peer;
  std::int64_t session_epoch = 0;
  std::optional<absl::Time> last_connect_time;
  std::optional<absl::Time> last_heartbeat_time;
  int held_tasks = 0;
  // Empty: available.
  std::string unavailable_reason;
  std::vector<std::string> capabilities;
  // What it said of itself: a serialised switchyard.agent.v1.Agent with version, protocol_version, features,
  // missing_features, labels, slots, resources and self_tests alone. Opaque here.
  std::string said;

  friend bool operator==(const Seen&, const Seen&) = default;
};

struct AgentRecord {
  AgentId id;
  std::string name;
  // Given by whoever enrolled it; over what it says of itself.
  std::map<std::string, std::string> labels;
  absl::Time enroll_time;
  Seen seen;
  Probe probe;
  Breaker breaker;
  Penalty penalty;
  std::optional<Mark> drain;
  std::optional<Mark> quarantine;
  // Absent while it has no live token.
  std::optional<absl::Time> token_expire_time;
  // Its token was revoked and no enrolment brought it back since: no stream is taken.
  bool revoked = false;
  std::optional<absl::Time> remove_time;

  friend bool operator==(const AgentRecord&, const AgentRecord&) = default;
};

struct Enrollment {
  EnrollmentId id;
  // Whom it makes; chosen beforehand, or that of the agent that comes back.
  AgentId agent;
  std::string name;
  std::map<std::string, std::string> labels;
  // SHA-256 of the one-time token.
  std::string token_hash;
  absl::Time create_time;
  absl::Time expire_time;
  std::string created_by;
  // Absent: the identity service's default.
  std::optional<absl::Duration> token_lifetime;
  std::optional<absl::Time> redeem_time;
  // SHA-256 of the request id that redeemed it.
  std::string redeem_hash;
  std::string host_name;
  std::optional<absl::Time> revoke_time;

  friend bool operator==(const Enrollment&, const Enrollment&) = default;
};

}  // namespace switchyard::agent_hub

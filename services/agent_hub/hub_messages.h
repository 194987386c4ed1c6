// What the core of the hub hears and says; the contract's messages, less what it only passes on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/agent_hub/agent_record.h"
#include "services/agent_hub/task_ref.h"

namespace switchyard::agent_hub {

// One stream of one agent, as long as this process lives.
enum class StreamId : std::uint64_t {};
// One reader of capacity.
enum class WatchId : std::uint64_t {};
// One call with reports.
enum class BatchId : std::uint64_t {};

enum class HeldState : std::int8_t { kAssigned = 1, kRunning = 2, kBlocked = 3, kVerifying = 4, kDone = 5 };
inline constexpr int kHeldStates = 6;

struct Held {
  TaskRef ref;
  HeldState state = HeldState::kAssigned;
};

// What the core carries and never looks into: parts of the contract's messages.
class Opaque {
 public:
  virtual ~Opaque() = default;
};
// Shared by the queue of what is to be sent and the copy that is kept for another try.
using Body = std::shared_ptr<Opaque>;

struct Work {
  TaskRef ref;
  // InfiniteFuture: it has been accepted already.
  absl::Time accept_by = absl::InfiniteFuture();
  Body body;
};

// ---- From the agent.

struct SelfTestFact {
  std::string name;
  bool passed = false;
  std::string message;
};

struct Hello {
  int min_version = 1;
  int max_version = 1;
  std::vector<std::string> features;
  std::vector<std::string> capabilities;
  std::vector<std::pair<std::string, std::string>> labels;
  int slots = 0;
  std::vector<SelfTestFact> self_tests;
  std::vector<Held> held;
  bool restarted = false;
  bool draining = false;
  // Grows from stream to stream; 0 when not said.
  std::int64_t connection = 0;
};

struct Heartbeat {
  std::int64_t number = 0;
  std::vector<Held> held;
  std::int64_t last_assignment = 0;
  int slots = 0;
  // Empty: as before.
  std::vector<SelfTestFact> self_tests;
  bool draining = false;
  std::string refusing;
  std::optional<std::vector<std::string>> capabilities;
};

enum class ReportKind : std::int8_t {
  kAccept,
  kReject,
  kPhase,
  kBlocked,
  kProgress,
  kComplete,
  kFail,
  kReleased,
};

struct Report {
  // 0: not to be acknowledged.
  std::int64_t number = 0;
  TaskRef ref;
  ReportKind kind = ReportKind::kAccept;
  // Of a failure: the agent caused it.
  bool agent_fault = false;
  // Of a failure or rejection its reason, of a probe's completion its summary.
  std::string text;
  std::size_t bytes = 0;
  // Null for those that the hub itself makes.
  Body body;
};

struct Reports {
  std::vector<Report> reports;
};

struct Confirm {
  std::int64_t request = 0;
  TaskRef ref;
};

// Wants to leave the model endpoint that its task was given.
struct RouteAsked {
  std::int64_t request = 0;
  TaskRef ref;
  Body body;
  // Set by the hub: what of the agent's routes may ask for.
  std::vector<std::string> offered = {};
};

struct Pong {
  std::int64_t number = 0;
};

// The last is a message without meaning here: it counts against the limits, no more.
using FromAgent = std::variant<Hello, Heartbeat, Reports, Confirm, RouteAsked, Pong, std::monostate>;

// ---- To the agent.

struct Welcome {
  int version = 1;
  std::vector<std::string> features;
  std::vector<std::string> missing_features;
  std::int64_t session_epoch = 0;
  std::string agent_id;
  std::string agent_name;
  absl::Duration heartbeat_interval;
  absl::Duration heartbeat_offset;
  // Ends before the lease does: at the last word that is heard, the last renewal may be some time ago.
  absl::Duration grace;
  std::vector<TaskRef> keep;
  std::vector<TaskRef> drop;
  absl::Time now;
};

struct Assign {
  std::int64_t number = 0;
  TaskRef ref;
  absl::Duration accept_within;
  bool redelivered = false;
  Body body;
};

struct ProbeWork {
  std::int64_t number = 0;
  TaskRef ref;
  std::string nonce;
  absl::Duration accept_within;
};

struct RefusedReport {
  std::int64_t number = 0;
  absl::Status status;
};

struct Ack {
  std::int64_t through = 0;
  std::vector<RefusedReport> refused;
};

struct Reconcile {
  std::int64_t heartbeat = 0;
  std::vector<TaskRef> drop;
};

struct Cancel {
  TaskRef ref;
  std::string reason;
  bool withdrawn = false;
};

struct Answer {
  TaskRef ref;
  std::string text;
};

struct ConfirmResult {
  std::int64_t request = 0;
  bool current = false;
  bool unavailable = false;
};

struct RouteGranted {
  std::int64_t request = 0;
  // As the router stored it; empty when refused.
  std::string routing;
  std::string refusal;
  std::string message;
};

struct StatusNews {
  AgentState state = AgentState::kConnecting;
  std::string cause;
  std::string unavailable_reason;
  std::string unavailable_message;
  Probe probe;
};

struct DrainNotice {
  absl::Duration reconnect_after;
};

struct Ping {
  std::int64_t number = 0;
  bool self_test = false;
};

using ToAgent = std::variant<Welcome, Assign, ProbeWork, Ack, Reconcile, Cancel, Answer, ConfirmResult, RouteGranted,
                             StatusNews, DrainNotice, Ping>;

// ---- From the ledger.

struct OpenedSession {
  std::int64_t epoch = 0;
  // Length of the lease.
  absl::Duration lease;
  std::vector<TaskRef> keep;
  std::vector<TaskRef> drop;
  std::vector<Work> redeliver;
};

enum class DirectiveKind : std::int8_t { kCancel, kWithdraw, kAnswer };

struct Directive {
  AgentId agent;
  TaskRef ref;
  DirectiveKind kind = DirectiveKind::kCancel;
  // Reason or answer.
  std::string text;
};

}  // namespace switchyard::agent_hub

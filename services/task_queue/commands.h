// Everything that can happen to a task, as values: what RPCs, sweeps and people turn into before the rules see it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "services/task_queue/task.h"

namespace switchyard::task_queue {

// By the scheduler that leases the task's shard.
struct Assign {
  Generation seen{};
  std::string agent;
  std::int64_t session_epoch = 0;
  std::int64_t shard_epoch = 0;
  std::string routing;
  // For people: which model and endpoint.
  std::string route_summary;
};

// By the agent that was given (task, generation).
struct Accepted {};
struct Rejected {
  Failure failure;
  // The agent would say so again.
  bool permanent = false;
};
struct PhaseChanged {
  Phase phase = Phase::kNone;
};
struct Blocked {
  std::string question;
  std::string reason;
};
struct Progressed {
  std::string message;
};
struct Finished {
  std::string result;
  std::string usage;
  std::string model;
};
struct Failed {
  Failure failure;
  std::string result;
  std::string usage;
  std::string model;
  // The same would fail again: no retry.
  bool permanent = false;
};
struct Released {
  std::string reason;
  // Not offered again before.
  absl::Duration retry_after = absl::ZeroDuration();
};
// The attempt goes on with another model or endpoint.
struct RouteChanged {
  std::string routing;
  std::string cause;
  std::string message;
};

struct Report {
  Generation generation{};
  std::string agent;
  std::int64_t session_epoch = 0;
  std::variant<Accepted, Rejected, PhaseChanged, Blocked, Progressed, Finished, Failed, Released, RouteChanged> what;
};

// By the verification service.
enum class Verdict : std::int8_t { kSucceeded = 1, kPartial = 2, kFailed = 3 };
struct Conclude {
  Generation generation{};
  Verdict verdict = Verdict::kFailed;
  Failure failure;
  // For people, instead of the failure's.
  std::string message;
  // The same would fail again: no retry.
  bool permanent = false;
};

// By scheduler or router; kNone puts the task back into the offer.
struct Hold {
  Generation generation{};
  HoldReason reason = HoldReason::kNone;
  absl::Time until = absl::InfiniteFuture();
  std::string message;
};

// By people.
struct Cancel {
  std::string reason;
};
struct Retry {};
struct Discard {
  std::string reason;
};
struct PauseOne {
  std::string reason;
};
struct ResumeOne {};
struct Answer {
  std::string answer;
};

// By the service itself.
// Some time limit of the row has passed, says a sweep; the rules look which.
struct Due {};
// The lease of the agent's session ended, or its restarted executor does not hold the task.
struct AgentLost {
  std::string agent;
  Generation generation{};
  std::string cause;
};
// Tasks that this one may wait for.
struct DependenciesEnded {
  std::vector<EndedTask> ended;
};

struct Command {
  TaskId id;
  std::variant<Assign, Report, Conclude, Hold, Cancel, Retry, Discard, PauseOne, ResumeOne, Answer, Due, AgentLost,
               DependenciesEnded>
      what;
  // Who gave it waits until then: a lane that has not begun it drops it, DEADLINE_EXCEEDED.
  absl::Time wanted_until = absl::InfiniteFuture();
};

}  // namespace switchyard::task_queue

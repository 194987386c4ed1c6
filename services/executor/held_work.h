// What the executor holds and says about it, without a contract: payloads are bytes that only the channel and the back
// ends understand.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace switchyard::executor {

struct TaskKey {
  std::string task_id;
  std::int64_t generation = 0;

  friend bool operator==(const TaskKey&, const TaskKey&) = default;
  friend auto operator<=>(const TaskKey&, const TaskKey&) = default;
  template <class H>
  friend H AbslHashValue(H h, const TaskKey& key) {
    return H::combine(std::move(h), key.task_id, key.generation);
  }
};

struct Assignment {
  // Counts up within a session; 0 once it is out of the journal.
  std::int64_t number = 0;
  TaskKey key;
  // The work has effects on the network or the host, or could have by what runs it: it is confirmed before it starts
  // and stopped when the lease ends.
  bool beyond_workspace = false;
  // What a loss means for it: run again, or look at it first.
  bool retry_when_lost = true;
  // No ledger knows it: neither held nor journalled, its reports carry no number.
  bool probe = false;
  // An endpoint is held for it. Not journalled: only a rejection asks, which comes before.
  bool routed = false;
  std::string payload;
};

// Numbers stand in journals: never reuse one.
enum class ReportKind : int {
  kAccept = 1,
  kReject = 2,
  kPhase = 3,
  kBlocked = 4,
  kComplete = 5,
  kFail = 6,
  kReleased = 7,
};

// The task is over for this executor.
constexpr bool IsFinal(ReportKind kind) {
  return kind == ReportKind::kComplete || kind == ReportKind::kFail || kind == ReportKind::kReleased;
}

struct Report {
  // 0 on a probe.
  std::int64_t number = 0;
  TaskKey key;
  ReportKind kind = ReportKind::kAccept;
  // Of a rejection, failure, release or block.
  std::string reason;
  std::string message;
  // Of a failure or rejection.
  bool permanent = false;
  // Of a rejection: the endpoint held for it is not used, and can be given back at once.
  bool routed = false;
  // Of a failure.
  bool agent_fault = false;
  // Of a phase, as the contract numbers it.
  int phase = 0;
  // Of an end: the result, as bytes.
  std::string result;
  // Of an end: how model endpoints fared, as bytes.
  std::string route_report;
  // Of a release: not to be given out again before.
  absl::Duration retry_after = absl::ZeroDuration();

  friend bool operator==(const Report&, const Report&) = default;
};

enum class HeldState { kAssigned, kRunning, kBlocked, kVerifying, kDone };

struct HeldTask {
  TaskKey key;
  HeldState state = HeldState::kRunning;

  friend bool operator==(const HeldTask&, const HeldTask&) = default;
};

}  // namespace switchyard::executor

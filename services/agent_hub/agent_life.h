#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/agent_hub/agent_record.h"
#include "services/agent_hub/hub_messages.h"

namespace switchyard::agent_hub {

// What is observed of an agent; its state follows from this and from nothing else.
struct AgentFacts {
  // A stream stands and was welcomed.
  bool connected = false;
  // No stream, and the tasks are still its own.
  bool in_grace = false;
  bool heartbeat_overdue = false;
  // An assignment was not accepted in time, and no sign of recovery since.
  bool accept_overdue = false;
  // It says so itself, or its hub stops.
  bool leaving = false;
  std::optional<Mark> drain;
  std::optional<Mark> quarantine;
  // Open beyond that time too, until it was closed.
  std::optional<absl::Time> breaker_open_until;
  std::string last_failure;
  // The first back end that fails; empty: none.
  std::string failed_self_test;
  std::string refusing;
  Probe probe;
  int slots = 0;
  // By HeldState.
  std::array<int, kHeldStates> held{};
};

struct AgentView {
  AgentState state = AgentState::kOffline;
  // UPPER_SNAKE_CASE; empty: it may be given work.
  std::string_view unavailable;
  std::string message;

  friend bool operator==(const AgentView&, const AgentView&) = default;
};

AgentView Derive(const AgentFacts& facts);

// The state of one agent over time. Not thread-safe.
class AgentLife {
 public:
  AgentLife(std::string hub, AgentState state, absl::Time since, std::string cause)
      : hub_(std::move(hub)), since_(since), cause_(std::move(cause)) {
    view_.state = state;
  }

  // Takes what is so now. A change of state is a transition, whose cause is `cause`. True when anything but the state
  // among idle, assigned and working changed.
  bool Update(const AgentFacts& facts, std::string_view cause, absl::Time now);

  const AgentView& view() const { return view_; }
  bool available() const { return view_.unavailable.empty(); }
  absl::Time since() const { return since_; }
  const std::string& cause() const { return cause_; }
  // The last kMaxTransitions, oldest first.
  const std::deque<Transition>& transitions() const { return transitions_; }

  // Those since the last call, at most `limit`, the latest.
  std::vector<Transition> TakeNew(std::size_t limit);
  bool has_new() const { return new_ > 0; }
  // They were not written: the next TakeNew has them again.
  void PutBack(std::size_t count);

 private:
  const std::string hub_;
  AgentView view_;
  absl::Time since_;
  std::string cause_;
  std::deque<Transition> transitions_;
  std::size_t new_ = 0;
};

}  // namespace switchyard::agent_hub

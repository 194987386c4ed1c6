#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/scheduler/requirements.h"

namespace switchyard::scheduler {

// What is known of a task when its route is asked for.
struct RouteQuestion {
  TaskId task;
  std::int64_t generation = 0;
  bool retried = false;
  // It names the model or the endpoint.
  bool pinned = false;
  // It may run on what is free while routing is away.
  bool free_fallback = false;
};

// Why a task has no route.
struct RouteHold {
  // For people.
  std::string message;
  // Asked about again afterwards.
  absl::Duration retry_after = absl::Seconds(5);
  // What would serve it is all taken: worth asking about often.
  bool crowded = false;
  // The task does not wait any more.
  bool gone = false;
};

// What a task that has a route takes along to its assignment. Shared by tasks of the same route.
struct RouteTicket {
  // To be reserved under before the assignment; empty: nothing is.
  std::string decision;
  // Stored with the assignment and handed to the agent; at most 16 KiB. With a decision, set by the reservation.
  std::string annotation;
  // For people: which model and endpoint.
  std::string summary;
  // Where the model is loaded: agents of these hosts first.
  std::vector<std::string> near_hosts;
};

struct Route {
  // Without one, it has a route.
  std::optional<RouteHold> hold;
  // Capabilities that the agent must have besides those the task itself asks for.
  std::vector<std::string> capabilities;
  // Null: nothing to take along.
  std::shared_ptr<const RouteTicket> ticket;
};

struct ReserveQuestion {
  TaskId task;
  // That the assignment will have.
  std::int64_t generation = 0;
  std::string decision;
  std::string agent_id;
  // The agent's capabilities that routes may ask for.
  std::vector<std::string> offered;
};

struct Reserved {
  std::optional<RouteHold> hold;
  std::shared_ptr<const RouteTicket> ticket;
};

// An assignment that something is reserved for.
struct RouteKey {
  TaskId task;
  std::int64_t generation = 0;
};

// Whether routes may ask agents for it.
inline bool IsRouteCapability(std::string_view capability) {
  return capability.starts_with("credential:") || capability.starts_with("reach:") || capability.starts_with("agent:");
}

// Whether it is there only to name one agent.
inline bool IsAgentName(std::string_view capability) { return capability.starts_with("agent:"); }

// Where the annotation made before matching comes from, and what is reserved between match and assignment. Thread-safe;
// never blocks. Tasks whose answer is not there yet wait by themselves: all others go on.
class RouteSource {
 public:
  using Answer = std::function<void(std::vector<Route>)>;
  using ReserveAnswer = std::function<void(std::vector<Reserved>)>;

  virtual ~RouteSource() = default;
  // Whether tasks of this kind need no route: they are not asked about. `asks_model`: the task pins a model, or has a
  // role whose profile chooses one.
  virtual bool IsExempt(std::string_view kind, bool asks_model) const = 0;
  // At most 200, with what agents that exist offer to routes. `answer` gets as many routes in the same order, at once
  // or later, on any thread.
  virtual void Ask(std::vector<RouteQuestion> questions, std::vector<std::string> offered, Answer answer) = 0;
  // At most 200. Answered likewise, or with nothing at all when it could not be asked for. Asked again for the same
  // (task, generation) it answers with what is held, if this agent can use it.
  virtual void Reserve(std::vector<ReserveQuestion> questions, ReserveAnswer answer) = 0;
  // These were not assigned. At most 500.
  virtual void Release(std::vector<RouteKey> keys) = 0;
};

// No router: any agent of the kind will do, with whatever model it has.
class StaticRouteSource final : public RouteSource {
 public:
  bool IsExempt(std::string_view, bool) const override { return true; }
  void Ask(std::vector<RouteQuestion> questions, std::vector<std::string>, Answer answer) override {
    answer(std::vector<Route>(questions.size()));
  }
  void Reserve(std::vector<ReserveQuestion> questions, ReserveAnswer answer) override {
    answer(std::vector<Reserved>(questions.size()));
  }
  void Release(std::vector<RouteKey>) override {}
};

}  // namespace switchyard::scheduler

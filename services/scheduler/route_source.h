#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/scheduler/requirements.h"

namespace switchyard::scheduler {

// What is known of a task when its route is asked for.
struct RouteQuestion {
  TaskId task;
  // "command", "prompt", "action" or "external".
  std::string kind;
  std::string project;
  std::string task_type;
  std::string role;
  // As switchyard.task_queue.v1.Complexity.
  int complexity = 0;
  std::string pinned_model;
  std::string pinned_endpoint;
  bool pin_may_fall_back = false;
  bool local_only = false;
  bool routine = false;
};

struct Route {
  // Without one the task stays where it is and is asked about again with the next pass.
  bool found = true;
  // Capabilities that the agent must have besides those the task itself asks for.
  std::vector<std::string> capabilities;
  // Stored with the assignment and handed to the agent; at most 16 KiB. Null: empty.
  std::shared_ptr<const std::string> annotation;
};

// Where the annotation made before matching comes from. Thread-safe; never blocks. Tasks whose answer is not there yet
// wait by themselves: all others go on.
class RouteSource {
 public:
  using Answer = std::function<void(std::vector<Route>)>;

  virtual ~RouteSource() = default;
  // Whether tasks of this kind need no route: they are not asked about.
  virtual bool IsExempt(std::string_view kind) const = 0;
  // `answer` gets as many routes in the same order, at once or later, on any thread.
  virtual void Ask(std::vector<RouteQuestion> questions, Answer answer) = 0;
};

// No router: any agent of the kind will do, with whatever model it has.
class StaticRouteSource final : public RouteSource {
 public:
  bool IsExempt(std::string_view) const override { return true; }
  void Ask(std::vector<RouteQuestion> questions, Answer answer) override {
    answer(std::vector<Route>(questions.size()));
  }
};

}  // namespace switchyard::scheduler

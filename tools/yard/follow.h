#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/task_queue/v1/task.pb.h"
#include "tools/yard/session.h"

namespace switchyard::yard {

enum class Milestone { kFinal, kAccepted, kVerifying };
// "final", "accepted", "verifying"; anything else is kFinal.
Milestone ParseMilestone(std::string_view text);
bool Reached(const task_queue::v1::Task& task, Milestone milestone);

struct FollowOptions {
  Milestone until = Milestone::kFinal;
  // The server answered just now: when it is away at once, it is waited for.
  bool answered = false;
  // Called for every event of the life, each once and in order; may be empty.
  std::function<void(const task_queue::v1::TaskEvent&)> on_event;
  // Called with every task as it is found, again and again, at least every five seconds until it is there; may be
  // empty.
  std::function<void(const task_queue::v1::Task&)> on_look;
  // Asked about ten times a second; may be empty.
  std::function<bool()> interrupted;
};

// Blocks until all tasks are there, and returns them as they then are, in the order of `ids`. Watches, and also looks
// at the tasks now and then, so that neither a lost event nor a server without a watch makes it wait for ever.
// WAIT_TIMED_OUT when --timeout passed first; INTERRUPTED when the user said so; UNAVAILABLE when the server stays away
// for five minutes.
absl::StatusOr<std::vector<task_queue::v1::Task>> FollowTasks(Session& session, const std::vector<std::string>& ids,
                                                              const FollowOptions& options);

// TASK_FAILED, naming the tasks, when one of them ended otherwise than it was wished.
absl::Status VerdictOn(const std::vector<task_queue::v1::Task>& tasks);

}  // namespace switchyard::yard

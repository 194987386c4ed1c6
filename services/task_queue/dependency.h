// Tasks that wait for other tasks. Numbers of enumerators equal those of the contract.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "services/task_queue/task_id.h"

namespace switchyard::task_queue {

enum class DependencyRule : std::int8_t { kAll = 1, kAny = 2 };
enum class OnDependencyFailure : std::int8_t { kFail = 1, kCancel = 2, kRun = 3 };

// Another task, as long as its end may still matter to the one that waits.
struct Awaited {
  TaskId task;
  // That it ends is enough, however it does; the rule of the policy is about the others.
  bool any_end = false;
  // It may fail, and is not waited for after `until`.
  bool optional = false;
  absl::Time until = absl::InfiniteFuture();
  // It ended in vain. Kept, since another one may still meet the rule.
  bool failed = false;

  friend bool operator==(const Awaited&, const Awaited&) = default;
};

// How a task stands, for those that wait for it. One that was given up has failed, whatever becomes of it later.
enum class Standing : std::int8_t { kUnknown, kLive, kSucceeded, kFailed };

struct EndedTask {
  TaskId task;
  bool succeeded = false;

  friend bool operator==(const EndedTask&, const EndedTask&) = default;
};

// `task` waits for `awaited`, which it has not taken as ended yet.
struct Wait {
  TaskId task;
  TaskId awaited;

  friend bool operator==(const Wait&, const Wait&) = default;
  friend auto operator<=>(const Wait&, const Wait&) = default;
};

}  // namespace switchyard::task_queue

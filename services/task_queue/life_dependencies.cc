// The part of a task's life in which it waits for other tasks.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/task_queue/life.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

constexpr int kNamed = 3;

}  // namespace

std::string Life::WaitText() const {
  std::string text;
  int others = 0;
  for (const Awaited& awaited : record_.awaits) {
    if (!awaited.failed && others++ < kNamed) {
      absl::StrAppend(&text, text.empty() ? "waits for " : ", ", awaited.task.ToString());
    }
  }
  if (others > kNamed) absl::StrAppend(&text, " and ", others - kNamed, " more");
  return text;
}

bool Life::TakeEnds(const std::vector<EndedTask>& ended) {
  std::vector<Awaited>& awaits = record_.awaits;
  const TaskPolicy& policy = record_.policy;
  bool changed = false;
  bool met = false;
  for (const EndedTask& end : ended) {
    const auto awaited = std::find_if(awaits.begin(), awaits.end(), [&end](const Awaited& candidate) {
      return candidate.task == end.task && !candidate.failed;
    });
    if (awaited == awaits.end()) continue;
    changed = true;
    met = met || (end.succeeded && !awaited->any_end);
    const bool harmless =
        awaited->any_end || awaited->optional || policy.on_dependency_failure == OnDependencyFailure::kRun;
    if (end.succeeded || harmless) {
      awaits.erase(awaited);
    } else {
      awaited->failed = true;
    }
  }
  if (met && policy.dependency_rule == DependencyRule::kAny) {
    std::erase_if(awaits, [](const Awaited& awaited) { return !awaited.any_end; });
  }
  return changed;
}

bool Life::Settle(const std::vector<EndedTask>& ended) {
  if (!TakeEnds(ended)) return false;
  if (EndIfDependenciesFailed()) return true;
  // What is paused or has a start time of its own only waits for less.
  if (record_.hold == HoldReason::kDependency) OfferOrWait("DEPENDENCY_ENDED");
  return true;
}

bool Life::EndIfDependenciesFailed() {
  const std::vector<Awaited>& awaits = record_.awaits;
  const auto failed = std::find_if(awaits.begin(), awaits.end(), [](const Awaited& awaited) { return awaited.failed; });
  if (failed == awaits.end()) return false;
  const bool open = std::any_of(awaits.begin(), awaits.end(),
                                [](const Awaited& awaited) { return !awaited.failed && !awaited.any_end; });
  if (open && record_.policy.dependency_rule == DependencyRule::kAny) return false;
  Failure failure{.reason = "DEPENDENCY_FAILED",
                  .message = absl::StrCat("task ", failed->task.ToString(), ", which it was to wait for, failed")};
  const bool cancel = record_.policy.on_dependency_failure == OnDependencyFailure::kCancel;
  End(cancel ? TaskState::kCancelled : TaskState::kDeadLetter, "DEPENDENCY_FAILED", std::move(failure));
  return true;
}

void Life::OfferOrWait(std::string_view cause) {
  std::erase_if(record_.awaits, [this](const Awaited& awaited) { return !awaited.failed && awaited.until <= now_; });
  if (EndIfDependenciesFailed()) return;
  if (record_.awaits.empty()) return Offer(cause);
  HoldFor(HoldReason::kDependency, WaitsUntil(), cause, WaitText());
}

absl::Time Life::WaitsUntil() const {
  absl::Time until = absl::InfiniteFuture();
  for (const Awaited& awaited : record_.awaits) {
    if (!awaited.failed) until = std::min(until, awaited.until);
  }
  return until;
}

}  // namespace switchyard::task_queue

#include "services/task_queue/task.h"

namespace switchyard::task_queue {

int ShardOf(const TaskId& id) { return id.uuid().bytes()[15] % kShardCount; }

Stage StageOf(TaskState state, HoldReason hold) {
  switch (state) {
    case TaskState::kQueued:
      return hold == HoldReason::kNone ? Stage::kReady : Stage::kHeld;
    case TaskState::kAssigned:
    case TaskState::kRunning:
      return Stage::kRunning;
    case TaskState::kVerifying:
      return Stage::kJudging;
    case TaskState::kDeadLetter:
      return Stage::kDead;
    default:
      return Stage::kDone;
  }
}

bool IsFinal(TaskState state) { return StageOf(state, HoldReason::kNone) == Stage::kDone; }

Standing StandingOf(TaskState state) {
  if (state == TaskState::kSucceeded || state == TaskState::kPartial) return Standing::kSucceeded;
  return IsFinal(state) || state == TaskState::kDeadLetter ? Standing::kFailed : Standing::kLive;
}

bool IsTransitionLegal(TaskState from, TaskState to) {
  using enum TaskState;
  switch (from) {
    case kQueued:
      return to == kQueued || to == kAssigned || to == kCancelled || to == kExpired || to == kDeadLetter;
    case kAssigned:
      return to == kAssigned || to == kRunning || to == kQueued || to == kVerifying || to == kSucceeded ||
             to == kDeadLetter || to == kCancelled || to == kExpired;
    case kRunning:
      return to == kRunning || to == kQueued || to == kVerifying || to == kSucceeded || to == kDeadLetter ||
             to == kCancelled || to == kExpired;
    case kVerifying:
      return to == kVerifying || to == kSucceeded || to == kPartial || to == kQueued || to == kDeadLetter ||
             to == kCancelled || to == kExpired;
    case kDeadLetter:
      return to == kQueued || to == kDiscarded;
    default:
      return false;
  }
}

}  // namespace switchyard::task_queue

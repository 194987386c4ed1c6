#include "tests/sim/invariant.h"

namespace switchyard::sim {

bool IsSettled(const task_queue::TaskRecord& record) {
  return task_queue::IsFinal(record.state) || record.state == task_queue::TaskState::kDeadLetter;
}

std::string NameOf(task_queue::TaskState state) {
  using enum task_queue::TaskState;
  switch (state) {
    case kQueued:
      return "QUEUED";
    case kAssigned:
      return "ASSIGNED";
    case kRunning:
      return "RUNNING";
    case kVerifying:
      return "VERIFYING";
    case kSucceeded:
      return "SUCCEEDED";
    case kPartial:
      return "PARTIAL";
    case kDeadLetter:
      return "DEAD_LETTER";
    case kCancelled:
      return "CANCELLED";
    case kExpired:
      return "EXPIRED";
    case kDiscarded:
      return "DISCARDED";
  }
  return "?";
}

std::string Describe(const task_queue::TaskRecord& record) {
  std::string text = absl::StrCat("task ", record.id.ToString(), " (", NameOf(record.state));
  if (record.hold != task_queue::HoldReason::kNone) absl::StrAppend(&text, ", held");
  absl::StrAppend(&text, ", generation ", task_queue::ToInt(record.generation));
  if (!record.agent.empty()) absl::StrAppend(&text, ", agent ", record.agent);
  return absl::StrCat(text, ")");
}

std::vector<std::unique_ptr<Invariant>> AllInvariants() {
  std::vector<std::unique_ptr<Invariant>> all;
  all.push_back(MakeLegalTransitions());
  all.push_back(MakeGenerationsGrow());
  all.push_back(MakeCurrentGeneration());
  all.push_back(MakeOneFinalEvent());
  all.push_back(MakeAttemptsAndBackoff());
  all.push_back(MakeNoLostTask());
  all.push_back(MakeNoStarvation());
  all.push_back(MakeQuiescence());
  all.push_back(MakeFullCapacity());
  all.push_back(MakeOneExecution());
  all.push_back(MakeKeptReports());
  return all;
}

}  // namespace switchyard::sim

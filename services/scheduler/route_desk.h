#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "services/scheduler/route_source.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::scheduler {

// The ready tasks that need a route: which are to be asked about, which were given one and stand in line, which wait
// and why. A task for which there is no place for a while is handed back to the ledger with the reason, so that it
// shows there and costs nothing here. Bounded: what it has no room for is met again by the next pass. Not thread-safe.
class RouteDesk {
 public:
  static constexpr std::size_t kMaxTasks = 20'000;
  static constexpr std::size_t kMaxQuestions = 200;

  RouteDesk();

  // A ready task, as the feed or a page tells it.
  void Put(const TaskId& id, const task_queue::v1::ReadyTask& task);
  // Those to be asked about now, until the answer comes.
  std::vector<RouteQuestion> TakeQuestions();
  bool HasQuestions() const { return !to_ask_.empty(); }

  // It has a route: what to put into line. Null when it is not known any more.
  const task_queue::v1::ReadyTask* Routed(const TaskId& id);
  // It has none, or could not be reserved.
  void Wait(const TaskId& id, const RouteHold& hold, absl::Time now);
  // It was reserved, so the crowd moves on.
  void Placed(const TaskId& id);
  // It was assigned, or is not what it was.
  void Forget(const TaskId& id);
  void Clear();

  // Of those in line, forgets what is not there any more.
  void ForgetUnless(absl::FunctionRef<bool(const TaskId&)> in_line);
  // Has what waited long enough asked about again.
  void Upkeep(absl::Time now);
  // Holds for the ledger to keep, each told once and answered by HoldAnswered; at most 500.
  std::vector<task_queue::v1::Hold> TakeHolds(absl::Time now);
  // Kept, it is offered again when it ends; otherwise it is asked about again here.
  void HoldAnswered(const TaskId& id, bool kept, absl::Time now);

  // Why it is not in line, for people; nothing when it is, or is not known.
  std::optional<std::string> WhyNotInLine(const TaskId& id) const;
  std::size_t size() const { return tasks_.size(); }

 private:
  enum class State : std::int8_t { kToAsk, kAsked, kInLine, kWaiting, kCrowded, kHeld };
  struct Task {
    task_queue::v1::ReadyTask task;
    State state = State::kToAsk;
    std::string message;
    // It was one of the crowd when it was asked about last.
    bool crowded = false;
    // When waiting: asked about again at.
    absl::Time ask_at;
  };
  // By lane, then age.
  using Place = std::pair<int, TaskId>;

  void Enter(const TaskId& id, Task& task, State state);
  void Leave(const TaskId& id, const Task& task);
  void AskAgain(const TaskId& id);

  absl::flat_hash_map<TaskId, Task> tasks_;
  std::vector<TaskId> to_ask_;
  std::set<std::pair<absl::Time, TaskId>> waiting_;
  std::set<Place> crowded_;
  // How many of the crowd are asked about in a turn: more while all of them find a place.
  int turn_size_;
  int turn_asked_ = 0;
  int turn_placed_ = 0;
  // Where the last turn through the crowded ones ended.
  Place turn_;
  std::vector<TaskId> to_hold_;
  // How often the ledger was asked to hold a task, so that a long wait is looked at less and less often.
  absl::flat_hash_map<TaskId, int> patience_;
};

}  // namespace switchyard::scheduler

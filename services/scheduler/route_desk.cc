#include "services/scheduler/route_desk.h"

#include <algorithm>
#include <utility>

namespace switchyard::scheduler {
namespace {

// Looked at in each turn of those that wait for a free place: the front of the line, and some of the others, since what
// becomes free may not be what the front waits for.
constexpr int kFront = 4;
constexpr int kTurn = 4;
constexpr int kLongestTurn = 128;
// A wait longer than this is the ledger's to keep.
constexpr absl::Duration kShortWait = absl::Seconds(1);
constexpr absl::Duration kShortestHold = absl::Seconds(2);
constexpr absl::Duration kLongestHold = absl::Minutes(1);
constexpr std::size_t kMaxHolds = 500;
constexpr std::size_t kMaxPatience = 20'000;

void Set(absl::Time time, google::protobuf::Timestamp* out) {
  const std::int64_t micros = absl::ToUnixMicros(time);
  out->set_seconds(micros / 1'000'000);
  out->set_nanos(static_cast<std::int32_t>(micros % 1'000'000 * 1'000));
}

}  // namespace

RouteDesk::RouteDesk() : turn_size_(kFront) {}

void RouteDesk::Enter(const TaskId& id, Task& task, State state) {
  task.state = state;
  if (state == State::kWaiting) waiting_.emplace(task.ask_at, id);
  if (state == State::kCrowded) crowded_.emplace(task.task.lane(), id);
  if (state == State::kToAsk) to_ask_.push_back(id);
  if (state == State::kHeld) to_hold_.push_back(id);
}

void RouteDesk::Leave(const TaskId& id, const Task& task) {
  if (task.state == State::kWaiting) waiting_.erase({task.ask_at, id});
  if (task.state == State::kCrowded) crowded_.erase({task.task.lane(), id});
}

void RouteDesk::Put(const TaskId& id, const task_queue::v1::ReadyTask& task) {
  const auto found = tasks_.find(id);
  if (found != tasks_.end()) {
    // Of a newer assignment, or back from the ledger's hold: looked at anew.
    const bool news = found->second.task.generation() < task.generation() || found->second.state == State::kHeld ||
                      found->second.state == State::kInLine;
    Leave(id, found->second);
    found->second.task = task;
    Enter(id, found->second, news ? State::kToAsk : found->second.state);
    return;
  }
  if (tasks_.size() >= kMaxTasks) return;
  Task& added = tasks_[id];
  added.task = task;
  Enter(id, added, State::kToAsk);
}

std::vector<RouteQuestion> RouteDesk::TakeQuestions() {
  std::vector<RouteQuestion> questions;
  std::size_t looked_at = 0;
  for (; looked_at < to_ask_.size() && questions.size() < kMaxQuestions; ++looked_at) {
    const auto found = tasks_.find(to_ask_[looked_at]);
    if (found == tasks_.end() || found->second.state != State::kToAsk) continue;
    found->second.state = State::kAsked;
    const task_queue::v1::ReadyTask& task = found->second.task;
    questions.push_back({.task = found->first,
                         .generation = task.generation(),
                         .retried = task.retried(),
                         .pinned = !task.model_pin().model().empty() || !task.model_pin().endpoint().empty(),
                         .free_fallback = task.free_fallback()});
  }
  to_ask_.erase(to_ask_.begin(), to_ask_.begin() + static_cast<std::ptrdiff_t>(looked_at));
  return questions;
}

const task_queue::v1::ReadyTask* RouteDesk::Routed(const TaskId& id) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end() || found->second.state != State::kAsked) return nullptr;
  found->second.state = State::kInLine;
  return &found->second.task;
}

void RouteDesk::Wait(const TaskId& id, const RouteHold& hold, absl::Time now) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return;
  if (hold.gone) return Forget(id);
  Task& task = found->second;
  if (task.state != State::kAsked && task.state != State::kInLine) return;
  task.message = hold.message;
  if (hold.crowded) return Enter(id, task, State::kCrowded);
  absl::Duration wait = hold.retry_after;
  if (wait > kShortWait) {
    if (patience_.size() >= kMaxPatience) patience_.clear();
    const int holds = patience_[id]++;
    wait = std::clamp(wait * (1 << std::min(holds, 6)), kShortestHold, kLongestHold);
  }
  task.ask_at = now + wait;
  Enter(id, task, wait > kShortWait ? State::kHeld : State::kWaiting);
}

void RouteDesk::Placed(const TaskId& id) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end() || !std::exchange(found->second.crowded, false)) return;
  ++turn_placed_;
}

void RouteDesk::Forget(const TaskId& id) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return;
  Leave(id, found->second);
  tasks_.erase(found);
  patience_.erase(id);
}

void RouteDesk::Clear() {
  tasks_.clear();
  to_ask_.clear();
  waiting_.clear();
  crowded_.clear();
  to_hold_.clear();
  patience_.clear();
}

void RouteDesk::ForgetUnless(absl::FunctionRef<bool(const TaskId&)> in_line) {
  std::vector<TaskId> gone;
  for (const auto& [id, task] : tasks_) {
    if (task.state == State::kInLine && !in_line(id)) gone.push_back(id);
  }
  for (const TaskId& id : gone) Forget(id);
}

void RouteDesk::AskAgain(const TaskId& id) {
  Task& task = tasks_[id];
  Leave(id, task);
  Enter(id, task, State::kToAsk);
}

void RouteDesk::Upkeep(absl::Time now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) AskAgain(waiting_.begin()->second);
  std::vector<TaskId> next;
  if (turn_asked_ > 0 && turn_placed_ >= turn_asked_) {
    turn_size_ = std::min(turn_size_ * 2, kLongestTurn);
  } else if (turn_placed_ == 0) {
    turn_size_ = kFront;
  }
  turn_asked_ = turn_placed_ = 0;
  auto place = crowded_.begin();
  for (int i = 0; i < turn_size_ && place != crowded_.end(); ++i, ++place) next.push_back(place->second);
  if (place != crowded_.end()) {
    auto turn = crowded_.upper_bound(turn_);
    for (int i = 0; i < kTurn; ++i, ++turn) {
      if (turn == crowded_.end()) turn = crowded_.begin();
      turn_ = *turn;
      next.push_back(turn->second);
    }
  }
  std::sort(next.begin(), next.end());
  next.erase(std::unique(next.begin(), next.end()), next.end());
  turn_asked_ = static_cast<int>(next.size());
  for (const TaskId& id : next) {
    tasks_[id].crowded = true;
    AskAgain(id);
  }
}

std::vector<task_queue::v1::Hold> RouteDesk::TakeHolds(absl::Time now) {
  std::vector<task_queue::v1::Hold> holds;
  std::size_t looked_at = 0;
  for (; looked_at < to_hold_.size() && holds.size() < kMaxHolds; ++looked_at) {
    const auto found = tasks_.find(to_hold_[looked_at]);
    if (found == tasks_.end() || found->second.state != State::kHeld) continue;
    task_queue::v1::Hold& hold = holds.emplace_back();
    hold.set_task_id(found->first.ToString());
    hold.set_generation(found->second.task.generation());
    hold.set_reason(task_queue::v1::HOLD_REASON_NO_ROUTE);
    Set(std::max(found->second.ask_at, now), hold.mutable_until());
    hold.set_message(found->second.message);
  }
  to_hold_.erase(to_hold_.begin(), to_hold_.begin() + static_cast<std::ptrdiff_t>(looked_at));
  return holds;
}

void RouteDesk::HoldAnswered(const TaskId& id, bool kept, absl::Time now) {
  const auto found = tasks_.find(id);
  // Offered again meanwhile, it is another matter.
  if (found == tasks_.end() || found->second.state != State::kHeld) return;
  if (kept) {
    // Its patience is kept for when it comes back.
    tasks_.erase(found);
    return;
  }
  found->second.ask_at = now + kShortWait;
  Enter(id, found->second, State::kWaiting);
}

std::optional<std::string> RouteDesk::WhyNotInLine(const TaskId& id) const {
  const auto found = tasks_.find(id);
  if (found == tasks_.end() || found->second.state == State::kInLine) return std::nullopt;
  if (found->second.message.empty()) return "Its route was asked for and is not known yet.";
  return found->second.message;
}

}  // namespace switchyard::scheduler

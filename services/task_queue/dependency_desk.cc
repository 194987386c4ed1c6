#include "services/task_queue/dependency_desk.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"

namespace switchyard::task_queue {
namespace {

// What does not fit is found by the sweep.
constexpr std::size_t kMostRemembered = 100'000;

void LogFailure(const TaskId& id, const absl::StatusOr<Executed>& answer) {
  // What does not fit now is told by the sweep.
  if (answer.ok() || absl::IsNotFound(answer.status()) || absl::IsResourceExhausted(answer.status())) return;
  LogWarning("a task could not be told that another one ended",
             {{"task_id", id.ToString()}, {"status", answer.status()}});
}

// Its newest, at most a page of them.
template <class Item>
std::vector<Item> Take(std::vector<Item>& items) {
  const auto count = static_cast<std::ptrdiff_t>(std::min<std::size_t>(items.size(), DependencyDesk::kPage));
  std::vector<Item> taken(items.end() - count, items.end());
  items.erase(items.end() - count, items.end());
  return taken;
}

}  // namespace

void DependencyDesk::SomebodyWaits() { heard_.fetch_add(1, std::memory_order_relaxed); }

void DependencyDesk::Committed(const TaskRecord& record) {
  const bool ended = StandingOf(record.state) != Standing::kLive;
  if (record.awaits.empty() && (!ended || none_since_.load() == heard_.load())) return;
  // Only when it is new: what a later change leaves open was looked at before.
  const bool begins = !record.awaits.empty() && record.revision == 1;
  if (!begins && !ended) return;
  if (begins) SomebodyWaits();
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = ended_.empty() && waiting_.empty();
    if (ended && ended_.size() < kMostRemembered) ended_.push_back(record.id);
    for (const Awaited& awaited : record.awaits) {
      if (begins && !awaited.failed && waiting_.size() < kMostRemembered) waiting_.push_back({record.id, awaited.task});
    }
  }
  if (first) wake_();
}

absl::StatusOr<int> DependencyDesk::Tick() {
  told_ = 0;
  behind_ = false;
  std::vector<TaskId> ended;
  std::vector<Wait> waiting;
  {
    MutexLock lock(mutex_);
    ended = Take(ended_);
    waiting = Take(waiting_);
    behind_ = !ended_.empty() || !waiting_.empty();
  }
  // What fails here is left to the sweep.
  SY_RETURN_IF_ERROR(LookAfter(ended));
  SY_RETURN_IF_ERROR(Tell(std::move(waiting)));
  if (clock_.Now() >= sweep_at_) SY_RETURN_IF_ERROR(Sweep());
  return told_;
}

absl::Status DependencyDesk::LookAfter(const std::vector<TaskId>& ended) {
  if (ended.empty()) return absl::OkStatus();
  Wait after;
  for (;;) {
    SY_ASSIGN_OR_RETURN(const std::vector<Wait> waits, store_.WaitsFor(ended, after, kPage));
    if (waits.empty()) return absl::OkStatus();
    after = waits.back();
    SY_RETURN_IF_ERROR(Tell(waits));
    if (waits.size() < kPage) return absl::OkStatus();
  }
}

absl::Status DependencyDesk::Sweep() {
  if (swept_to_ == Wait()) {
    found_ = false;
    heard_before_round_ = heard_.load();
  }
  SY_ASSIGN_OR_RETURN(const std::vector<Wait> waits, store_.ScanWaits(swept_to_, kPage));
  found_ = found_ || !waits.empty();
  sweep_at_ = clock_.Now() + kSweepPeriod;
  if (waits.size() < kPage) {
    swept_to_ = Wait();
    if (found_) {
      SomebodyWaits();
    } else {
      // News since the round began stand against it.
      none_since_.store(heard_before_round_);
    }
  } else {
    swept_to_ = waits.back();
  }
  return Tell(waits);
}

absl::Status DependencyDesk::Tell(std::vector<Wait> waits) {
  if (waits.empty()) return absl::OkStatus();
  std::vector<TaskId> awaited;
  for (const Wait& wait : waits) awaited.push_back(wait.awaited);
  std::sort(awaited.begin(), awaited.end());
  awaited.erase(std::unique(awaited.begin(), awaited.end()), awaited.end());
  std::vector<Standing> standings;
  SY_RETURN_IF_ERROR(store_.RunBatch([&](TaskBatch& batch) -> absl::Status {
    SY_ASSIGN_OR_RETURN(standings, batch.Standings(awaited));
    return absl::OkStatus();
  }));
  std::map<TaskId, std::vector<EndedTask>> news;
  for (const Wait& wait : waits) {
    const auto index = std::lower_bound(awaited.begin(), awaited.end(), wait.awaited) - awaited.begin();
    const Standing standing = standings[static_cast<std::size_t>(index)];
    if (standing == Standing::kLive) continue;
    // One that is stored no more ended long ago, nobody knows how: it cannot be counted upon.
    news[wait.task].push_back({wait.awaited, standing == Standing::kSucceeded});
  }
  for (auto& [task, ended] : news) {
    ++told_;
    lanes_.Execute({task, DependenciesEnded{std::move(ended)}},
                   [id = task](const absl::StatusOr<Executed>& answer) { LogFailure(id, answer); });
  }
  return absl::OkStatus();
}

}  // namespace switchyard::task_queue

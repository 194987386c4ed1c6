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

// Another replica's clock may be behind, and a batch commits some time after its ids were made.
constexpr absl::Duration kSlack = absl::Minutes(1);

// Asked again later, the same may be answered.
bool Passes(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsAborted(status);
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
  const bool sweeps = clock_.Now() >= sweep_at_;
  bool left = false;
  {
    MutexLock lock(mutex_);
    awaits_room_ = false;
    if (looked_after_.empty()) looked_after_ = Take(ended_);
    if (sweeps) {
      waiting_.insert(waiting_.end(), refused_.begin(), refused_.end());
      refused_.clear();
    }
    if (looked_for_.empty()) looked_for_ = Take(waiting_);
    left = !ended_.empty() || !waiting_.empty();
  }
  Send();
  // Neither may keep the others from their turn. The sweep is first: it takes but one page now and then, and the others
  // may have work without end.
  absl::Status status;
  if (sweeps && outbox_.empty()) status.Update(Sweep());
  status.Update(LookAfter());
  status.Update(LookFor());
  left = left || !outbox_.empty() || !looked_after_.empty() || !looked_for_.empty();
  if (!outbox_.empty()) {
    MutexLock lock(mutex_);
    awaits_room_ = in_flight_ > kMostInFlight / 2;
    left = !awaits_room_;
  }
  behind_ = left && status.ok();
  if (!status.ok()) return status;
  return told_;
}

absl::Status DependencyDesk::LookAfter() {
  while (!looked_after_.empty() && outbox_.empty()) {
    const absl::StatusOr<std::vector<Wait>> waits = store_.WaitsFor(looked_after_, looked_to_, kPage);
    const absl::Status status = waits.ok() ? Tell(*waits) : waits.status();
    if (Passes(status)) return status;
    // What is given up is left to the sweep.
    if (!status.ok() || waits->size() < kPage) {
      looked_after_.clear();
      looked_to_ = Wait();
    } else {
      looked_to_ = waits->back();
    }
    SY_RETURN_IF_ERROR(status);
    Send();
  }
  return absl::OkStatus();
}

absl::Status DependencyDesk::LookFor() {
  if (looked_for_.empty() || !outbox_.empty()) return absl::OkStatus();
  const absl::Status status = Tell(looked_for_);
  if (!Passes(status)) looked_for_.clear();
  Send();
  return status;
}

absl::Status DependencyDesk::Sweep() {
  const absl::Time now = clock_.Now();
  sweep_at_ = now + kSweepPeriod;
  const bool begins = swept_to_ == Wait();
  if (begins) {
    found_ = false;
    heard_before_round_ = heard_.load();
    full_ = now >= full_round_at_ || low_ == Wait();
    if (full_) {
      full_round_at_ = now + kFullRound;
      low_ = Wait();
    }
  }
  SY_ASSIGN_OR_RETURN(const std::vector<Wait> waits, store_.ScanWaits(begins ? low_ : swept_to_, kPage));
  const absl::Status status = Tell(waits);
  if (Passes(status)) return status;
  found_ = found_ || !waits.empty();
  // New tasks have later ids.
  if (begins && !waits.empty()) low_.task = TaskId(Uuid::LowestAt(waits.front().task.uuid().time() - kSlack));
  if (waits.size() == kPage) {
    swept_to_ = waits.back();
  } else {
    swept_to_ = Wait();
    if (found_) {
      SomebodyWaits();
    } else if (full_) {
      // News since the round began stand against it.
      none_since_.store(heard_before_round_);
    } else if (none_since_.load() != heard_.load()) {
      full_round_at_ = now;
    }
  }
  Send();
  return status;
}

absl::Status DependencyDesk::Tell(const std::vector<Wait>& waits) {
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
  for (auto& [task, ended] : news) outbox_.push_back({task, std::move(ended)});
  return absl::OkStatus();
}

void DependencyDesk::Send() {
  while (!outbox_.empty()) {
    {
      MutexLock lock(mutex_);
      if (in_flight_ >= kMostInFlight) return;
      ++in_flight_;
    }
    const News news = std::move(outbox_.front());
    outbox_.pop_front();
    ++told_;
    lanes_.Execute({news.task, DependenciesEnded{news.ended}}, [this, news](const absl::StatusOr<Executed>& answer) {
      Answered(news.task, news.ended, answer.status());
    });
  }
}

void DependencyDesk::Answered(const TaskId& task, const std::vector<EndedTask>& ended, const absl::Status& status) {
  bool room = false;
  {
    MutexLock lock(mutex_);
    --in_flight_;
    room = awaits_room_ && in_flight_ <= kMostInFlight / 2;
    if (room) awaits_room_ = false;
    for (const EndedTask& end : ended) {
      if (Passes(status) && refused_.size() < kMostRemembered) refused_.push_back({task, end.task});
    }
  }
  if (room) wake_();
  if (status.ok() || absl::IsNotFound(status) || Passes(status)) return;
  LogWarning("a task could not be told that another one ended", {{"task_id", task.ToString()}, {"status", status}});
}

}  // namespace switchyard::task_queue

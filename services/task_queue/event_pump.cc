#include "services/task_queue/event_pump.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"

namespace switchyard::task_queue {
namespace {

constexpr int kBatchesPerPage = 16;

bool IsReady(const TaskEvent& event) { return event.state == TaskState::kQueued && event.hold == HoldReason::kNone; }

// What has a start time besides says so by its message alone.
bool Waits(const TaskEvent& event) {
  return event.kind == EventKind::kSubmitted &&
         (event.hold == HoldReason::kDependency || (event.hold == HoldReason::kDelayed && !event.message.empty()));
}

int RankOf(const PublishedEvent& event) {
  return static_cast<int>(event.lane) * 2 + (event.event.generation != Generation{} ? 1 : 0);
}

// The agent did not end it itself, so it must be told.
bool IsWithdrawal(const TaskEvent& event) {
  if (event.agent.empty()) return false;
  if (event.kind != EventKind::kReturned && event.kind != EventKind::kFinished) return false;
  return event.cause == "ACCEPT_TIMEOUT" || event.cause == "RUN_TIMEOUT" || event.cause == "STUCK" ||
         event.cause == "AGENT_LOST" || event.cause == "COMPLETE_BY" || event.cause == "CANCEL_TIMEOUT";
}

}  // namespace

absl::Status EventPump::Begin() {
  SY_ASSIGN_OR_RETURN(const std::string incarnation, store_.Incarnation());
  SY_ASSIGN_OR_RETURN(position_, store_.EventsEnd());
  // Rows of another life may bear the same revisions.
  if (!incarnation_.empty()) cache_.Clear();
  hearers_.watchers.Begin(incarnation, position_);
  incarnation_ = incarnation;
  return absl::OkStatus();
}

absl::StatusOr<bool> EventPump::Tick() {
  if (incarnation_.empty()) SY_RETURN_IF_ERROR(Begin());
  SY_ASSIGN_OR_RETURN(const EventPage page, store_.ReadEvents(position_, kBatchesPerPage));
  if (page.incarnation != incarnation_) {
    LogWarning("the database began another life: watchers must list and watch anew",
               {{"before", incarnation_}, {"now", page.incarnation}});
    SY_RETURN_IF_ERROR(Begin());
    return true;
  }
  lag_nanos_.store(absl::ToInt64Nanoseconds(page.lag), std::memory_order_relaxed);
  std::vector<TaskId> foreign_ready;
  for (const EventBatch& batch : page.batches) {
    for (const PublishedEvent& event : batch.events) {
      // What this process committed is in its cache, or was there and has moved on.
      Hear(event, cache_.EraseOlder(event.task, event.event.ordinal), foreign_ready);
    }
  }
  if (!foreign_ready.empty() && hearers_.ready.readers() > 0) SY_RETURN_IF_ERROR(LearnReady(foreign_ready));
  hearers_.watchers.Publish(page.batches);
  if (!page.batches.empty()) position_ = page.batches.back().position;
  return page.batches.size() == kBatchesPerPage;
}

void EventPump::Hear(const PublishedEvent& published, bool foreign, std::vector<TaskId>& foreign_ready) {
  const TaskEvent& event = published.event;
  if (IsWithdrawal(event)) {
    hearers_.directives.Withdraw(published.task, event.generation, event.agent, event.cause);
  }
  if (Waits(event)) hearers_.dependencies.SomebodyWaits();
  if (!foreign) return;
  if (event.kind == EventKind::kEvidence) hearers_.verifying.Push(published.task, event.generation);
  if (!IsReady(event)) return;
  foreign_ready.push_back(published.task);
  if (event.kind != EventKind::kSubmitted) store_.Offered(published.task, RankOf(published));
}

absl::Status EventPump::LearnReady(const std::vector<TaskId>& ids) {
  std::vector<LoadedTask> records;
  SY_RETURN_IF_ERROR(store_.RunBatch([&](TaskBatch& batch) -> absl::Status {
    SY_ASSIGN_OR_RETURN(records, LoadEach(batch, ids));
    return absl::OkStatus();
  }));
  for (LoadedTask& record : records) {
    if (!record.ok()) LogError("a ready task cannot be offered", {{"status", record.status()}});
    if (!record.ok() || !record->has_value() || (*record)->stage() != Stage::kReady) continue;
    hearers_.ready.Push(**record);
    cache_.Put(std::make_shared<const TaskRecord>(**std::move(record)));
  }
  hearers_.ready.Flush();
  return absl::OkStatus();
}

}  // namespace switchyard::task_queue

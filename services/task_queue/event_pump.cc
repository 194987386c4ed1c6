#include "services/task_queue/event_pump.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "libs/base/status_macros.h"

namespace switchyard::task_queue {
namespace {

constexpr int kBatchesPerPage = 16;

bool IsReady(const TaskEvent& event) { return event.state == TaskState::kQueued && event.hold == HoldReason::kNone; }

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
  watchers_.Begin(incarnation, position_);
  begun_ = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> EventPump::Tick() {
  if (!begun_) SY_RETURN_IF_ERROR(Begin());
  SY_ASSIGN_OR_RETURN(EventPage page, store_.ReadEvents(position_, kBatchesPerPage));
  lag_ = page.lag;
  std::vector<TaskId> foreign_ready;
  for (const EventBatch& batch : page.batches) {
    for (const PublishedEvent& event : batch.events) {
      if (IsWithdrawal(event.event)) {
        directives_.Withdraw(event.task, event.event.generation, event.event.agent, event.event.cause);
      }
      // What this process committed is in its cache, or was there and has moved on.
      if (cache_.EraseOlder(event.task, event.event.ordinal) && IsReady(event.event)) {
        foreign_ready.push_back(event.task);
      }
    }
  }
  if (!foreign_ready.empty() && ready_.readers() > 0) SY_RETURN_IF_ERROR(LearnReady(foreign_ready));
  watchers_.Publish(page.batches);
  if (!page.batches.empty()) position_ = page.batches.back().position;
  return page.batches.size() == kBatchesPerPage;
}

absl::Status EventPump::LearnReady(const std::vector<TaskId>& ids) {
  std::vector<std::optional<TaskRecord>> records;
  SY_RETURN_IF_ERROR(store_.RunBatch([&](TaskBatch& batch) -> absl::Status {
    SY_ASSIGN_OR_RETURN(records, batch.Load(ids));
    return absl::OkStatus();
  }));
  for (std::optional<TaskRecord>& record : records) {
    if (!record.has_value() || record->stage() != Stage::kReady) continue;
    ready_.Push(*record);
    cache_.Put(std::make_shared<const TaskRecord>(*std::move(record)));
  }
  ready_.Flush();
  return absl::OkStatus();
}

}  // namespace switchyard::task_queue

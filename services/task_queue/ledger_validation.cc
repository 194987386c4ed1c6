#include "services/task_queue/ledger_validation.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "services/task_queue/field_checks.h"
#include "services/task_queue/task.h"

namespace switchyard::task_queue {
namespace {

constexpr std::size_t kRoutingBytes = 16 * kKibibyte;
constexpr std::size_t kMessageBytes = 4 * kKibibyte;
constexpr std::size_t kProgressBytes = 1 * kKibibyte;
constexpr std::size_t kReleaseReasonBytes = 1 * kKibibyte;
constexpr std::size_t kOutputBytes = 64 * kKibibyte;
constexpr std::size_t kEvidenceBytes = 256 * kKibibyte;
constexpr std::size_t kChecksBytes = 256 * kKibibyte;
constexpr std::size_t kStateSummaryBytes = 16 * kKibibyte;
constexpr int kMaxOutputs = 32;
constexpr int kMaxWindow = 10000;
constexpr absl::Duration kMaxRetryAfter = absl::Hours(1);

void CheckAgent(const FieldPath& path, const std::string& agent, FaultList& faults) {
  CheckFilledLine(path, agent, kIdentityBytes, faults);
}

void CheckFailure(const FieldPath& path, const v1::TaskFailure& failure, FaultList& faults) {
  CheckReason(path.Field("reason"), failure.reason(), faults);
  CheckText(path.Field("message"), failure.message(), kMessageBytes, faults);
}

void CheckUsage(const FieldPath& path, const v1::Usage& usage, FaultList& faults) {
  CheckLine(path.Field("model"), usage.model(), kIdentityBytes, faults);
  CheckLine(path.Field("provider"), usage.provider(), kIdentityBytes, faults);
  CheckLine(path.Field("endpoint"), usage.endpoint(), kIdentityBytes, faults);
  CheckNotNegative(path.Field("input_tokens"), usage.input_tokens(), faults);
  CheckNotNegative(path.Field("output_tokens"), usage.output_tokens(), faults);
  CheckNotNegative(path.Field("cost_micros"), usage.cost_micros(), faults);
  CheckNotNegative(path.Field("cached_input_tokens"), usage.cached_input_tokens(), faults);
  CheckNotNegative(path.Field("cache_write_tokens"), usage.cache_write_tokens(), faults);
  CheckLine(path.Field("assigned_model"), usage.assigned_model(), kIdentityBytes, faults);
  if (!usage.fallback_reason().empty()) CheckReason(path.Field("fallback_reason"), usage.fallback_reason(), faults);
  if (usage.has_first_token_time()) {
    CheckSpan(path.Field("first_token_time"), usage.first_token_time(), absl::InfiniteDuration(), faults);
  }
  if (usage.has_load_time()) {
    CheckSpan(path.Field("load_time"), usage.load_time(), absl::InfiniteDuration(), faults);
  }
  if (usage.has_generation_time()) {
    CheckSpan(path.Field("generation_time"), usage.generation_time(), absl::InfiniteDuration(), faults);
  }
}

void CheckResult(const FieldPath& path, const v1::TaskResult& result, FaultList& faults) {
  CheckText(path.Field("summary"), result.summary(), kMessageBytes, faults);
  CheckText(path.Field("output"), result.output(), kOutputBytes, faults);
  CheckBytes(path.Field("evidence"), result.evidence(), kEvidenceBytes, faults);
  CheckBytes(path.Field("checks"), result.checks(), kChecksBytes, faults);
  CheckText(path.Field("state_summary"), result.state_summary(), kStateSummaryBytes, faults);
  if (result.has_usage()) CheckUsage(path.Field("usage"), result.usage(), faults);
  const FieldPath outputs = path.Field("outputs");
  int left = CheckCount(outputs, result.outputs_size(), kMaxOutputs, faults);
  for (const auto& [key, value] : result.outputs()) {
    if (--left < 0) break;
    CheckFilledLine(outputs.Key(key), key, kNameBytes, faults);
    CheckText(outputs.Key(key), value, kMessageBytes, faults);
  }
}

void CheckReport(const FieldPath& path, const v1::FailedReport& failed, FaultList& faults) {
  CheckFailure(path.Field("failure"), failed.failure(), faults);
  if (failed.has_result()) CheckResult(path.Field("result"), failed.result(), faults);
}

void CheckReport(const FieldPath& path, const v1::RejectedReport& rejected, FaultList& faults) {
  if (!rejected.reason().empty()) CheckReason(path.Field("reason"), rejected.reason(), faults);
  CheckText(path.Field("message"), rejected.message(), kMessageBytes, faults);
}

void CheckReport(const FieldPath& path, const v1::BlockedReport& blocked, FaultList& faults) {
  CheckText(path.Field("question"), blocked.question(), kMessageBytes, faults);
  CheckLine(path.Field("reason"), blocked.reason(), kNameBytes, faults);
}

void CheckReport(const FieldPath& path, const v1::ProgressReport& progress, FaultList& faults) {
  if (progress.has_percent()) CheckNumber(path.Field("percent"), progress.percent(), 0, 100, faults);
  CheckText(path.Field("message"), progress.message(), kProgressBytes, faults);
}

void CheckReport(const FieldPath& path, const v1::ReleasedReport& released, FaultList& faults) {
  CheckText(path.Field("reason"), released.reason(), kReleaseReasonBytes, faults);
  if (released.has_retry_after()) {
    CheckSpan(path.Field("retry_after"), released.retry_after(), kMaxRetryAfter, faults);
  }
}

void CheckReport(const FieldPath& path, const v1::RouteChangedReport& changed, FaultList& faults) {
  CheckBytes(path.Field("routing"), changed.routing(), kRoutingBytes, faults);
  CheckReason(path.Field("cause"), changed.cause(), faults);
  CheckText(path.Field("message"), changed.message(), kReleaseReasonBytes, faults);
}

// Generations begin with 0, which only a task that nobody was given yet has.
void CheckTask(const FieldPath& path, const std::string& task_id, std::int64_t generation, std::int64_t first,
               FaultList& faults) {
  CheckId(path.Field("task_id"), task_id, faults);
  if (generation < first) faults.Add(path.Field("generation"), "at least ", first, ", got ", generation);
}

template <class Items>
Violations OneBatch(std::string_view field, const Items& items, int max) {
  FaultList faults;
  CheckFilledCount(FieldPath(field), items.size(), max, faults);
  return std::move(faults).Take();
}

}  // namespace

Violations Validate(const v1::WatchReadyRequest& request) {
  FaultList faults;
  const FieldPath shards("shards");
  const int count = CheckFilledCount(shards, request.shards_size(), kShardCount, faults);
  for (int i = 0; i < count; ++i) CheckNumber(shards.At(i), request.shards(i), 0, kShardCount - 1, faults);
  CheckNumber(FieldPath("window"), request.window(), 0, kMaxWindow, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::ReadReadyRequest& request) {
  FaultList faults;
  const FieldPath shards("shards");
  const int count = CheckFilledCount(shards, request.shards_size(), kShardCount, faults);
  for (int i = 0; i < count; ++i) CheckNumber(shards.At(i), request.shards(i), 0, kShardCount - 1, faults);
  const FieldPath cursors("cursors");
  const int lanes = CheckFilledCount(cursors, request.cursors_size(), kLaneCount, faults);
  for (int i = 0; i < lanes; ++i) {
    const v1::LaneCursor& cursor = request.cursors(i);
    CheckEnum(cursors.At(i).Field("lane"), cursor.lane(), v1::Lane_IsValid, false, faults);
    if (!cursor.after_task_id().empty()) CheckId(cursors.At(i).Field("after_task_id"), cursor.after_task_id(), faults);
  }
  CheckNumber(FieldPath("limit"), request.limit(), 1, kMaxWindow, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::DescribeTaskRequest& request) {
  FaultList faults;
  CheckId(FieldPath("task_id"), request.task_id(), faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::ReadTaskRequest& request) {
  FaultList faults;
  CheckId(FieldPath("task_id"), request.task_id(), faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::WatchDirectivesRequest& request) {
  FaultList faults;
  CheckLines(FieldPath("agent_ids"), request.agent_ids(), kMaxHeld, kIdentityBytes, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::AssignTasksRequest& request) {
  return OneBatch("assignments", request.assignments(), kMaxBatch);
}
Violations Validate(const v1::ReportTasksRequest& request) { return OneBatch("reports", request.reports(), kMaxBatch); }
Violations Validate(const v1::ReadVerifyingRequest& request) {
  FaultList faults;
  CheckTask(FieldPath(""), request.task_id(), request.generation(), 1, faults);
  return std::move(faults).Take();
}
Violations Validate(const v1::ConcludeTasksRequest& request) {
  return OneBatch("conclusions", request.conclusions(), kMaxBatch);
}
Violations Validate(const v1::HoldTasksRequest& request) { return OneBatch("holds", request.holds(), kMaxBatch); }

Violations Validate(const v1::ConfirmGenerationRequest& request) {
  FaultList faults;
  CheckTask(FieldPath(""), request.task_id(), request.generation(), 1, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::OpenSessionRequest& request) {
  FaultList faults;
  CheckAgent(FieldPath("agent_id"), request.agent_id(), faults);
  CheckAgent(FieldPath("hub_id"), request.hub_id(), faults);
  const FieldPath held("held");
  const int count = CheckCount(held, request.held_size(), kMaxHeld, faults);
  for (int i = 0; i < count; ++i) {
    CheckTask(held.At(i), request.held(i).task_id(), request.held(i).generation(), 1, faults);
  }
  if (request.connection() < 0) faults.Add(FieldPath("connection"), "must not be negative");
  return std::move(faults).Take();
}

Violations Validate(const v1::RenewSessionsRequest& request) {
  FaultList faults;
  const FieldPath sessions("sessions");
  const int count = CheckFilledCount(sessions, request.sessions_size(), kMaxHeld, faults);
  for (int i = 0; i < count; ++i) CheckAgent(sessions.At(i).Field("agent_id"), request.sessions(i).agent_id(), faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::ListAssignedRequest& request) {
  FaultList faults;
  CheckFilledCount(FieldPath("agent_ids"), request.agent_ids_size(), kMaxBatch, faults);
  CheckLines(FieldPath("agent_ids"), request.agent_ids(), std::numeric_limits<int>::max(), kIdentityBytes, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::AcquireShardsRequest& request) {
  FaultList faults;
  CheckAgent(FieldPath("owner_id"), request.owner_id(), faults);
  CheckNumber(FieldPath("want"), request.want(), 0, kShardCount, faults);
  return std::move(faults).Take();
}

void CheckItem(const v1::Assignment& item, FaultList& faults) {
  CheckTask(FieldPath(""), item.task_id(), item.generation(), 0, faults);
  CheckAgent(FieldPath("agent_id"), item.agent_id(), faults);
  CheckBytes(FieldPath("routing"), item.routing(), kRoutingBytes, faults);
  CheckText(FieldPath("route_summary"), item.route_summary(), kReleaseReasonBytes, faults);
}

void CheckItem(const v1::TaskReport& item, FaultList& faults) {
  CheckTask(FieldPath(""), item.task_id(), item.generation(), 1, faults);
  CheckAgent(FieldPath("agent_id"), item.agent_id(), faults);
  switch (item.report_case()) {
    case v1::TaskReport::kAccepted:
      return;
    case v1::TaskReport::kRejected:
      return CheckReport(FieldPath("rejected"), item.rejected(), faults);
    case v1::TaskReport::kPhase:
      return CheckEnum(FieldPath("phase.phase"), item.phase().phase(), v1::Phase_IsValid, false, faults);
    case v1::TaskReport::kBlocked:
      return CheckReport(FieldPath("blocked"), item.blocked(), faults);
    case v1::TaskReport::kProgress:
      return CheckReport(FieldPath("progress"), item.progress(), faults);
    case v1::TaskReport::kEvidence:
      return CheckResult(FieldPath("evidence.result"), item.evidence().result(), faults);
    case v1::TaskReport::kFailed:
      return CheckReport(FieldPath("failed"), item.failed(), faults);
    case v1::TaskReport::kReleased:
      return CheckReport(FieldPath("released"), item.released(), faults);
    case v1::TaskReport::kRouteChanged:
      return CheckReport(FieldPath("route_changed"), item.route_changed(), faults);
    case v1::TaskReport::REPORT_NOT_SET:
      faults.Add(FieldPath("report"), "must be a report that this server knows, got none");
  }
}

void CheckItem(const v1::Conclusion& item, FaultList& faults) {
  CheckTask(FieldPath(""), item.task_id(), item.generation(), 1, faults);
  CheckEnum(FieldPath("verdict"), item.verdict(), v1::Verdict_IsValid, false, faults);
  if (item.has_failure()) CheckFailure(FieldPath("failure"), item.failure(), faults);
  CheckText(FieldPath("message"), item.message(), kReleaseReasonBytes, faults);
}

void CheckItem(const v1::Hold& item, FaultList& faults) {
  CheckTask(FieldPath(""), item.task_id(), item.generation(), 0, faults);
  CheckEnum(FieldPath("reason"), item.reason(), v1::HoldReason_IsValid, false, faults);
  if (item.reason() == v1::HOLD_REASON_PAUSED) {
    faults.Add(FieldPath("reason"), "PAUSED is for people; use PauseQueue");
  }
  if (item.reason() == v1::HOLD_REASON_DEPENDENCY) {
    faults.Add(FieldPath("reason"), "DEPENDENCY follows from the task's specification");
  }
  if (item.has_until()) CheckTime(FieldPath("until"), item.until(), absl::InfiniteFuture(), faults);
  CheckText(FieldPath("message"), item.message(), kReleaseReasonBytes, faults);
}

}  // namespace switchyard::task_queue

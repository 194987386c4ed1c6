#include "services/task_queue/request_validation.h"

#include <utility>

#include "services/task_queue/field_checks.h"
#include "services/task_queue/proto_time.h"
#include "services/task_queue/spec_validation.h"

namespace switchyard::task_queue {
namespace {

constexpr std::size_t kRequestIdBytes = 128;
constexpr std::size_t kReasonBytes = 1 * kKibibyte;
constexpr std::size_t kAnswerBytes = 16 * kKibibyte;
constexpr std::size_t kTokenBytes = 1 * kKibibyte;
constexpr int kMaxValues = 100;

void CheckRequestId(const FieldPath& path, std::string_view request_id, FaultList& faults) {
  CheckLine(path, request_id, kRequestIdBytes, faults);
}

template <class Enum>
void CheckEnums(const FieldPath& path, const google::protobuf::RepeatedField<int>& values, bool (*is_valid)(int),
                FaultList& faults) {
  const int count = CheckCount(path, values.size(), kMaxValues, faults);
  for (int i = 0; i < count; ++i) CheckEnum(path.At(i), static_cast<Enum>(values[i]), is_valid, false, faults);
}

void CheckProjects(const FieldPath& path, const Texts& projects, FaultList& faults) {
  const int count = CheckCount(path, projects.size(), kMaxValues, faults);
  for (int i = 0; i < count; ++i) {
    if (projects.Get(i).empty()) faults.Add(path.At(i), "must not be empty");
    CheckProject(path.At(i), projects.Get(i), faults);
  }
}

void CheckFilter(const FieldPath& path, const v1::TaskFilter& filter, FaultList& faults) {
  CheckEnums<v1::TaskState>(path.Field("states"), filter.states(), v1::TaskState_IsValid, faults);
  CheckEnums<v1::Lane>(path.Field("lanes"), filter.lanes(), v1::Lane_IsValid, faults);
  CheckEnums<v1::HoldReason>(path.Field("hold_reasons"), filter.hold_reasons(), v1::HoldReason_IsValid, faults);
  CheckProjects(path.Field("projects"), filter.projects(), faults);
  CheckLines(path.Field("task_types"), filter.task_types(), kMaxValues, kNameBytes, faults);
  if (filter.has_create_time_from()) {
    CheckTime(path.Field("create_time_from"), filter.create_time_from(), absl::InfiniteFuture(), faults);
  }
  if (filter.has_create_time_to()) {
    CheckTime(path.Field("create_time_to"), filter.create_time_to(), absl::InfiniteFuture(), faults);
  }
  CheckText(path.Field("title_contains"), filter.title_contains(), kIdentityBytes, faults);
  CheckLine(path.Field("agent_id"), filter.agent_id(), kIdentityBytes, faults);
  CheckLine(path.Field("principal"), filter.principal(), kIdentityBytes, faults);
}

void CheckSelection(const FieldPath& path, bool given, const v1::TaskSelection& selection, FaultList& faults) {
  const bool by_ids = selection.task_ids_size() > 0;
  if (!given || by_ids == selection.has_filter()) {
    faults.Add(path, "needs task_ids or a filter, not both, got ", by_ids ? "both" : "neither");
  }
  CheckIds(path.Field("task_ids"), selection.task_ids(), kMaxSelectedIds, faults);
  if (!selection.has_filter()) return;
  CheckFilter(path.Field("filter"), selection.filter(), faults);
  if (!selection.has_expected_count()) {
    faults.Add(path.Field("expected_count"), "must be set with a filter: how many tasks do you expect to match?");
  } else {
    CheckNumber(path.Field("expected_count"), selection.expected_count(), 0, kMaxSelected, faults);
  }
}

void CheckPage(int page_size, const std::string& page_token, FaultList& faults) {
  CheckNumber(FieldPath("page_size"), page_size, 0, kMaxPageSize, faults);
  CheckLine(FieldPath("page_token"), page_token, kTokenBytes, faults);
}

void CheckTarget(const FieldPath& path, const v1::QueueTarget& target, FaultList& faults) {
  switch (target.target_case()) {
    case v1::QueueTarget::kLane:
      return CheckEnum(path.Field("lane"), target.lane(), v1::Lane_IsValid, false, faults);
    case v1::QueueTarget::kProject:
      if (target.project().empty()) faults.Add(path.Field("project"), "must not be empty");
      return CheckProject(path.Field("project"), target.project(), faults);
    case v1::QueueTarget::kTaskId:
      return CheckId(path.Field("task_id"), target.task_id(), faults);
    case v1::QueueTarget::TARGET_NOT_SET:
      faults.Add(path, "one of lane, project and task_id must be set, got none");
  }
}

void CheckSubmission(const FieldPath& path, const v1::SubmitTaskRequest& request, absl::Time now, FaultList& faults) {
  CheckRequestId(path.Field("request_id"), request.request_id(), faults);
  if (request.has_spec()) {
    CheckSpec(path.Field("spec"), request.spec(), now, faults);
  } else {
    faults.Add(path.Field("spec"), "must be set");
  }
}

Violations OneId(const std::string& task_id) {
  FaultList faults;
  CheckId(FieldPath("task_id"), task_id, faults);
  return std::move(faults).Take();
}

}  // namespace

Violations ValidateRequestId(std::string_view request_id, std::string_view field) {
  FaultList faults;
  CheckRequestId(FieldPath(field), request_id, faults);
  return std::move(faults).Take();
}

Violations ValidateFilter(const v1::TaskFilter& filter, std::string_view prefix) {
  FaultList faults;
  CheckFilter(FieldPath(prefix), filter, faults);
  return std::move(faults).Take();
}

Violations ValidateSelection(const v1::TaskSelection& selection, std::string_view prefix) {
  FaultList faults;
  CheckSelection(FieldPath(prefix), true, selection, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::SubmitTaskRequest& request, absl::Time now) {
  FaultList faults;
  CheckSubmission(FieldPath(""), request, now, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::SubmitTasksRequest& request, absl::Time now) {
  FaultList faults;
  const FieldPath tasks("tasks");
  const int count = CheckFilledCount(tasks, request.tasks_size(), kMaxBatch, faults);
  for (int i = 0; i < count; ++i) CheckSubmission(tasks.At(i), request.tasks(i), now, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::GetTaskRequest& request) { return OneId(request.task_id()); }

Violations Validate(const v1::ListTaskEventsRequest& request) { return OneId(request.task_id()); }

Violations Validate(const v1::ListTasksRequest& request) {
  FaultList faults;
  CheckFilter(FieldPath("filter"), request.filter(), faults);
  CheckEnum(FieldPath("order"), request.order(), v1::ListOrder_IsValid, true, faults);
  CheckPage(request.page_size(), request.page_token(), faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::WatchTasksRequest& request) {
  FaultList faults;
  CheckIds(FieldPath("task_ids"), request.task_ids(), kMaxSelectedIds, faults);
  CheckProjects(FieldPath("projects"), request.projects(), faults);
  CheckLine(FieldPath("resume_token"), request.resume_token(), kTokenBytes, faults);
  CheckEnums<v1::EventKind>(FieldPath("kinds"), request.kinds(), v1::EventKind_IsValid, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::CancelTasksRequest& request) {
  FaultList faults;
  CheckSelection(FieldPath("selection"), request.has_selection(), request.selection(), faults);
  CheckText(FieldPath("reason"), request.reason(), kReasonBytes, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::RetryTasksRequest& request) {
  FaultList faults;
  CheckSelection(FieldPath("selection"), request.has_selection(), request.selection(), faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::DiscardDeadLettersRequest& request) {
  FaultList faults;
  CheckSelection(FieldPath("selection"), request.has_selection(), request.selection(), faults);
  CheckText(FieldPath("reason"), request.reason(), kReasonBytes, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::PauseQueueRequest& request) {
  FaultList faults;
  CheckTarget(FieldPath("target"), request.target(), faults);
  CheckText(FieldPath("reason"), request.reason(), kReasonBytes, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::ResumeQueueRequest& request) {
  FaultList faults;
  CheckTarget(FieldPath("target"), request.target(), faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::AnswerTaskRequest& request) {
  FaultList faults;
  CheckId(FieldPath("task_id"), request.task_id(), faults);
  CheckFilledText(FieldPath("answer"), request.answer(), kAnswerBytes, faults);
  return std::move(faults).Take();
}

Violations Validate(const v1::ListDeadLettersRequest& request) {
  FaultList faults;
  CheckFilter(FieldPath("filter"), request.filter(), faults);
  CheckPage(request.page_size(), request.page_token(), faults);
  return std::move(faults).Take();
}

}  // namespace switchyard::task_queue

#include "services/task_queue/command_convert.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/task_queue/ledger_validation.h"
#include "services/task_queue/proto_time.h"

namespace switchyard::task_queue {
namespace {

// Checks the item and reads its id.
template <class Item>
absl::StatusOr<Command> Begin(const Item& item) {
  FaultList faults;
  CheckItem(item, faults);
  if (!faults.empty()) return InvalidFields(std::move(faults).Take());
  SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(item.task_id()));
  return Command{.id = id, .what = Due{}};
}

Failure ToFailure(const v1::TaskFailure& failure) { return {.reason = failure.reason(), .message = failure.message()}; }

// Into anything with `result`, `usage` and `model`.
template <class Outcome>
void Take(const v1::TaskResult& result, Outcome* out) {
  if (!result.has_usage()) {
    out->result = result.SerializeAsString();
    return;
  }
  v1::TaskResult rest = result;
  rest.clear_usage();
  out->result = rest.SerializeAsString();
  out->usage = result.usage().SerializeAsString();
  out->model = result.usage().model();
}

void Fill(const v1::TaskReport& item, Report* report) {
  switch (item.report_case()) {
    case v1::TaskReport::kAccepted:
      report->what = Accepted{};
      break;
    case v1::TaskReport::kRejected:
      report->what = Rejected{.failure = {.reason = item.rejected().reason(), .message = item.rejected().message()},
                              .permanent = item.rejected().permanent()};
      break;
    case v1::TaskReport::kPhase:
      report->what = PhaseChanged{.phase = static_cast<Phase>(item.phase().phase())};
      break;
    case v1::TaskReport::kBlocked:
      report->what = Blocked{.question = item.blocked().question(), .reason = item.blocked().reason()};
      break;
    case v1::TaskReport::kProgress:
      report->what = Progressed{.message = item.progress().has_percent() && item.progress().message().empty()
                                               ? absl::StrCat(item.progress().percent(), " %")
                                               : item.progress().message()};
      break;
    case v1::TaskReport::kEvidence:
      Take(item.evidence().result(), &report->what.emplace<Finished>());
      break;
    case v1::TaskReport::kFailed: {
      Failed& failed = report->what.emplace<Failed>();
      failed.failure = ToFailure(item.failed().failure());
      failed.permanent = item.failed().permanent();
      if (item.failed().has_result()) Take(item.failed().result(), &failed);
      break;
    }
    case v1::TaskReport::kReleased:
      report->what =
          Released{.reason = item.released().reason(),
                   .retry_after = item.released().has_retry_after() ? ToDuration(item.released().retry_after())
                                                                    : absl::ZeroDuration()};
      break;
    case v1::TaskReport::kRouteChanged:
      report->what = RouteChanged{.routing = item.route_changed().routing(),
                                  .cause = item.route_changed().cause(),
                                  .message = item.route_changed().message()};
      break;
    case v1::TaskReport::REPORT_NOT_SET:
      std::abort();  // Begin() refused it.
  }
}

template <class Enum>
std::vector<Enum> ToEnums(const google::protobuf::RepeatedField<int>& numbers) {
  std::vector<Enum> values;
  values.reserve(numbers.size());
  for (const int number : numbers) values.push_back(static_cast<Enum>(number));
  return values;
}

}  // namespace

absl::StatusOr<Command> ToCommand(const v1::Assignment& item) {
  SY_ASSIGN_OR_RETURN(Command command, Begin(item));
  command.what = Assign{.seen = Generation(item.generation()),
                        .agent = item.agent_id(),
                        .session_epoch = item.session_epoch(),
                        .shard_epoch = item.shard_epoch(),
                        .routing = item.routing(),
                        .route_summary = item.route_summary()};
  return command;
}

absl::StatusOr<Command> ToCommand(const v1::TaskReport& item) {
  SY_ASSIGN_OR_RETURN(Command command, Begin(item));
  Report& report = command.what.emplace<Report>();
  report.generation = Generation(item.generation());
  report.agent = item.agent_id();
  report.session_epoch = item.session_epoch();
  Fill(item, &report);
  return command;
}

absl::StatusOr<Command> ToCommand(const v1::Conclusion& item) {
  SY_ASSIGN_OR_RETURN(Command command, Begin(item));
  command.what = Conclude{.generation = Generation(item.generation()),
                          .verdict = static_cast<Verdict>(item.verdict()),
                          .failure = ToFailure(item.failure()),
                          .message = item.message(),
                          .permanent = item.permanent()};
  return command;
}

absl::StatusOr<Command> ToCommand(const v1::Hold& item) {
  SY_ASSIGN_OR_RETURN(Command command, Begin(item));
  command.what = Hold{.generation = Generation(item.generation()),
                      .reason = static_cast<HoldReason>(item.reason()),
                      .until = item.has_until() ? ToTime(item.until()) : absl::InfiniteFuture(),
                      .message = item.message()};
  return command;
}

TaskFilter ToFilter(const v1::TaskFilter& filter) {
  TaskFilter out;
  out.states = ToEnums<TaskState>(filter.states());
  out.lanes = ToEnums<Lane>(filter.lanes());
  out.holds = ToEnums<HoldReason>(filter.hold_reasons());
  out.projects.assign(filter.projects().begin(), filter.projects().end());
  out.task_types.assign(filter.task_types().begin(), filter.task_types().end());
  if (filter.has_create_time_from()) out.create_from = ToTime(filter.create_time_from());
  if (filter.has_create_time_to()) out.create_to = ToTime(filter.create_time_to());
  out.title_contains = filter.title_contains();
  out.agent = filter.agent_id();
  out.principal = filter.principal();
  return out;
}

void ToProto(const TaskFilter& filter, v1::TaskFilter* out) {
  out->Clear();
  for (const TaskState state : filter.states) out->add_states(static_cast<v1::TaskState>(state));
  for (const Lane lane : filter.lanes) out->add_lanes(static_cast<v1::Lane>(lane));
  for (const HoldReason hold : filter.holds) out->add_hold_reasons(static_cast<v1::HoldReason>(hold));
  for (const std::string& project : filter.projects) out->add_projects(project);
  for (const std::string& type : filter.task_types) out->add_task_types(type);
  if (IsFinite(filter.create_from)) Set(filter.create_from, out->mutable_create_time_from());
  if (IsFinite(filter.create_to)) Set(filter.create_to, out->mutable_create_time_to());
  out->set_title_contains(filter.title_contains);
  out->set_agent_id(filter.agent);
  out->set_principal(filter.principal);
}

absl::StatusOr<PauseEntry> ToPauseEntry(const v1::QueueTarget& target, std::string_view reason,
                                        std::string_view principal, absl::Time now) {
  PauseEntry entry{.reason = std::string(reason), .principal = std::string(principal), .create_time = now};
  if (target.has_lane()) {
    entry.kind = PauseEntry::Kind::kLane;
    entry.key = absl::StrCat(static_cast<int>(target.lane()));
  } else if (target.has_project()) {
    entry.kind = PauseEntry::Kind::kProject;
    entry.key = target.project();
  } else {
    return InvalidFields({{.field = "target", .description = "must be a lane or a project"}});
  }
  return entry;
}

void ToProto(const absl::Status& status, v1::ItemError* out) {
  if (status.ok()) return;
  const std::string reason = ReasonOf(status);
  out->set_code(static_cast<int>(status.code()));
  out->set_reason(reason.empty() ? "INTERNAL" : reason);
  out->set_message(std::string(ToStd(status.message())));
}

}  // namespace switchyard::task_queue

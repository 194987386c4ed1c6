#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "tools/yard/agent_names.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/event_stream.h"
#include "tools/yard/follow.h"
#include "tools/yard/paging.h"
#include "tools/yard/spec_flags.h"
#include "tools/yard/task_card.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

template <class Response>
void ShowTasks(Session& session, const Response& all, Table table) {
  Answer answer;
  answer.table = std::move(table);
  answer.whole = ToJson(all);
  if (!answer.whole.contains("tasks")) answer.whole["tasks"] = Json::array();
  for (const tq::Task& task : all.tasks()) {
    answer.items.push_back(ToJson(task));
    answer.names.push_back(task.id());
  }
  session.Show(answer);
}

absl::Status ListTasksOnce(Session& session) {
  tq::ListTasksRequest request;
  *request.mutable_filter() = FilterFromFlags(session.invocation(), session.Now());
  if (session.invocation().Has("oldest-first")) request.set_order(tq::LIST_ORDER_OLDEST_FIRST);
  tq::ListTasksResponse all;
  SY_RETURN_IF_ERROR(ListPages(session, &TaskQueueStub::ListTasks, request, all));
  ShowTasks(session, all, TaskTable(all.tasks(), session.times()));
  RemarkMore(session, all.next_page_token());
  return absl::OkStatus();
}

void ShowEvent(Session& session, const tq::TaskEvent& event, bool with_task) {
  if (session.style().structured()) {
    session.host().out << JsonLine(ToJson(event)) << '\n';
  } else if (session.style().format == Format::kName) {
    session.host().out << OneLine(event.task_id()) << '\n';
  } else {
    session.host().out << EventLine(event, with_task, session.style());
  }
  session.host().out.flush();
}

absl::Status StreamAll(Session& session) {
  SY_ASSIGN_OR_RETURN(const absl::Duration limit, session.Timeout(absl::InfiniteDuration()));
  session.BeginWaiting();
  // A stream that cannot connect would try for long; this says at once what is wrong.
  SY_RETURN_IF_ERROR(session.Call(&TaskQueueStub::GetQueueStats, {}).status());
  SY_ASSIGN_OR_RETURN(TaskQueueStub * stub, session.tasks());
  tq::WatchTasksRequest request;
  for (const std::string& project : session.invocation().All("project")) request.add_projects(project);
  EventStream stream(session.caller(), *stub, request);
  stream.Start();
  const absl::Time deadline = session.Now() + limit;
  bool down = false;
  while (session.Now() < deadline) {
    SY_ASSIGN_OR_RETURN(const EventStream::Batch batch,
                        stream.Next(std::min(deadline - session.Now(), absl::Seconds(1))));
    if (batch.gap) session.Remark("some events are gone; going on from now");
    if (batch.down > absl::ZeroDuration() && !down) session.Remark("connection lost; trying again");
    down = batch.down > absl::ZeroDuration();
    for (const tq::TaskEvent& event : batch.events) ShowEvent(session, event, true);
    if (batch.down > absl::Minutes(5)) {
      return LocalError(absl::StatusCode::kUnavailable, "SERVER_UNREACHABLE",
                        "the server stayed away for five minutes");
    }
  }
  return LocalError(absl::StatusCode::kDeadlineExceeded, "WAIT_TIMED_OUT", "stopped following after --timeout");
}

}  // namespace

absl::Status TaskList(Session& session) { return ListAgainAndAgain(session, ListTasksOnce); }

absl::Status TaskShow(Session& session) {
  const std::string& id = session.invocation().arguments[0];
  tq::GetTaskRequest request;
  request.set_task_id(id);
  SY_ASSIGN_OR_RETURN(const tq::GetTaskResponse found, session.Call(&TaskQueueStub::GetTask, request));
  Answer answer;
  answer.whole = ToJson(found.task());
  answer.names = {found.task().id()};
  tq::ListTaskEventsResponse events;
  if (!session.style().structured()) {
    tq::ListTaskEventsRequest timeline;
    timeline.set_task_id(id);
    // The card stands without the timeline.
    auto listed = session.Call(&TaskQueueStub::ListTaskEvents, timeline);
    if (listed.ok()) events = *std::move(listed);
  }
  AgentNames names(session);
  const AgentName name_of = [&names](const std::string& agent) { return names.Of(agent); };
  if (!session.style().structured()) {
    answer.card = TaskCard(found.task(), events.events(), session.times(), session.style(), name_of);
  }
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status TaskEvents(Session& session) {
  const Invocation& invocation = session.invocation();
  const bool follow = invocation.Has("follow");
  if (invocation.arguments.empty()) {
    if (follow) return StreamAll(session);
    return UsageError("MISSING_ARGUMENT", "missing TASK; without one, --follow streams the events of all tasks",
                      "yard task events --follow");
  }
  const std::string& id = invocation.arguments[0];
  if (follow) {
    FollowOptions options;
    options.on_event = [&session](const tq::TaskEvent& event) { ShowEvent(session, event, false); };
    SY_ASSIGN_OR_RETURN(const std::vector<tq::Task> tasks, FollowTasks(session, {id}, options));
    return VerdictOn(tasks);
  }
  tq::ListTaskEventsRequest request;
  request.set_task_id(id);
  SY_ASSIGN_OR_RETURN(const tq::ListTaskEventsResponse events, session.Call(&TaskQueueStub::ListTaskEvents, request));
  Answer answer;
  answer.table = EventTable(events.events(), session.times());
  answer.whole = ToJson(events);
  for (const tq::TaskEvent& event : events.events()) {
    answer.items.push_back(ToJson(event));
    answer.names.push_back(absl::StrCat(event.ordinal()));
  }
  session.Show(answer);
  if (events.omitted() > 0) session.Remark(absl::StrCat(events.omitted(), " events in the middle are not kept"));
  return absl::OkStatus();
}

absl::Status DeadLetterList(Session& session) {
  tq::ListDeadLettersRequest request;
  *request.mutable_filter() = FilterFromFlags(session.invocation(), session.Now());
  tq::ListDeadLettersResponse all;
  SY_RETURN_IF_ERROR(ListPages(session, &TaskQueueStub::ListDeadLetters, request, all));
  ShowTasks(session, all, DeadLetterTable(all.tasks(), session.times()));
  if (session.style().format == Format::kWide) {
    for (const auto& [model, count] : all.count_by_model()) {
      session.Remark(absl::StrCat(model.empty() ? "no model" : model, ": ", count));
    }
  }
  RemarkMore(session, all.next_page_token());
  return absl::OkStatus();
}

}  // namespace switchyard::yard

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/paging.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

absl::Status ListQueuesOnce(Session& session) {
  SY_ASSIGN_OR_RETURN(const tq::GetQueueStatsResponse stats, session.Call(&TaskQueueStub::GetQueueStats, {}));
  Answer answer;
  answer.table = LaneTable(stats);
  answer.whole = ToJson(stats);
  for (const tq::LaneStats& lane : stats.lanes()) {
    answer.items.push_back(ToJson(lane));
    answer.names.push_back(Text(lane.lane()));
  }
  session.Show(answer);
  const bool for_people = session.style().format == Format::kTable || session.style().format == Format::kWide;
  if (for_people) session.host().out << PauseLines(stats, session.times()) << std::flush;
  return absl::OkStatus();
}

absl::StatusOr<tq::QueueTarget> Target(const Invocation& invocation) {
  tq::QueueTarget target;
  int given = 0;
  if (!invocation.arguments.empty()) {
    target.set_lane(Parse<tq::Lane>(invocation.arguments[0]));
    ++given;
  }
  if (invocation.Has("lane")) {
    target.set_lane(Parse<tq::Lane>(invocation.Get("lane")));
    ++given;
  }
  if (invocation.Has("project")) {
    target.set_project(invocation.Get("project"));
    ++given;
  }
  if (invocation.Has("task")) {
    target.set_task_id(invocation.Get("task"));
    ++given;
  }
  if (given == 1) return target;
  return UsageError("BAD_COMBINATION", "say one of: a lane, --project NAME or --task ID",
                    absl::StrCat("yard ", ToAbsl(invocation.command->path), " --help"));
}

void ShowDone(Session& session, const tq::QueueTarget& target, std::string_view what, Json whole) {
  Answer answer;
  const std::string name = target.has_lane()      ? absl::StrCat("lane ", Text(target.lane()))
                           : target.has_project() ? absl::StrCat("project ", target.project())
                                                  : absl::StrCat("task ", target.task_id());
  answer.card = absl::StrCat(OneLine(name), " ", ToAbsl(what), "\n");
  answer.whole = std::move(whole);
  answer.whole["target"] = ToJson(target);
  answer.names = {name};
  session.Show(answer);
}

}  // namespace

absl::Status QueueList(Session& session) { return ListAgainAndAgain(session, ListQueuesOnce); }

absl::Status QueueShow(Session& session) {
  const tq::Lane wanted = Parse<tq::Lane>(session.invocation().arguments[0]);
  SY_ASSIGN_OR_RETURN(const tq::GetQueueStatsResponse stats, session.Call(&TaskQueueStub::GetQueueStats, {}));
  tq::GetQueueStatsResponse one;
  for (const tq::LaneStats& lane : stats.lanes()) {
    if (lane.lane() == wanted) *one.add_lanes() = lane;
  }
  if (one.lanes().empty()) {
    return LocalError(absl::StatusCode::kNotFound, "LANE_NOT_FOUND", "the server has no such lane", "yard queue list");
  }
  for (const tq::Pause& pause : stats.pauses()) {
    if (!pause.target().has_lane() || pause.target().lane() == wanted) *one.add_pauses() = pause;
  }
  *one.mutable_as_of() = stats.as_of();
  Answer answer;
  answer.table = LaneTable(one);
  if (session.style().format != Format::kPlain) {
    answer.card = absl::StrCat(RenderTable(answer.table, {.wide = true, .color = session.style().color}),
                               PauseLines(one, session.times()));
  }
  answer.whole = ToJson(one);
  answer.names = {Text(wanted)};
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status QueuePause(Session& session) {
  tq::PauseQueueRequest request;
  SY_ASSIGN_OR_RETURN(*request.mutable_target(), Target(session.invocation()));
  request.set_reason(session.invocation().Get("reason"));
  SY_RETURN_IF_ERROR(session.Call(&TaskQueueStub::PauseQueue, request).status());
  ShowDone(session, request.target(), "is paused; what runs goes on", Json{{"paused", true}});
  return absl::OkStatus();
}

absl::Status QueueResume(Session& session) {
  tq::ResumeQueueRequest request;
  SY_ASSIGN_OR_RETURN(*request.mutable_target(), Target(session.invocation()));
  SY_ASSIGN_OR_RETURN(const tq::ResumeQueueResponse answer, session.Call(&TaskQueueStub::ResumeQueue, request));
  ShowDone(session, request.target(), answer.was_paused() ? "is offered again" : "was not paused",
           Json{{"paused", false}, {"was_paused", answer.was_paused()}});
  return absl::OkStatus();
}

}  // namespace switchyard::yard

#include "tools/yard/task_view.h"

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "tools/yard/task_names.h"
#include "tools/yard/usage_text.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

std::string Age(const google::protobuf::Timestamp& time, const ViewTimes& times) {
  const absl::Time at = FromProto(time);
  if (at == absl::InfinitePast()) return "";
  return times.form == TimeForm::kIso ? IsoText(at) : SpanText(std::max(times.now - at, absl::ZeroDuration()));
}

std::string TargetText(const tq::QueueTarget& target) {
  switch (target.target_case()) {
    case tq::QueueTarget::kLane:
      return absl::StrCat("lane ", Text(target.lane()));
    case tq::QueueTarget::kProject:
      return absl::StrCat("project ", target.project());
    case tq::QueueTarget::kTaskId:
      return absl::StrCat("task ", target.task_id());
    default:
      return "everything";
  }
}

Tone EventTone(const tq::TaskEvent& event) {
  switch (event.kind()) {
    case tq::EVENT_KIND_FINISHED:
      return ToneOf(event.state());
    case tq::EVENT_KIND_RETURNED:
    case tq::EVENT_KIND_HELD:
    case tq::EVENT_KIND_BLOCKED:
    case tq::EVENT_KIND_ROUTE_CHANGED:
      return Tone::kWaiting;
    case tq::EVENT_KIND_ASSIGNED:
    case tq::EVENT_KIND_ACCEPTED:
      return Tone::kActive;
    default:
      return Tone::kNone;
  }
}

}  // namespace

Table TaskTable(const google::protobuf::RepeatedPtrField<tq::Task>& tasks, const ViewTimes& times) {
  Table table;
  table.empty_note = "No tasks.";
  table.columns = {{"ID"},
                   {"STATE"},
                   {"LANE"},
                   {"PROJECT"},
                   {.title = "AGE", .right = true},
                   {.title = "TRIES", .wide = true, .right = true},
                   {.title = "AGENT", .wide = true},
                   {.title = "TYPE", .wide = true},
                   {.title = "BY", .wide = true},
                   {"TITLE"}};
  for (const tq::Task& task : tasks) {
    table.rows.push_back({{task.id()},
                          {StateText(task), ToneOf(task.state())},
                          {Text(task.spec().lane())},
                          {task.spec().project()},
                          {Age(task.create_time(), times)},
                          {absl::StrCat(task.attempts())},
                          {task.agent_id()},
                          {task.spec().task_type()},
                          {task.principal()},
                          {TitleOf(task.spec())}});
  }
  return table;
}

Table DeadLetterTable(const google::protobuf::RepeatedPtrField<tq::Task>& tasks, const ViewTimes& times) {
  Table table;
  table.empty_note = "No dead letters.";
  table.columns = {{"ID"},
                   {"REASON"},
                   {.title = "TRIES", .right = true},
                   {"PROJECT"},
                   {.title = "SINCE", .right = true},
                   {.title = "MODEL", .wide = true},
                   {.title = "TYPE", .wide = true},
                   {.title = "MESSAGE", .wide = true},
                   {"TITLE"}};
  for (const tq::Task& task : tasks) {
    table.rows.push_back({{task.id()},
                          {task.failure().reason(), Tone::kBad},
                          {absl::StrCat(task.attempts())},
                          {task.spec().project()},
                          {Age(task.finish_time(), times)},
                          {ModelText(LastUsage(task))},
                          {task.spec().task_type()},
                          {task.failure().message()},
                          {TitleOf(task.spec())}});
  }
  return table;
}

std::string EventText(const tq::TaskEvent& event) {
  std::string text = Text(event.kind());
  const auto add = [&](std::string_view part) {
    if (!part.empty()) absl::StrAppend(&text, " ", ToAbsl(part));
  };
  if (event.kind() == tq::EVENT_KIND_FINISHED) add(Text(event.state()));
  if (event.kind() == tq::EVENT_KIND_PHASE) add(Text(event.phase()));
  if (event.kind() == tq::EVENT_KIND_HELD) add(Text(event.hold_reason()));
  if (!event.agent_id().empty()) add(absl::StrCat("on ", event.agent_id()));
  if (event.kind() == tq::EVENT_KIND_ASSIGNED) add(absl::StrCat("generation ", event.generation()));
  if (!event.cause().empty()) add(absl::StrCat("cause ", event.cause()));
  if (event.has_hold_until()) add(absl::StrCat("until ", IsoText(FromProto(event.hold_until()))));
  if (!event.message().empty()) absl::StrAppend(&text, ": ", event.message());
  return text;
}

Table EventTable(const google::protobuf::RepeatedPtrField<tq::TaskEvent>& events, const ViewTimes& times) {
  Table table;
  table.empty_note = "No events.";
  table.columns = {{.title = "#", .right = true}, {"TIME"}, {.title = "AFTER", .right = true}, {"EVENT"}};
  absl::Time former = absl::InfinitePast();
  for (const tq::TaskEvent& event : events) {
    const absl::Time at = FromProto(event.time());
    table.rows.push_back({{absl::StrCat(event.ordinal())},
                          {TimeText(at, times.now, times.form)},
                          {former == absl::InfinitePast() ? "" : SpanText(at - former)},
                          {EventText(event), EventTone(event)}});
    former = at;
  }
  return table;
}

Table LaneTable(const tq::GetQueueStatsResponse& stats) {
  Table table;
  table.empty_note = "No lanes.";
  table.columns = {{"LANE"},
                   {.title = "READY", .right = true},
                   {.title = "HELD", .right = true},
                   {.title = "RUNNING", .right = true},
                   {.title = "VERIFYING", .right = true},
                   {.title = "DEAD", .right = true},
                   {.title = "FINISHED", .right = true},
                   {.title = "OLDEST", .right = true},
                   {.title = "WEIGHT", .wide = true, .right = true},
                   {"STATUS"}};
  for (const tq::LaneStats& lane : stats.lanes()) {
    const absl::Duration oldest = FromProto(lane.oldest_ready_age());
    table.rows.push_back({{Text(lane.lane())},
                          {absl::StrCat(lane.ready())},
                          {absl::StrCat(lane.held())},
                          {absl::StrCat(lane.assigned_or_running())},
                          {absl::StrCat(lane.verifying())},
                          {absl::StrCat(lane.dead_letter()), lane.dead_letter() > 0 ? Tone::kBad : Tone::kNone},
                          {absl::StrCat(lane.finished())},
                          {oldest == absl::ZeroDuration() ? "" : SpanText(oldest)},
                          {absl::StrCat(lane.weight())},
                          {lane.paused() ? "paused" : "open", lane.paused() ? Tone::kWaiting : Tone::kGood}});
  }
  return table;
}

std::string PauseLines(const tq::GetQueueStatsResponse& stats, const ViewTimes& times) {
  std::string lines;
  for (const tq::Pause& pause : stats.pauses()) {
    absl::StrAppend(&lines, "paused: ", OneLine(TargetText(pause.target())));
    if (!pause.reason().empty()) absl::StrAppend(&lines, ", ", OneLine(pause.reason()));
    if (!pause.principal().empty()) absl::StrAppend(&lines, ", by ", OneLine(pause.principal()));
    const std::string when = TimeText(FromProto(pause.create_time()), times.now, times.form);
    absl::StrAppend(&lines, when.empty() ? "" : ", ", when, "\n");
  }
  return lines;
}

std::string EventLine(const tq::TaskEvent& event, bool with_task, const OutputStyle& style) {
  const absl::Time at = FromProto(event.time());
  const bool plain = style.format == Format::kPlain;
  const char* const between = plain ? "\t" : "  ";
  const bool iso = plain || style.times == TimeForm::kIso;
  // A stream is read while it happens, so a clock says more than an age.
  const std::string when = iso ? IsoText(at) : absl::FormatTime("%H:%M:%E3S", at, absl::LocalTimeZone());
  return absl::StrCat(Paint(when, Tone::kFaint, style.color), between,
                      with_task ? absl::StrCat(OneLine(event.task_id()), between) : "",
                      Paint(OneLine(EventText(event)), EventTone(event), style.color), "\n");
}

}  // namespace switchyard::yard

#include "tools/yard/task_card.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "libs/text/terminal.h"
#include "tools/yard/task_names.h"
#include "tools/yard/usage_text.h"
#include "tools/yard/verify_view.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

constexpr std::size_t kMaxStretches = 40;

void Line(std::string& card, std::string_view name, std::string_view value, Tone tone, bool color) {
  if (value.empty()) return;
  const std::string padded = absl::StrCat(ToAbsl(name), std::string(name.size() < 11 ? 11 - name.size() : 1, ' '));
  absl::StrAppend(&card, Paint(padded, Tone::kFaint, color), Paint(OneLine(value), tone, color), "\n");
}

std::string FailureText(const tq::TaskFailure& failure) {
  if (failure.reason().empty()) return failure.message();
  return failure.message().empty() ? failure.reason() : absl::StrCat(failure.reason(), ": ", failure.message());
}

void UsageLines(std::string& card, const tq::Usage& usage, bool color) {
  const std::vector<std::string> marks = Marks(usage);
  for (const std::string& mark : marks) Line(card, "ATTENTION", mark, Tone::kBad, color);
  const bool other = usage.model_mismatch() || (!usage.model().empty() && usage.assigned_model() != usage.model());
  Line(card, "model", usage.model().empty() ? usage.assigned_model() : usage.model(),
       usage.model_mismatch() ? Tone::kBad : Tone::kNone, color);
  if (other) Line(card, "assigned", usage.assigned_model(), Tone::kNone, color);
  Line(card, "endpoint",
       absl::StrCat(usage.endpoint(), usage.endpoint().empty() || usage.provider().empty() ? "" : ", ",
                    usage.provider()),
       Tone::kNone, color);
  Line(card, "tokens", TokensText(usage), Tone::kNone, color);
  Line(card, "cost", CostText(usage), usage.cost_unknown() ? Tone::kWaiting : Tone::kNone, color);
  Line(card, "model time", TimesText(usage), Tone::kNone, color);
}

// What the router said when it last had no place for it, or what it waits for.
std::string HoldText(const tq::Task& task, const google::protobuf::RepeatedPtrField<tq::TaskEvent>& events) {
  const tq::HoldReason hold = task.hold_reason();
  if (task.state() != tq::TASK_STATE_QUEUED) return "";
  if (hold != tq::HOLD_REASON_NO_ROUTE && hold != tq::HOLD_REASON_DEPENDENCY) return "";
  const auto held = std::find_if(events.rbegin(), events.rend(), [hold](const tq::TaskEvent& event) {
    return event.kind() == tq::EVENT_KIND_HELD || event.hold_reason() == hold;
  });
  return held == events.rend() || held->message().empty() ? "" : absl::StrCat(": ", held->message());
}

std::string DependenciesText(const tq::TaskSpec& spec) {
  std::string text;
  for (const tq::Dependency& dependency : spec.dependencies()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", dependency.task_id(), dependency.optional() ? " (optional)" : "");
  }
  return spec.dependency_rule() == tq::DEPENDENCY_RULE_ANY ? absl::StrCat("any of ", text) : text;
}

// What was said when the last route was taken.
std::string RouteText(const google::protobuf::RepeatedPtrField<tq::TaskEvent>& events) {
  std::string text;
  for (const tq::TaskEvent& event : events) {
    if (event.kind() == tq::EVENT_KIND_ASSIGNED || event.kind() == tq::EVENT_KIND_ROUTE_CHANGED) text = event.message();
  }
  return text;
}

std::string StretchName(const tq::TaskEvent& event) {
  if (event.state() == tq::TASK_STATE_QUEUED && event.hold_reason() > tq::HOLD_REASON_NONE) {
    return absl::StrCat("held: ", Text(event.hold_reason()));
  }
  if (event.state() == tq::TASK_STATE_RUNNING && event.phase() == tq::PHASE_BLOCKED) return "blocked";
  if (event.state() == tq::TASK_STATE_RUNNING && event.phase() == tq::PHASE_LOADING) return "loading";
  if (event.state() == tq::TASK_STATE_RUNNING && event.phase() == tq::PHASE_GENERATING) return "generating";
  return Text(event.state());
}

Tone StretchTone(std::string_view name) {
  if (name == "running" || name == "assigned" || name == "verifying" || name == "loading" || name == "generating") {
    return Tone::kActive;
  }
  if (name == "queued" || name == "blocked" || name.substr(0, 4) == "held") return Tone::kWaiting;
  return ToneOf(Parse<tq::TaskState>(name));
}

std::string StretchDetail(const tq::TaskEvent& event, const AgentName& name_of) {
  if (event.state() == tq::TASK_STATE_ASSIGNED || event.state() == tq::TASK_STATE_RUNNING) {
    const std::string agent = name_of(event.agent_id());
    if (event.kind() != tq::EVENT_KIND_ROUTE_CHANGED) return agent;
    return absl::StrCat(agent, ", ROUTE CHANGED (", event.cause(), "): ", event.message());
  }
  return event.cause();
}

// Whole milliseconds hide what an assignment takes.
std::string ShortSpan(absl::Duration span) {
  return span > absl::ZeroDuration() && span < absl::Milliseconds(1) ? "<1ms" : SpanText(span);
}

std::string HistoryTable(const tq::Task& task, const OutputStyle& style, const AgentName& name_of) {
  Table table;
  const bool models = std::any_of(task.history().begin(), task.history().end(),
                                  [](const tq::Attempt& attempt) { return UsedModel(attempt.usage()); });
  table.columns = {
      {.title = "GENERATION", .right = true}, {"OUTCOME"}, {"CHARGED"}, {"AGENT"}, {.title = "TOOK", .right = true}};
  if (models) {
    table.columns.push_back({.title = "MODEL"});
    table.columns.push_back({.title = "COST"});
  }
  table.columns.push_back({.title = "FAILURE"});
  for (const tq::Attempt& attempt : task.history()) {
    const absl::Time begin = FromProto(attempt.has_accept_time() ? attempt.accept_time() : attempt.assign_time());
    const absl::Time end = FromProto(attempt.finish_time());
    const bool timed = begin != absl::InfinitePast() && end != absl::InfinitePast();
    const bool good = attempt.outcome() == tq::ATTEMPT_OUTCOME_SUCCEEDED;
    table.rows.push_back({{absl::StrCat(attempt.generation())},
                          {Text(attempt.outcome()), good ? Tone::kGood : Tone::kBad},
                          {attempt.charged() ? "yes" : "no"},
                          {name_of(attempt.agent_id())},
                          {timed ? SpanText(end - begin) : ""}});
    if (models) {
      std::vector<std::string> text = Marks(attempt.usage());
      text.insert(text.begin(), ModelText(attempt.usage()));
      table.rows.back().push_back({absl::StrJoin(text, " "), text.size() > 1 ? Tone::kBad : Tone::kNone});
      table.rows.back().push_back({CostText(attempt.usage())});
    }
    table.rows.back().push_back({FailureText(attempt.failure())});
  }
  return RenderTable(table, {.wide = true, .color = style.color, .columns = style.columns});
}

void Section(std::string& card, std::string_view title, std::string_view body, bool color) {
  if (body.empty()) return;
  absl::StrAppend(&card, "\n", Paint(title, Tone::kFaint, color), "\n", ToAbsl(body));
  if (body.back() != '\n') card += '\n';
}

std::string MapText(const google::protobuf::Map<std::string, std::string>& map) {
  std::vector<std::string> pairs;
  for (const auto& [key, value] : map) pairs.push_back(absl::StrCat(key, "=", value));
  std::sort(pairs.begin(), pairs.end());
  return absl::StrJoin(pairs, " ");
}

}  // namespace

std::string WhyText(const tq::Task& task, const ViewTimes& times) {
  if (task.state() == tq::TASK_STATE_QUEUED) {
    std::string why;
    switch (task.hold_reason()) {
      case tq::HOLD_REASON_UNSPECIFIED:
      case tq::HOLD_REASON_NONE:
        return "ready; waits for a free agent";
      case tq::HOLD_REASON_DELAYED:
        why = "its start time has not come";
        break;
      case tq::HOLD_REASON_BACKOFF:
        why = "waits before its next attempt";
        break;
      case tq::HOLD_REASON_DEPENDENCY:
        why = "its dependencies have not ended";
        break;
      case tq::HOLD_REASON_PAUSED:
        why = "paused by a person; yard queue list says what is paused";
        break;
      case tq::HOLD_REASON_APPROVAL:
        why = "waits for an approval";
        break;
      case tq::HOLD_REASON_NO_ROUTE:
        why = "the router has no place for it";
        break;
      case tq::HOLD_REASON_NO_AGENT:
        why = "no agent offers what it needs";
        break;
      default:
        why = Text(task.hold_reason());
    }
    if (task.has_hold_until()) {
      absl::StrAppend(&why, "; until ", TimeText(FromProto(task.hold_until()), times.now, times.form));
    }
    if (!task.failure().reason().empty()) absl::StrAppend(&why, "; last failure ", FailureText(task.failure()));
    return why;
  }
  if (task.state() == tq::TASK_STATE_ASSIGNED)
    return absl::StrCat("offered to ", task.agent_id(), ", not accepted yet");
  if (task.state() == tq::TASK_STATE_RUNNING && !task.question().empty()) {
    return absl::StrCat("asks: ", task.question());
  }
  if (IsFailure(task.state())) return FailureText(task.failure());
  return "";
}

std::vector<Stretch> Stretches(const google::protobuf::RepeatedPtrField<tq::TaskEvent>& events, absl::Time now,
                               const AgentName& name_of) {
  std::vector<Stretch> stretches;
  bool over = false;
  for (const tq::TaskEvent& event : events) {
    if (event.state() == tq::TASK_STATE_UNSPECIFIED) continue;
    const absl::Time at = FromProto(event.time());
    const std::string name = StretchName(event);
    over = IsFinal(event.state());
    const bool begins = event.kind() == tq::EVENT_KIND_ASSIGNED || event.kind() == tq::EVENT_KIND_ROUTE_CHANGED;
    if (!stretches.empty() && stretches.back().name == name && !begins) continue;
    if (!stretches.empty()) stretches.back().end = at;
    stretches.push_back({.name = name, .begin = at, .end = at, .detail = StretchDetail(event, name_of)});
  }
  if (stretches.empty()) return stretches;
  if (over) {
    stretches.back().moment = true;
  } else {
    stretches.back().end = std::max(now, stretches.back().begin);
  }
  if (stretches.size() > kMaxStretches) stretches.erase(stretches.begin(), stretches.end() - kMaxStretches);
  return stretches;
}

std::string Waterfall(const std::vector<Stretch>& stretches, int width, bool color) {
  if (stretches.empty() || width < 4) return "";
  const absl::Time begin = stretches.front().begin;
  const absl::Duration whole = std::max(stretches.back().end - begin, absl::Microseconds(1));
  struct Row {
    std::string at;
    std::string took;
  };
  std::vector<Row> rows;
  std::size_t names = 0, ats = 0, tooks = 0;
  for (const Stretch& stretch : stretches) {
    rows.push_back({absl::StrCat("+", ShortSpan(stretch.begin - begin)),
                    stretch.moment ? "" : ShortSpan(stretch.end - stretch.begin)});
    names = std::max(names, stretch.name.size());
    ats = std::max(ats, rows.back().at.size());
    tooks = std::max(tooks, rows.back().took.size());
  }
  const auto space = [](std::size_t count) { return std::string(count, ' '); };
  std::string text;
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    const Stretch& stretch = stretches[i];
    const double from = absl::FDivDuration(stretch.begin - begin, whole) * width;
    const double to = absl::FDivDuration(stretch.end - begin, whole) * width;
    const int first = std::min(static_cast<int>(from), width - 1);
    const int length = std::clamp(static_cast<int>(std::lround(to)) - first, 1, width - first);
    std::string bar;
    for (int column = 0; column < length; ++column) bar += stretch.moment ? "▌" : "█";
    std::string line = absl::StrCat(
        "  ", stretch.name, space(names - stretch.name.size() + 2), space(ats - rows[i].at.size()), rows[i].at, "  ",
        space(static_cast<std::size_t>(first)), Paint(bar, StretchTone(stretch.name), color),
        space(static_cast<std::size_t>(width - first - length) + 2), space(tooks - rows[i].took.size()), rows[i].took,
        "  ", OneLine(stretch.detail));
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string TaskCard(const tq::Task& task, const google::protobuf::RepeatedPtrField<tq::TaskEvent>& events,
                     const ViewTimes& times, const OutputStyle& style, const AgentName& name_of) {
  const bool color = style.color;
  const tq::TaskSpec& spec = task.spec();
  std::string card;
  Line(card, "task", task.id(), Tone::kNone, color);
  Line(card, "title", TitleOf(spec), Tone::kNone, color);
  Line(card, "state", StateText(task), ToneOf(task.state()), color);
  Line(card, "why", absl::StrCat(WhyText(task, times), HoldText(task, events)), Tone::kNone, color);
  const std::string agent = name_of(task.agent_id());
  Line(card, "agent", agent == task.agent_id() ? agent : absl::StrCat(agent, " (", task.agent_id(), ")"), Tone::kNone,
       color);
  Line(card, "lane", Text(spec.lane()), Tone::kNone, color);
  Line(card, "project", spec.project(), Tone::kNone, color);
  Line(card, "type", spec.task_type(), Tone::kNone, color);
  Line(card, "submitted", TimeText(FromProto(task.create_time()), times.now, times.form), Tone::kNone, color);
  Line(card, "by", task.principal(), Tone::kNone, color);
  Line(card, "finished", TimeText(FromProto(task.finish_time()), times.now, times.form), Tone::kNone, color);
  Line(card, "attempts",
       absl::StrCat(
           task.attempts(),
           spec.retry_policy().max_attempts() > 0 ? absl::StrCat(" of ", spec.retry_policy().max_attempts()) : "",
           task.losses() > 0 ? absl::StrCat(", and ", task.losses(), " not charged") : ""),
       Tone::kNone, color);
  Line(card, "generation", absl::StrCat(task.generation()), Tone::kNone, color);
  Line(card, "command", absl::StrJoin(spec.command().argv(), " "), Tone::kNone, color);
  Line(card, "repository", spec.context().repository(), Tone::kNone, color);
  Line(card, "depends on", DependenciesText(spec), Tone::kNone, color);
  Line(card, "continues", spec.continues_task_id(), Tone::kNone, color);
  Line(card, "metadata", MapText(spec.metadata()), Tone::kNone, color);
  if (task.has_result()) {
    if (spec.has_command()) Line(card, "exit code", absl::StrCat(task.result().exit_code()), Tone::kNone, color);
    Line(card, "summary", task.result().summary(), Tone::kNone, color);
    Line(card, "outputs", MapText(task.result().outputs()), Tone::kNone, color);
  }
  Line(card, "role", spec.role(), Tone::kNone, color);
  if (!spec.has_command()) Line(card, "route", RouteText(events), Tone::kNone, color);
  UsageLines(card, LastUsage(task), color);
  card += ReportSections(task.result(), style);
  if (!task.history().empty()) Section(card, "attempts so far", HistoryTable(task, style, name_of), color);
  const int room = std::clamp((style.columns == 0 ? 100 : style.columns) - 56, 20, 60);
  Section(card, "where the time went", Waterfall(Stretches(events, times.now, name_of), room, color), color);
  Section(card, "output", text::EscapeForTerminal(task.result().output()), color);
  return card;
}

}  // namespace switchyard::yard

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace sc = scheduler::v1;
namespace tq = task_queue::v1;

void Line(std::string& card, std::string_view name, std::string_view text, Tone tone, bool color) {
  if (text.empty()) return;
  absl::StrAppend(&card, Paint(absl::StrCat(ToAbsl(name), std::string(14 - name.size(), ' ')), Tone::kFaint, color),
                  Paint(OneLine(text), tone, color), "\n");
}

Tone ToneOf(sc::RuledOut verdict) {
  return verdict == sc::RULED_OUT_NOT ? Tone::kGood : verdict == sc::RULED_OUT_BUSY ? Tone::kActive : Tone::kWaiting;
}

Table AgentTable(const sc::ExplainTaskResponse& why) {
  Table table;
  table.columns = {{"AGENT"}, {"VERDICT"}, {"FREE", false, true}, {"DETAIL"}, {"ID", true}};
  for (const sc::AgentVerdict& agent : why.agents()) {
    const bool free = agent.ruled_out() == sc::RULED_OUT_NOT;
    table.rows.push_back(
        {Cell(agent.name().empty() ? agent.agent_id() : agent.name()),
         Cell(free ? std::string("could take it") : Text(agent.ruled_out()), ToneOf(agent.ruled_out())),
         Cell(absl::StrCat(agent.free_credits(), "/", agent.slots())), Cell(agent.detail()), Cell(agent.agent_id())});
  }
  return table;
}

std::string Needs(const sc::ExplainTaskResponse& why) {
  std::string text = absl::StrJoin(why.required_capabilities(), ", ");
  for (const std::string& feature : why.required_features()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", "feature ", feature);
  }
  return text;
}

std::string Card(const sc::ExplainTaskResponse& why, std::string_view last_words, const ViewTimes& times,
                 const OutputStyle& style) {
  const bool color = style.color;
  std::string card;
  Line(card, "task", why.task_id(), Tone::kNone, color);
  Line(card, "state", Text(why.state()), yard::ToneOf(why.state()), color);
  const bool waits = why.reason() != sc::WAIT_REASON_NOT_WAITING;
  if (waits) Line(card, "waits for", Text(why.reason()), Tone::kWaiting, color);
  Line(card, "why", why.explanation(), Tone::kNone, color);
  Line(card, "it was said", last_words, Tone::kNone, color);
  if (why.has_until()) Line(card, "until", TimeText(FromProto(why.until()), times.now, times.form), Tone::kNone, color);
  if (!waits) return card;
  Line(card, "needs", Needs(why), Tone::kNone, color);
  Line(card, "nobody has",
       absl::StrCat(absl::StrJoin(why.missing_capabilities(), ", "),
                    why.missing_capabilities().empty() || why.missing_features().empty() ? "" : ", ",
                    absl::StrJoin(why.missing_features(), ", ")),
       Tone::kBad, color);
  if (why.ahead_in_lane() >= 0) {
    Line(card, "in line", absl::StrCat(why.ahead_in_lane(), " before it in lane ", Text(why.lane())), Tone::kNone,
         color);
  }
  Line(card, "agents",
       absl::StrCat(why.agents_connected(), " connected, ", why.agents_fitting(), " fit, ", why.agents_available(),
                    " available, ", why.agents_free(), " free"),
       Tone::kNone, color);
  for (const std::string& hub : why.silent_hubs()) Line(card, "silent hub", hub, Tone::kBad, color);
  if (!why.agents().empty()) {
    absl::StrAppend(&card, "\n",
                    RenderTable(AgentTable(why),
                                {.wide = style.format == Format::kWide, .color = color, .columns = style.columns}));
  }
  return card;
}

// With what words it was held, or handed back, last; the scheduler only knows that it was.
std::string LastWords(Session& session, const sc::ExplainTaskResponse& why) {
  if (why.reason() != sc::WAIT_REASON_NO_ROUTE && why.reason() != sc::WAIT_REASON_BACKOFF) return "";
  tq::ListTaskEventsRequest request;
  request.set_task_id(why.task_id());
  const auto events = session.Call(&TaskQueueStub::ListTaskEvents, request, Repeat::kNever, absl::Seconds(3));
  if (!events.ok()) return "";
  std::string text;
  for (const tq::TaskEvent& event : events->events()) {
    if (event.kind() != tq::EVENT_KIND_HELD && event.kind() != tq::EVENT_KIND_RETURNED) continue;
    text = absl::StrCat(event.cause(), event.cause().empty() || event.message().empty() ? "" : ": ", event.message());
  }
  return text;
}

}  // namespace

absl::Status TaskWhy(Session& session) {
  const Invocation& invocation = session.invocation();
  sc::ExplainTaskRequest request;
  request.set_task_id(invocation.arguments[0]);
  if (const auto agents = invocation.Number("agents"); agents.has_value()) {
    request.set_max_agents(static_cast<int>(*agents));
  }
  SY_ASSIGN_OR_RETURN(const sc::ExplainTaskResponse why, session.Call(&SchedulerAdminStub::ExplainTask, request));
  Answer answer;
  const std::string last_words = LastWords(session, why);
  answer.whole = ToJson(why);
  if (!last_words.empty()) answer.whole["last_words"] = last_words;
  answer.names = {why.task_id()};
  answer.card = Card(why, last_words, session.times(), session.style());
  session.Show(answer);
  return absl::OkStatus();
}

}  // namespace switchyard::yard

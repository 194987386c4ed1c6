#include "tools/yard/agent_view.h"

#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace ag = agent::v1;

void Line(std::string& card, std::string_view name, std::string_view value, Tone tone, bool color) {
  if (value.empty()) return;
  const std::string padded = absl::StrCat(ToAbsl(name), std::string(name.size() < 13 ? 13 - name.size() : 1, ' '));
  absl::StrAppend(&card, Paint(padded, Tone::kFaint, color), Paint(OneLine(value), tone, color), "\n");
}

std::string VersionText(const ag::Agent& agent) {
  return agent.missing_features().empty() ? agent.version() : absl::StrCat(agent.version(), " (old)");
}

std::string SizeText(std::int64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(kUnits)) {
    size /= 1024;
    ++unit;
  }
  return absl::StrFormat(size < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", size, kUnits[unit]);
}

std::string FreeText(std::int64_t free, std::int64_t all) {
  return all == 0 ? "" : absl::StrCat(SizeText(free), " of ", SizeText(all), " free");
}

std::string MarkText(const ag::AgentMark& mark, const ViewTimes& times) {
  return absl::StrCat("by ", mark.set_by(), " ", TimeText(FromProto(mark.time()), times.now, times.form),
                      mark.reason().empty() ? "" : absl::StrCat(": ", mark.reason()));
}

std::string BreakerText(const ag::AgentBreaker& breaker, const ViewTimes& times) {
  if (!breaker.open() && breaker.failures_in_row() == 0) return "";
  return absl::StrCat(
      breaker.open() ? absl::StrCat("open, closes ", TimeText(FromProto(breaker.open_until()), times.now, times.form))
                     : "closed",
      "; ", breaker.failures_in_row(), " failures in a row",
      breaker.last_failure().empty() ? "" : absl::StrCat(", last: ", breaker.last_failure()));
}

std::string PenaltyText(const ag::AgentPenalty& penalty, const ViewTimes& times) {
  if (penalty.violations() == 0) return "";
  return absl::StrCat(penalty.violations(), " violations, last ", penalty.last_violation(), " ",
                      TimeText(FromProto(penalty.last_time()), times.now, times.form),
                      penalty.has_until() ? absl::StrCat("; not let in before ", TimeText(FromProto(penalty.until()),
                                                                                          times.now, TimeForm::kIso))
                                          : "");
}

void AddResources(std::string& card, const ag::AgentResources& resources, bool color) {
  if (resources.cpus() > 0) {
    Line(card, "cpus", absl::StrFormat("%d, %.0f %% in use", resources.cpus(), resources.cpu_used() * 100), Tone::kNone,
         color);
  }
  Line(card, "memory", FreeText(resources.memory_free_bytes(), resources.memory_bytes()), Tone::kNone, color);
  Line(card, "disk", FreeText(resources.disk_free_bytes(), resources.disk_bytes()), Tone::kNone, color);
  for (const ag::AgentGpu& gpu : resources.gpus()) {
    Line(card, "gpu",
         absl::StrFormat("%s, %s, %.0f %% in use", gpu.name(), FreeText(gpu.memory_free_bytes(), gpu.memory_bytes()),
                         gpu.used() * 100),
         Tone::kNone, color);
  }
}

std::string TransitionTable(const ag::GetAgentResponse& shown, const ViewTimes& times, const OutputStyle& style) {
  Table table;
  table.columns = {{"TIME"}, {"FROM"}, {"TO"}, {"CAUSE"}};
  for (const ag::AgentTransition& transition : shown.transitions()) {
    table.rows.push_back({{TimeText(FromProto(transition.time()), times.now, times.form)},
                          {Text(transition.from())},
                          {Text(transition.to()), ToneOf(transition.to())},
                          {transition.cause()}});
  }
  return RenderTable(table, {.wide = false, .color = style.color, .columns = style.columns});
}

}  // namespace

Tone ToneOf(ag::AgentState state) {
  switch (state) {
    case ag::AGENT_STATE_IDLE:
      return Tone::kGood;
    case ag::AGENT_STATE_ASSIGNED:
    case ag::AGENT_STATE_WORKING:
    case ag::AGENT_STATE_VERIFYING:
      return Tone::kActive;
    case ag::AGENT_STATE_BLOCKED:
    case ag::AGENT_STATE_CONNECTING:
    case ag::AGENT_STATE_DRAINING:
      return Tone::kWaiting;
    case ag::AGENT_STATE_DEGRADED:
    case ag::AGENT_STATE_UNRESPONSIVE:
    case ag::AGENT_STATE_QUARANTINED:
      return Tone::kBad;
    default:
      return Tone::kFaint;
  }
}

Table AgentTable(const google::protobuf::RepeatedPtrField<ag::Agent>& agents, const ViewTimes& times) {
  Table table;
  table.empty_note = "No agents. Let a machine join: yard agent enroll NAME";
  table.columns = {{"NAME"},
                   {"STATE"},
                   {"SINCE"},
                   {.title = "TASKS", .right = true},
                   {"VERSION"},
                   {.title = "ID", .wide = true},
                   {.title = "CAPABILITIES", .wide = true},
                   {.title = "FROM", .wide = true},
                   {.title = "HUB", .wide = true},
                   {.title = "PROBE", .wide = true},
                   {.title = "TOKEN ENDS", .wide = true},
                   {"WHY NO WORK"}};
  for (const ag::Agent& agent : agents) {
    table.rows.push_back({{agent.name()},
                          {Text(agent.state()), ToneOf(agent.state())},
                          {TimeText(FromProto(agent.state_time()), times.now, times.form)},
                          {absl::StrCat(agent.held_tasks(), "/", agent.slots())},
                          {VersionText(agent), agent.missing_features().empty() ? Tone::kNone : Tone::kWaiting},
                          {agent.agent_id()},
                          {absl::StrJoin(agent.capabilities(), ",")},
                          {agent.peer()},
                          {agent.hub_id()},
                          {Text(agent.probe_state())},
                          {TimeText(FromProto(agent.token_expire_time()), times.now, times.form)},
                          {agent.unavailable_reason()}});
  }
  return table;
}

std::string AgentCard(const ag::GetAgentResponse& shown, const ViewTimes& times, const OutputStyle& style) {
  const bool color = style.color;
  const ag::Agent& agent = shown.agent();
  const auto when = [&](const google::protobuf::Timestamp& time) {
    return TimeText(FromProto(time), times.now, times.form);
  };
  std::string card;
  Line(card, "agent", agent.name(), Tone::kNone, color);
  Line(card, "id", agent.agent_id(), Tone::kNone, color);
  Line(card, "state", absl::StrCat(Text(agent.state()), " ", when(agent.state_time())), ToneOf(agent.state()), color);
  Line(card, "cause", agent.state_cause(), Tone::kNone, color);
  Line(card, "no work", agent.unavailable_reason(), Tone::kWaiting, color);
  Line(card, "tasks", absl::StrCat(agent.held_tasks(), " of ", agent.slots(), " slots"), Tone::kNone, color);
  Line(card, "version", VersionText(agent), Tone::kNone, color);
  Line(card, "features", absl::StrJoin(agent.features(), ", "), Tone::kNone, color);
  Line(card, "lacks", absl::StrJoin(agent.missing_features(), ", "), Tone::kWaiting, color);
  Line(card, "capabilities", absl::StrJoin(agent.capabilities(), ", "), Tone::kNone, color);
  const std::map<std::string, std::string> labels(agent.labels().begin(), agent.labels().end());
  Line(card, "labels", absl::StrJoin(labels, ", ", absl::PairFormatter("=")), Tone::kNone, color);
  Line(card, "probe",
       absl::StrCat(Text(agent.probe_state()),
                    agent.probe_message().empty() ? "" : absl::StrCat(": ", agent.probe_message())),
       Tone::kNone, color);
  if (agent.has_drain()) Line(card, "drained", MarkText(agent.drain(), times), Tone::kWaiting, color);
  if (agent.has_quarantine()) Line(card, "quarantined", MarkText(agent.quarantine(), times), Tone::kBad, color);
  Line(card, "breaker", BreakerText(agent.breaker(), times), agent.breaker().open() ? Tone::kBad : Tone::kNone, color);
  Line(card, "penalty", PenaltyText(agent.penalty(), times), Tone::kBad, color);
  for (const ag::SelfTest& test : agent.self_tests()) {
    Line(card, "self-test",
         absl::StrCat(test.name(), test.passed() ? " passed" : " failed",
                      test.message().empty() ? "" : absl::StrCat(": ", test.message())),
         test.passed() ? Tone::kGood : Tone::kBad, color);
  }
  AddResources(card, agent.resources(), color);
  Line(card, "from", agent.peer(), Tone::kNone, color);
  Line(card, "hub", agent.hub_id(), Tone::kNone, color);
  Line(card, "enrolled", when(agent.enroll_time()), Tone::kNone, color);
  Line(card, "connected", when(agent.last_connect_time()), Tone::kNone, color);
  Line(card, "heartbeat", when(agent.last_heartbeat_time()), Tone::kNone, color);
  Line(card, "token ends", agent.has_token_expire_time() ? when(agent.token_expire_time()) : "it has none", Tone::kNone,
       color);
  if (!shown.transitions().empty()) {
    absl::StrAppend(&card, "\n", Paint("transitions", Tone::kFaint, color), "\n", TransitionTable(shown, times, style));
  }
  return card;
}

}  // namespace switchyard::yard

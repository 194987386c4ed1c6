#include "services/agent_hub/agent_rows.h"

#include <optional>

#include "absl/strings/str_cat.h"

namespace switchyard::agent_hub {
namespace {

std::map<std::string, std::string> ToLabels(const std::vector<std::string_view>& texts) {
  std::map<std::string, std::string> labels;
  for (const std::string_view text : texts) {
    const std::size_t cut = text.find('=');
    if (cut != std::string_view::npos) labels[std::string(text.substr(0, cut))] = std::string(text.substr(cut + 1));
  }
  return labels;
}

std::optional<Mark> ToMark(const pg::Row& row, int first) {
  if (row.IsNull(first + 2)) return std::nullopt;
  return Mark{std::string(row.Text(first)), std::string(row.Text(first + 1)), row.Time(first + 2)};
}

void AddMark(const std::optional<Mark>& mark, pg::Params& params) {
  params.Add(mark.has_value() ? mark->reason : std::string())
      .Add(mark.has_value() ? mark->set_by : std::string())
      .Add(mark.has_value() ? std::optional<absl::Time>(mark->time) : std::nullopt);
}

}  // namespace

AgentRecord ToAgent(const pg::Row& row) {
  AgentRecord agent;
  agent.id = row.GetId<AgentId>(0);
  agent.name = std::string(row.Text(1));
  agent.labels = ToLabels(row.TextArray(2));
  agent.enroll_time = row.Time(3);
  Seen& seen = agent.seen;
  seen.state = static_cast<AgentState>(row.Int64(4));
  seen.state_time = row.Time(5);
  seen.state_cause = std::string(row.Text(6));
  seen.hub = std::string(row.Text(7));
  seen.peer = std::string(row.Text(8));
  seen.session_epoch = row.Int64(9);
  seen.last_connect_time = row.OptionalTime(10);
  seen.last_heartbeat_time = row.OptionalTime(11);
  seen.held_tasks = static_cast<int>(row.Int64(12));
  seen.unavailable_reason = std::string(row.Text(13));
  for (const std::string_view capability : row.TextArray(14)) seen.capabilities.emplace_back(capability);
  seen.said = std::string(row.Bytes(15));
  agent.probe = {static_cast<ProbeState>(row.Int64(16)), std::string(row.Text(17)), row.OptionalTime(18)};
  agent.breaker = {static_cast<int>(row.Int64(19)), std::string(row.Text(20)), row.OptionalTime(21),
                   row.OptionalTime(22)};
  agent.penalty = {static_cast<int>(row.Int64(23)), std::string(row.Text(24)), row.OptionalTime(25),
                   row.OptionalTime(26)};
  agent.drain = ToMark(row, 27);
  agent.quarantine = ToMark(row, 30);
  agent.token_expire_time = row.OptionalTime(33);
  agent.revoked = row.Bool(34);
  agent.remove_time = row.OptionalTime(35);
  return agent;
}

Enrollment ToEnrollment(const pg::Row& row) {
  Enrollment enrollment;
  enrollment.id = row.GetId<EnrollmentId>(0);
  enrollment.agent = row.GetId<AgentId>(1);
  enrollment.name = std::string(row.Text(2));
  enrollment.labels = ToLabels(row.TextArray(3));
  enrollment.token_hash = std::string(row.Bytes(4));
  enrollment.create_time = row.Time(5);
  enrollment.expire_time = row.Time(6);
  enrollment.created_by = std::string(row.Text(7));
  if (!row.IsNull(8)) enrollment.token_lifetime = absl::Microseconds(row.Int64(8));
  enrollment.redeem_time = row.OptionalTime(9);
  enrollment.redeem_hash = std::string(row.Bytes(10));
  enrollment.host_name = std::string(row.Text(11));
  enrollment.revoke_time = row.OptionalTime(12);
  return enrollment;
}

std::vector<AgentRecord> ToAgents(const pg::Result& result) {
  std::vector<AgentRecord> agents;
  for (const pg::Row row : result) agents.push_back(ToAgent(row));
  return agents;
}

pg::TextArray ToTexts(const std::map<std::string, std::string>& labels) {
  pg::TextArray texts;
  for (const auto& [key, value] : labels) texts.Append(absl::StrCat(key, "=", value));
  return texts;
}

pg::Params ChangeParams(const AgentRecord& agent, const pg::TextArray& labels, absl::Time now) {
  pg::Params params;
  params.Add(agent.id)
      .Add(labels)
      .Add(now)
      .Add(static_cast<std::int32_t>(agent.probe.state))
      .Add(agent.probe.message)
      .Add(agent.probe.time)
      .Add(std::int32_t{agent.breaker.failures_in_row})
      .Add(agent.breaker.last_failure)
      .Add(agent.breaker.open_time)
      .Add(agent.breaker.open_until)
      .Add(std::int32_t{agent.penalty.violations})
      .Add(agent.penalty.last_violation)
      .Add(agent.penalty.last_time)
      .Add(agent.penalty.until);
  AddMark(agent.drain, params);
  AddMark(agent.quarantine, params);
  params.Add(agent.token_expire_time).Add(agent.revoked).Add(agent.remove_time);
  return params;
}

}  // namespace switchyard::agent_hub

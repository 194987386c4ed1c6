#include "services/agent_hub/postgres_agent_store.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "services/agent_hub/agent_errors.h"
#include "services/agent_hub/agent_rows.h"
#include "services/agent_hub/agent_rules.h"
#include "services/agent_hub/sql/statements.h"

namespace switchyard::agent_hub {
namespace {

void AppendTime(std::optional<absl::Time> time, pg::TimeArray& out) {
  if (time.has_value()) {
    out.Append(*time);
  } else {
    out.AppendNull();
  }
}

void AppendText(const std::optional<std::string>& text, pg::TextArray& out) {
  if (text.has_value()) {
    out.Append(*text);
  } else {
    out.AppendNull();
  }
}

absl::StatusOr<AgentRecord> FindForChange(pg::Session& session, const AgentId& id) {
  pg::Params params;
  params.Add(id);
  SY_ASSIGN_OR_RETURN(const pg::Result found, session.Execute(sql::kFindAgentForChange, params));
  if (found.empty()) return AgentNotFound(id.ToString());
  return ToAgent(found[0]);
}

absl::Status StoreChange(pg::Session& session, const AgentRecord& agent, absl::Time now) {
  const pg::TextArray labels = ToTexts(agent.labels);
  return session.Execute(sql::kChangeAgent, ChangeParams(agent, labels, now)).status();
}

absl::Status LockAll(pg::Session& session, const std::set<AgentId>& agents) {
  pg::UuidArray ids;
  for (const AgentId& id : agents) ids.Append(id);
  pg::Params params;
  params.Add(ids);
  return session.Execute(sql::kLockAgents, params).status();
}

absl::Status AddTransitions(pg::Session& session, absl::Span<const Observation> observations,
                            const std::set<AgentId>& counted) {
  pg::UuidArray ids, touched;
  pg::TimeArray times;
  pg::Int16Array from, to;
  pg::TextArray causes, hubs;
  for (const Observation& observation : observations) {
    if (observation.transitions.empty() || counted.count(observation.agent) == 0) continue;
    touched.Append(observation.agent);
    const std::size_t size = observation.transitions.size();
    for (std::size_t i = size - std::min<std::size_t>(size, kMaxTransitions); i < size; ++i) {
      const Transition& transition = observation.transitions[i];
      ids.Append(observation.agent);
      times.Append(transition.time);
      from.Append(static_cast<std::int16_t>(transition.from));
      to.Append(static_cast<std::int16_t>(transition.to));
      causes.Append(transition.cause);
      hubs.Append(transition.hub);
    }
  }
  if (touched.size() == 0) return absl::OkStatus();
  pg::Params add, trim;
  add.Add(ids).Add(times).Add(from).Add(to).Add(causes).Add(hubs);
  SY_RETURN_IF_ERROR(session.Execute(sql::kAddTransitions, add).status());
  trim.Add(touched).Add(std::int64_t{kMaxTransitions});
  return session.Execute(sql::kTrimTransitions, trim).status();
}

}  // namespace

absl::StatusOr<AgentRecord> PostgresAgentStore::Find(const AgentId& id, bool removed) {
  pg::Params params;
  params.Add(id);
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kFindAgent, params));
  if (found.empty()) return AgentNotFound(id.ToString());
  AgentRecord agent = ToAgent(found[0]);
  if (agent.remove_time.has_value() && !removed) return AgentNotFound(id.ToString());
  return agent;
}

absl::StatusOr<AgentRecord> PostgresAgentStore::FindByName(std::string_view name) {
  pg::Params params;
  params.Add(name);
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kFindAgentByName, params));
  if (found.empty()) return AgentNotFound(name);
  return ToAgent(found[0]);
}

absl::StatusOr<std::vector<AgentRecord>> PostgresAgentStore::List(const AgentQuery& query) {
  pg::Int16Array states;
  for (const AgentState state : query.states) states.Append(static_cast<std::int16_t>(state));
  pg::TextArray capabilities;
  for (const std::string& capability : query.capabilities) capabilities.Append(capability);
  pg::Params params;
  params.Add(query.after_name).Add(states).Add(capabilities).Add(std::int64_t{query.limit});
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kListAgents, params));
  return ToAgents(found);
}

absl::StatusOr<std::vector<Transition>> PostgresAgentStore::Transitions(const AgentId& id) {
  pg::Params params;
  params.Add(id).Add(std::int64_t{kMaxTransitions});
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kListTransitions, params));
  std::vector<Transition> transitions;
  for (const pg::Row row : found) {
    transitions.push_back({row.Time(0), static_cast<AgentState>(row.Int64(1)), static_cast<AgentState>(row.Int64(2)),
                           std::string(row.Text(3)), std::string(row.Text(4))});
  }
  return transitions;
}

absl::StatusOr<std::vector<AgentRecord>> PostgresAgentStore::TouchedSince(absl::Time since) {
  pg::Params params;
  params.Add(since);
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kTouchedAgents, params));
  return ToAgents(found);
}

absl::Status PostgresAgentStore::Observe(absl::Span<const Observation> observations) {
  if (observations.empty()) return absl::OkStatus();
  std::set<AgentId> agents;
  pg::UuidArray ids;
  pg::Int64Array epochs;
  pg::TextArray hubs, causes, unavailable, peers, capabilities;
  pg::Int16Array states;
  pg::TimeArray state_times, connects, heartbeats;
  pg::Int32Array held;
  pg::BytesArray said;
  for (const Observation& o : observations) {
    agents.insert(o.agent);
    ids.Append(o.agent);
    epochs.Append(o.session_epoch);
    hubs.Append(o.hub);
    states.Append(static_cast<std::int16_t>(o.state));
    state_times.Append(o.state_time);
    causes.Append(o.state_cause);
    held.Append(o.held_tasks);
    unavailable.Append(o.unavailable_reason);
    AppendText(o.peer, peers);
    AppendTime(o.connect_time, connects);
    AppendTime(o.heartbeat_time, heartbeats);
    if (o.capabilities.has_value()) {
      capabilities.Append(absl::StrJoin(*o.capabilities, "\n"));
    } else {
      capabilities.AppendNull();
    }
    if (o.said.has_value()) {
      said.Append(*o.said);
    } else {
      said.AppendNull();
    }
  }
  pg::Params params;
  params.Add(ids).Add(epochs).Add(hubs).Add(states).Add(state_times).Add(causes).Add(held).Add(unavailable);
  params.Add(peers).Add(connects).Add(heartbeats).Add(capabilities).Add(said);
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(LockAll(session, agents));
    SY_ASSIGN_OR_RETURN(const pg::Result updated, session.Execute(sql::kObserveAgents, params));
    std::set<AgentId> counted;
    for (const pg::Row row : updated) counted.insert(row.GetId<AgentId>(0));
    return AddTransitions(session, observations, counted);
  });
}

absl::Status PostgresAgentStore::SaveHealth(absl::Span<const Health> healths) {
  std::set<AgentId> agents;
  pg::UuidArray broken, punished, probed;
  pg::Int32Array failures, violations;
  pg::TextArray last_failures, last_violations, messages;
  pg::TimeArray open_times, open_untils, last_times, untils, probe_times;
  pg::Int16Array probe_states;
  for (const Health& health : healths) {
    agents.insert(health.agent);
    if (health.breaker.has_value()) {
      broken.Append(health.agent);
      failures.Append(health.breaker->failures_in_row);
      last_failures.Append(health.breaker->last_failure);
      AppendTime(health.breaker->open_time, open_times);
      AppendTime(health.breaker->open_until, open_untils);
    }
    if (health.penalty.has_value()) {
      punished.Append(health.agent);
      violations.Append(health.penalty->violations);
      last_violations.Append(health.penalty->last_violation);
      AppendTime(health.penalty->last_time, last_times);
      AppendTime(health.penalty->until, untils);
    }
    if (health.probe.has_value()) {
      probed.Append(health.agent);
      probe_states.Append(static_cast<std::int16_t>(health.probe->state));
      messages.Append(health.probe->message);
      AppendTime(health.probe->time, probe_times);
    }
  }
  if (agents.empty()) return absl::OkStatus();
  pg::Params breakers, penalties, probes;
  breakers.Add(broken).Add(failures).Add(last_failures).Add(open_times).Add(open_untils);
  penalties.Add(punished).Add(violations).Add(last_violations).Add(last_times).Add(untils);
  probes.Add(probed).Add(probe_states).Add(messages).Add(probe_times);
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(LockAll(session, agents));
    if (broken.size() > 0) SY_RETURN_IF_ERROR(session.Execute(sql::kSaveBreakers, breakers).status());
    if (punished.size() > 0) SY_RETURN_IF_ERROR(session.Execute(sql::kSavePenalties, penalties).status());
    if (probed.size() > 0) SY_RETURN_IF_ERROR(session.Execute(sql::kSaveProbes, probes).status());
    return absl::OkStatus();
  });
}

absl::StatusOr<AgentRecord> PostgresAgentStore::Change(const AgentId& id, absl::Time now,
                                                       absl::FunctionRef<absl::Status(AgentRecord&)> change) {
  AgentRecord changed;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_ASSIGN_OR_RETURN(changed, FindForChange(session, id));
    if (changed.remove_time.has_value()) return AgentNotFound(id.ToString());
    SY_RETURN_IF_ERROR(change(changed));
    return StoreChange(session, changed, now);
  }));
  return changed;
}

absl::StatusOr<EnrollKind> PostgresAgentStore::Enroll(Enrollment& enrollment, std::size_t max_agents) {
  EnrollKind kind = EnrollKind::kCreated;
  const AgentId fresh = enrollment.agent;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    kind = EnrollKind::kCreated;
    enrollment.agent = fresh;
    const absl::Time now = enrollment.create_time;
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockEnrollments).status());
    pg::Params name;
    name.Add(enrollment.name);
    SY_ASSIGN_OR_RETURN(const pg::Result holder, session.Execute(sql::kFindAgentByName, name));
    if (!holder.empty()) {
      const AgentRecord agent = ToAgent(holder[0]);
      if (HasLiveToken(agent, now)) {
        kind = EnrollKind::kNameTaken;
        return absl::OkStatus();
      }
      enrollment.agent = agent.id;
    }
    pg::Params count;
    count.Add(now).Add(enrollment.name);
    SY_ASSIGN_OR_RETURN(const pg::Result agents, session.Execute(sql::kCountAgents, count));
    if (static_cast<std::size_t>(agents[0].Int64(0)) >= max_agents) {
      kind = EnrollKind::kTooMany;
      return absl::OkStatus();
    }
    pg::Params end;
    end.Add(enrollment.name).Add(now);
    SY_RETURN_IF_ERROR(session.Execute(sql::kEndEnrollments, end).status());
    const pg::TextArray labels = ToTexts(enrollment.labels);
    std::optional<std::int64_t> lifetime;
    if (enrollment.token_lifetime.has_value()) lifetime = absl::ToInt64Microseconds(*enrollment.token_lifetime);
    pg::Params params;
    params.Add(enrollment.id)
        .Add(enrollment.agent)
        .Add(enrollment.name)
        .Add(labels)
        .Add(pg::Bytes{enrollment.token_hash})
        .Add(now)
        .Add(enrollment.expire_time)
        .Add(enrollment.created_by)
        .Add(lifetime);
    return session.Execute(sql::kInsertEnrollment, params).status();
  }));
  return kind;
}

absl::StatusOr<Redeemed> PostgresAgentStore::Redeem(std::string_view token_hash, std::string_view redeem_hash,
                                                    std::string_view host_name, absl::Time now) {
  // Anyone may ask: whoever guesses does not get as far as the lock.
  pg::Params guess;
  guess.Add(pg::Bytes{token_hash});
  SY_ASSIGN_OR_RETURN(const pg::Result known, pool_.Execute(sql::kFindEnrollmentByHash, guess));
  if (known.empty()) return EnrollmentUnknown();
  Redeemed redeemed;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    redeemed = {};
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockEnrollments).status());
    pg::Params hash;
    hash.Add(pg::Bytes{token_hash});
    SY_ASSIGN_OR_RETURN(const pg::Result found, session.Execute(sql::kFindEnrollmentByHash, hash));
    if (found.empty()) return EnrollmentUnknown();
    Enrollment& enrollment = redeemed.enrollment;
    enrollment = ToEnrollment(found[0]);
    if (!MayRedeem(enrollment, redeem_hash, now)) return EnrollmentUnknown();
    redeemed.repeated = enrollment.redeem_time.has_value();
    if (redeemed.repeated) return absl::OkStatus();
    enrollment.redeem_time = now;
    enrollment.redeem_hash = std::string(redeem_hash);
    enrollment.host_name = std::string(host_name);
    pg::Params redeem;
    redeem.Add(enrollment.id).Add(now).Add(pg::Bytes{redeem_hash}).Add(host_name);
    SY_RETURN_IF_ERROR(session.Execute(sql::kRedeemEnrollment, redeem).status());
    absl::StatusOr<AgentRecord> former = FindForChange(session, enrollment.agent);
    if (former.ok()) {
      BringBack(enrollment, *former);
      return StoreChange(session, *former, now);
    }
    if (!absl::IsNotFound(former.status())) return former.status();
    const AgentRecord agent = MakeAgent(enrollment, now);
    const pg::TextArray labels = ToTexts(agent.labels);
    pg::Params params;
    params.Add(agent.id)
        .Add(agent.name)
        .Add(labels)
        .Add(now)
        .Add(static_cast<std::int32_t>(agent.seen.state))
        .Add(agent.seen.state_time)
        .Add(agent.seen.state_cause);
    return session.Execute(sql::kInsertAgent, params).status();
  }));
  return redeemed;
}

absl::StatusOr<Enrollment> PostgresAgentStore::FindEnrollment(const EnrollmentId& id) {
  pg::Params params;
  params.Add(id);
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kFindEnrollment, params));
  if (found.empty()) return EnrollmentNotFound(id);
  return ToEnrollment(found[0]);
}

absl::Status PostgresAgentStore::RevokeEnrollment(const EnrollmentId& id, absl::Time now) {
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockEnrollments).status());
    pg::Params find, revoke;
    find.Add(id);
    SY_ASSIGN_OR_RETURN(const pg::Result found, session.Execute(sql::kFindEnrollment, find));
    if (found.empty()) return EnrollmentNotFound(id);
    if (ToEnrollment(found[0]).redeem_time.has_value()) return EnrollmentRedeemed(id);
    revoke.Add(id).Add(now);
    return session.Execute(sql::kRevokeEnrollment, revoke).status();
  });
}

absl::Status PostgresAgentStore::Forget(absl::Time before) {
  pg::Params params;
  params.Add(before);
  SY_RETURN_IF_ERROR(pool_.Execute(sql::kForgetEnrollments, params).status());
  return pool_.Execute(sql::kForgetAgents, params).status();
}

}  // namespace switchyard::agent_hub

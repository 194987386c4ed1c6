#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "services/agent_hub/health_rules.h"
#include "services/agent_hub/hub_errors.h"
#include "services/agent_hub/hub_state.h"

namespace switchyard::agent_hub {
namespace {

// Of one agent in one observation; more have happened to a busy one, and the last ones tell enough.
constexpr std::size_t kTransitionsWritten = 20;
constexpr std::size_t kMaxObservations = 2'000;
constexpr std::size_t kMaxRenewals = 10'000;
// How much sooner a renewal is repeated that failed.
constexpr int kRenewRetry = 5;
constexpr absl::Duration kPrune = absl::Seconds(10);
// Of an agent whose state changes only among idle, assigned and working.
constexpr absl::Duration kOrdinaryRecord = absl::Seconds(5);
// Between two looks at one agent.
constexpr absl::Duration kSoonest = absl::Milliseconds(1);
// How long what is known of an agent that is gone may take to be written.
constexpr absl::Duration kWritten = absl::Seconds(1);

}  // namespace

void Hub::Tick() {
  const absl::Time now = clock_.Now();
  TickStreams(now);
  std::vector<AgentId> due;
  while (!due_.empty() && due_.top().first <= now) {
    const auto [time, id] = due_.top();
    due_.pop();
    Agent* const agent = FindAgent(id);
    if (agent == nullptr || agent->due != time) continue;
    agent->due = absl::InfiniteFuture();
    due.push_back(id);
  }
  for (const AgentId& id : due) {
    Agent& agent = *agents_.at(id);
    TickAgent(agent, now);
    if (IsOver(agent)) {
      agents_.erase(id);
    } else {
      Schedule(agent);
    }
  }

  if (now >= renew_at_ && renewing_ == 0 && live_ > 0) {
    renew_at_ = now + rules_.renew;
    renew_sent_ = now;
    std::vector<std::pair<AgentId, std::int64_t>> sessions;
    for (const auto& [id, agent] : agents_) {
      if (agent->stream.has_value()) sessions.emplace_back(id, agent->epoch);
      if (sessions.size() == kMaxRenewals) Renew(std::exchange(sessions, {}));
    }
    if (!sessions.empty()) Renew(std::move(sessions));
  }
  if (now >= turn_at_) {
    turn_at_ = now + rules_.credit_turn;
    book_.Turn();
  }
  if (now >= prune_at_) {
    prune_at_ = now + kPrune;
    absl::erase_if(visitors_, [&](const auto& entry) {
      const Visitor& visitor = entry.second;
      return !visitor.unwritten && PenaltyLeft(visitor.penalty, now) == absl::ZeroDuration() &&
             visitor.connects.full(now) && !agents_.contains(entry.first) &&
             std::none_of(streams_.begin(), streams_.end(),
                          [&](const auto& stream) { return stream.second->agent == entry.first; });
    });
  }
  PumpReports();
  Settle();
}

void Hub::TickStreams(absl::Time now) {
  std::vector<Stream*> late;
  while (!greeting_.empty() && greeting_.front().first <= now) {
    const StreamId id = greeting_.front().second;
    greeting_.pop_front();
    Stream* const stream = FindStream(id);
    if (stream == nullptr) continue;
    if (stream->phase == Stream::Phase::kAwaitingHello) late.push_back(stream);
    // Not known yet, and so nothing was read from it.
    if (stream->phase == Stream::Phase::kLoading) greeting_.emplace_back(now + rules_.hello, id);
  }
  for (Stream* const stream : late) Punish(*stream, "HELLO_MISSING", "no hello came in time");
}

bool Hub::IsOver(const Agent& agent) {
  return !agent.stream.has_value() && !agent.facts.in_grace && !agent.dirty && !agent.breaker_dirty &&
         !agent.probe_dirty;
}

absl::Time Hub::NextDue(const Agent& agent) const {
  // Whatever is written by then.
  if (!agent.stream.has_value()) return agent.facts.in_grace ? agent.grace_until : clock_.Now() + kWritten;
  if (agent.unsaid_lost) return clock_.Now();
  absl::Time due = std::min({agent.next_accept, agent.audit_at, agent.probe_until});
  if (!agent.silent) due = std::min(due, agent.renewed + agent.lease - TrustOf(agent));
  return std::min(due, agent.last_heard + rules_.heartbeat * (agent.facts.heartbeat_overdue ? 3 : 2));
}

void Hub::Schedule(Agent& agent) {
  // Limits are passed when they lie behind, so what is due just now is due a little later.
  const absl::Time due = std::max(NextDue(agent), clock_.Now() + kSoonest);
  if (due >= agent.due) return;
  agent.due = due;
  due_.emplace(due, agent.id);
}

void Hub::Renew(std::vector<std::pair<AgentId, std::int64_t>> sessions) {
  ++renewing_;
  ports_.Renew(std::move(sessions));
}

void Hub::TickAgent(Agent& agent, absl::Time now) {
  if (!agent.stream.has_value()) {
    if (agent.facts.in_grace && now >= agent.grace_until) {
      agent.facts.in_grace = false;
      agent.dirty = true;
      agent.life.Update(agent.facts, "the grace period is over", now);
    }
    return;
  }
  Stream* const stream = FindStream(*agent.stream);
  if (stream == nullptr) return;
  if (agent.unsaid_lost) return Cut(*stream, LedgerUnavailable());
  bool changed = false;
  if (!agent.silent && MustBeSilent(agent)) {
    LogDebug("an agent's session is not renewed, so nothing is said to it", {{"agent", agent.name}});
    agent.silent = changed = true;
  }
  if (!stream->paused) {
    const absl::Duration silence = now - agent.last_heard;
    if (silence > rules_.heartbeat * 3) return Cut(*stream, HeartbeatMissing());
    if (!agent.facts.heartbeat_overdue && silence > rules_.heartbeat * 2) {
      agent.facts.heartbeat_overdue = true;
      changed = true;
    }
  }
  if (now >= agent.next_accept) CheckAcceptance(agent, now);
  if (now >= agent.audit_at) Audit(agent, now);
  if (now >= agent.probe_until) EndProbe(agent, ProbeState::kFailed, "it did not come back in time");
  if (changed) Refresh(agent, "time passed");
}

void Hub::CheckAcceptance(Agent& agent, absl::Time now) {
  std::vector<TaskRef> late;
  absl::Time next = absl::InfiniteFuture();
  agent.held.ForEach([&](const TaskRef& ref, HeldEntry& entry) {
    if (entry.state != HeldState::kAssigned || entry.dropping) return;
    if (entry.accept_by <= now) {
      late.push_back(ref);
    } else {
      next = std::min(next, entry.accept_by);
    }
  });
  agent.next_accept = next;
  if (late.empty()) return;
  for (const TaskRef& ref : late) {
    ++tally_.accept_timeouts;
    // Fences off an acceptance that comes late.
    lane_.Add(*agent.stream, agent.id, agent.epoch,
              {.ref = ref, .kind = ReportKind::kReject, .text = "ACCEPT_TIMEOUT", .body = nullptr});
    Withdraw(agent, ref, "not accepted in time");
  }
  CountAgentFailure(agent, "ACCEPT_TIMEOUT");
  agent.facts.accept_overdue = true;
  agent.heartbeats_since_overdue = 0;
  Send(agent, Ping{.number = 0, .self_test = true});
  Refresh(agent, "not accepted in time");
}

void Hub::Audit(Agent& agent, absl::Time now) {
  agent.audit_at = now + rules_.audit;
  bool due = agent.unsure;
  agent.held.ForEach([&](const TaskRef&, const HeldEntry& entry) {
    due |= !entry.dropping && entry.state != HeldState::kDone && now - entry.sure >= rules_.audit;
  });
  if (due) AskOwned(agent);
}

void Hub::Renewed(const std::vector<std::pair<AgentId, std::int64_t>>& asked,
                  absl::StatusOr<std::vector<AgentId>> renewed) {
  --renewing_;
  // While the ledger is away for everybody the leases stand still; whether it is only for this hub is not known here.
  if (!renewed.ok()) {
    renew_at_ = std::min(renew_at_, clock_.Now() + rules_.renew / kRenewRetry);
    return;
  }
  if (std::exchange(directives_lost_, false)) {
    for (const auto& [id, agent] : agents_) {
      if (!agent->stream.has_value()) continue;
      agent->held.ForEach([](const TaskRef&, HeldEntry& entry) { entry.sure = absl::InfinitePast(); });
      // By then the feed stands again.
      const absl::Time at = clock_.Now() + rules_.reconnect_spread + rules_.heartbeat * ShareOf(id);
      agent->audit_at = std::min(agent->audit_at, at);
      Schedule(*agent);
    }
  }
  const absl::flat_hash_set<AgentId> alive(renewed->begin(), renewed->end());
  for (const auto& [id, epoch] : asked) {
    Agent* const agent = FindAgent(id);
    if (agent == nullptr || agent->epoch != epoch || !agent->stream.has_value()) continue;
    if (alive.contains(id)) {
      agent->renewed = std::max(agent->renewed, renew_sent_);
      SpeakAgain(*agent);
    } else if (Stream* const stream = FindStream(*agent->stream))
      Cut(*stream, SessionLost());
  }
  Settle();
}

absl::Duration Hub::TrustOf(const Agent& agent) const {
  return std::max(agent.lease - 2 * rules_.renew, agent.lease / 2);
}

bool Hub::MustBeSilent(const Agent& agent) const { return clock_.Now() - agent.renewed > agent.lease - TrustOf(agent); }

void Hub::SpeakAgain(Agent& agent) {
  if (MustBeSilent(agent)) return;
  for (ToAgent& message : std::exchange(agent.unsaid, {})) Send(agent, std::move(message));
  if (std::exchange(agent.silent, false)) Refresh(agent, "renewed");
}

absl::Duration Hub::reconnect_after(std::size_t position) const {
  const double share = live_ == 0 ? 0 : static_cast<double>(position % live_) / static_cast<double>(live_);
  return rules_.reconnect_spread * share;
}

void Hub::Drain() {
  if (std::exchange(draining_, true)) return;
  std::size_t position = 0;
  for (const auto& [id, agent] : agents_) {
    if (!agent->stream.has_value()) continue;
    agent->facts.leaving = true;
    Send(*agent, DrainNotice{reconnect_after(position++)});
    Refresh(*agent, "the hub stops");
  }
  Settle();
}

void Hub::StartProbe(Agent& agent) {
  if (agent.facts.probe.state == ProbeState::kPassed || agent.probe_ref.has_value() || !agent.stream.has_value())
    return;
  if (!agent.facts.failed_self_test.empty() || agent.facts.leaving || agent.facts.slots <= 0) return;
  const absl::Time now = clock_.Now();
  // A failed one is tried again with the next connection, or some time later.
  if (agent.facts.probe.state == ProbeState::kFailed && agent.facts.probe.time.has_value() &&
      now - *agent.facts.probe.time < rules_.probe && agent.last_number > 0) {
    return;
  }
  agent.probe_ref = TaskRef{ids_.New<TaskId>(), 1};
  agent.probe_nonce = ids_.NewUuid().ToString();
  agent.probe_until = now + rules_.probe;
  agent.facts.probe = {.state = ProbeState::kSent, .message = "", .time = now};
  agent.probe_dirty = true;
  Send(agent, ProbeWork{.number = ++agent.last_number,
                        .ref = *agent.probe_ref,
                        .nonce = agent.probe_nonce,
                        .accept_within = rules_.probe});
}

void Hub::OnProbeReport(Agent& agent, const Report& report) {
  switch (report.kind) {
    case ReportKind::kAccept:
      agent.facts.probe.state = ProbeState::kRunning;
      agent.probe_dirty = true;
      return;
    case ReportKind::kComplete:
      if (report.text == agent.probe_nonce) return EndProbe(agent, ProbeState::kPassed, "");
      return EndProbe(agent, ProbeState::kFailed, "it came back with another summary");
    case ReportKind::kReject:
    case ReportKind::kFail:
    case ReportKind::kReleased:
      return EndProbe(agent, ProbeState::kFailed, report.text.empty() ? "it failed" : report.text);
    default:
      return;
  }
}

void Hub::EndProbe(Agent& agent, ProbeState state, std::string_view message) {
  agent.probe_ref.reset();
  agent.probe_until = absl::InfiniteFuture();
  agent.facts.probe = {.state = state, .message = std::string(message), .time = clock_.Now()};
  agent.probe_dirty = true;
  Refresh(agent, state == ProbeState::kPassed ? "the probe passed" : "the probe failed");
}

std::vector<Observation> Hub::TakeObservations() {
  const absl::Time now = clock_.Now();
  std::vector<Observation> observations;
  for (const auto& [id, entry] : agents_) {
    Agent& agent = *entry;
    const bool ordinary = agent.life.has_new() && now - agent.recorded >= kOrdinaryRecord;
    if (!agent.dirty && !ordinary) continue;
    if (observations.size() >= kMaxObservations) break;
    agent.dirty = false;
    agent.recorded = now;
    const AgentView& view = agent.life.view();
    Observation& seen = observations.emplace_back();
    seen.agent = id;
    seen.session_epoch = agent.epoch;
    seen.hub = hub_id_;
    seen.state = view.state;
    seen.state_time = agent.life.since();
    seen.state_cause = agent.life.cause();
    seen.held_tasks = agent.held.occupied();
    seen.unavailable_reason = view.message.empty() ? std::string(view.unavailable)
                                                   : absl::StrCat(ToAbsl(view.unavailable), ": ", view.message);
    seen.peer = std::exchange(agent.peer_news, std::nullopt);
    seen.connect_time = std::exchange(agent.connect_news, std::nullopt);
    seen.heartbeat_time = std::exchange(agent.heartbeat_news, std::nullopt);
    if (std::exchange(agent.capabilities_news, false)) seen.capabilities = agent.capabilities;
    if (std::exchange(agent.said_news, false)) seen.said = agent.said;
    seen.transitions = agent.life.TakeNew(kTransitionsWritten);
  }
  return observations;
}

void Hub::PutBack(const std::vector<Observation>& observations) {
  for (const Observation& seen : observations) {
    Agent* const agent = FindAgent(seen.agent);
    if (agent == nullptr || agent->epoch != seen.session_epoch) continue;
    agent->dirty = true;
    if (!agent->peer_news.has_value()) agent->peer_news = seen.peer;
    if (!agent->connect_news.has_value()) agent->connect_news = seen.connect_time;
    if (!agent->heartbeat_news.has_value()) agent->heartbeat_news = seen.heartbeat_time;
    agent->capabilities_news |= seen.capabilities.has_value();
    agent->said_news |= seen.said.has_value();
    agent->life.PutBack(seen.transitions.size());
  }
}

std::vector<Health> Hub::TakeHealths() {
  std::vector<Health> healths;
  for (const auto& [id, entry] : agents_) {
    Agent& agent = *entry;
    if (!agent.breaker_dirty && !agent.probe_dirty) continue;
    Health& health = healths.emplace_back();
    health.agent = id;
    if (std::exchange(agent.breaker_dirty, false)) health.breaker = agent.breaker;
    if (std::exchange(agent.probe_dirty, false)) health.probe = agent.facts.probe;
  }
  for (auto& [id, visitor] : visitors_) {
    if (!std::exchange(visitor.unwritten, false)) continue;
    // Agents are one entry each.
    const auto known = std::find_if(healths.begin(), healths.end(),
                                    [&agent = id](const Health& health) { return health.agent == agent; });
    Health& health = known != healths.end() ? *known : healths.emplace_back();
    health.agent = id;
    health.penalty = visitor.penalty;
  }
  return healths;
}

void Hub::PutBack(std::vector<Health> healths) {
  for (const Health& health : healths) {
    if (Agent* const agent = FindAgent(health.agent)) {
      agent->breaker_dirty |= health.breaker.has_value();
      agent->probe_dirty |= health.probe.has_value();
    }
    const auto visitor = visitors_.find(health.agent);
    if (visitor != visitors_.end()) visitor->second.unwritten |= health.penalty.has_value();
  }
}

}  // namespace switchyard::agent_hub

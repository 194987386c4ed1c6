#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/agent_hub/health_rules.h"
#include "services/agent_hub/hub_errors.h"
#include "services/agent_hub/hub_state.h"

namespace switchyard::agent_hub {
namespace {

// Dispatched beyond the slots of an agent: more than a scheduler can cause that acts on credits a moment old.
constexpr std::size_t kMaxWaiting = 64;
constexpr std::size_t kMaxAcceptTimes = 1024;
// Questions of one stream at once; more only where as many tasks may run.
constexpr int kMaxConfirms = 64;
// Tasks of one agent that are over and of which output may still come.
constexpr std::size_t kMaxEnded = 128;

bool IsFinal(ReportKind kind) {
  return kind == ReportKind::kReject || kind == ReportKind::kComplete || kind == ReportKind::kFail ||
         kind == ReportKind::kReleased;
}

}  // namespace

absl::Status Hub::Dispatch(WatchId watch, const AgentId& id, std::int64_t epoch, Work work) {
  Agent* const agent = FindAgent(id);
  if (agent == nullptr || !agent->stream.has_value()) return AgentNotHere();
  if (agent->epoch != epoch) return StaleSession();
  if (HeldEntry* const entry = agent->held.Find(work.ref)) {
    if (std::exchange(entry->unspent, false)) {
      book_.Use(watch, id);
      Refresh(*agent, "assigned");
      Settle();
    }
    return absl::OkStatus();
  }
  const auto is_same = [&](const Work& waiting) { return waiting.ref == work.ref; };
  if (std::any_of(agent->waiting.begin(), agent->waiting.end(), is_same)) return absl::OkStatus();
  if (agent->facts.quarantine.has_value()) return AgentNotHere();
  if (agent->held.occupied() >= agent->facts.slots) {
    if (agent->waiting.size() >= kMaxWaiting) return OverCapacity();
    agent->waiting.push_back(std::move(work));
  } else {
    SendWork(*agent, std::move(work), false);
  }
  book_.Use(watch, id);
  Refresh(*agent, "assigned");
  Settle();
  return absl::OkStatus();
}

void Hub::SendWork(Agent& agent, Work work, bool redelivered) {
  const absl::Time now = clock_.Now();
  const bool accepted = work.accept_by == absl::InfiniteFuture();
  HeldEntry& entry = agent.held.Add(work.ref, accepted ? HeldState::kRunning : HeldState::kAssigned);
  entry.number = ++agent.last_number;
  entry.accept_by = work.accept_by;
  entry.sent = now;
  entry.sure = now;
  if (work.accept_by < agent.next_accept) {
    agent.next_accept = work.accept_by;
    Schedule(agent);
  }
  ++(redelivered ? tally_.redelivered : tally_.assigned);
  Send(agent, Assign{.number = entry.number,
                     .ref = work.ref,
                     .accept_within = work.accept_by - now,
                     .redelivered = redelivered,
                     .body = std::move(work.body)});
}

void Hub::SendWaiting(Agent& agent) {
  while (!agent.waiting.empty() && agent.held.occupied() < agent.facts.slots) {
    Work work = std::move(agent.waiting.front());
    agent.waiting.pop_front();
    // The ledger has taken it back, or is about to.
    if (work.accept_by <= clock_.Now()) continue;
    SendWork(agent, std::move(work), false);
  }
}

void Hub::OnHeartbeat(Stream& stream, Agent& agent, const Heartbeat& heartbeat) {
  const absl::Time now = clock_.Now();
  if (now - agent.heartbeat_recorded >= rules_.heartbeat_record) {
    agent.heartbeat_recorded = now;
    agent.heartbeat_news = now;
    agent.dirty = true;
    if (stream.said.has_value()) {
      agent.said = std::move(stream.said);
      agent.said_news = true;
    }
  }
  stream.said.reset();
  agent.facts.heartbeat_overdue = false;
  const int slots = agent.facts.slots;
  agent.facts.slots = heartbeat.slots;
  agent.facts.leaving = heartbeat.draining || draining_;
  agent.facts.refusing = heartbeat.refusing;
  if (!heartbeat.self_tests.empty()) {
    agent.facts.failed_self_test.clear();
    for (const SelfTestFact& test : heartbeat.self_tests) {
      if (test.passed) continue;
      agent.facts.failed_self_test = test.message.empty() ? test.name : absl::StrCat(test.name, ": ", test.message);
      break;
    }
    agent.facts.accept_overdue = false;
  } else if (agent.facts.accept_overdue && ++agent.heartbeats_since_overdue >= 2) {
    agent.facts.accept_overdue = false;
  }
  const bool healthy = agent.facts.failed_self_test.empty() && !agent.facts.accept_overdue;
  if (healthy && CloseIfOver(now, agent.breaker)) {
    agent.breaker_dirty = true;
    agent.facts.breaker_open_until.reset();
  }
  const bool changed = heartbeat.capabilities.has_value() && *heartbeat.capabilities != agent.capabilities;
  if (changed) {
    agent.capabilities = *heartbeat.capabilities;
    agent.capabilities_news = true;
    agent.dirty = true;
  }

  HeldTable::Verdict verdict = agent.held.Compare(heartbeat.held, heartbeat.last_assignment,
                                                  agent.probe_ref.has_value() ? &*agent.probe_ref : nullptr);
  if (!verdict.missing.empty() && !agent.listing) {
    for (const TaskRef& ref : verdict.missing) agent.held.Find(ref)->missing = true;
    AskOwned(agent);
  }
  if (!heartbeat.held.empty()) {
    Send(agent, Reconcile{.heartbeat = heartbeat.number, .drop = std::move(verdict.drop)});
  }
  if (changed || slots != heartbeat.slots) Offer(agent);
  StartProbe(agent);
  SendWaiting(agent);
  Refresh(agent, "heartbeat");
}

void Hub::AskOwned(Agent& agent) {
  if (agent.listing) return;
  agent.listing = true;
  agent.listing_unsure = std::exchange(agent.unsure, false);
  agent.held.WatchRemovals(true);
  agent.held.ForEach([](const TaskRef&, HeldEntry& entry) { entry.asked = true; });
  ports_.ListAssigned(agent.id, agent.epoch);
}

void Hub::Listed(const AgentId& id, std::int64_t epoch, absl::StatusOr<std::vector<Work>> owned) {
  Agent* const agent = FindAgent(id);
  if (agent == nullptr || !agent->stream.has_value() || agent->epoch != epoch) return;
  agent->listing = false;
  const bool unsure = std::exchange(agent->listing_unsure, false);
  const absl::Time now = clock_.Now();
  if (!owned.ok()) {
    agent->unsure |= unsure;
    if (unsure) agent->audit_at = std::min(agent->audit_at, now + rules_.heartbeat);
    return Schedule(*agent);
  }
  bool any_missing = false;
  agent->held.ForEach([&](const TaskRef&, const HeldEntry& entry) { any_missing |= entry.missing; });
  for (Work& work : *owned) {
    HeldEntry* const entry = agent->held.Find(work.ref);
    if (entry != nullptr) {
      entry->asked = false;
      entry->sure = now;
    }
    if (entry != nullptr) {
      if (!entry->missing || entry->dropping || entry->state == HeldState::kDone) continue;
      SendWork(*agent, std::move(work), true);
      entry->missing = false;
      continue;
    }
    const auto is_same = [&](const Work& waiting) { return waiting.ref == work.ref; };
    if (agent->held.WasRemoved(work.ref) || std::any_of(agent->waiting.begin(), agent->waiting.end(), is_same))
      continue;
    // One that is unknown here may be on its way from a scheduler: it is harmless to be early. Or it has just ended, so
    // what was accepted is not sent where nothing is missing.
    const bool undelivered = work.accept_by != absl::InfiniteFuture() && work.accept_by > now;
    if (!any_missing && !undelivered) continue;
    if (undelivered && (agent->facts.quarantine.has_value() || agent->held.occupied() >= agent->facts.slots)) {
      agent->unsure = true;
      agent->audit_at = std::min(agent->audit_at, now + rules_.heartbeat);
      continue;
    }
    const TaskRef ref = work.ref;
    SendWork(*agent, std::move(work), true);
    agent->held.Find(ref)->unspent = undelivered;
  }
  agent->held.WatchRemovals(false);
  // What is missing there and unknown to the ledger is over.
  std::vector<TaskRef> gone;
  std::vector<TaskRef> lost;
  agent->held.ForEach([&](const TaskRef& ref, HeldEntry& entry) {
    const bool judged = std::exchange(entry.asked, false);
    if (entry.state == HeldState::kDone) return;
    if (entry.missing) {
      gone.push_back(ref);
    } else if (judged && !entry.dropping) {
      lost.push_back(ref);
    }
  });
  for (const TaskRef& ref : gone) agent->held.Remove(ref);
  for (const TaskRef& ref : lost) {
    LogInfo("an agent holds what the ledger has taken back",
            {{"agent", agent->name}, {"task", ref.task.ToString()}, {"generation", ref.generation}});
    Withdraw(*agent, ref, "no longer its own");
  }
  Refresh(*agent, "reconciled");
  Settle();
}

void Hub::OnReports(Stream& stream, Agent& agent, Reports reports) {
  if (static_cast<int>(reports.reports.size()) > rules_.max_reports_per_message) {
    return Punish(stream, "BAD_MESSAGE", "more reports than the limit");
  }
  for (Report& report : reports.reports) {
    // Sent again within the session: the first one is on its way.
    if (report.number != 0 && report.number <= stream.last_report) continue;
    stream.last_report = std::max(stream.last_report, report.number);
    OnReport(agent, std::move(report));
  }
  SendWaiting(agent);
  PumpReports();
  Balance(stream);
}

void Hub::OnReport(Agent& agent, Report report) {
  const absl::Time now = clock_.Now();
  if (agent.probe_ref.has_value() && *agent.probe_ref == report.ref) return OnProbeReport(agent, report);
  HeldEntry* const entry = agent.held.Find(report.ref);
  std::string_view cause = "reported";
  if (entry != nullptr && entry->state != HeldState::kDone) {
    if (entry->state == HeldState::kAssigned && report.kind != ReportKind::kReject) {
      ++tally_.accepted;
      if (tally_.accept_times.size() < kMaxAcceptTimes) tally_.accept_times.push_back(now - entry->sent);
      agent.held.SetState(*entry, HeldState::kRunning);
      agent.facts.accept_overdue = false;
      cause = "accepted";
    }
    switch (report.kind) {
      case ReportKind::kBlocked:
        agent.held.SetState(*entry, HeldState::kBlocked);
        break;
      case ReportKind::kPhase:
        agent.held.SetState(*entry, HeldState::kRunning);
        break;
      case ReportKind::kComplete:
        agent.breaker_dirty |= CountSuccess(agent.breaker);
        break;
      case ReportKind::kFail:
        if (report.agent_fault) {
          CountAgentFailure(agent, report.text);
        } else {
          agent.breaker_dirty |= CountSuccess(agent.breaker);
        }
        break;
      default:
        break;
    }
    if (IsFinal(report.kind)) {
      agent.held.SetState(*entry, HeldState::kDone);
      cause = "finished";
    }
  }
  if (report.kind == ReportKind::kProgress) {
    if (entry == nullptr || now - entry->progressed < rules_.progress) return;
    entry->progressed = now;
    report.number = 0;
  }
  lane_.Add(*agent.stream, agent.id, agent.epoch, std::move(report));
  Refresh(agent, cause);
}

void Hub::CountAgentFailure(Agent& agent, std::string_view failure) {
  agent.breaker_dirty = true;
  if (!CountFailure(rules_, failure, clock_.Now(), agent.breaker)) return;
  ++tally_.breakers_opened;
  agent.facts.breaker_open_until = agent.breaker.open_until;
  agent.facts.last_failure = agent.breaker.last_failure;
  LogWarning("an agent's breaker opens", {{"agent", agent.name}, {"failure", failure}});
}

void Hub::PumpReports() {
  while (std::optional<ReportLane::Call> call = lane_.Next(clock_.Now())) {
    ports_.Report(call->id, std::move(call->reports));
  }
}

void Hub::Reported(BatchId batch, absl::StatusOr<std::vector<absl::Status>> answers) {
  std::vector<ReportLane::Settled> settled = lane_.Done(batch, std::move(answers), clock_.Now());
  std::size_t at = 0;
  while (at < settled.size()) {
    const StreamId stream = settled[at].stream;
    Agent* const agent = FindLive(stream);
    Ack ack;
    for (; at < settled.size() && settled[at].stream == stream; ++at) {
      const Report& report = settled[at].report;
      if (agent == nullptr) continue;
      SettleReport(*agent, report, settled[at].status);
      if (report.number == 0) continue;
      ack.through = std::max(ack.through, report.number);
      if (!settled[at].status.ok()) ack.refused.push_back({report.number, settled[at].status});
    }
    if (agent == nullptr) continue;
    if (ack.through > 0) Send(*agent, std::move(ack));
    Refresh(*agent, "reported");
  }
  PumpReports();
  ReleasePaused();
  Settle();
}

void Hub::SettleReport(Agent& agent, const Report& report, const absl::Status& status) {
  const bool final = IsFinal(report.kind);
  if (!status.ok()) ++tally_.refused;
  // What the hub itself says is no life.
  if (status.ok() && final && report.body != nullptr) ++tally_.ended;
  HeldEntry* const entry = agent.held.Find(report.ref);
  if (entry == nullptr) return;
  if (final && entry->state == HeldState::kDone) {
    if (status.ok() && report.kind != ReportKind::kReject) {
      agent.ended.push_back(report.ref);
      if (agent.ended.size() > kMaxEnded) agent.ended.pop_front();
    }
    return agent.held.Remove(report.ref);
  }
  if (status.ok()) entry->sure = clock_.Now();
  if (!status.ok() && report.kind != ReportKind::kProgress) agent.held.Drop(*entry);
}

void Hub::Balance(Stream& stream) {
  if (stream.paused) return;
  if (lane_.waiting(stream.id) <= rules_.pending_reports &&
      lane_.waiting_bytes(stream.id) <= rules_.pending_report_bytes &&
      lane_.all_bytes() <= rules_.all_pending_report_bytes) {
    return;
  }
  stream.paused = true;
  paused_.push_back(stream.id);
  ports_.Pause(stream.id);
}

void Hub::ReleasePaused() {
  if (paused_.empty() || lane_.all_bytes() > rules_.all_pending_report_bytes / 2) return;
  std::erase_if(paused_, [this](StreamId id) {
    Stream* const stream = FindStream(id);
    if (stream == nullptr) return true;
    if (lane_.waiting(id) > rules_.pending_reports / 2 || lane_.waiting_bytes(id) > rules_.pending_report_bytes / 2) {
      return false;
    }
    stream->paused = false;
    if (Agent* const agent = FindLive(id)) {
      agent->last_heard = clock_.Now();
      Schedule(*agent);
    }
    ports_.Resume(id);
    return true;
  });
}

void Hub::OnConfirm(Stream& stream, Agent& agent, const agent_hub::Confirm& confirm) {
  for (const auto& [request, ref] : stream.confirming) {
    // One question at a time; it is asked again.
    if (ref == confirm.ref) return Send(agent, ConfirmResult{.request = confirm.request, .unavailable = true});
  }
  const int limit = std::max(kMaxConfirms, agent.facts.slots);
  if (static_cast<int>(stream.confirming.size()) >= limit) {
    return Punish(stream, "FLOOD", "more questions at once than the limit");
  }
  stream.confirming.emplace_back(confirm.request, confirm.ref);
  ports_.Confirm(stream.id, confirm.request, confirm.ref);
}

void Hub::Confirmed(StreamId id, std::int64_t request, absl::StatusOr<bool> current) {
  Agent* const agent = FindLive(id);
  if (agent == nullptr) return;
  auto& confirming = FindStream(id)->confirming;
  const auto asked =
      std::find_if(confirming.begin(), confirming.end(), [&](const auto& entry) { return entry.first == request; });
  if (asked != confirming.end()) confirming.erase(asked);
  const bool unavailable = !current.ok() && IsPassing(current.status());
  Send(*agent, ConfirmResult{.request = request, .current = current.ok() && *current, .unavailable = unavailable});
  Settle();
}

void Hub::Withdraw(Agent& agent, const TaskRef& ref, std::string_view reason) {
  HeldEntry* const entry = agent.held.Find(ref);
  if (entry == nullptr || entry->dropping) return;
  agent.held.Drop(*entry);
  Send(agent, Cancel{.ref = ref, .reason = std::string(reason), .withdrawn = true});
}

void Hub::CloseWatch(WatchId watch) {
  book_.Close(watch);
  const absl::Time now = clock_.Now();
  for (const auto& [id, agent] : agents_) {
    if (!agent->stream.has_value()) continue;
    agent->unsure = true;
    agent->audit_at = std::min(agent->audit_at, now + rules_.undelivered + rules_.heartbeat * ShareOf(id));
    Schedule(*agent);
  }
}

void Hub::DirectivesLost() { directives_lost_ = true; }

void Hub::Direct(const Directive& directive) {
  Agent* const agent = FindAgent(directive.agent);
  if (agent == nullptr || !agent->stream.has_value()) return;
  const absl::Time now = clock_.Now();
  const auto waiting = std::find_if(agent->waiting.begin(), agent->waiting.end(),
                                    [&](const Work& work) { return work.ref == directive.ref; });
  if (waiting != agent->waiting.end()) {
    agent->waiting.erase(waiting);
    if (directive.kind == DirectiveKind::kCancel) {
      lane_.Add(*agent->stream, agent->id, agent->epoch,
                {.ref = directive.ref, .kind = ReportKind::kReleased, .text = directive.text, .body = nullptr});
      PumpReports();
    }
  }
  HeldEntry* const entry = agent->held.Find(directive.ref);
  if (entry != nullptr && !entry->dropping && entry->state != HeldState::kDone) {
    if (directive.kind == DirectiveKind::kWithdraw) {
      Withdraw(*agent, directive.ref, directive.text);
    } else if (now - entry->directed >= rules_.repeat_directive) {
      entry->directed = now;
      if (directive.kind == DirectiveKind::kCancel) {
        Send(*agent, Cancel{.ref = directive.ref, .reason = directive.text});
      } else {
        Send(*agent, Answer{.ref = directive.ref, .text = directive.text});
      }
    }
  }
  Refresh(*agent, "directed");
  Settle();
}

}  // namespace switchyard::agent_hub

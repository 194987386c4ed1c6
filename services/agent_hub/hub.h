#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/strings.h"
#include "services/agent_hub/agent_life.h"
#include "services/agent_hub/agent_store.h"
#include "services/agent_hub/capacity_book.h"
#include "services/agent_hub/flood_meter.h"
#include "services/agent_hub/held_table.h"
#include "services/agent_hub/hub_messages.h"
#include "services/agent_hub/hub_ports.h"
#include "services/agent_hub/hub_rules.h"
#include "services/agent_hub/report_lane.h"

namespace switchyard::agent_hub {

// What the hub counts; read by whoever shows it.
struct HubTally {
  std::uint64_t assigned = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t accepted = 0;
  // Final reports that the ledger took.
  std::uint64_t ended = 0;
  std::uint64_t refused = 0;
  std::uint64_t accept_timeouts = 0;
  std::uint64_t breakers_opened = 0;
  std::map<std::string, std::uint64_t> violations;
  // Of those that were timed since the last look.
  std::vector<absl::Duration> accept_times;
};

// The hub without its wires: which agents are there, what each holds and may be given, and what follows from what they
// say. Calls nothing that waits. Not thread-safe; the ports may not call back.
class Hub {
 public:
  // Borrows all.
  Hub(const HubRules& rules, const Clock& clock, IdSource& ids, HubPorts& ports, std::string hub_id);
  ~Hub();

  // ---- Streams. An error: not taken, to be closed with it; nothing else is said of that stream then.
  absl::Status Opened(StreamId stream, const AgentId& agent, std::string peer);
  // `said` goes into Seen::said.
  void Receive(StreamId stream, FromAgent message, std::size_t bytes, std::optional<std::string> said = std::nullopt);
  // Something that is no message, or one beyond the limits.
  void Malformed(StreamId stream, std::string_view what);
  // The peer can no longer be reached, for whatever reason. Also after HubPorts::Close.
  void Closed(StreamId stream);
  // Whether output of that assignment may be taken from that stream: while the agent has it, and for a while after the
  // ledger took its end.
  bool Holds(StreamId stream, const TaskRef& ref);

  bool IsHere(const AgentId& agent);

  // ---- Answers of ports.
  void Loaded(StreamId stream, absl::StatusOr<AgentRecord> record);
  void SessionOpened(StreamId stream, absl::StatusOr<OpenedSession> opened);
  void Listed(const AgentId& agent, std::int64_t epoch, absl::StatusOr<std::vector<Work>> owned);
  void Reported(BatchId batch, absl::StatusOr<std::vector<absl::Status>> answers);
  void Renewed(const std::vector<std::pair<AgentId, std::int64_t>>& asked,
               absl::StatusOr<std::vector<AgentId>> renewed);
  void Confirmed(StreamId stream, std::int64_t request, absl::StatusOr<bool> current);
  // `changed` tells the ledger of it; null when nothing was granted.
  void Granted(StreamId stream, const TaskRef& ref, RouteGranted granted, Body changed);

  // ---- What others want of agents.
  void Direct(const Directive& directive);
  // The feed of directives broke off, perhaps long after the last one came through. Once the ledger answers again, what
  // every agent holds is compared with it.
  void DirectivesLost();
  // A person did something to it, at any hub.
  void Touched(const AgentRecord& record);

  // ---- Schedulers.
  WatchId OpenWatch() { return book_.Open(); }
  // What that reader had assigned may never come here, so it is looked for at the ledger.
  void CloseWatch(WatchId watch);
  CapacityBook& book() { return book_; }
  // AGENT_NOT_HERE, STALE_SESSION, OVER_CAPACITY.
  absl::Status Dispatch(WatchId watch, const AgentId& agent, std::int64_t epoch, Work work);

  // ---- Time. Every quarter of a second or so.
  void Tick();
  // New streams are refused; those that stand are told to leave, spread over the configured time.
  void Drain();
  absl::Duration reconnect_after(std::size_t position) const;

  // ---- For the store.
  std::vector<Observation> TakeObservations();
  // They were not written.
  void PutBack(const std::vector<Observation>& observations);
  std::vector<Health> TakeHealths();
  void PutBack(std::vector<Health> healths);

  HubTally TakeTally() { return std::exchange(tally_, {}); }
  std::size_t streams() const { return streams_.size(); }
  std::size_t live() const { return live_; }
  std::size_t pending_reports() const { return lane_.all(); }
  // By state; for a gauge.
  std::map<AgentState, int> CountStates() const;

 private:
  struct Stream;
  struct Agent;
  // How an agent behaves, also while it is away.
  struct Visitor {
    Penalty penalty;
    bool unwritten = false;
    FloodMeter connects;
  };

  // Sessions (hub.cc).
  void OnHello(Stream& stream, Hello hello);
  void TryOpenSession(Stream& stream);
  void Cut(Stream& stream, const absl::Status& status, bool permanent = false);
  // What it holds goes elsewhere without a charge.
  void TakeBack(Agent& agent, std::string_view reason);
  void Withdraw(Agent& agent, const TaskRef& ref, std::string_view reason);
  // Cut, and the agent stays away for a while.
  void Punish(Stream& stream, std::string_view reason, std::string_view message);
  void EndSession(Agent& agent, std::string_view cause);
  void Apply(const AgentRecord& record, Agent& agent);
  void OnHeartbeat(Stream& stream, Agent& agent, const Heartbeat& heartbeat);
  void StartProbe(Agent& agent);
  void OnProbeReport(Agent& agent, const Report& report);
  void EndProbe(Agent& agent, ProbeState state, std::string_view message);
  void OnConfirm(Stream& stream, Agent& agent, const Confirm& confirm);
  void OnRouteAsked(Stream& stream, Agent& agent, RouteAsked asked);
  void OnReports(Stream& stream, Agent& agent, Reports reports);
  void OnReport(Agent& agent, Report report);
  void CountAgentFailure(Agent& agent, std::string_view failure);
  void SendWork(Agent& agent, Work work, bool redelivered);
  void SendWaiting(Agent& agent);
  void CheckAcceptance(Agent& agent, absl::Time now);
  // Asks the ledger what the agent owns, unless that is under way.
  void AskOwned(Agent& agent);
  void Audit(Agent& agent, absl::Time now);
  void SettleReport(Agent& agent, const Report& report, const absl::Status& status);
  void PumpReports();
  // Pauses and resumes reading by what waits.
  void Balance(Stream& stream);
  void ReleasePaused();
  // The agent's state, capacity and status, after something changed.
  void Refresh(Agent& agent, std::string_view cause);
  void Offer(Agent& agent);
  void Send(Agent& agent, ToAgent message);
  // How long an executor trusts in its session after the last word it heard; ends before the lease does.
  absl::Duration TrustOf(const Agent& agent) const;
  // Whether the last renewal is so old that a word heard now would make the executor trust for longer than the lease
  // lasts. Then it is told nothing.
  bool MustBeSilent(const Agent& agent) const;
  void SpeakAgain(Agent& agent);
  // Deals with those whose buffers overflowed; the end of every public method that may send.
  void Settle();
  void Renew(std::vector<std::pair<AgentId, std::int64_t>> sessions);
  void TickAgent(Agent& agent, absl::Time now);
  // Those whose hello is overdue.
  void TickStreams(absl::Time now);
  // When time alone may change something of it.
  absl::Time NextDue(const Agent& agent) const;
  // To be called when that may have become earlier.
  void Schedule(Agent& agent);
  // Nothing of it is left to be said or written.
  static bool IsOver(const Agent& agent);
  int FreeSlots(const Agent& agent) const;

  Stream* FindStream(StreamId id);
  // Null unless it is the agent's live session.
  Agent* FindLive(StreamId id);
  Agent* FindAgent(const AgentId& id);

  const HubRules& rules_;
  const Clock& clock_;
  IdSource& ids_;
  HubPorts& ports_;
  const std::string hub_id_;
  // Ordered, since they are walked: the same history leads to the same messages.
  absl::btree_map<StreamId, std::unique_ptr<Stream>> streams_;
  absl::btree_map<AgentId, std::unique_ptr<Agent>> agents_;
  absl::flat_hash_map<AgentId, Visitor> visitors_;
  std::vector<StreamId> paused_;
  ReportLane lane_;
  CapacityBook book_;
  std::vector<StreamId> slow_;
  // When an agent is looked at next; an entry counts while the agent says the same.
  using Due = std::pair<absl::Time, AgentId>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  // Streams by the time from which their hello is missing.
  std::deque<std::pair<absl::Time, StreamId>> greeting_;
  std::size_t live_ = 0;
  absl::Time renew_at_ = absl::InfinitePast();
  // When the calls under way, or the last ones, were made.
  absl::Time renew_sent_ = absl::InfinitePast();
  // Calls under way.
  int renewing_ = 0;
  bool directives_lost_ = false;
  absl::Time prune_at_ = absl::InfinitePast();
  absl::Time turn_at_ = absl::InfinitePast();
  bool draining_ = false;
  HubTally tally_;
};

}  // namespace switchyard::agent_hub

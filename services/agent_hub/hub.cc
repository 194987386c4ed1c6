#include "services/agent_hub/hub.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/agent_hub/features.h"
#include "services/agent_hub/health_rules.h"
#include "services/agent_hub/hub_errors.h"
#include "services/agent_hub/hub_state.h"

namespace switchyard::agent_hub {
namespace {

constexpr int kVersion = 1;
// Connects of one agent: on average one in this many seconds, and a few at once.
constexpr double kConnectsPerSecond = 0.5;
constexpr double kConnectBurst = 20;
// Messages to an agent whose session is not sure.
constexpr std::size_t kMaxUnsaid = 1'000;

bool Contains(const std::vector<std::string>& list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

std::string FailedSelfTest(const std::vector<SelfTestFact>& tests) {
  for (const SelfTestFact& test : tests) {
    if (!test.passed) return test.message.empty() ? test.name : absl::StrCat(test.name, ": ", test.message);
  }
  return "";
}

}  // namespace

Hub::Hub(const HubRules& rules, const Clock& clock, IdSource& ids, HubPorts& ports, std::string hub_id)
    : rules_(rules), clock_(clock), ids_(ids), ports_(ports), hub_id_(std::move(hub_id)), lane_(rules) {}
Hub::~Hub() = default;

Hub::Stream* Hub::FindStream(StreamId id) {
  const auto found = streams_.find(id);
  return found == streams_.end() || found->second->phase == Stream::Phase::kClosing ? nullptr : found->second.get();
}

Hub::Agent* Hub::FindAgent(const AgentId& id) {
  const auto found = agents_.find(id);
  return found == agents_.end() ? nullptr : found->second.get();
}

Hub::Agent* Hub::FindLive(StreamId id) {
  Stream* const stream = FindStream(id);
  if (stream == nullptr || stream->phase != Stream::Phase::kLive) return nullptr;
  return FindAgent(stream->agent);
}

absl::Status Hub::Opened(StreamId id, const AgentId& agent, std::string peer) {
  const absl::Time now = clock_.Now();
  if (draining_) return HubDraining(reconnect_after(streams_.size()));
  if (streams_.size() >= rules_.max_streams) return TooManyStreams(rules_.max_streams);
  Visitor& visitor =
      visitors_.try_emplace(agent, Visitor{{}, false, FloodMeter(kConnectsPerSecond, kConnectBurst, now)})
          .first->second;
  if (!visitor.connects.Take(1, now)) {
    // A new meter: the penalty is what keeps it away.
    visitor.connects = FloodMeter(kConnectsPerSecond, kConnectBurst, now);
    Violate(rules_, "FLOOD", now, visitor.penalty);
    visitor.unwritten = true;
    ++tally_.violations["FLOOD"];
  }
  if (const absl::Duration left = PenaltyLeft(visitor.penalty, now); left > absl::ZeroDuration()) {
    return AgentPenalized(visitor.penalty.last_violation, left);
  }
  streams_.emplace(id, std::make_unique<Stream>(id, agent, std::move(peer), rules_, now));
  greeting_.emplace_back(now + rules_.hello, id);
  ports_.LoadAgent(id, agent);
  return absl::OkStatus();
}

void Hub::Loaded(StreamId id, absl::StatusOr<AgentRecord> record) {
  Stream* const stream = FindStream(id);
  if (stream == nullptr || stream->phase != Stream::Phase::kLoading) return;
  const absl::Time now = clock_.Now();
  if (!record.ok()) {
    const bool unknown = record.status().code() == absl::StatusCode::kNotFound;
    return Cut(*stream, unknown ? AgentRemoved() : DatabaseUnavailable(), unknown);
  }
  if (record->revoked || record->remove_time.has_value()) return Cut(*stream, AgentRemoved(), true);
  Visitor& visitor = visitors_.at(stream->agent);
  if (!visitor.unwritten) visitor.penalty = record->penalty;
  if (const absl::Duration left = PenaltyLeft(visitor.penalty, now); left > absl::ZeroDuration()) {
    return Cut(*stream, AgentPenalized(visitor.penalty.last_violation, left));
  }
  stream->record = *std::move(record);
  stream->phase = Stream::Phase::kAwaitingHello;
  ports_.Resume(id);
}

void Hub::Receive(StreamId id, FromAgent message, std::size_t bytes, std::optional<std::string> said) {
  Stream* const stream = FindStream(id);
  if (stream == nullptr) return;
  const absl::Time now = clock_.Now();
  const bool few = stream->messages.Take(1, now);
  const bool small = stream->bytes.Take(static_cast<double>(bytes), now);
  if (!few || !small) {
    Punish(*stream, "FLOOD", few ? "more bytes than the limit" : "more messages than the limit");
    return Settle();
  }
  if (said.has_value()) stream->said = std::move(said);
  if (Hello* const hello = std::get_if<Hello>(&message)) {
    OnHello(*stream, std::move(*hello));
    return Settle();
  }
  if (stream->phase == Stream::Phase::kAwaitingHello) {
    Punish(*stream, "HELLO_MISSING", "the first message must be Hello");
    return Settle();
  }
  Agent* const agent = FindLive(id);
  // Between hello and welcome an executor has nothing to say.
  if (agent == nullptr) return;
  agent->last_heard = now;
  if (const auto* const heartbeat = std::get_if<Heartbeat>(&message)) {
    OnHeartbeat(*stream, *agent, *heartbeat);
  } else if (auto* const reports = std::get_if<Reports>(&message)) {
    OnReports(*stream, *agent, std::move(*reports));
  } else if (const auto* const confirm = std::get_if<agent_hub::Confirm>(&message)) {
    const HeldEntry* const entry = agent->held.Find(confirm->ref);
    if (entry == nullptr || entry->dropping) {
      Send(*agent, ConfirmResult{.request = confirm->request});
    } else {
      OnConfirm(*stream, *agent, *confirm);
    }
  } else if (auto* const asked = std::get_if<RouteAsked>(&message)) {
    OnRouteAsked(*stream, *agent, std::move(*asked));
  }
  Settle();
}

void Hub::Malformed(StreamId id, std::string_view what) {
  if (Stream* const stream = FindStream(id)) Punish(*stream, "BAD_MESSAGE", what);
  Settle();
}

void Hub::Closed(StreamId id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = *found->second;
  if (stream.phase == Stream::Phase::kLive) {
    if (Agent* const agent = FindAgent(stream.agent)) EndSession(*agent, "the stream ended");
  }
  std::erase(paused_, id);
  streams_.erase(id);
}

bool Hub::IsHere(const AgentId& id) {
  const Agent* const agent = FindAgent(id);
  return agent != nullptr && agent->stream.has_value();
}

bool Hub::Holds(StreamId id, const TaskRef& ref) {
  Agent* const agent = FindLive(id);
  if (agent == nullptr) return false;
  if (const HeldEntry* const entry = agent->held.Find(ref)) return !entry->dropping;
  return std::find(agent->ended.begin(), agent->ended.end(), ref) != agent->ended.end();
}

void Hub::OnHello(Stream& stream, Hello hello) {
  if (stream.phase != Stream::Phase::kAwaitingHello) {
    return Punish(stream, "HELLO_REPEATED", "Hello is the first message and only that");
  }
  if (hello.min_version > kVersion || hello.max_version < kVersion) {
    return Cut(stream, VersionUnsupported(hello.min_version, hello.max_version), true);
  }
  std::vector<TaskRef> held;
  held.reserve(hello.held.size());
  for (const Held& task : hello.held) held.push_back(task.ref);
  const bool restarted = hello.restarted;
  const std::int64_t connection = hello.connection;
  stream.hello = std::move(hello);
  stream.phase = Stream::Phase::kOpening;
  stream.asked = clock_.Now();
  // What comes before Welcome waits for it.
  ports_.Pause(stream.id);
  ports_.OpenSession(stream.id, stream.agent, std::move(held), restarted, connection);
}

void Hub::SessionOpened(StreamId id, absl::StatusOr<OpenedSession> opened) {
  Stream* const stream = FindStream(id);
  if (stream == nullptr || stream->phase != Stream::Phase::kOpening) return;
  const absl::Time now = clock_.Now();
  if (!opened.ok()) return Cut(*stream, IsPassing(opened.status()) ? LedgerUnavailable() : opened.status());
  if (draining_) return Cut(*stream, HubDraining(reconnect_after(0)));
  auto& slot = agents_[stream->agent];
  const AgentRecord& record = *stream->record;
  if (slot == nullptr) {
    slot = std::make_unique<Agent>(
        stream->agent, AgentLife(hub_id_, record.seen.state, record.seen.state_time, record.seen.state_cause));
  }
  Agent& agent = *slot;
  if (agent.epoch > opened->epoch) return Cut(*stream, SessionSuperseded());
  if (agent.stream.has_value()) {
    if (Stream* const former = FindStream(*agent.stream)) Cut(*former, SessionSuperseded());
  }
  const Hello& hello = *stream->hello;
  Apply(record, agent);
  agent.stream = id;
  ++live_;
  stream->phase = Stream::Phase::kLive;
  agent.epoch = opened->epoch;
  agent.lease = opened->lease;
  agent.peer = stream->peer;
  agent.version = kVersion;
  agent.features = AgreedFeatures(hello.features);
  agent.capabilities = hello.capabilities;
  agent.labels = {hello.labels.begin(), hello.labels.end()};
  for (const auto& [key, value] : agent.enrolled_labels) agent.labels[key] = value;
  agent.held.Clear();
  agent.waiting.clear();
  agent.last_number = 0;
  agent.next_accept = absl::InfiniteFuture();
  agent.last_heard = now;
  agent.listing = false;
  agent.unsure = agent.listing_unsure = false;
  agent.renewed = stream->asked;
  agent.silent = agent.unsaid_lost = false;
  agent.unsaid.clear();
  agent.audit_at = now + rules_.audit * (1 + ShareOf(agent.id));
  agent.probe_ref.reset();
  agent.probe_until = absl::InfiniteFuture();
  agent.facts.connected = true;
  agent.facts.in_grace = false;
  agent.facts.heartbeat_overdue = false;
  agent.facts.accept_overdue = false;
  agent.facts.leaving = hello.draining;
  agent.facts.refusing.clear();
  agent.facts.slots = hello.slots;
  agent.facts.failed_self_test = FailedSelfTest(hello.self_tests);
  agent.peer_news = stream->peer;
  agent.connect_news = now;
  agent.heartbeat_news = now;
  agent.heartbeat_recorded = now;
  agent.capabilities_news = true;
  agent.dirty = true;
  if (stream->said.has_value()) {
    agent.said = std::move(stream->said);
    agent.said_news = true;
    stream->said.reset();
  }

  // What it named and still owns is believed to run as it says.
  absl::flat_hash_map<TaskRef, HeldState> named;
  for (const Held& task : hello.held) named[task.ref] = task.state;
  for (const TaskRef& ref : opened->keep) {
    const auto told = named.find(ref);
    agent.held.Add(ref, told == named.end() ? HeldState::kRunning : told->second);
  }
  const absl::Duration interval = rules_.heartbeat;
  Send(agent, Welcome{.version = kVersion,
                      .features = agent.features,
                      .missing_features = MissingFeatures(hello.features),
                      .session_epoch = agent.epoch,
                      .agent_id = agent.id.ToString(),
                      .agent_name = agent.name,
                      .heartbeat_interval = interval,
                      .heartbeat_offset = interval * ShareOf(agent.id),
                      .grace = TrustOf(agent),
                      .keep = std::move(opened->keep),
                      .drop = std::move(opened->drop),
                      .now = now});
  for (Work& work : opened->redeliver) SendWork(agent, std::move(work), true);
  ports_.Resume(id);
  stream->hello.reset();
  stream->record.reset();
  agent.life.Update(agent.facts, "connected", now);
  Offer(agent);
  StartProbe(agent);
  Refresh(agent, "connected");
  Settle();
}

void Hub::Apply(const AgentRecord& record, Agent& agent) {
  agent.name = record.name;
  agent.enrolled_labels = record.labels;
  agent.facts.drain = record.drain;
  agent.facts.quarantine = record.quarantine;
  if (!agent.breaker_dirty) agent.breaker = record.breaker;
  if (!agent.probe_dirty) agent.facts.probe = record.probe;
  agent.facts.breaker_open_until = agent.breaker.open_until;
  agent.facts.last_failure = agent.breaker.last_failure;
}

void Hub::Touched(const AgentRecord& record) {
  const auto visitor = visitors_.find(record.id);
  if (visitor != visitors_.end() && !visitor->second.unwritten) visitor->second.penalty = record.penalty;
  Agent* const agent = FindAgent(record.id);
  if (agent == nullptr || !agent->stream.has_value()) return;
  Stream* const stream = FindStream(*agent->stream);
  if (stream == nullptr) return;
  const bool quarantined = !agent->facts.quarantine.has_value() && record.quarantine.has_value();
  // The probe that is under way is known better here.
  const bool probing = agent->probe_ref.has_value();
  const Probe probe = agent->facts.probe;
  Apply(record, *agent);
  if (probing) agent->facts.probe = probe;
  if (record.revoked || record.remove_time.has_value()) {
    TakeBack(*agent, "the agent was removed");
    Cut(*stream, AgentRemoved(), true);
    return Settle();
  }
  if (quarantined) TakeBack(*agent, "the agent was set apart");
  StartProbe(*agent);
  Refresh(*agent, "a person");
  PumpReports();
  Settle();
}

void Hub::TakeBack(Agent& agent, std::string_view reason) {
  std::vector<TaskRef> refs;
  agent.held.ForEach([&](const TaskRef& ref, HeldEntry& entry) {
    if (entry.state != HeldState::kDone && !entry.dropping) refs.push_back(ref);
  });
  for (const Work& work : agent.waiting) refs.push_back(work.ref);
  agent.waiting.clear();
  for (const TaskRef& ref : refs) {
    lane_.Add(*agent.stream, agent.id, agent.epoch,
              {.ref = ref, .kind = ReportKind::kReleased, .text = std::string(reason), .body = nullptr});
    Withdraw(agent, ref, reason);
  }
  PumpReports();
}

void Hub::Cut(Stream& stream, const absl::Status& status, bool permanent) {
  const bool live = stream.phase == Stream::Phase::kLive;
  stream.phase = Stream::Phase::kClosing;
  ports_.Close(stream.id, status, permanent);
  if (!live) return;
  if (Agent* const agent = FindAgent(stream.agent)) EndSession(*agent, ReasonOf(status));
}

void Hub::Punish(Stream& stream, std::string_view reason, std::string_view message) {
  const absl::Time now = clock_.Now();
  Visitor& visitor = visitors_.at(stream.agent);
  Violate(rules_, reason, now, visitor.penalty);
  visitor.unwritten = true;
  ++tally_.violations[std::string(reason)];
  LogWarning("an agent breaks the protocol", {{"agent", stream.agent.ToString()},
                                              {"reason", reason},
                                              {"message", message},
                                              {"violations", visitor.penalty.violations}});
  Cut(stream, Violation(reason, message, PenaltyLeft(visitor.penalty, now)));
}

void Hub::EndSession(Agent& agent, std::string_view cause) {
  const absl::Time now = clock_.Now();
  if (!agent.stream.has_value()) return;
  lane_.Forget(*agent.stream);
  agent.stream.reset();
  --live_;
  book_.Remove(agent.id);
  agent.waiting.clear();
  agent.silent = false;
  agent.unsaid.clear();
  agent.probe_ref.reset();
  agent.facts.connected = false;
  agent.facts.in_grace = agent.held.size() > 0;
  agent.grace_until = now + agent.lease;
  agent.dirty = true;
  agent.life.Update(agent.facts, cause, now);
  Schedule(agent);
}

void Hub::Settle() {
  while (!slow_.empty()) {
    const StreamId id = slow_.back();
    slow_.pop_back();
    if (Stream* const stream = FindStream(id)) Punish(*stream, "SLOW_READER", "what it was sent waits unread");
  }
}

void Hub::Send(Agent& agent, ToAgent message) {
  if (!agent.stream.has_value()) return;
  if (!agent.unsaid.empty() || MustBeSilent(agent)) {
    if (agent.unsaid.size() < kMaxUnsaid) {
      agent.unsaid.push_back(std::move(message));
    } else if (!std::exchange(agent.unsaid_lost, true)) {
      Schedule(agent);
    }
    return;
  }
  if (!ports_.Send(*agent.stream, std::move(message))) slow_.push_back(*agent.stream);
}

int Hub::FreeSlots(const Agent& agent) const {
  if (!agent.life.available() || !agent.stream.has_value() || agent.silent) return 0;
  return std::max(agent.facts.slots - agent.held.occupied() - static_cast<int>(agent.waiting.size()), 0);
}

void Hub::Offer(Agent& agent) {
  auto offer = std::make_shared<AgentOffer>();
  offer->id = agent.id;
  offer->name = agent.name;
  offer->session_epoch = agent.epoch;
  offer->version = agent.version;
  offer->features = agent.features;
  offer->capabilities = agent.capabilities;
  offer->labels = agent.labels;
  offer->slots = agent.facts.slots;
  offer->held = agent.held.occupied();
  offer->state = agent.life.view().state;
  offer->unavailable_reason = std::string(agent.life.view().unavailable);
  offer->unavailable_message = agent.life.view().message;
  book_.Offer(std::move(offer));
}

void Hub::Refresh(Agent& agent, std::string_view cause) {
  for (int state = 1; state < kHeldStates; ++state) {
    agent.facts.held[state] = agent.held.count(static_cast<HeldState>(state));
  }
  if (agent.life.Update(agent.facts, cause, clock_.Now())) {
    agent.dirty = true;
    if (agent.stream.has_value()) {
      Offer(agent);
      const AgentView& view = agent.life.view();
      if (Contains(agent.features, "status")) {
        Send(agent, StatusNews{.state = view.state,
                               .cause = agent.life.cause(),
                               .unavailable_reason = std::string(view.unavailable),
                               .unavailable_message = view.message,
                               .probe = agent.facts.probe});
      }
    }
  }
  book_.SetFree(agent.id, FreeSlots(agent));
  Schedule(agent);
}

std::map<AgentState, int> Hub::CountStates() const {
  std::map<AgentState, int> counts;
  for (const auto& [id, agent] : agents_) ++counts[agent->life.view().state];
  return counts;
}

}  // namespace switchyard::agent_hub

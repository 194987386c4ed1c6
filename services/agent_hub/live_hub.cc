#include "services/agent_hub/live_hub.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/agent_hub/channel_convert.h"
#include "services/agent_hub/hub_errors.h"
#include "services/agent_hub/route_convert.h"

namespace switchyard::agent_hub {
namespace {

namespace av1 = agent::v1;

// Agents of one message of a snapshot.
constexpr std::size_t kNewsAgents = 500;
// How far back a look for what persons did goes behind the last: longer than a change takes to commit.
constexpr absl::Duration kLookBack = absl::Seconds(15);

constexpr std::size_t kMaxCheckBytes = 64u << 10;

// How long agents may take to send what is ready and end their streams, once they were told to leave.
constexpr absl::Duration kLeave = absl::Milliseconds(1500);

std::string WatchName(const std::string& hub, WatchId watch) {
  return hub + "/" + std::to_string(static_cast<std::uint64_t>(watch));
}

}  // namespace

struct LiveHub::After {
  std::vector<std::shared_ptr<AgentStream>> flush;
  std::vector<std::function<void()>> jobs;
  std::vector<WatchId> awakened;
};

// One stream: what callbacks of gRPC touch one at a time, beside what the lock guards.
struct LiveHub::Link {
  Link(const AgentId& agent, std::string name, std::shared_ptr<AgentStream> stream)
      : agent(agent), name(std::move(name)), stream(std::move(stream)) {}

  const AgentId agent;
  // As its token says it.
  const std::string name;
  const std::shared_ptr<AgentStream> stream;
  // What it said of itself so far.
  av1::Agent said;
  bool dirty = false;
};

class LiveHub::Outbox final : public HubPorts {
 public:
  explicit Outbox(LiveHub& owner) : owner_(owner) {}

  void Add(StreamId id, std::shared_ptr<Link> link) { links_.emplace(id, std::move(link)); }
  void Remove(StreamId id) { links_.erase(id); }
  After Take() {
    for (const auto& link : dirty_) {
      link->dirty = false;
      after_.flush.push_back(link->stream);
    }
    dirty_.clear();
    return std::exchange(after_, {});
  }
  std::vector<std::shared_ptr<Link>> links() const {
    std::vector<std::shared_ptr<Link>> links;
    for (const auto& [id, link] : links_) links.push_back(link);
    return links;
  }

  bool Send(StreamId id, ToAgent message) override {
    const auto found = links_.find(id);
    if (found == links_.end()) return true;
    av1::HubMessage out = ToProto(std::move(message), owner_.hub_id_, owner_.rules_);
    const int kind = out.body_case();
    const std::size_t bytes = out.ByteSizeLong();
    MarkDirty(found->second);
    bool joined = false;
    const bool taken = found->second->stream->Enqueue(std::move(out), &joined);
    if (taken) owner_.deps_.meter.Sent(kind, bytes, joined);
    // A stream whose end is decided takes nothing, and is not slow for that.
    return taken || !found->second->stream->open();
  }
  void Close(StreamId id, const absl::Status& status, bool permanent) override {
    const auto found = links_.find(id);
    if (found == links_.end()) return;
    after_.jobs.push_back(
        [stream = found->second->stream, status, permanent] { stream->Close(status, ToGoodbye(status, permanent)); });
  }
  void Pause(StreamId id) override {
    const auto found = links_.find(id);
    if (found != links_.end()) found->second->stream->SetReading(false);
  }
  void Resume(StreamId id) override {
    const auto found = links_.find(id);
    if (found == links_.end()) return;
    found->second->stream->SetReading(true);
    MarkDirty(found->second);
  }

  void LoadAgent(StreamId id, const AgentId& agent) override {
    after_.jobs.push_back([hub = &owner_, id, agent] {
      const absl::Status taken = hub->deps_.blocking.Run([hub, id, agent] {
        absl::StatusOr<AgentRecord> record = hub->deps_.store.Find(agent);
        hub->With([&](Hub& core) { core.Loaded(id, std::move(record)); });
      });
      if (!taken.ok()) hub->With([&](Hub& core) { core.Loaded(id, taken); });
    });
  }
  void OpenSession(StreamId id, const AgentId& agent, std::vector<TaskRef> held, bool restarted,
                   std::int64_t connection) override {
    after_.jobs.push_back([hub = &owner_, id, agent, held = std::move(held), restarted, connection] {
      hub->deps_.ledger.OpenSession(agent, held, restarted, connection,
                                    [hub, id](absl::StatusOr<OpenedSession> opened) {
                                      hub->With([&](Hub& core) { core.SessionOpened(id, std::move(opened)); });
                                    });
    });
  }
  void ListAssigned(const AgentId& agent, std::int64_t epoch) override {
    after_.jobs.push_back([hub = &owner_, agent, epoch] {
      hub->deps_.ledger.ListAssigned(agent, [hub, agent, epoch](absl::StatusOr<std::vector<Work>> owned) {
        hub->With([&](Hub& core) { core.Listed(agent, epoch, std::move(owned)); });
      });
    });
  }
  void Report(BatchId batch, std::vector<LedgerReport> reports) override {
    after_.jobs.push_back([hub = &owner_, batch, reports = std::move(reports)] {
      hub->deps_.ledger.Report(reports, [hub, batch](absl::StatusOr<std::vector<absl::Status>> answers) {
        hub->With([&](Hub& core) { core.Reported(batch, std::move(answers)); });
      });
    });
  }
  void Renew(std::vector<std::pair<AgentId, std::int64_t>> sessions) override {
    after_.jobs.push_back([hub = &owner_, sessions = std::move(sessions)] {
      hub->deps_.ledger.Renew(sessions, [hub, sessions](absl::StatusOr<std::vector<AgentId>> renewed) {
        hub->With([&](Hub& core) { core.Renewed(sessions, std::move(renewed)); });
      });
    });
  }
  void AskRoute(StreamId id, const AgentId& agent, RouteAsked asked) override {
    after_.jobs.push_back([hub = &owner_, id, agent, asked = std::move(asked)] {
      hub->deps_.routes.Grant(
          ToGrantRequest(agent, asked), [hub, id, asked](const absl::StatusOr<router::v1::GrantRouteResponse>& answer) {
            auto [granted, changed] = FromGrant(asked.request, answer);
            hub->With([&](Hub& core) { core.Granted(id, asked.ref, std::move(granted), std::move(changed)); });
          });
    });
  }
  void Confirm(StreamId id, std::int64_t request, const TaskRef& ref) override {
    after_.jobs.push_back([hub = &owner_, id, request, ref] {
      hub->deps_.ledger.Confirm(ref, [hub, id, request](absl::StatusOr<bool> current) {
        hub->With([&](Hub& core) { core.Confirmed(id, request, std::move(current)); });
      });
    });
  }

 private:
  void MarkDirty(const std::shared_ptr<Link>& link) {
    if (std::exchange(link->dirty, true)) return;
    dirty_.push_back(link);
  }

  LiveHub& owner_;
  // Shared with the callbacks of the stream.
  absl::flat_hash_map<StreamId, std::shared_ptr<Link>> links_;
  std::vector<std::shared_ptr<Link>> dirty_;
  After after_;
};

LiveHub::LiveHub(const HubRules& rules, std::string hub_id, const LiveHubDeps& deps)
    : rules_(rules),
      hub_id_(std::move(hub_id)),
      deps_(deps),
      outbox_(std::make_unique<Outbox>(*this)),
      hub_(rules_, deps.clock, deps.ids, *outbox_, hub_id_),
      looked_at_(deps.clock.Now()) {}

LiveHub::~LiveHub() = default;

template <class Work>
void LiveHub::With(Work work) {
  After after;
  {
    MutexLock lock(mutex_);
    work(hub_);
    after = outbox_->Take();
    after.awakened = hub_.book().TakeAwakened();
  }
  Finish(after);
}

void LiveHub::Finish(After& after) {
  for (const std::function<void()>& job : after.jobs) job();
  for (const std::shared_ptr<AgentStream>& stream : after.flush) stream->Flush();
  for (const WatchId watch : after.awakened) SendNews(watch);
}

absl::Status LiveHub::Connect(const rpc::CallContext& call, std::shared_ptr<AgentStream> stream) {
  const absl::StatusOr<AgentId> agent = AgentId::Parse(call.principal().id);
  if (!agent.ok()) return AgentRemoved();
  auto link = std::make_shared<Link>(*agent, call.principal().name, stream);
  StreamId id{};
  absl::Status taken;
  After after;
  {
    MutexLock lock(mutex_);
    id = StreamId{++last_stream_};
    taken = hub_.Opened(id, *agent, stream->peer());
    if (taken.ok()) outbox_->Add(id, link);
    after = outbox_->Take();
  }
  if (!taken.ok()) {
    stream->Close(taken, ToGoodbye(taken, false));
    return absl::OkStatus();
  }
  stream->SetEvents({.received = [this, id, link](av1::AgentMessage& message,
                                                  std::size_t bytes) { OnMessage(id, *link, message, bytes); },
                     .garbled = [this, id] { With([&](Hub& hub) { hub.Malformed(id, "what came is no message"); }); },
                     .half_closed = [stream = link->stream.get()] { stream->Close(absl::OkStatus(), std::nullopt); },
                     .draining = [this](const absl::Status&) { Drain(); },
                     .ended =
                         [this, id] {
                           With([&](Hub& hub) ABSL_NO_THREAD_SAFETY_ANALYSIS {
                             hub.Closed(id);
                             outbox_->Remove(id);
                           });
                         }});
  Finish(after);
  return absl::OkStatus();
}

void LiveHub::OnMessage(StreamId id, Link& link, av1::AgentMessage& message, std::size_t bytes) {
  deps_.meter.Received(message.body_case(), bytes);
  const bool logs = message.body_case() == av1::AgentMessage::kLogs;
  absl::StatusOr<Received> received = FromProto(message);
  if (!received.ok()) {
    return With([&](Hub& hub) { hub.Malformed(id, ToStd(received.status().message())); });
  }
  std::optional<std::string> said;
  if (received->said.has_value()) {
    if (std::holds_alternative<Hello>(received->message)) {
      link.said = *std::move(received->said);
    } else {
      link.said.set_slots(received->said->slots());
      if (received->said->has_resources()) link.said.mutable_resources()->Swap(received->said->mutable_resources());
      if (received->said->self_tests_size() > 0) {
        link.said.mutable_self_tests()->Swap(received->said->mutable_self_tests());
      }
    }
    said = link.said.SerializeAsString();
  }
  With([&](Hub& hub) { hub.Receive(id, std::move(received->message), bytes, std::move(said)); });
  if (logs) OnLogs(id, *message.mutable_logs());
  if (message.has_reports()) OnEnds(link, message.reports());
  if (!message.heartbeat().endpoint_checks().empty()) OnChecks(link, message.heartbeat().endpoint_checks());
}

void LiveHub::OnEnds(const Link& link, const av1::ReportBatch& reports) {
  for (const av1::Report& report : reports.reports()) {
    if (std::optional<router::v1::RouteOutcome> outcome = ToOutcome(report); outcome.has_value()) {
      outcome->set_agent_id(link.agent.ToString());
      deps_.routes.Ended(*std::move(outcome));
    }
  }
}

void LiveHub::OnChecks(const Link& link, const std::string& bytes) {
  model_registry::v1::ReportEndpointChecksRequest checks;
  if (bytes.size() > kMaxCheckBytes || !checks.ParseFromString(bytes)) return;
  // Of itself an agent says what it likes; of others nothing.
  checks.set_agent(link.name);
  deps_.routes.Checked(std::move(checks));
}

void LiveHub::OnLogs(StreamId id, av1::LogBatch& logs) {
  absl::StatusOr<std::vector<LogChunk>> chunks = FromProto(logs);
  if (!chunks.ok()) {
    return With([&](Hub& hub) { hub.Malformed(id, ToStd(chunks.status().message())); });
  }
  const std::size_t before = chunks->size();
  {
    MutexLock lock(mutex_);
    std::erase_if(*chunks, [&](const LogChunk& chunk) ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return !hub_.Holds(id, {chunk.task, chunk.generation});
    });
  }
  if (chunks->size() < before) deps_.meter.LogsDropped(before - chunks->size());
  if (!chunks->empty()) deps_.logs.Add(*std::move(chunks));
}

absl::Status LiveHub::Watch(std::shared_ptr<CapacityStream> stream) {
  WatchId watch{};
  {
    MutexLock lock(mutex_);
    watch = hub_.OpenWatch();
    readers_.emplace(watch, Reader{stream, WatchName(hub_id_, watch)});
  }
  stream->OnIdle([this, watch] { SendNews(watch); });
  stream->OnClosed([this, watch] {
    With([&](Hub& hub) ABSL_NO_THREAD_SAFETY_ANALYSIS {
      hub.CloseWatch(watch);
      readers_.erase(watch);
    });
  });
  With([](Hub&) {});
  return absl::OkStatus();
}

void LiveHub::SendNews(WatchId watch) {
  std::shared_ptr<CapacityStream> stream;
  av1::WatchCapacityResponse message;
  {
    MutexLock lock(mutex_);
    const auto reader = readers_.find(watch);
    if (reader == readers_.end() || !hub_.book().HasNews(watch)) return;
    stream = reader->second.stream;
    // What happens meanwhile joins the next message, once this reader is idle.
    if (stream->buffered() > 0) return;
    const CapacityNews news = hub_.book().Take(watch, kNewsAgents);
    message.set_sequence(news.sequence);
    if (news.sequence == 1) {
      message.set_watch_id(reader->second.name);
      message.set_hub_id(hub_id_);
    }
    for (const AgentId& agent : news.gone) message.add_gone_agent_ids(agent.ToString());
    for (const OfferedAgent& offered : news.agents) *message.add_agents() = ToProto(offered);
    for (const auto& [handle, limit] : news.credits) {
      av1::CreditChange& change = *message.add_credits();
      change.set_handle(handle);
      change.set_credit_limit(limit);
    }
    message.set_snapshot_complete(news.snapshot_complete);
    stream->Enqueue(std::move(message));
  }
  stream->Flush();
}

void LiveHub::Dispatch(av1::DispatchRequest& request, av1::DispatchResponse& response) {
  response.mutable_results()->Reserve(request.items_size());
  With([&](Hub& hub) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    WatchId watch{};
    for (const auto& [id, reader] : readers_) {
      if (reader.name == request.watch_id()) watch = id;
    }
    for (av1::DispatchItem& item : *request.mutable_items()) {
      av1::DispatchResult& result = *response.add_results();
      result.set_task_id(item.assignment().task_id());
      const absl::StatusOr<AgentId> agent = AgentId::Parse(item.agent_id());
      absl::StatusOr<Work> work = ToWork(item);
      absl::Status status;
      if (!agent.ok() || !work.ok()) {
        status = InvalidFields({{.field = "items", .description = "names no agent or no assignment"}});
      } else {
        status = hub.Dispatch(watch, *agent, item.session_epoch(), *std::move(work));
      }
      if (!status.ok()) ToProto(status, result.mutable_error());
    }
  });
}

void LiveHub::Direct(const std::vector<Directive>& directives) {
  With([&](Hub& hub) {
    for (const Directive& directive : directives) hub.Direct(directive);
  });
}

void LiveHub::DirectivesLost() {
  With([](Hub& hub) { hub.DirectivesLost(); });
}

void LiveHub::Touched(const AgentRecord& record) {
  With([&](Hub& hub) { hub.Touched(record); });
}

void LiveHub::Tick() {
  bool close = false;
  With([&](Hub& hub) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    hub.Tick();
    close = close_at_.has_value() && deps_.clock.Now() >= *close_at_;
  });
  if (close) CloseAll();
}

absl::Status LiveHub::Sync() {
  std::vector<Health> healths;
  std::vector<Observation> observations;
  With([&](Hub& hub) {
    healths = hub.TakeHealths();
    observations = hub.TakeObservations();
  });
  absl::Status status;
  if (!healths.empty()) {
    status = deps_.store.SaveHealth(healths);
    if (!status.ok()) With([&](Hub& hub) { hub.PutBack(std::move(healths)); });
  }
  if (!observations.empty()) {
    const absl::Status observed = status.ok() ? deps_.store.Observe(observations) : status;
    if (!observed.ok()) With([&](Hub& hub) { hub.PutBack(observations); });
    status.Update(observed);
  }
  SY_RETURN_IF_ERROR(status);
  const absl::Time now = deps_.clock.Now();
  SY_ASSIGN_OR_RETURN(const std::vector<AgentRecord> touched, deps_.store.TouchedSince(looked_at_ - kLookBack));
  looked_at_ = now;
  for (const AgentRecord& record : touched) Touched(record);
  return absl::OkStatus();
}

bool LiveHub::IsHere(const AgentId& agent) {
  MutexLock lock(mutex_);
  return hub_.IsHere(agent);
}

void LiveHub::Measure() {
  MutexLock lock(mutex_);
  deps_.meter.Add(hub_.TakeTally());
  deps_.meter.Set(hub_.CountStates(), hub_.streams(), hub_.pending_reports(), hub_.book().watches());
}

void LiveHub::Drain() {
  With([&](Hub& hub) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (!close_at_.has_value()) close_at_ = deps_.clock.Now() + kLeave;
    hub.Drain();
  });
}

void LiveHub::CloseAll() {
  std::vector<std::shared_ptr<Link>> links;
  absl::Duration after;
  {
    MutexLock lock(mutex_);
    links = outbox_->links();
    after = rules_.reconnect_spread;
  }
  const absl::Status status = HubDraining(after);
  for (const auto& link : links) link->stream->Close(status, ToGoodbye(status, false));
}

}  // namespace switchyard::agent_hub

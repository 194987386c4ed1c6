#include "tests/sim/hub_process.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/agent_hub/channel_convert.h"
#include "services/agent_hub/hub_errors.h"

namespace switchyard::sim {
namespace ah = agent_hub;
namespace tv1 = task_queue::v1;
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr absl::Duration kSync = absl::Milliseconds(500);
constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr int kTries = 6;

}  // namespace

// Gathers what the core wants until the core is done with what it hears: the ports may not call back.
class HubProcess::Ports final : public ah::HubPorts {
 public:
  struct Link {
    std::shared_ptr<Wire> wire;
    MessageSink sink;
    // What came while the core did not want to read.
    std::deque<agent::v1::AgentMessage> unread;
    bool reading = false;
  };

  explicit Ports(HubProcess& owner) : owner_(owner) {}

  bool Send(ah::StreamId id, ah::ToAgent message) override {
    const auto link = links.find(id);
    if (link == links.end()) return true;
    // As when the peer does not read.
    if (!Through()) return !owner_.alive();
    link->second.sink(ah::ToProto(std::move(message), owner_.name(), owner_.parts_.rules));
    return true;
  }
  void Close(ah::StreamId id, const absl::Status& status, bool permanent) override {
    const auto link = links.find(id);
    if (link == links.end() || !owner_.alive()) return;
    link->second.sink(ah::ToGoodbye(status, permanent));
    link->second.wire->Close(1, status);
    closed.push_back(id);
  }
  void Pause(ah::StreamId id) override {
    if (const auto link = links.find(id); link != links.end()) link->second.reading = false;
  }
  void Resume(ah::StreamId id) override {
    if (const auto link = links.find(id); link != links.end()) {
      link->second.reading = true;
      resumed.push_back(id);
    }
  }

  void LoadAgent(ah::StreamId id, const ah::AgentId& agent) override;
  void OpenSession(ah::StreamId id, const ah::AgentId& agent, std::vector<ah::TaskRef> held, bool restarted,
                   std::int64_t connection) override;
  void ListAssigned(const ah::AgentId& agent, std::int64_t epoch) override;
  void Report(ah::BatchId batch, std::vector<ah::LedgerReport> reports) override;
  void Renew(std::vector<std::pair<ah::AgentId, std::int64_t>> sessions) override;
  void Confirm(ah::StreamId id, std::int64_t request, const ah::TaskRef& ref) override;
  // No executor of the simulation has a model.
  void AskRoute(ah::StreamId, const ah::AgentId&, ah::RouteAsked) override {}

  std::map<ah::StreamId, Link> links;
  std::vector<ah::StreamId> closed;
  std::vector<ah::StreamId> resumed;

 private:
  bool Through() {
    const bool through = owner_.gate_.Before().ok();
    (void)owner_.gate_.After();
    return through;
  }

  HubProcess& owner_;
};

struct HubProcess::Core {
  struct Reader {
    std::shared_ptr<Wire> wire;
    CapacitySink sink;
    std::string name;
  };

  Core(HubProcess& owner, const Clock& clock)
      : ledger(owner.parts_.ledgers, owner.index()),
        ports(owner),
        hub(owner.parts_.rules, clock, *owner.parts_.ids, ports, owner.name()) {}

  LedgerChoice ledger;
  Ports ports;
  ah::Hub hub;
  std::map<ah::WatchId, Reader> readers;
  std::map<Wire*, ah::StreamId> streams;
  std::uint64_t last_stream = 0;
  std::shared_ptr<Wire> directives;
};

HubProcess::HubProcess(World& world, Network& network, std::string name, int index, Parts parts)
    : Process(world, std::move(name), index), network_(network), parts_(std::move(parts)), gate_(*this) {}
HubProcess::~HubProcess() = default;

void HubProcess::Boot() {
  core_ = std::make_unique<Core>(*this, clock());
  OpenDirectives();
  Every(kTick, [this] {
    core_->hub.Tick();
    Flush();
  });
  Every(kSync, [this] { SaveHealths(); });
}

void HubProcess::Die() { core_.reset(); }

void HubProcess::SaveHealths() {
  for (const ah::Health& health : core_->hub.TakeHealths()) {
    ah::AgentRecord& record = parts_.agents->at(health.agent);
    if (health.breaker.has_value()) record.breaker = *health.breaker;
    if (health.penalty.has_value()) record.penalty = *health.penalty;
    if (health.probe.has_value()) record.probe = *health.probe;
  }
  (void)core_->hub.TakeObservations();
}

void HubProcess::OpenDirectives() {
  LedgerProcess& ledger = core_->ledger.Get();
  core_->directives = network_.Open(*this, ledger, [this, &ledger](std::shared_ptr<Wire> wire) {
    ledger.WatchDirectives(wire, [this, wire = wire.get()](const tv1::WatchDirectivesResponse& response) {
      wire->Send(1, [this, response] {
        for (const tv1::Directive& directive : response.directives()) {
          const absl::StatusOr<ah::Directive> one = ah::FromProto(directive);
          if (one.ok()) core_->hub.Direct(*one);
        }
        Flush();
      });
    });
  });
  core_->directives->on_end[0] = [this](const absl::Status& status) {
    core_->ledger.Heard(status);
    core_->hub.DirectivesLost();
    world_.After(absl::Milliseconds(200), this, [this] { OpenDirectives(); });
  };
}

// The core is done: what it read too early is read now, and readers of capacity hear.
void HubProcess::Flush() {
  if (!alive()) return;
  while (!core_->ports.resumed.empty() || !core_->ports.closed.empty()) {
    for (const ah::StreamId id : std::exchange(core_->ports.closed, {})) {
      const auto link = core_->ports.links.find(id);
      if (link == core_->ports.links.end()) continue;
      core_->streams.erase(link->second.wire.get());
      core_->ports.links.erase(link);
      core_->hub.Closed(id);
    }
    for (const ah::StreamId id : std::exchange(core_->ports.resumed, {})) {
      const auto link = core_->ports.links.find(id);
      if (link == core_->ports.links.end()) continue;
      Wire* const wire = link->second.wire.get();
      while (link->second.reading && !link->second.unread.empty()) {
        agent::v1::AgentMessage message = std::move(link->second.unread.front());
        link->second.unread.pop_front();
        const std::size_t bytes = message.ByteSizeLong();
        absl::StatusOr<ah::Received> received = ah::FromProto(message);
        if (received.ok()) core_->hub.Receive(id, std::move(received->message), bytes);
        if (!core_->streams.contains(wire)) break;
      }
    }
  }
  for (const ah::WatchId watch : core_->hub.book().TakeAwakened()) SendNews(watch);
}

void HubProcess::SendNews(ah::WatchId watch) {
  const auto reader = core_->readers.find(watch);
  if (reader == core_->readers.end() || !core_->hub.book().HasNews(watch)) return;
  const ah::CapacityNews news = core_->hub.book().Take(watch, 500);
  agent::v1::WatchCapacityResponse message;
  message.set_sequence(news.sequence);
  if (news.sequence == 1) {
    message.set_watch_id(reader->second.name);
    message.set_hub_id(name());
  }
  for (const ah::AgentId& agent : news.gone) message.add_gone_agent_ids(agent.ToString());
  for (const ah::OfferedAgent& offered : news.agents) *message.add_agents() = ah::ToProto(offered);
  for (const auto& [handle, limit] : news.credits) {
    agent::v1::CreditChange& change = *message.add_credits();
    change.set_handle(handle);
    change.set_credit_limit(limit);
  }
  message.set_snapshot_complete(news.snapshot_complete);
  reader->second.sink(std::move(message));
}

void HubProcess::Watch(std::shared_ptr<Wire> wire, CapacitySink sink) {
  const ah::WatchId watch = core_->hub.OpenWatch();
  core_->readers[watch] = {wire, std::move(sink),
                           absl::StrCat(name(), "-", life(), "/", static_cast<std::uint64_t>(watch))};
  wire->on_end[1] = [this, watch](const absl::Status&) {
    core_->hub.CloseWatch(watch);
    core_->readers.erase(watch);
    Flush();
  };
  Flush();
}

absl::StatusOr<agent::v1::DispatchResponse> HubProcess::Dispatch(agent::v1::DispatchRequest request) {
  agent::v1::DispatchResponse response;
  ah::WatchId watch{};
  for (const auto& [id, reader] : core_->readers) {
    if (reader.name == request.watch_id()) watch = id;
  }
  for (agent::v1::DispatchItem& item : *request.mutable_items()) {
    agent::v1::DispatchResult& result = *response.add_results();
    result.set_task_id(item.assignment().task_id());
    const absl::StatusOr<ah::AgentId> agent = ah::AgentId::Parse(item.agent_id());
    absl::StatusOr<ah::Work> work = ah::ToWork(item);
    const absl::Status status = !agent.ok()  ? agent.status()
                                : !work.ok() ? work.status()
                                             : core_->hub.Dispatch(watch, *agent, item.session_epoch(), *work);
    if (!status.ok()) ah::ToProto(status, result.mutable_error());
  }
  Flush();
  return response;
}

void HubProcess::Connect(const ah::AgentId& agent, std::shared_ptr<Wire> wire, MessageSink sink) {
  const ah::StreamId id{++core_->last_stream};
  const absl::Status taken = core_->hub.Opened(id, agent, "sim");
  if (!taken.ok()) {
    sink(ah::ToGoodbye(taken, false));
    wire->Close(1, taken);
    return Flush();
  }
  core_->ports.links[id] = {.wire = wire, .sink = std::move(sink)};
  core_->streams[wire.get()] = id;
  wire->on_end[1] = [this, id](const absl::Status&) {
    const auto link = core_->ports.links.find(id);
    if (link != core_->ports.links.end()) {
      core_->streams.erase(link->second.wire.get());
      core_->ports.links.erase(link);
      core_->hub.Closed(id);
    }
    Flush();
  };
  Flush();
}

void HubProcess::Hear(Wire* wire, agent::v1::AgentMessage message) {
  const auto stream = core_->streams.find(wire);
  if (stream == core_->streams.end()) return;
  const ah::StreamId id = stream->second;
  Ports::Link& link = core_->ports.links.at(id);
  link.unread.push_back(std::move(message));
  if (!link.reading) return;
  core_->ports.resumed.push_back(id);
  Flush();
}

template <class Response>
void HubProcess::Ask(bool repeatable, std::function<absl::StatusOr<Response>(LedgerProcess&)> serve,
                     std::function<void(absl::StatusOr<Response>)> done, int tries) {
  if (!gate_.Before().ok()) {
    world_.After(absl::ZeroDuration(), this, [this, done = std::move(done)] {
      done(Gone());
      Flush();
    });
    return;
  }
  LedgerProcess& ledger = core_->ledger.Get();
  network_.Call<Response>(
      *this, ledger, kCallTimeout, [&ledger, serve] { return serve(ledger); },
      [this, repeatable, serve, done = std::move(done), tries](absl::StatusOr<Response> response) {
        core_->ledger.Heard(response.status());
        if (repeatable && tries < kTries && absl::IsUnavailable(response.status())) {
          world_.After(absl::Milliseconds(50 << tries), this,
                       [this, serve, done, tries] { Ask<Response>(true, serve, done, tries + 1); });
          return;
        }
        done(std::move(response));
        Flush();
      });
  (void)gate_.After();
}

void HubProcess::Ports::LoadAgent(ah::StreamId id, const ah::AgentId& agent) {
  owner_.world_.After(absl::Microseconds(300), &owner_, [this, id, agent] {
    owner_.core_->hub.Loaded(id, owner_.parts_.agents->at(agent));
    owner_.Flush();
  });
}

void HubProcess::Ports::OpenSession(ah::StreamId id, const ah::AgentId& agent, std::vector<ah::TaskRef> held,
                                    bool restarted, std::int64_t connection) {
  tv1::OpenSessionRequest request;
  request.set_agent_id(agent.ToString());
  request.set_hub_id(owner_.name());
  request.set_restarted(restarted);
  request.set_connection(connection);
  for (const ah::TaskRef& ref : held) {
    tv1::HeldTask& task = *request.add_held();
    task.set_task_id(ref.task.ToString());
    task.set_generation(ref.generation);
  }
  const absl::Time until = owner_.world_.now() + kCallTimeout;
  owner_.Ask<tv1::OpenSessionResponse>(
      false,
      [request, world = &owner_.world_, until](LedgerProcess& ledger) -> absl::StatusOr<tv1::OpenSessionResponse> {
        // Calls that wait in a line are not run once nobody waits for them.
        if (world->now() >= until) return TooLate();
        return ledger.OpenSession(request);
      },
      [this, id](absl::StatusOr<tv1::OpenSessionResponse> response) {
        if (!response.ok()) return owner_.core_->hub.SessionOpened(id, response.status());
        const absl::Time now = owner_.clock().Now();
        ah::OpenedSession opened;
        opened.epoch = response->session_epoch();
        opened.lease = std::max(ah::ToTime(response->expire_time()) - now, absl::Seconds(1));
        const auto refs = [](const auto& tasks) {
          std::vector<ah::TaskRef> out;
          for (const tv1::HeldTask& task : tasks)
            out.push_back({*ah::TaskId::Parse(task.task_id()), task.generation()});
          return out;
        };
        opened.keep = refs(response->keep());
        opened.drop = refs(response->drop());
        for (tv1::AssignResult& assigned : *response->mutable_redeliver()) {
          absl::StatusOr<ah::Work> work = ah::ToWork(assigned, false);
          if (!work.ok()) continue;
          if (owner_.parts_.redelivers_old_generation) --work->ref.generation;
          work->accept_by = std::max(work->accept_by, now + opened.lease);
          opened.redeliver.push_back(*std::move(work));
        }
        owner_.core_->hub.SessionOpened(id, std::move(opened));
      });
}

void HubProcess::Ports::ListAssigned(const ah::AgentId& agent, std::int64_t epoch) {
  tv1::ListAssignedRequest request;
  request.add_agent_ids(agent.ToString());
  owner_.Ask<tv1::ListAssignedResponse>(
      true, [request](LedgerProcess& ledger) { return ledger.ListAssigned(request); },
      [this, agent, epoch](absl::StatusOr<tv1::ListAssignedResponse> response) {
        if (!response.ok()) return owner_.core_->hub.Listed(agent, epoch, response.status());
        std::vector<ah::Work> works;
        for (tv1::AssignedTask& task : *response->mutable_tasks()) {
          const bool accepted = task.state() != tv1::TASK_STATE_ASSIGNED;
          absl::StatusOr<ah::Work> work = ah::ToWork(*task.mutable_assignment(), accepted);
          if (work.ok()) works.push_back(*std::move(work));
        }
        owner_.core_->hub.Listed(agent, epoch, std::move(works));
      });
}

void HubProcess::Ports::Report(ah::BatchId batch, std::vector<ah::LedgerReport> reports) {
  tv1::ReportTasksRequest request;
  for (const ah::LedgerReport& report : reports) ah::ToProto(report, request.add_reports());
  if (owner_.parts_.acks_early) {
    owner_.world_.After(absl::ZeroDuration(), &owner_, [this, batch, count = reports.size()] {
      owner_.core_->hub.Reported(batch, std::vector<absl::Status>(count));
      owner_.Flush();
    });
    return owner_.Ask<tv1::ReportTasksResponse>(
        false, [request](LedgerProcess& ledger) { return ledger.ReportTasks(request); },
        [](const absl::StatusOr<tv1::ReportTasksResponse>&) {});
  }
  owner_.Ask<tv1::ReportTasksResponse>(
      false, [request](LedgerProcess& ledger) { return ledger.ReportTasks(request); },
      [this, batch](absl::StatusOr<tv1::ReportTasksResponse> response) {
        if (!response.ok()) return owner_.core_->hub.Reported(batch, response.status());
        std::vector<absl::Status> statuses;
        for (const tv1::ReportResult& result : response->results()) {
          statuses.push_back(result.has_error() ? ah::FromProto(result.error()) : absl::OkStatus());
        }
        owner_.core_->hub.Reported(batch, std::move(statuses));
      });
}

void HubProcess::Ports::Renew(std::vector<std::pair<ah::AgentId, std::int64_t>> sessions) {
  std::vector<std::pair<std::string, std::int64_t>> named;
  for (const auto& [agent, epoch] : sessions) named.emplace_back(agent.ToString(), epoch);
  owner_.Ask<std::vector<std::string>>(
      false, [named](LedgerProcess& ledger) { return ledger.RenewSessions(named); },
      [this, sessions](const absl::StatusOr<std::vector<std::string>>& response) {
        if (!response.ok()) return owner_.core_->hub.Renewed(sessions, response.status());
        std::vector<ah::AgentId> renewed;
        for (const std::string& agent : *response) renewed.push_back(*ah::AgentId::Parse(agent));
        owner_.core_->hub.Renewed(sessions, std::move(renewed));
      });
}

void HubProcess::Ports::Confirm(ah::StreamId id, std::int64_t request, const ah::TaskRef& ref) {
  const task_queue::TaskId task(ref.task.uuid());
  owner_.Ask<bool>(
      true, [task, generation = ref.generation](LedgerProcess& ledger) { return ledger.Confirm(task, generation); },
      [this, id, request](absl::StatusOr<bool> current) {
        owner_.core_->hub.Confirmed(id, request, std::move(current));
      });
}

}  // namespace switchyard::sim

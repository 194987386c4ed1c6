#include "services/agent_hub/app.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/app/options.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/log.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/agent_hub/agent_admin_rpc.h"
#include "services/agent_hub/agent_hub_rpc.h"
#include "services/agent_hub/hub_meter.h"
#include "services/agent_hub/identity_token_issuer.h"
#include "services/agent_hub/ledger_client.h"
#include "services/agent_hub/live_hub.h"
#include "services/agent_hub/log_lane.h"
#include "services/agent_hub/postgres_agent_store.h"
#include "services/agent_hub/postgres_log_store.h"
#include "services/agent_hub/route_client.h"
#include "services/agent_hub/sql/statements.h"
#include "services/agent_hub/stale_agents.h"
#include "services/agent_hub/task_log_streams.h"

namespace switchyard::agent_hub {
namespace {

constexpr absl::Duration kTickPeriod = absl::Milliseconds(100);
constexpr absl::Duration kSyncPeriod = absl::Milliseconds(500);
constexpr absl::Duration kMeasurePeriod = absl::Seconds(1);
constexpr absl::Duration kStalePeriod = absl::Seconds(30);
// Of an agent that is there something is written at least every half minute.
constexpr absl::Duration kStale = absl::Minutes(3);
constexpr absl::Duration kMaintainPeriod = absl::Minutes(10);
constexpr absl::Duration kMaintainRetry = absl::Seconds(1);
constexpr absl::Duration kPartitionsAhead = absl::Hours(72);
// How long removed agents and ended enrolments are kept, so that every hub has learnt of them.
constexpr absl::Duration kForget = absl::Hours(24 * 7);
// Agents that connect are looked up here: a few at once, the rest in line.
constexpr std::size_t kHubThreads = 4;
constexpr std::size_t kHubQueue = 100'000;
constexpr std::size_t kAdminThreads = 2;
constexpr std::size_t kAdminQueue = 1'000;
constexpr std::string_view kLogPartitions = "log_partitions";

// Only the first failure in a row is news.
class StepLog {
 public:
  explicit StepLog(const char* step) : step_(step) {}
  void operator()(const absl::Status& status) {
    if (!status.ok() && ok_) LogWarning("a background step fails", {{"step", step_}, {"status", status}});
    if (status.ok() && !ok_) LogInfo("a background step works again", {{"step", step_}});
    ok_ = status.ok();
  }

 private:
  const char* const step_;
  bool ok_ = true;
};

// Stands in for the identity service until the process can reach it.
class LateTokenIssuer final : public TokenIssuer {
 public:
  // Shared with the calls under way.
  void Set(std::shared_ptr<TokenIssuer> issuer) {
    MutexLock lock(mutex_);
    issuer_ = std::move(issuer);
  }
  absl::StatusOr<IssuedToken> Issue(const AgentId& agent, std::string_view name, absl::Duration lifetime) override {
    const auto issuer = Get();
    return issuer == nullptr ? absl::StatusOr<IssuedToken>(Away()) : issuer->Issue(agent, name, lifetime);
  }
  absl::StatusOr<IssuedToken> Rotate(const AgentId& agent, absl::Duration grace) override {
    const auto issuer = Get();
    return issuer == nullptr ? absl::StatusOr<IssuedToken>(Away()) : issuer->Rotate(agent, grace);
  }
  absl::Status Revoke(const AgentId& agent, std::string_view reason) override {
    const auto issuer = Get();
    return issuer == nullptr ? Away() : issuer->Revoke(agent, reason);
  }

 private:
  static absl::Status Away() {
    return MakeError(absl::StatusCode::kUnavailable, "IDENTITY_UNAVAILABLE", "this process does not serve yet");
  }
  std::shared_ptr<TokenIssuer> Get() {
    MutexLock lock(mutex_);
    return issuer_;
  }

  Mutex mutex_;
  std::shared_ptr<TokenIssuer> issuer_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<AdminSettings> ToAdminSettings(const config::v1::AgentHubSettings& settings,
                                              const config::v1::ServerConfig& server) {
  const config::v1::AgentEnrollmentConfig& enrollment = settings.enrollment();
  AdminSettings out;
  out.addresses = {enrollment.addresses().begin(), enrollment.addresses().end()};
  // An address that is fixed can be told to agents of this host.
  if (out.addresses.empty() && !absl::EndsWith(server.listen(), ":0") && !absl::StartsWith(server.listen(), "unix:") &&
      !absl::StartsWith(server.listen(), "0.0.0.0")) {
    out.addresses.push_back(server.listen());
  }
  if (!enrollment.ca_file().empty()) {
    std::ifstream file(enrollment.ca_file());
    out.ca_pem.assign(std::istreambuf_iterator<char>(file), {});
    if (out.ca_pem.empty()) {
      return InvalidFields({{.field = "agent_hub.enrollment.ca_file", .description = "cannot be read"}});
    }
  }
  out.server_name = enrollment.server_name();
  out.insecure = server.tls().cert_file().empty();
  out.token_lifetime = app::ToDuration(enrollment.token_lifetime());
  out.max_agents = enrollment.max_agents();
  return out;
}

rpc::StreamLimits ToStreamLimits(const config::v1::AgentHubLimits& limits) {
  return {.max_messages = limits.outgoing_messages(), .max_bytes = limits.outgoing_bytes()};
}

LogLimits ToLogLimits(const config::v1::AgentHubLimits& limits) {
  const auto bytes = static_cast<std::int64_t>(limits.log_bytes_per_task());
  return {.head_bytes = bytes / 4, .tail_bytes = bytes - bytes / 4};
}

}  // namespace

const std::vector<pg::Migration>& SchemaMigrations() { return sql::Migrations(); }

const std::vector<app::DoctorCheck>& DoctorChecks() {
  static const auto& checks = *new std::vector<app::DoctorCheck>{
      {"task logs of tomorrow have a partition", &sql::kDoctorLogPartitions},
      {"a revoked agent has no token", &sql::kDoctorRevokedTokens},
      {"an agent's transitions are bounded", &sql::kDoctorTransitions},
  };
  return checks;
}

HubRules ToRules(const config::v1::AgentHubSettings& settings) {
  const auto& limits = settings.limits();
  const auto& time = settings.time();
  HubRules rules;
  rules.max_streams = limits.max_agents();
  rules.messages_per_second = limits.messages_per_second();
  rules.bytes_per_second = static_cast<double>(limits.bytes_per_second());
  rules.pending_reports = limits.pending_reports();
  rules.report_batch = static_cast<int>(limits.report_batch());
  rules.log_bytes_per_task = static_cast<std::int64_t>(limits.log_bytes_per_task());
  rules.hello = app::ToDuration(time.hello());
  rules.heartbeat = app::ToDuration(time.heartbeat());
  rules.renew = app::ToDuration(time.renew());
  rules.progress = app::ToDuration(time.progress());
  rules.credit_turn = app::ToDuration(time.credit_turn());
  rules.reconnect_spread = app::ToDuration(time.reconnect_spread());
  rules.breaker_failures = static_cast<int>(settings.breaker().failures());
  rules.breaker_open = app::ToDuration(settings.breaker().open());
  rules.penalty_first = app::ToDuration(settings.penalty().first());
  rules.penalty_max = app::ToDuration(settings.penalty().max());
  rules.penalty_forget = app::ToDuration(settings.penalty().forget());
  return rules;
}

AgentHubApp::Neighbours ToNeighbours(const config::v1::AgentHubConfig& config) {
  AgentHubApp::Neighbours neighbours{.task_queue = app::ToChannelOptions(config.task_queue()),
                                     .identity = app::ToChannelOptions(config.auth())};
  if (!config.router().address().empty()) neighbours.router = app::ToChannelOptions(config.router());
  if (!config.model_registry().address().empty()) {
    neighbours.model_registry = app::ToChannelOptions(config.model_registry());
  }
  return neighbours;
}

// The composition: every part in the order in which it is made; steps last, so that they go first.
struct AgentHubApp::Parts {
  Parts(app::Process& process, const config::v1::AgentHubSettings& settings, AdminSettings admin_settings,
        Neighbours where)
      : process(process),
        neighbours(std::move(where)),
        retention(app::ToDuration(settings.logs().retention())),
        hub_id(settings.hub_id().empty() ? absl::StrCat("hub-", process.ids().NewUuid().ToString().substr(24))
                                         : settings.hub_id()),
        store(process.pool()),
        log_store(process.pool(), ToLogLimits(settings.limits())),
        meter(process.metrics()),
        hub_work("hub", kHubThreads, kHubQueue),
        admin_work("agent-admin", kAdminThreads, kAdminQueue),
        streams(log_store, process.clock()),
        log_lane(log_store, hub_work, process.clock(), meter, [this](const TaskId& task) { streams.Note(task); }),
        ledger(process.CallerTo(neighbours.task_queue.target), hub_id,
               app::ToDuration(settings.time().ledger_timeout())),
        routes(process.clock(), app::ToDuration(settings.time().ledger_timeout())),
        hub(ToRules(settings), hub_id,
            {.clock = process.clock(),
             .ids = process.ids(),
             .store = store,
             .blocking = hub_work,
             .ledger = ledger,
             .logs = log_lane,
             .routes = routes,
             .meter = meter}),
        admin(store, issuer, process.clock(), process.ids(), std::move(admin_settings),
              [this](const AgentRecord& record) { hub.Touched(record); }),
        hub_rpc(process.server().gate(), hub, ToStreamLimits(settings.limits())),
        dispatch_rpc(process.server().gate(), hub),
        admin_rpc(process.server().gate(), admin, streams, process.clock(), admin_work),
        tick_step(
            "hub",
            [this] {
              hub.Tick();
              log_lane.Tick();
              routes.Tick();
            },
            [] { return kTickPeriod; }),
        sync_step(
            "agents", [this] { sync_log(hub.Sync()); }, [] { return kSyncPeriod; }),
        measure_step(
            "hub-stats", [this] { hub.Measure(); }, [] { return kMeasurePeriod; }),
        log_step(
            "task-logs", [this] { streams.Tick(); }, [this] { return streams.Rest(); }),
        stale_step(
            "stale-agents", [this] { stale_log(MarkStale()); }, [] { return kStalePeriod; }),
        maintain_step(
            "agent-history", [this] { Maintain(); }, [this] { return maintained ? kMaintainPeriod : kMaintainRetry; }) {
    streams.OnNews([this] { log_step.Wake(); });
  }

  absl::StatusOr<std::optional<RouteClient::Peer>> PeerAt(const std::optional<rpc::ChannelOptions>& options) {
    if (!options.has_value()) return std::nullopt;
    RouteClient::Peer peer;
    SY_ASSIGN_OR_RETURN(peer.channel, process.ChannelTo(*options));
    peer.caller = &process.CallerTo(options->target);
    return peer;
  }
  absl::Status MarkStale() {
    return MarkStaleAgents(store, process.clock().Now(), kStale,
                           [this](const AgentId& agent) { return hub.IsHere(agent); })
        .status();
  }
  void Maintain() {
    const absl::Time now = process.clock().Now();
    absl::Status status = log_store.Maintain(now, kPartitionsAhead, now - retention);
    if (status.ok()) process.server().SetReady(kLogPartitions, true);
    status.Update(store.Forget(now - kForget));
    maintain_log(status);
    maintained = status.ok();
  }

  app::Process& process;
  const Neighbours neighbours;
  const absl::Duration retention;
  const std::string hub_id;
  PostgresAgentStore store;
  PostgresLogStore log_store;
  HubMeter meter;
  BoundedExecutor hub_work;
  BoundedExecutor admin_work;
  TaskLogStreams streams;
  LogLane log_lane;
  LedgerClient ledger;
  RouteClient routes;
  LateTokenIssuer issuer;
  LiveHub hub;
  AgentAdmin admin;
  AgentHubRpc hub_rpc;
  AgentDispatchRpc dispatch_rpc;
  AgentAdminRpc admin_rpc;
  // Kept here while calls go over it.
  std::shared_ptr<grpc::Channel> identity_channel;

  StepLog sync_log{"agents"}, stale_log{"stale agents"}, maintain_log{"agent history"};
  bool maintained = false;
  PeriodicTask tick_step, sync_step, measure_step, log_step, stale_step, maintain_step;
};

absl::Status AgentHubApp::AddTo(app::Process& process, const config::v1::AgentHubSettings& settings,
                                const config::v1::ServerConfig& server, Neighbours neighbours) {
  SY_ASSIGN_OR_RETURN(AdminSettings admin, ToAdminSettings(settings, server));
  process.RequireSchema(kSchema, SchemaMigrations());
  auto parts = std::make_unique<Parts>(process, settings, std::move(admin), std::move(neighbours));
  process.server().SetReady(kLogPartitions, false);
  process.server().Register(parts->hub_rpc, agent::v1::AgentHubService::service_full_name());
  process.server().Register(parts->dispatch_rpc, agent::v1::AgentDispatchService::service_full_name());
  process.server().Register(parts->admin_rpc, agent::v1::AgentAdminService::service_full_name());
  process.Add(std::unique_ptr<AgentHubApp>(new AgentHubApp(std::move(parts))));
  return absl::OkStatus();
}

AgentHubApp::AgentHubApp(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
AgentHubApp::~AgentHubApp() = default;

absl::Status AgentHubApp::Start() {
  parts_->hub_work.Start();
  parts_->admin_work.Start();
  parts_->maintain_step.Start();
  parts_->tick_step.Start();
  parts_->sync_step.Start();
  parts_->measure_step.Start();
  parts_->log_step.Start();
  parts_->stale_step.Start();
  return absl::OkStatus();
}

absl::Status AgentHubApp::Serving() {
  Parts& parts = *parts_;
  SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> ledger, parts.process.ChannelTo(parts.neighbours.task_queue));
  SY_ASSIGN_OR_RETURN(parts.identity_channel, parts.process.ChannelTo(parts.neighbours.identity));
  parts.issuer.Set(std::make_shared<IdentityTokenIssuer>(parts.identity_channel,
                                                         parts.process.CallerTo(parts.neighbours.identity.target)));
  SY_ASSIGN_OR_RETURN(auto router, parts.PeerAt(parts.neighbours.router));
  SY_ASSIGN_OR_RETURN(auto registry, parts.PeerAt(parts.neighbours.model_registry));
  parts.routes.Connect(std::move(router), std::move(registry));
  parts.ledger.Connect(
      std::move(ledger), [&parts](std::vector<Directive> directives) { parts.hub.Direct(directives); },
      [&parts] { parts.hub.DirectivesLost(); });
  return absl::OkStatus();
}

void AgentHubApp::Stop() {
  Parts& parts = *parts_;
  for (PeriodicTask* step : {&parts.stale_step, &parts.log_step, &parts.measure_step, &parts.tick_step,
                             &parts.sync_step, &parts.maintain_step}) {
    step->Stop();
  }
  parts.admin_work.Stop();
  parts.ledger.Disconnect();
  parts.routes.Disconnect();
  parts.hub_work.Stop();
  if (const absl::Status status = parts.hub.Sync(); !status.ok()) {
    LogWarning("what was last seen of agents could not be written", {{"status", status}});
  }
  parts.issuer.Set(nullptr);
  parts.identity_channel = nullptr;
}

}  // namespace switchyard::agent_hub

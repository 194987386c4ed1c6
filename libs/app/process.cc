#include "libs/app/process.h"

#include <utility>

#include "absl/strings/str_join.h"
#include "libs/app/options.h"
#include "libs/base/log.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/config/secret.h"
#include "libs/identity_client/remote_authenticator.h"
#include "libs/pg/database_clock.h"
#include "libs/pg/migrations.h"
#include "libs/rpc/caching_authenticator.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/token_source.h"

namespace switchyard::app {
namespace {

constexpr std::size_t kBlockingQueue = 4'096;
constexpr absl::Duration kProbe = absl::Seconds(2);

struct RequiredSchema {
  std::string name;
  const std::vector<pg::Migration>* migrations;
  bool current = false;
  std::string told;
};

// The members, last to go first: what asks the identity service.
struct RemoteIdentity {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<rpc::TokenSource> token;
  rpc::AlarmTimer timer;
  std::unique_ptr<rpc::Caller> caller;
  std::unique_ptr<identity_client::RemoteAuthenticator> authenticator;
};

}  // namespace

struct Process::State {
  State(std::string_view name, const config::v1::ServerConfig& server, pg::ConnectOptions connect_options,
        const config::v1::DatabaseConfig& database)
      : server_config(server),
        connect(std::move(connect_options)),
        ids(clock, *rng),
        pool(connect, ToPoolOptions(database), *rng),
        database_clock(pool, clock),
        blocking("blocking", database.pool_size(), kBlockingQueue),
        readiness(
            "readiness", [this] { Check(); }, [] { return absl::Seconds(1); }) {
    probes.push_back(metrics.AddProbe("switchyard_pg_sessions_in_use", "Database sessions that work.",
                                      [this] { return static_cast<double>(pool.in_use()); }));
    probes.push_back(metrics.AddProbe("switchyard_pg_sessions_idle", "Database sessions that are free.",
                                      [this] { return static_cast<double>(pool.idle()); }));
    probes.push_back(metrics.AddProbe("switchyard_pg_waiting", "Callers that wait for a database session.",
                                      [this] { return static_cast<double>(pool.waiting()); }));
    probes.push_back(metrics.AddProbe("switchyard_blocking_queued", "Work that waits for a thread.",
                                      [this] { return static_cast<double>(blocking.queued()); }));
  }

  void Check() {
    MutexLock lock(checking);
    const absl::Status database = pool.Probe(kProbe);
    if (database.ok() != database_told || !told_once) {
      if (database.ok()) LogInfo("the database answers", {{"database", connect.Describe()}});
      if (!database.ok()) LogWarning("the database does not answer", {{"error", database}});
      database_told = database.ok();
      told_once = true;
    }
    server->SetReady("database", database.ok());
    if (!database.ok()) return;
    bool all = true;
    for (RequiredSchema& schema : schemas) {
      if (schema.current) continue;
      const absl::Status status = pg::Migrator(connect, schema.name, *schema.migrations, clock).CheckCurrent();
      schema.current = status.ok();
      all = all && status.ok();
      if (const std::string now(status.message()); now != schema.told) {
        if (!status.ok()) LogWarning("the schema does not fit", {{"schema", schema.name}, {"error", status}});
        schema.told = now;
      }
    }
    server->SetReady("migrations", all);
  }

  const config::v1::ServerConfig server_config;
  const pg::ConnectOptions connect;
  telemetry::Metrics metrics;
  DisciplinedClock clock;
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  TimeOrderedIdSource ids;
  pg::Pool pool;
  pg::DatabaseClock database_clock;
  // Held during a look, database included: only readiness waits for it.
  Mutex checking;
  bool database_told ABSL_GUARDED_BY(checking) = false;
  bool told_once ABSL_GUARDED_BY(checking) = false;
  std::vector<RequiredSchema> schemas ABSL_GUARDED_BY(checking);
  std::unique_ptr<RemoteIdentity> remote;
  // Stopped by Stop(), before what its work refers to.
  BoundedExecutor blocking;
  std::vector<std::unique_ptr<ServiceApp>> apps;
  std::unique_ptr<rpc::Authenticator> authenticator;
  std::unique_ptr<rpc::Server> server;
  std::vector<std::unique_ptr<telemetry::Probe>> probes;
  PeriodicTask readiness;
  bool stopped = false;
};

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}

Process::~Process() { Stop(); }

absl::StatusOr<std::unique_ptr<Process>> Process::Create(std::string_view name, const config::v1::ServerConfig& server,
                                                         const config::v1::DatabaseConfig& database) {
  SY_ASSIGN_OR_RETURN(pg::ConnectOptions connect, ToConnectOptions(database, name));
  auto state = std::make_unique<State>(name, server, std::move(connect), database);
  return std::unique_ptr<Process>(new Process(std::move(state)));
}

const Clock& Process::clock() const { return state_->clock; }
Rng& Process::rng() { return *state_->rng; }
IdSource& Process::ids() { return state_->ids; }
telemetry::Metrics& Process::metrics() { return state_->metrics; }
const pg::ConnectOptions& Process::connect() const { return state_->connect; }
pg::Pool& Process::pool() { return state_->pool; }
Executor& Process::blocking() { return state_->blocking; }

void Process::SetAuthenticator(std::unique_ptr<rpc::Authenticator> authenticator) {
  state_->authenticator = std::move(authenticator);
}

absl::Status Process::AuthenticateRemotely(const config::v1::AuthConfig& auth) {
  auto remote = std::make_unique<RemoteIdentity>();
  SY_ASSIGN_OR_RETURN(remote->channel, rpc::MakeChannel(ToChannelOptions(auth)));
  SY_ASSIGN_OR_RETURN(std::string token, config::ResolveSecret(auth.token()));
  if (auth.token().rfind("file:", 0) == 0) {
    remote->token = std::make_unique<rpc::FileTokenSource>(auth.token().substr(5), state_->clock);
  } else {
    remote->token = std::make_unique<rpc::StringTokenSource>(token);
  }
  remote->caller = std::make_unique<rpc::Caller>(state_->clock, *state_->rng, remote->timer, remote->token.get(),
                                                 rpc::RetryPolicy());
  remote->authenticator = std::make_unique<identity_client::RemoteAuthenticator>(remote->channel, *remote->caller,
                                                                                 ToDuration(auth.verify_timeout()));
  state_->remote = std::move(remote);
  const absl::Duration ttl = ToDuration(auth.cache_ttl());
  rpc::AuthenticationCacheOptions cache;
  cache.ttl = ttl;
  cache.refusal_ttl = std::min(cache.refusal_ttl, ttl);
  cache.refresh_after = ttl * 2 / 3;
  SetAuthenticator(std::make_unique<rpc::CachingAuthenticator>(*state_->remote->authenticator, state_->clock, cache));
  return absl::OkStatus();
}

rpc::Server& Process::server() {
  if (state_->server == nullptr) {
    state_->server = std::make_unique<rpc::Server>(ToServerOptions(state_->server_config),
                                                   rpc::ServerDeps{.clock = state_->clock,
                                                                   .rng = *state_->rng,
                                                                   .metrics = state_->metrics,
                                                                   .authenticator = *state_->authenticator});
    state_->server->SetReady("database", false);
    state_->server->SetReady("migrations", false);
  }
  return *state_->server;
}

void Process::RequireSchema(std::string_view schema, const std::vector<pg::Migration>& migrations) {
  MutexLock lock(state_->checking);
  state_->schemas.push_back({.name = std::string(schema), .migrations = &migrations, .current = false, .told = ""});
}

void Process::Add(std::unique_ptr<ServiceApp> app) { state_->apps.push_back(std::move(app)); }

absl::Status Process::Start() {
  state_->blocking.Start();
  // Leases need the database's time; without the database there is nothing to lease.
  if (const absl::Status status = state_->database_clock.Tick(); !status.ok()) {
    LogWarning("starting without the database", {{"error", status}});
  }
  state_->database_clock.Start();
  for (const auto& app : state_->apps) SY_RETURN_IF_ERROR(app->Start());
  SY_RETURN_IF_ERROR(server().Start());
  state_->readiness.Start();
  return absl::OkStatus();
}

void Process::Stop() {
  if (std::exchange(state_->stopped, true)) return;
  state_->readiness.Stop();
  if (state_->server != nullptr) state_->server->Stop();
  for (auto app = state_->apps.rbegin(); app != state_->apps.rend(); ++app) (*app)->Stop();
  state_->blocking.Stop();
  state_->database_clock.Stop();
  state_->pool.Close();
  state_->server.reset();
  state_->authenticator.reset();
  while (!state_->apps.empty()) state_->apps.pop_back();
}

absl::Duration Process::patience() const {
  return ToDuration(state_->server_config.drain_delay()) + ToDuration(state_->server_config.drain_deadline()) +
         absl::Seconds(15);
}

void Process::CheckReadiness() { state_->Check(); }

}  // namespace switchyard::app

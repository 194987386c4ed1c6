#include "libs/app/process.h"

#include <sys/resource.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "libs/app/options.h"
#include "libs/base/log.h"
#include "libs/base/mutex.h"
#include "libs/base/secure_bytes.h"
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
constexpr std::size_t kThreadsWithoutDatabase = 2;
constexpr absl::Duration kProbe = absl::Seconds(2);

double ProcessorSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

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

struct Database {
  Database(pg::ConnectOptions options, const pg::PoolOptions& pool_options, Rng& rng, DisciplinedClock& clock)
      : connect(std::move(options)),
        pool(connect, pool_options, rng),
        probes(connect, {.max_sessions = 2, .acquire_timeout = pool_options.acquire_timeout}, rng),
        database_clock(probes, clock) {}

  const pg::ConnectOptions connect;
  pg::Pool pool;
  // Sessions of readiness and of the clock, so that neither waits behind work, however much there is.
  pg::Pool probes;
  pg::DatabaseClock database_clock;
};

// Takes, beside what the authenticator behind it takes, the token by which this process calls itself.
class OwnTokenAuthenticator final : public rpc::Authenticator {
 public:
  OwnTokenAuthenticator(std::unique_ptr<rpc::Authenticator> others, std::string token)
      : others_(std::move(others)), token_(std::move(token)) {
    auto own = std::make_shared<rpc::Principal>();
    own->id = own->name = "switchyard";
    own->scopes.Add(options::v1::SCOPE_SERVICE);
    // Verification submits judges as tasks of their own.
    own->scopes.Add(options::v1::SCOPE_SUBMIT);
    own_ = std::move(own);
  }

  std::shared_ptr<const rpc::Principal> Cached(std::string_view token) override {
    return EqualInConstantTime(token, token_) ? own_ : others_->Cached(token);
  }
  void Authenticate(std::string_view token, Answer answer) override {
    if (EqualInConstantTime(token, token_)) return answer(own_);
    others_->Authenticate(token, std::move(answer));
  }
  void AuthenticateAnew(std::string_view token, Answer answer) override {
    if (EqualInConstantTime(token, token_)) return answer(own_);
    others_->AuthenticateAnew(token, std::move(answer));
  }

 private:
  const std::unique_ptr<rpc::Authenticator> others_;
  const std::string token_;
  std::shared_ptr<const rpc::Principal> own_;
};

}  // namespace

struct Process::State {
  explicit State(const config::v1::ServerConfig& server)
      : server_config(server),
        ids(clock, *rng),
        own_token(SecureToken("sy_own_")),
        own_caller(clock, *rng, timer, &own_token),
        readiness(
            "readiness", [this] { Check(); }, [] { return absl::Seconds(1); }) {
    probes.push_back(metrics.AddProbe("switchyard_process_cpu_seconds", "Processor time that this process has taken.",
                                      ProcessorSeconds));
  }

  void AddDatabase(pg::ConnectOptions options, const config::v1::DatabaseConfig& config) {
    database.emplace(std::move(options), ToPoolOptions(config), *rng, clock);
    pg::Pool& pool = database->pool;
    probes.push_back(metrics.AddProbe("switchyard_pg_sessions_in_use", "Database sessions that work.",
                                      [&pool] { return static_cast<double>(pool.in_use()); }));
    probes.push_back(metrics.AddProbe("switchyard_pg_sessions_idle", "Database sessions that are free.",
                                      [&pool] { return static_cast<double>(pool.idle()); }));
    probes.push_back(metrics.AddProbe("switchyard_clock_doubted_seconds",
                                      "How far the database's clock jumped, while the jump is not followed yet.",
                                      [this] { return absl::ToDoubleSeconds(clock.doubted()); }));
    probes.push_back(metrics.AddProbe("switchyard_pg_waiting", "Callers that wait for a database session.",
                                      [&pool] { return static_cast<double>(pool.waiting()); }));
  }
  void AddExecutor(std::size_t threads) {
    blocking = std::make_unique<BoundedExecutor>("blocking", threads, kBlockingQueue);
    probes.push_back(metrics.AddProbe("switchyard_blocking_queued", "Work that waits for a thread.",
                                      [this] { return static_cast<double>(blocking->queued()); }));
  }

  void Check() {
    if (!database.has_value()) return;
    MutexLock lock(checking);
    const absl::Status answers = database->probes.Probe(kProbe);
    if (answers.ok() != database_told || !told_once) {
      if (answers.ok()) LogInfo("the database answers", {{"database", database->connect.Describe()}});
      if (!answers.ok()) LogWarning("the database does not answer", {{"error", answers}});
      database_told = answers.ok();
      told_once = true;
    }
    server->SetReady("database", answers.ok());
    if (!answers.ok()) return;
    bool all = true;
    for (RequiredSchema& schema : schemas) {
      if (schema.current) continue;
      const absl::Status status =
          pg::Migrator(database->connect, schema.name, *schema.migrations, clock).CheckCurrent();
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
  telemetry::Metrics metrics;
  DisciplinedClock clock;
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  TimeOrderedIdSource ids;
  rpc::StringTokenSource own_token;
  rpc::AlarmTimer timer;
  const rpc::Caller own_caller;
  std::optional<Database> database;
  // Held during a look, database included: only readiness waits for it.
  Mutex checking;
  bool database_told ABSL_GUARDED_BY(checking) = false;
  bool told_once ABSL_GUARDED_BY(checking) = false;
  std::vector<RequiredSchema> schemas ABSL_GUARDED_BY(checking);
  std::unique_ptr<RemoteIdentity> remote;
  // Stopped by Stop(), before what its work refers to.
  std::unique_ptr<BoundedExecutor> blocking;
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
  auto state = std::make_unique<State>(server);
  state->AddDatabase(std::move(connect), database);
  state->AddExecutor(database.pool_size());
  return std::unique_ptr<Process>(new Process(std::move(state)));
}

absl::StatusOr<std::unique_ptr<Process>> Process::CreateWithoutDatabase(std::string_view,
                                                                        const config::v1::ServerConfig& server) {
  auto state = std::make_unique<State>(server);
  state->AddExecutor(kThreadsWithoutDatabase);
  return std::unique_ptr<Process>(new Process(std::move(state)));
}

const Clock& Process::clock() const { return state_->clock; }
Rng& Process::rng() { return *state_->rng; }
IdSource& Process::ids() { return state_->ids; }
telemetry::Metrics& Process::metrics() { return state_->metrics; }
const pg::ConnectOptions& Process::connect() const { return state_->database.value().connect; }
pg::Pool& Process::pool() { return state_->database.value().pool; }
Executor& Process::blocking() { return *state_->blocking; }

void Process::SetAuthenticator(std::unique_ptr<rpc::Authenticator> authenticator) {
  state_->authenticator = std::make_unique<OwnTokenAuthenticator>(std::move(authenticator), state_->own_token.Token());
}

const rpc::Caller& Process::CallerTo(std::string_view address) {
  return address.empty() || state_->remote == nullptr ? state_->own_caller : *state_->remote->caller;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Process::ChannelTo(const rpc::ChannelOptions& options) {
  if (!options.target.empty()) return rpc::MakeChannel(options);
  std::shared_ptr<grpc::Channel> channel = server().InProcessChannel();
  if (channel == nullptr) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_SERVING", "this process does not serve yet");
  }
  return channel;
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
    if (state_->database.has_value()) {
      state_->server->SetReady("database", false);
      state_->server->SetReady("migrations", false);
    }
  }
  return *state_->server;
}

void Process::RequireSchema(std::string_view schema, const std::vector<pg::Migration>& migrations) {
  MutexLock lock(state_->checking);
  state_->schemas.push_back({.name = std::string(schema), .migrations = &migrations, .current = false, .told = ""});
}

void Process::Add(std::unique_ptr<ServiceApp> app) { state_->apps.push_back(std::move(app)); }

absl::Status Process::Start() {
  state_->blocking->Start();
  if (state_->database.has_value()) {
    // Leases need the database's time; without the database there is nothing to lease.
    if (const absl::Status status = state_->database->database_clock.Tick(); !status.ok()) {
      LogWarning("starting without the database", {{"error", status}});
    }
    state_->database->database_clock.Start();
  }
  for (const auto& app : state_->apps) SY_RETURN_IF_ERROR(app->Start());
  SY_RETURN_IF_ERROR(server().Start());
  for (const auto& app : state_->apps) SY_RETURN_IF_ERROR(app->Serving());
  state_->readiness.Start();
  return absl::OkStatus();
}

void Process::Stop() {
  if (std::exchange(state_->stopped, true)) return;
  state_->readiness.Stop();
  if (state_->server != nullptr) state_->server->Stop();
  for (auto app = state_->apps.rbegin(); app != state_->apps.rend(); ++app) (*app)->Stop();
  state_->blocking->Stop();
  if (state_->database.has_value()) {
    state_->database->database_clock.Stop();
    state_->database->pool.Close();
    state_->database->probes.Close();
  }
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

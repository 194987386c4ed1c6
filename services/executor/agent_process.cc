#include "services/executor/agent_process.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/app/version.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/caller.h"
#include "libs/telemetry/metrics_server.h"
#include "services/executor/agent_convert.h"
#include "services/executor/delivery/delivery_config.h"
#include "services/executor/external/external_config.h"
#include "services/executor/files.h"
#include "services/executor/grpc_hub_dialer.h"
#include "services/executor/host_name.h"
#include "services/executor/local_exec.h"
#include "services/executor/local_exec_config.h"
#include "services/executor/loop/loop_config.h"
#include "services/executor/models/models_config.h"
#include "services/executor/repository/repository_config.h"
#include "services/executor/sandbox.h"
#include "services/executor/sqlite_journal.h"
#include "services/executor/status_file.h"
#include "services/executor/token_keeper.h"

namespace switchyard::executor {
namespace {

std::vector<std::string> HostCapabilities(const config::v1::ExecutorConfig& config) {
  std::vector<std::string> all = {"os:linux"};
  struct utsname host {};
  if (uname(&host) == 0) all.push_back(absl::StrCat("arch:", host.machine));
  all.insert(all.end(), config.capabilities().begin(), config.capabilities().end());
  return all;
}

AgentLoopOptions ToOptions(const config::v1::ExecutorConfig& config) {
  AgentLoopOptions options;
  options.slots = static_cast<int>(config.slots());
  options.software_version = std::string(app::Version());
  options.host_name = config.name().empty() ? HostName() : config.name();
  options.capabilities = HostCapabilities(config);
  for (const std::string& label : config.labels()) {
    const std::vector<std::string> parts = absl::StrSplit(label, absl::MaxSplits('=', 1));
    options.labels[parts[0]] = parts.size() > 1 ? parts[1] : "";
  }
  options.drain_timeout = ToDuration(config.drain_timeout());
  options.kill_grace = ToDuration(config.limits().kill_grace());
  options.data_dir = config.data_dir();
  options.min_free_disk = config.journal().min_free();
  return options;
}

// Tasks of a kind come only where it is offered.
std::vector<std::string> FeaturesOf(const std::vector<Backend*>& backends) {
  const auto serves = [&backends](WorkKind kind) {
    return std::any_of(backends.begin(), backends.end(),
                       [kind](const Backend* backend) { return backend->Serves(kind); });
  };
  std::vector<std::string> features;
  if (serves(WorkKind::kCommand)) features.emplace_back("kind.command");
  if (serves(WorkKind::kPrompt)) features.insert(features.end(), {"kind.prompt", "route_grant"});
  if (serves(WorkKind::kExternal)) features.emplace_back("kind.external");
  return features;
}

}  // namespace

struct AgentProcess::Parts {
  explicit Parts(const config::v1::ExecutorConfig& given)
      : config(given),
        rng(MakeSystemRng()),
        slow("slow", 2, 1'000),
        tests("tests", 2, 16),
        runner(clock, slow, {.max_runs = config.slots() + std::size_t{16}}),
        check_threads("checks", 2, 1'000),
        tokens(TokenFile(config), clock),
        caller(clock, *rng, timer, &tokens),
        status_file(config.data_dir()) {}

  absl::Status Make();
  absl::Status MakeRepositories();
  std::vector<std::string> FindCapabilities() const;
  void AddMetrics();
  // The one of the stream that stands, or stood last.
  agent::v1::AgentAdminService::StubInterface& ConnectedHub();

  const config::v1::ExecutorConfig config;
  UniqueFd lock;
  DisciplinedClock clock;
  const std::unique_ptr<Rng> rng;
  rpc::AlarmTimer timer;
  telemetry::Metrics metrics;
  BoundedExecutor slow;
  BoundedExecutor tests;
  Runner runner;
  std::unique_ptr<Programs> programs;
  // Of checks: their own, so that none waits behind a scan, and their own way out, to no address of the own link.
  BoundedExecutor check_threads;
  std::unique_ptr<http::HttpClient> check_http;
  std::unique_ptr<checks::Checker> checker;
  std::unique_ptr<LocalExec> local_exec;
  std::unique_ptr<http::HttpClient> model_http;
  std::unique_ptr<models::ModelsBackend> model_backend;
  // Null where no repository is listed.
  std::unique_ptr<repository::GitWorktrees> worktrees;
  std::unique_ptr<PeriodicTask> sweep_worktrees;
  std::unique_ptr<http::HttpClient> forge_http;
  std::unique_ptr<forge::ForgeDirectory> forges;
  std::unique_ptr<executor::loop::BuildLoop> build_loop;
  models::CredentialPolicy agent_credentials;
  // Null where no agents are configured.
  std::unique_ptr<external::ExternalBackend> external_agents;
  std::unique_ptr<ResourceProbe> resources;
  std::unique_ptr<SqliteJournal> journal;
  rpc::FileTokenSource tokens;
  rpc::Caller caller;
  std::unique_ptr<GrpcHubDialer> dialer;
  // One for each address of the dialer.
  std::vector<std::unique_ptr<agent::v1::AgentAdminService::Stub>> admins;
  StatusFile status_file;
  std::unique_ptr<AgentLoop> loop;
  std::vector<std::unique_ptr<telemetry::Probe>> probes;
  std::unique_ptr<telemetry::MetricsServer> metrics_server;
  std::unique_ptr<TokenKeeper> token_keeper;
  std::atomic<std::int64_t> token_wait_millis{1'000};
  std::unique_ptr<PeriodicTask> keep_token;
};

absl::Status AgentProcess::Parts::Make() {
  SY_RETURN_IF_ERROR(PrepareDataDir(config.data_dir()));
  SY_ASSIGN_OR_RETURN(lock, LockDataDir(config.data_dir()));
  SY_ASSIGN_OR_RETURN(const HubAccess hub, FindHub(config));
  if (tokens.Token().empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_ENROLLED",
                     absl::StrCat("there is no token in ", hub.token_file, "; enrol: yard-agent enroll STRING"));
  }
  SY_ASSIGN_OR_RETURN(dialer, GrpcHubDialer::Create(hub.addresses, hub.tls, caller, tokens));
  SY_ASSIGN_OR_RETURN(journal, SqliteJournal::Open(JournalFile(config)));
  AgentLoopOptions options = ToOptions(config);
  std::vector<Backend*> backends;
  SY_ASSIGN_OR_RETURN(programs, MakePrograms(config, runner));
  check_http = std::make_unique<http::HttpClient>(
      clock,
      http::HttpClientOptions{
          .max_in_flight = config.slots() + std::size_t{16}, .refuse_link_local = true, .user_agent = "yard-agent"});
  checker = std::make_unique<checks::Checker>(*programs, check_http.get(), clock, check_threads,
                                              CheckLimitsOf(config.limits()));
  SY_RETURN_IF_ERROR(MakeRepositories());
  if (config.backends().local_exec().enabled()) {
    local_exec = std::make_unique<LocalExec>(*programs, *checker, slow);
    backends.push_back(local_exec.get());
  }
  if (config.backends().models().enabled()) {
    model_http = std::make_unique<http::HttpClient>(clock, models::ClientOptions(config), &metrics);
    SY_ASSIGN_OR_RETURN(model_backend, models::MakeModelsBackend(config, *model_http, clock, *rng, &metrics));
    backends.push_back(model_backend.get());
    if (config.backends().build_loop().enabled()) {
      SY_ASSIGN_OR_RETURN(build_loop, loop::MakeBuildLoop(config, loop::LoopDeps{.models = *model_backend,
                                                                                 .checker = *checker,
                                                                                 .programs = *programs,
                                                                                 .clock = clock,
                                                                                 .rng = *rng,
                                                                                 .worktrees = worktrees.get(),
                                                                                 .forges = forges.get()}));
      backends.push_back(build_loop.get());
    }
  }
  SY_ASSIGN_OR_RETURN(agent_credentials, models::MakeCredentials(config.backends().models()));
  SY_ASSIGN_OR_RETURN(external_agents,
                      external::MakeExternalBackend(config, external::ExternalDeps{.programs = *programs,
                                                                                   .credentials = agent_credentials,
                                                                                   .clock = clock,
                                                                                   .rng = *rng,
                                                                                   .checker = checker.get(),
                                                                                   .worktrees = worktrees.get(),
                                                                                   .forges = forges.get()}));
  if (external_agents != nullptr) backends.push_back(external_agents.get());
  // A secret or a program may be put there, or taken away, while this runs.
  options.find_capabilities = [this] { return FindCapabilities(); };
  if (backends.empty()) {
    return InvalidFields({{.field = "backends", .description = "none is enabled: this executor could run nothing"}});
  }
  options.features = FeaturesOf(backends);
  const std::string shim = config.sandbox().shim().empty() ? FindShim() : config.sandbox().shim();
  resources = std::make_unique<ResourceProbe>(config.data_dir(), &runner, shim);
  loop = std::make_unique<AgentLoop>(std::move(options), AgentLoop::Deps{.clock = clock,
                                                                         .rng = *rng,
                                                                         .journal = *journal,
                                                                         .dialer = *dialer,
                                                                         .backends = backends,
                                                                         .resources = resources.get(),
                                                                         .slow = tests});
  loop->SetObserver([this](const AgentStatus& status) { status_file.Write(status); });
  for (std::size_t i = 0; i < dialer->addresses(); ++i) {
    admins.push_back(agent::v1::AgentAdminService::NewStub(dialer->channel(i)));
  }
  token_keeper = std::make_unique<TokenKeeper>(
      TokenFile(config), [this]() -> agent::v1::AgentAdminService::StubInterface& { return ConnectedHub(); }, caller);
  keep_token = std::make_unique<PeriodicTask>(
      "token",
      [this] {
        // The first look waits for the connection.
        const absl::Duration wait = loop->status().connected ? token_keeper->Tick() : absl::Seconds(1);
        token_wait_millis = absl::ToInt64Milliseconds(wait);
      },
      [this] { return absl::Milliseconds(token_wait_millis.load()); });
  AddMetrics();
  if (!config.metrics_listen().empty()) {
    SY_ASSIGN_OR_RETURN(metrics_server, telemetry::MetricsServer::Start(config.metrics_listen(), metrics));
  }
  return absl::OkStatus();
}

absl::Status AgentProcess::Parts::MakeRepositories() {
  forge_http = std::make_unique<http::HttpClient>(
      clock, http::HttpClientOptions{.max_in_flight = config.slots() + std::size_t{16}, .user_agent = "yard-agent"});
  SY_ASSIGN_OR_RETURN(forges, delivery::MakeForges(config.workspace(), *forge_http, clock));
  if (config.workspace().repositories().empty()) return absl::OkStatus();
  if (!programs->host().ok()) {
    // Whose the files would have to be is not known.
    LogError("no work in repositories", {{"error", programs->host().status()}});
    return absl::OkStatus();
  }
  SY_ASSIGN_OR_RETURN(worktrees, repository::MakeWorktrees(config, programs->host()->user, clock));
  if (worktrees == nullptr) return absl::OkStatus();
  sweep_worktrees = std::make_unique<PeriodicTask>(
      "worktrees", [this] { worktrees->Sweep(); }, [] { return absl::Minutes(5); });
  return absl::OkStatus();
}

std::vector<std::string> AgentProcess::Parts::FindCapabilities() const {
  std::vector<std::string> all;
  if (model_backend != nullptr) all = models::Capabilities(config.backends().models(), model_backend->credentials());
  if (external_agents != nullptr) {
    for (std::string& one : external_agents->Capabilities()) all.push_back(std::move(one));
  }
  return all;
}

agent::v1::AgentAdminService::StubInterface& AgentProcess::Parts::ConnectedHub() {
  const std::string address = loop->status().address;
  for (std::size_t i = 0; i < dialer->addresses(); ++i) {
    if (dialer->address(i) == address) return *admins[i];
  }
  return *admins[0];
}

void AgentProcess::Parts::AddMetrics() {
  const auto add = [this](const char* name, const char* help, std::function<double(const AgentStatus&)> read) {
    probes.push_back(metrics.AddProbe(name, help, [this, read = std::move(read)] { return read(loop->status()); }));
  };
  add("switchyard_executor_connected", "1 while a hub's stream stands.",
      [](const AgentStatus& status) { return status.connected ? 1.0 : 0.0; });
  add("switchyard_executor_running_tasks", "Tasks that run.",
      [](const AgentStatus& status) { return static_cast<double>(status.running); });
  add("switchyard_executor_unacknowledged_reports", "Reports that no hub has acknowledged.",
      [](const AgentStatus& status) { return static_cast<double>(status.unacknowledged); });
  add("switchyard_executor_refusing", "1 while new work is refused.",
      [](const AgentStatus& status) { return status.refusing.empty() ? 0.0 : 1.0; });
  add("switchyard_executor_log_buffer_bytes", "Output that waits for the hub.",
      [](const AgentStatus& status) { return static_cast<double>(status.log_buffer_bytes); });
  add("switchyard_executor_log_dropped_bytes", "Output that was never sent, since the start.",
      [](const AgentStatus& status) { return static_cast<double>(status.log_dropped_bytes); });
}

AgentProcess::AgentProcess(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<AgentProcess>> AgentProcess::Create(const config::v1::ExecutorConfig& config) {
  auto parts = std::make_unique<Parts>(config);
  SY_RETURN_IF_ERROR(parts->Make());
  return std::unique_ptr<AgentProcess>(new AgentProcess(std::move(parts)));
}

AgentProcess::~AgentProcess() {
  Parts& parts = *parts_;
  parts.keep_token->Stop();
  parts.loop->Stop();
  if (parts.build_loop != nullptr) parts.build_loop->Stop();
  if (parts.external_agents != nullptr) parts.external_agents->Stop();
  if (parts.worktrees != nullptr) parts.worktrees->StopSweeping();
  if (parts.sweep_worktrees != nullptr) parts.sweep_worktrees->Stop();
  parts.checker->Stop();
  // What still runs dies here; its end is told to the loop's object, which outlives it.
  parts.runner.Stop();
  if (parts.model_backend != nullptr) parts.model_backend->Stop();
  if (parts.model_http != nullptr) parts.model_http->Stop();
  parts.check_http->Stop();
  parts.forge_http->Stop();
  parts.check_threads.Stop();
  parts.tests.Stop();
  parts.slow.Stop();
  parts.metrics_server.reset();
  parts.probes.clear();
  parts.loop.reset();
}

absl::Status AgentProcess::Start() {
  parts_->slow.Start();
  parts_->tests.Start();
  parts_->check_threads.Start();
  parts_->check_http->Start();
  parts_->checker->StartTicking();
  SY_RETURN_IF_ERROR(parts_->runner.Start());
  if (parts_->model_http != nullptr) parts_->model_http->Start();
  if (parts_->model_backend != nullptr) parts_->model_backend->StartTicking();
  parts_->forge_http->Start();
  if (parts_->sweep_worktrees != nullptr) parts_->sweep_worktrees->Start();
  if (parts_->build_loop != nullptr) parts_->build_loop->StartThreads();
  if (parts_->external_agents != nullptr) parts_->external_agents->StartThreads();
  SY_RETURN_IF_ERROR(parts_->loop->Start());
  parts_->keep_token->Start();
  return absl::OkStatus();
}

void AgentProcess::Reload() {
  if (const absl::Status status = ReloadAllowlist(parts_->config, *parts_->programs); !status.ok()) {
    LogError("the allowlist could not be read; the former one stays", {{"error", status}});
  } else {
    LogInfo("the allowlist was read again");
  }
  if (parts_->external_agents == nullptr) return;
  if (const absl::Status status = external::ReloadAgents(parts_->config, *parts_->external_agents); !status.ok()) {
    LogError("the agents could not be read; the former ones stay", {{"error", status}});
  } else {
    LogInfo("the agents were read again");
  }
}

void AgentProcess::Drain() { parts_->loop->Drain(); }

bool AgentProcess::WaitFor(absl::Duration timeout) { return parts_->loop->WaitFor(timeout); }

LoopExit AgentProcess::exit(std::string* advice) { return parts_->loop->Wait(advice); }

AgentStatus AgentProcess::status() const { return parts_->loop->status(); }

absl::Duration AgentProcess::patience() const {
  return ToDuration(parts_->config.drain_timeout()) + ToDuration(parts_->config.limits().kill_grace()) +
         absl::Seconds(30);
}

}  // namespace switchyard::executor

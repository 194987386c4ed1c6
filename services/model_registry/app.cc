#include "services/model_registry/app.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/app/options.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/base/status_text.h"
#include "libs/config/secret.h"
#include "libs/http/http_client.h"
#include "services/model_registry/agent_hosts.h"
#include "services/model_registry/checker.h"
#include "services/model_registry/http_prober.h"
#include "services/model_registry/model_registry_rpc.h"
#include "services/model_registry/postgres_registry_store.h"
#include "services/model_registry/registry_admin.h"
#include "services/model_registry/registry_files.h"
#include "services/model_registry/registry_meter.h"
#include "services/model_registry/registry_watchers.h"
#include "services/model_registry/sql/statements.h"

namespace switchyard::model_registry {
namespace {

// Also how late watchers hear of a place that became free, and nobody uses it before.
constexpr absl::Duration kCheckPeriod = absl::Milliseconds(20);
constexpr absl::Duration kSyncPeriod = absl::Seconds(1);
constexpr absl::Duration kFilePeriod = absl::Seconds(2);
constexpr absl::Duration kForgetPeriod = absl::Minutes(1);
constexpr std::size_t kThreads = 4;
constexpr std::size_t kQueue = 4'000;
constexpr std::size_t kWatches = 64;
constexpr std::string_view kConfiguration = "model_registry_configuration";

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

ProberRules ToProberRules(const config::v1::ModelRegistrySettings& settings) {
  const auto& check = settings.check();
  return {.connect = app::ToDuration(check.connect_timeout()),
          .response = app::ToDuration(check.response_timeout()),
          .generate = app::ToDuration(check.progress_timeout()),
          .load = app::ToDuration(settings.timeouts().load()),
          .keep_warm = app::ToDuration(check.keep_warm())};
}

// What this machine calls itself; "" when it cannot tell.
std::string OwnHost() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

ModelRegistryApp::Neighbours ToNeighbours(const config::v1::ModelRegistryConfig& config) {
  ModelRegistryApp::Neighbours neighbours;
  if (!config.agent_hub().address().empty()) neighbours.agent_hub = app::ToChannelOptions(config.agent_hub());
  return neighbours;
}

const std::vector<pg::Migration>& SchemaMigrations() { return sql::Migrations(); }

const std::vector<app::DoctorCheck>& DoctorChecks() {
  static const auto& checks = *new std::vector<app::DoctorCheck>{
      {"reservations end after they were made", &sql::kDoctorImpossibleReservations},
      {"disabled models have names", &sql::kDoctorDisabledModels},
  };
  return checks;
}

HealthRules ToRules(const config::v1::ModelRegistrySettings& settings) {
  const auto& breaker = settings.breaker();
  const auto& timeouts = settings.timeouts();
  HealthRules rules;
  rules.breaker = {.failures = static_cast<int>(breaker.failures()),
                   .failure_rate = breaker.failure_rate(),
                   .least_outcomes = static_cast<int>(breaker.least_outcomes()),
                   .window = app::ToDuration(breaker.window()),
                   .cooldown = app::ToDuration(breaker.cooldown()),
                   .max_cooldown = app::ToDuration(breaker.max_cooldown()),
                   .stable = app::ToDuration(breaker.stable())};
  rules.timeouts = {.connect = app::ToDuration(timeouts.connect()),
                    .load = app::ToDuration(timeouts.load()),
                    .first_token = app::ToDuration(timeouts.first_token()),
                    .between_tokens = app::ToDuration(timeouts.between_tokens()),
                    .least = app::ToDuration(timeouts.least()),
                    .most = app::ToDuration(timeouts.most())};
  rules.check_interval = app::ToDuration(settings.check().interval());
  rules.progress_interval = app::ToDuration(settings.check().progress_interval());
  rules.keep_warm = app::ToDuration(settings.check().keep_warm());
  rules.host_fresh = app::ToDuration(settings.hosts().fresh());
  return rules;
}

// The composition: every part in the order in which it is made; steps last, so that they go first.
struct ModelRegistryApp::Parts {
  Parts(app::Process& process, const config::v1::ModelRegistrySettings& settings, Neighbours where)
      : process(process),
        neighbours(std::move(where)),
        store(process.pool()),
        work("model-registry", kThreads, kQueue),
        registry(process.clock(), ToRules(settings)),
        admin(store, registry, process.clock(), process.ids(), settings.max_endpoints()),
        http(process.clock(), {.max_in_flight = 256, .max_per_origin = 8}, &process.metrics()),
        prober(http, process.clock(), ToProberRules(settings),
               [](const std::string& reference) { return config::ResolveSecret(reference); }),
        checker(registry, prober, process.clock(),
                {.interval = app::ToDuration(settings.check().interval()),
                 .stagger = app::ToDuration(settings.check().stagger())},
                app::ToDuration(settings.breaker().cooldown()),
                [this](const EndpointId& endpoint, absl::Time until, std::function<void(bool)> answer) {
                  ClaimProbe(endpoint, until, std::move(answer));
                }),
        agent_hosts(process.CallerTo(neighbours.agent_hub.value_or(rpc::ChannelOptions()).target),
                    app::ToDuration(settings.hosts().call_timeout())),
        watchers(registry, kWatches),
        meter(process.metrics()),
        files({.models_file = settings.models_file(),
               .roles_folder = settings.roles_folder(),
               .endpoints_file = settings.endpoints_file(),
               .max_endpoints = settings.max_endpoints()}),
        rpc(process.server().gate(), {.registry = registry,
                                      .admin = admin,
                                      .checker = checker,
                                      .watchers = watchers,
                                      .clock = process.clock(),
                                      .blocking = work}),
        check_step(
            "endpoint-checks", [this] { Check(); }, [] { return kCheckPeriod; }),
        sync_step(
            "registry-sync", [this] { Sync(); }, [] { return kSyncPeriod; }),
        file_step(
            "registry-files", [this] { Reread(); }, [] { return kFilePeriod; }),
        forget_step(
            "reservations", [this] { forget_log(store.Forget(this->process.clock().Now())); },
            [] { return kForgetPeriod; }),
        host_step(
            "endpoint-hosts", [this] { ReadHosts(); },
            [period = app::ToDuration(settings.hosts().interval())] { return period; }) {}

  // While the database cannot tell who else would, this process probes: each for itself is better than none.
  void ClaimProbe(const EndpointId& endpoint, absl::Time until, std::function<void(bool)> answer) {
    const absl::Status taken = work.Run([this, endpoint, until, answer] {
      answer(store.ClaimProbe(endpoint, until, process.clock().Now()).value_or(true));
    });
    if (!taken.ok()) answer(false);
  }

  void Check() {
    // Before that, an endpoint that was removed or disabled might be asked.
    if (registry.loaded()) checker.Tick();
    if (!registry.Refresh()) return;
    meter.Saw(*registry.snapshot());
    watchers.Publish();
  }

  void Sync() {
    const absl::Status status = admin.Sync();
    sync_log(status);
    if (status.ok()) process.server().SetReady(kConfiguration, true);
  }

  // What was said before stays, and ages, while nobody answers.
  void ReadHosts() {
    const absl::StatusOr<std::vector<HostReport>> reports = agent_hosts.Read();
    host_log(reports.status());
    if (reports.ok()) {
      registry.SetHosts(HostReports(*reports, OwnHost()));
      hosts_read = true;
    } else if (!hosts_read) {
      registry.SetHosts(HostReports(absl::StrCat("the agent hub did not answer yet: ", ToText(reports.status()))));
    }
  }

  absl::Status ReadFiles() {
    absl::StatusOr<FileConfiguration> read = files.Load();
    meter.FilesRead(read.ok());
    SY_RETURN_IF_ERROR(read.status());
    const absl::StatusOr<std::vector<std::string>> left_out = registry.SetFiles(*std::move(read));
    meter.FilesRead(left_out.ok());
    SY_RETURN_IF_ERROR(left_out.status());
    if (!left_out->empty()) {
      LogWarning("endpoints of the file are left out: their names are taken",
                 {{"endpoints", absl::StrJoin(*left_out, ", ")}});
    }
    return absl::OkStatus();
  }

  void Reread() {
    if (!files.Changed()) return;
    const absl::Status status = ReadFiles();
    if (status.ok()) {
      LogInfo("the files of models, roles and endpoints were read again");
    } else {
      LogError("the files of models, roles and endpoints have faults; what was read before stays",
               {{"status", status}});
    }
  }

  app::Process& process;
  const Neighbours neighbours;
  PostgresRegistryStore store;
  BoundedExecutor work;
  Registry registry;
  RegistryAdmin admin;
  http::HttpClient http;
  HttpProber prober;
  Checker checker;
  AgentHosts agent_hosts;
  RegistryWatchers watchers;
  RegistryMeter meter;
  FileWatch files;
  ModelRegistryRpc rpc;

  StepLog sync_log{"model registry"}, forget_log{"reservations"}, host_log{"endpoints' hosts"};
  bool hosts_read = false;
  PeriodicTask check_step, sync_step, file_step, forget_step, host_step;
};

ModelRegistryApp::ModelRegistryApp(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ModelRegistryApp::~ModelRegistryApp() = default;

absl::Status ModelRegistryApp::AddTo(app::Process& process, const config::v1::ModelRegistrySettings& settings,
                                     Neighbours neighbours) {
  auto parts = std::make_unique<Parts>(process, settings, std::move(neighbours));
  SY_RETURN_IF_ERROR(parts->ReadFiles());
  process.RequireSchema(kSchema, SchemaMigrations());
  process.server().SetReady(kConfiguration, false);
  process.server().Register(parts->rpc, v1::ModelRegistryService::service_full_name());
  process.Add(std::unique_ptr<ModelRegistryApp>(new ModelRegistryApp(std::move(parts))));
  return absl::OkStatus();
}

absl::Status ModelRegistryApp::Start() {
  parts_->work.Start();
  parts_->http.Start();
  for (PeriodicTask* step : {&parts_->sync_step, &parts_->check_step, &parts_->file_step, &parts_->forget_step}) {
    step->Start();
  }
  return absl::OkStatus();
}

absl::Status ModelRegistryApp::Serving() {
  if (!parts_->neighbours.agent_hub.has_value()) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> hub, parts_->process.ChannelTo(*parts_->neighbours.agent_hub));
  parts_->agent_hosts.Connect(std::move(hub));
  parts_->host_step.Start();
  return absl::OkStatus();
}

void ModelRegistryApp::Stop() {
  parts_->host_step.Stop();
  parts_->agent_hosts.Disconnect();
  for (PeriodicTask* step : {&parts_->forget_step, &parts_->file_step, &parts_->check_step, &parts_->sync_step}) {
    step->Stop();
  }
  // What is asked meanwhile ends as cancelled.
  parts_->http.Stop();
  parts_->work.Stop();
}

}  // namespace switchyard::model_registry

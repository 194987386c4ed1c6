#include "services/verification/app.h"

#include <memory>
#include <string>
#include <utility>

#include "libs/app/options.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/config/secret.h"
#include "libs/forge/forge_directory.h"
#include "libs/http/http_client.h"
#include "services/verification/forge_records.h"
#include "services/verification/grpc_ports.h"
#include "services/verification/postgres_verification_store.h"
#include "services/verification/sql/statements.h"
#include "services/verification/verification_rpc.h"

namespace switchyard::verification {
namespace {

constexpr absl::Duration kForgetPeriod = absl::Minutes(10);
constexpr absl::Duration kForgetMore = absl::Milliseconds(200);
constexpr int kForgetBatch = 500;
// What a heard report that failed is tried again after: it is heard of again too.
constexpr absl::Duration kTickRetry = absl::Seconds(1);
constexpr absl::Duration kTickIdle = absl::Minutes(1);
constexpr std::size_t kThreads = 4;
constexpr std::size_t kQueue = 1'000;

// Only the first failure in a row is news.
class StepLog {
 public:
  explicit StepLog(const char* step) : step_(step) {}
  bool operator()(const absl::Status& status) {
    if (!status.ok() && ok_) LogWarning("a background step fails", {{"step", step_}, {"status", status}});
    if (status.ok() && !ok_) LogInfo("a background step works again", {{"step", step_}});
    return ok_ = status.ok();
  }

 private:
  const char* const step_;
  bool ok_ = true;
};

// What becomes of pull requests, where forges are configured.
struct ForgeParts {
  ForgeParts(const app::Process& process, VerificationStore& store)
      : http(process.clock(), {.max_in_flight = 8, .max_per_origin = 2}), records(store, process.clock()) {}

  // What the configuration asks for.
  absl::Status Configure(app::Process& process, const config::v1::ForgePollingConfig& config) {
    SY_ASSIGN_OR_RETURN(directory, forge::ForgeDirectory::Make(
                                       {config.forges().begin(), config.forges().end()}, "verification.forge.forges",
                                       [](const std::string& reference) { return config::ResolveSecret(reference); },
                                       http, process.clock()));
    poller = std::make_unique<ForgePoller>(
        records, [this](std::string_view url) { return directory->Find(url); },
        ForgePollerOptions{.allow_auto_merge = config.allow_auto_merge()}, process.clock(), &process.metrics());
    step = std::make_unique<PeriodicTask>(
        "forges", [this] { log(poller->Tick()); },
        [interval = app::ToDuration(config.interval())] { return interval; });
    return absl::OkStatus();
  }
  void Stop() {
    poller->Stop();
    step->Stop();
    http.Stop();
  }

  std::unique_ptr<forge::ForgeDirectory> directory;
  http::HttpClient http;
  ForgeRecords records;
  StepLog log{"forges"};
  std::unique_ptr<ForgePoller> poller;
  std::unique_ptr<PeriodicTask> step;
};

}  // namespace

const std::vector<pg::Migration>& SchemaMigrations() { return sql::Migrations(); }

const std::vector<app::DoctorCheck>& DoctorChecks() {
  static const auto& checks = *new std::vector<app::DoctorCheck>{
      {"a verdict that was decided is told", &sql::kDoctorUntold},
      {"the wait for a judge ends", &sql::kDoctorJudging},
      {"an outcome belongs to a verification", &sql::kDoctorMarks},
  };
  return checks;
}

VerifierOptions ToOptions(const config::v1::VerificationSettings& settings) {
  return {.in_flight = static_cast<int>(settings.in_flight()), .sweep = app::ToDuration(settings.sweep())};
}

// The composition: every part in the order in which it is made; steps last, so that they go first.
struct VerificationApp::Parts {
  Parts(app::Process& process, const config::v1::VerificationSettings& settings, rpc::ChannelOptions where)
      : process(process),
        task_queue(std::move(where)),
        retention(app::ToDuration(settings.retention())),
        store(process.pool()),
        queue(process.CallerTo(task_queue.target), app::ToDuration(settings.call_timeout())),
        meter(process.metrics()),
        verifier({.store = store,
                  .queue = queue,
                  .clock = process.clock(),
                  .meter = meter,
                  .wake_tick = [this] { tick_step.Wake(); },
                  .wake_sweep = [this] { sweep_step.Wake(); }},
                 ToOptions(settings)),
        records(store, process.clock()),
        feed(process.CallerTo(task_queue.target),
             {.heard = [this](absl::Span<const WorkKey> keys) { verifier.Hear(keys); },
              .connected = [this](bool connected) { watching.Set(connected ? 1 : 0); }}),
        blocking("verification", kThreads, kQueue),
        rpc(process.server().gate(), records, blocking),
        watching(process.metrics().AddGauge("switchyard_verification_watching",
                                            "1 while the task queue tells what awaits a verdict.")),
        tick_step(
            "verdicts", [this] { ticked = tick_log(verifier.Tick()); },
            [this] { return ticked ? kTickIdle : kTickRetry; }),
        sweep_step(
            "unfinished", [this] { Sweep(); },
            [this, sweep = app::ToDuration(settings.sweep())] { return busy ? Verifier::kFirstLook : sweep; }),
        forget_step(
            "retention", [this] { Forget(); }, [this] { return more ? kForgetMore : kForgetPeriod; }) {}

  void Sweep() {
    const absl::StatusOr<bool> soon = verifier.Sweep();
    sweep_log(soon.status());
    if (soon.ok()) busy = *soon;
  }

  void Forget() {
    const absl::StatusOr<int> dropped = store.Forget(process.clock().Now() - retention, kForgetBatch);
    forget_log(dropped.status());
    more = dropped.ok() && *dropped == kForgetBatch;
  }

  app::Process& process;
  const rpc::ChannelOptions task_queue;
  const absl::Duration retention;
  PostgresVerificationStore store;
  GrpcQueuePort queue;
  VerificationMeter meter;
  Verifier verifier;
  VerificationRecords records;
  VerifyingFeed feed;
  BoundedExecutor blocking;
  VerificationRpc rpc;
  telemetry::Gauge& watching;

  // Null: none are configured.
  std::unique_ptr<ForgeParts> forges;
  StepLog tick_log{"verdicts"}, sweep_log{"unfinished"}, forget_log{"retention"};
  // Each of its step alone.
  bool ticked = true, busy = false, more = false;
  PeriodicTask tick_step, sweep_step, forget_step;
};

VerificationApp::VerificationApp(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
VerificationApp::~VerificationApp() = default;

absl::Status VerificationApp::AddTo(app::Process& process, const config::v1::VerificationSettings& settings,
                                    rpc::ChannelOptions task_queue) {
  auto parts = std::make_unique<Parts>(process, settings, std::move(task_queue));
  if (!settings.forge().forges().empty()) {
    parts->forges = std::make_unique<ForgeParts>(process, parts->store);
    SY_RETURN_IF_ERROR(parts->forges->Configure(process, settings.forge()));
  }
  process.RequireSchema(kSchema, SchemaMigrations());
  process.server().Register(parts->rpc, v1::VerificationService::service_full_name());
  process.Add(std::unique_ptr<VerificationApp>(new VerificationApp(std::move(parts))));
  return absl::OkStatus();
}

absl::Status VerificationApp::Start() {
  parts_->blocking.Start();
  parts_->forget_step.Start();
  return absl::OkStatus();
}

absl::Status VerificationApp::Serving() {
  Parts& parts = *parts_;
  SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> queue, parts.process.ChannelTo(parts.task_queue));
  parts.queue.Connect(queue);
  parts.tick_step.Start();
  parts.sweep_step.Start();
  parts.feed.Connect(std::move(queue));
  if (parts.forges != nullptr) {
    parts.forges->http.Start();
    parts.forges->step->Start();
  }
  return absl::OkStatus();
}

void VerificationApp::Stop() {
  Parts& parts = *parts_;
  if (parts.forges != nullptr) parts.forges->Stop();
  // What it tells wakes the steps.
  parts.feed.Disconnect();
  for (PeriodicTask* step : {&parts.tick_step, &parts.sweep_step, &parts.forget_step}) step->Stop();
  parts.blocking.Stop();
  parts.queue.Disconnect();
}

}  // namespace switchyard::verification

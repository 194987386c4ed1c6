#include "services/router/app.h"

#include <utility>

#include "libs/app/options.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "services/router/grpc_ports.h"
#include "services/router/postgres_route_store.h"
#include "services/router/registry_feed.h"
#include "services/router/router_rpc.h"
#include "services/router/sql/statements.h"

namespace switchyard::router {
namespace {

constexpr absl::Duration kBudgetPeriod = absl::Seconds(1);
constexpr absl::Duration kLookPeriod = absl::Milliseconds(500);
constexpr absl::Duration kMaintainPeriod = absl::Minutes(10);
constexpr absl::Duration kMaintainRetry = absl::Seconds(1);
constexpr absl::Duration kPartitionsAhead = absl::Hours(72);
constexpr std::size_t kRouteThreads = 2;
constexpr std::size_t kStoreThreads = 6;
constexpr std::size_t kQueue = 2'000;
constexpr std::size_t kKnownTasks = 20'000;
constexpr std::string_view kRegistry = "model_registry";
constexpr std::string_view kPartitions = "decision_partitions";

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

}  // namespace

const std::vector<pg::Migration>& SchemaMigrations() { return sql::Migrations(); }

const std::vector<app::DoctorCheck>& DoctorChecks() {
  static const auto& checks = *new std::vector<app::DoctorCheck>{
      {"budgets hold what their reservations do", &sql::kDoctorHeldMoney},
      {"a held decision has a reservation", &sql::kDoctorHeldDecisions},
      {"decisions of tomorrow have a partition", &sql::kDoctorDecisionPartitions},
  };
  return checks;
}

RouterRules ToRules(const config::v1::RouterSettings& settings) {
  RouterRules rules;
  const auto& tiers = settings.tiers();
  rules.tiers.simple_task_types = {tiers.simple_task_types().begin(), tiers.simple_task_types().end()};
  rules.tiers.raising_words = {tiers.raising_words().begin(), tiers.raising_words().end()};
  rules.tiers.long_instruction_tokens = tiers.long_instruction_tokens();
  const auto& weights = settings.weights();
  rules.weights = {.health = weights.health(),
                   .warmth = weights.warmth(),
                   .load = weights.load(),
                   .latency = weights.latency(),
                   .price = weights.price(),
                   .preference = weights.preference()};
  rules.fallbacks = static_cast<int>(settings.fallbacks());
  rules.output_tokens = settings.output_tokens();
  rules.allow_cloud = settings.allow_cloud();
  rules.reroute_gone_models = settings.reroute_gone_models();
  rules.hold = app::ToDuration(settings.time().hold());
  return rules;
}

RouterOptions ToOptions(const config::v1::RouterSettings& settings) {
  RouterOptions options;
  options.terms = {.fallbacks = static_cast<int>(settings.fallbacks()),
                   .mismatch_fails = settings.mismatch_fails(),
                   .least_tokens_per_second = settings.least_tokens_per_second()};
  options.reservation = app::ToDuration(settings.time().reservation());
  options.decision = app::ToDuration(settings.time().decision());
  options.max_budgets = settings.max_budgets();
  return options;
}

RouterApp::Neighbours ToNeighbours(const config::v1::RouterConfig& config) {
  return {.task_queue = app::ToChannelOptions(config.task_queue()),
          .model_registry = app::ToChannelOptions(config.model_registry())};
}

// The composition: every part in the order in which it is made; steps last, so that they go first.
struct RouterApp::Parts {
  Parts(app::Process& process, const config::v1::RouterSettings& settings, Neighbours where)
      : process(process),
        neighbours(std::move(where)),
        retention(app::ToDuration(settings.time().retention())),
        store(process.pool()),
        view(process.clock(), ToRules(settings)),
        words(view.rules().tiers.raising_words),
        tasks(process.CallerTo(neighbours.task_queue.target), app::ToDuration(settings.time().call_timeout())),
        capacity(process.CallerTo(neighbours.model_registry.target), app::ToDuration(settings.time().call_timeout())),
        reader(tasks, store, words, kKnownTasks),
        meter(process.metrics()),
        router({.store = store,
                .view = view,
                .reader = reader,
                .tasks = tasks,
                .capacity = capacity,
                .words = words,
                .clock = process.clock(),
                .ids = process.ids(),
                .meter = meter},
               ToOptions(settings)),
        feed(process.CallerTo(neighbours.model_registry.target), process.clock(),
             {.news = [this](Catalogue catalogue) { view.SetCatalogue(std::move(catalogue)); },
              .lost = [this] { view.LostRegistry(); }}),
        routing("routes", kRouteThreads, kQueue),
        blocking("reservations", kStoreThreads, kQueue),
        rpc(process.server().gate(), {.router = router, .routing = routing, .blocking = blocking}),
        budget_step(
            "budgets", [this] { budget_log(router.SyncBudgets()); }, [] { return kBudgetPeriod; }),
        sweep_step(
            "reservations", [this] { sweep_log(router.Sweep().status()); },
            [period = app::ToDuration(settings.time().sweep())] { return period; }),
        look_step(
            "registry", [this] { Look(); }, [] { return kLookPeriod; }),
        maintain_step(
            "decisions", [this] { Maintain(); }, [this] { return maintained ? kMaintainPeriod : kMaintainRetry; }) {}

  void Look() {
    const absl::StatusOr<RouteView::Now> now = view.Get();
    const bool known = now.ok() && !now->stale;
    meter.Registry(known);
    process.server().SetReady(kRegistry, known);
  }

  void Maintain() {
    const absl::Time now = process.clock().Now();
    const absl::Status status = store.Maintain(now, kPartitionsAhead, now - retention);
    maintain_log(status);
    maintained = status.ok();
    if (maintained) process.server().SetReady(kPartitions, true);
  }

  app::Process& process;
  const Neighbours neighbours;
  const absl::Duration retention;
  PostgresRouteStore store;
  RouteView view;
  const RaisingWords words;
  GrpcTaskPort tasks;
  GrpcCapacityPort capacity;
  TaskReader reader;
  RouterMeter meter;
  Router router;
  RegistryFeed feed;
  BoundedExecutor routing, blocking;
  RouterRpc rpc;

  StepLog budget_log{"budgets"}, sweep_log{"reservations"}, maintain_log{"decisions"};
  bool maintained = false;
  PeriodicTask budget_step, sweep_step, look_step, maintain_step;
};

RouterApp::RouterApp(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
RouterApp::~RouterApp() = default;

absl::Status RouterApp::AddTo(app::Process& process, const config::v1::RouterSettings& settings,
                              Neighbours neighbours) {
  auto parts = std::make_unique<Parts>(process, settings, std::move(neighbours));
  process.RequireSchema(kSchema, SchemaMigrations());
  process.server().SetReady(kRegistry, false);
  process.server().SetReady(kPartitions, false);
  process.server().Register(parts->rpc, v1::RouterService::service_full_name());
  process.Add(std::unique_ptr<RouterApp>(new RouterApp(std::move(parts))));
  return absl::OkStatus();
}

absl::Status RouterApp::Start() {
  parts_->routing.Start();
  parts_->blocking.Start();
  parts_->maintain_step.Start();
  parts_->budget_step.Start();
  parts_->look_step.Start();
  return absl::OkStatus();
}

absl::Status RouterApp::Serving() {
  Parts& parts = *parts_;
  SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> queue, parts.process.ChannelTo(parts.neighbours.task_queue));
  SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> registry,
                      parts.process.ChannelTo(parts.neighbours.model_registry));
  parts.tasks.Connect(std::move(queue));
  parts.capacity.Connect(registry);
  parts.feed.Connect(std::move(registry));
  parts.sweep_step.Start();
  return absl::OkStatus();
}

void RouterApp::Stop() {
  Parts& parts = *parts_;
  for (PeriodicTask* step : {&parts.sweep_step, &parts.look_step, &parts.budget_step, &parts.maintain_step}) {
    step->Stop();
  }
  parts.routing.Stop();
  parts.blocking.Stop();
  parts.feed.Disconnect();
  parts.capacity.Disconnect();
  parts.tasks.Disconnect();
}

}  // namespace switchyard::router

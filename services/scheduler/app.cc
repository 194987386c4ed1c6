#include "services/scheduler/app.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/app/options.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/status_macros.h"
#include "services/scheduler/route_source.h"
#include "services/scheduler/router_route_source.h"
#include "services/scheduler/scheduler_admin_rpc.h"
#include "services/scheduler/scheduler_meter.h"

namespace switchyard::scheduler {
namespace {

// Until the task queue answered for the first time, nothing can be done.
constexpr std::string_view kLedger = "task_queue";
// A route that takes longer is of no use: the task is told so and asked about again.
constexpr absl::Duration kRouteTimeout = absl::Seconds(3);
constexpr absl::Duration kSnapshotInterval = absl::Seconds(10);

SchedulerOptions Named(SchedulerOptions options, IdSource& ids) {
  if (options.id.empty()) options.id = absl::StrCat("scheduler-", ids.NewUuid().ToString());
  return options;
}

}  // namespace

SchedulerOptions ToOptions(const config::v1::SchedulerSettings& settings) {
  SchedulerOptions options;
  options.id = settings.scheduler_id();
  options.line.window = static_cast<int>(settings.window());
  options.line.bucket = static_cast<int>(std::min(settings.bucket_window(), settings.window()));
  options.line.parked = static_cast<int>(std::min(settings.parked_window(), settings.bucket_window()));
  options.weights = {settings.lanes().urgent(), settings.lanes().high(), settings.lanes().normal(),
                     settings.lanes().low()};
  options.shards = static_cast<int>(settings.shards());
  options.batch = static_cast<int>(settings.batch());
  options.lease_interval = app::ToDuration(settings.lease_interval());
  options.sweep_interval = app::ToDuration(settings.sweep_interval());
  options.call_timeout = app::ToDuration(settings.call_timeout());
  return options;
}

SchedulerApp::Neighbours ToNeighbours(const config::v1::SchedulerConfig& config) {
  SchedulerApp::Neighbours neighbours;
  neighbours.task_queue = app::ToChannelOptions(config.task_queue());
  for (const std::string& address : config.hub_addresses()) {
    rpc::ChannelOptions hub = app::ToChannelOptions(config.hub());
    hub.target = address;
    neighbours.hubs.push_back(std::move(hub));
  }
  if (!config.router().address().empty()) neighbours.router = app::ToChannelOptions(config.router());
  return neighbours;
}

struct SchedulerApp::Parts {
  Parts(app::Process& process, const config::v1::SchedulerSettings& settings, Neighbours neighbours)
      : process(process),
        neighbours(std::move(neighbours)),
        meter(process.metrics()),
        router(process.clock(), meter, kRouteTimeout),
        scheduler(Named(ToOptions(settings), process.ids()),
                  {.clock = process.clock(), .rng = process.rng(), .routes = Routes(), .meter = meter}),
        rpc(process.server().gate(), scheduler) {
    scheduler.OnReady([&server = process.server()](bool ready) { server.SetReady(kLedger, ready); });
    probes.push_back(process.metrics().AddProbe("switchyard_scheduler_free_credits", "Tasks that agents would take.",
                                                [this] { return double(scheduler.Shards().free_credits()); }));
    probes.push_back(process.metrics().AddProbe("switchyard_scheduler_agents", "Agents that hubs tell of.",
                                                [this] { return double(scheduler.Shards().agents()); }));
    probes.push_back(process.metrics().AddProbe("switchyard_scheduler_shards", "Shards held.",
                                                [this] { return double(scheduler.Shards().shards_size()); }));
  }

  RouteSource& Routes() {
    if (neighbours.router.has_value()) return router;
    return no_router;
  }

  absl::StatusOr<Peer> PeerAt(const rpc::ChannelOptions& options) {
    Peer peer;
    peer.address = options.target;
    SY_ASSIGN_OR_RETURN(peer.channel, process.ChannelTo(options));
    peer.caller = &process.CallerTo(options.target);
    return peer;
  }

  app::Process& process;
  const Neighbours neighbours;
  StaticRouteSource no_router;
  SchedulerMeter meter;
  RouterRouteSource router;
  Scheduler scheduler;
  SchedulerAdminRpc rpc;
  std::vector<std::unique_ptr<telemetry::Probe>> probes;
  PeriodicTask snapshot_step{"route_snapshot", [this] { router.RefreshSnapshot(); }, [] { return kSnapshotInterval; }};
};

SchedulerApp::SchedulerApp(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SchedulerApp::~SchedulerApp() = default;

absl::Status SchedulerApp::AddTo(app::Process& process, const config::v1::SchedulerSettings& settings,
                                 Neighbours neighbours) {
  auto parts = std::make_unique<Parts>(process, settings, std::move(neighbours));
  process.server().SetReady(kLedger, false);
  process.server().Register(parts->rpc, v1::SchedulerAdminService::service_full_name());
  process.Add(std::unique_ptr<SchedulerApp>(new SchedulerApp(std::move(parts))));
  return absl::OkStatus();
}

absl::Status SchedulerApp::Start() { return absl::OkStatus(); }

absl::Status SchedulerApp::Serving() {
  SY_ASSIGN_OR_RETURN(Peer ledger, parts_->PeerAt(parts_->neighbours.task_queue));
  std::vector<Peer> hubs;
  for (const rpc::ChannelOptions& options : parts_->neighbours.hubs) {
    SY_ASSIGN_OR_RETURN(Peer hub, parts_->PeerAt(options));
    hubs.push_back(std::move(hub));
  }
  if (parts_->neighbours.router.has_value()) {
    SY_ASSIGN_OR_RETURN(Peer router, parts_->PeerAt(*parts_->neighbours.router));
    parts_->router.Connect(std::move(router.channel), *router.caller);
    parts_->snapshot_step.Start();
  }
  parts_->scheduler.Start(std::move(ledger), std::move(hubs));
  return absl::OkStatus();
}

void SchedulerApp::Stop() {
  parts_->snapshot_step.Stop();
  parts_->scheduler.Stop();
  parts_->router.Disconnect();
}

}  // namespace switchyard::scheduler

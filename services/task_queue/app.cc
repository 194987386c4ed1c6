#include "services/task_queue/app.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "libs/app/options.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/log.h"
#include "services/task_queue/dependency_desk.h"
#include "services/task_queue/directive_feed.h"
#include "services/task_queue/event_pump.h"
#include "services/task_queue/group_commit_lanes.h"
#include "services/task_queue/postgres_task_store.h"
#include "services/task_queue/record_cache.h"
#include "services/task_queue/session_desk.h"
#include "services/task_queue/sql/statements.h"
#include "services/task_queue/sweeper.h"
#include "services/task_queue/task_ledger_rpc.h"
#include "services/task_queue/task_queue.h"
#include "services/task_queue/task_queue_meter.h"
#include "services/task_queue/task_queue_rpc.h"
#include "services/task_queue/verifying_feed.h"
#include "services/task_queue/watch_hub.h"

namespace switchyard::task_queue {
namespace {

constexpr absl::Duration kStatsPeriod = absl::Seconds(5);
constexpr absl::Duration kFeedPeriod = absl::Seconds(1);
constexpr absl::Duration kHistoryPeriod = absl::Minutes(10);
constexpr absl::Duration kHistoryRetry = absl::Seconds(1);
constexpr absl::Duration kHistoryRetryMost = absl::Minutes(1);
// Nothing can be submitted on a day without them.
constexpr std::string_view kPartitions = "partitions";
// How late news from other replicas may be.
constexpr absl::Duration kPumpIdle = absl::Milliseconds(50);
constexpr absl::Duration kPumpWatched = absl::Milliseconds(5);
constexpr absl::Duration kCatchUpPeriod = absl::Milliseconds(20);
constexpr std::size_t kReadingQueue = 4'096;

std::vector<absl::Duration> ToDurations(
    const google::protobuf::RepeatedPtrField<google::protobuf::Duration>& durations) {
  std::vector<absl::Duration> out;
  for (const google::protobuf::Duration& duration : durations) out.push_back(app::ToDuration(duration));
  return out;
}

// A background step that failed is tried again at its next turn; only the first failure in a row is news.
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

pg::GroupCommitOptions ToOptions(const config::v1::BatchConfig& batch, absl::Duration timeout) {
  pg::GroupCommitOptions options;
  options.max_batch = batch.max();
  options.max_queued = batch.queue_bound();
  options.transaction.timeout = timeout;
  return options;
}

// Half as many as do the rest, since each holds a thread too.
pg::PoolOptions ReadPoolOptions(pg::PoolOptions options) {
  options.max_sessions = std::max(1, options.max_sessions / 2);
  return options;
}

LaneWeights ToWeights(const config::v1::LaneWeights& weights) {
  return {.by_lane = {0, static_cast<int>(weights.urgent()), static_cast<int>(weights.high()),
                      static_cast<int>(weights.normal()), static_cast<int>(weights.low())}};
}

}  // namespace

const std::vector<pg::Migration>& SchemaMigrations() { return Migrations(); }

Rules ToRules(const config::v1::TaskQueueSettings& settings) {
  const auto& time = settings.time();
  Rules rules;
  rules.backoff = ToDurations(settings.retry().backoff());
  rules.max_losses = static_cast<int>(settings.retry().max_losses());
  rules.loss_cooldown = ToDurations(settings.retry().loss_cooldown());
  rules.max_releases = static_cast<int>(settings.retry().max_releases());
  rules.accept = app::ToDuration(time.accept());
  rules.run = app::ToDuration(time.run());
  rules.stuck_mechanical = app::ToDuration(time.stuck_mechanical());
  rules.stuck_with_model = app::ToDuration(time.stuck_with_model());
  rules.verification = app::ToDuration(time.verification());
  rules.cancel_grace = app::ToDuration(time.cancel_grace());
  rules.session_lease = app::ToDuration(time.session_lease());
  rules.shard_lease = app::ToDuration(time.shard_lease());
  return rules;
}

Retention ToRetention(const config::v1::RetentionConfig& config) {
  return {.finished = app::ToDuration(config.finished()),
          .events = app::ToDuration(config.events()),
          .ahead = app::ToDuration(config.partitions_ahead()),
          .request_ids = app::ToDuration(config.request_ids())};
}

// The composition: every part in the order in which it is made; steps last, so that they go first.
struct TaskQueueApp::Parts {
  Parts(app::Process& process, const config::v1::TaskQueueSettings& settings)
      : rules(ToRules(settings)),
        weights(ToWeights(settings.lanes())),
        sweep_interval(app::ToDuration(settings.time().sweep_interval())),
        clock(process.clock()),
        server(process.server()),
        store(process.pool(), process.clock(), process.ids()),
        read_pool(process.connect(), ReadPoolOptions(process.pool().options()), process.rng()),
        reads(read_pool, process.clock(), process.ids()),
        reading("reading", static_cast<std::size_t>(read_pool.options().max_sessions), kReadingQueue),
        cache(settings.limits().cached_tasks(), settings.limits().cached_bytes()),
        queue(rules, process.clock(), process.ids(), cache),
        meter(process.metrics()),
        watchers(store, process.clock(),
                 {.max_watchers = settings.limits().max_watchers(), .max_bytes = settings.limits().watch_bytes()}),
        ready(store, cache, process.blocking()),
        directives(store),
        verifying(store, process.clock(), process.blocking()),
        dependencies(store, lanes, process.clock(), [this] { dependency_step.Wake(); }),
        lanes(ToOptions(settings.batch(), absl::Seconds(10)), process.connect(),
              {.queue = queue,
               .ready = ready,
               .rng = process.rng(),
               .metrics = process.metrics(),
               .meter = meter,
               .store = store,
               .verifying = verifying,
               .dependencies = dependencies,
               .clock = process.clock(),
               .on_commit =
                   [this] {
                     if (watchers.wanted()) pump_step.Wake();
                   }}),
        sessions(rules, store, lanes, process.clock()),
        pump(store, cache,
             {.watchers = watchers,
              .ready = ready,
              .directives = directives,
              .verifying = verifying,
              .dependencies = dependencies}),
        due(store, lanes, process.clock()),
        reaper(rules, store, lanes, process.clock()),
        history(process.pool(), process.clock(), ToRetention(settings.retention())),
        deps{.store = store,
             .reads = reads,
             .lanes = lanes,
             .watchers = watchers,
             .ready = ready,
             .blocking = process.blocking(),
             .reading = reading,
             .clock = process.clock(),
             .meter = meter,
             .weights = weights},
        queue_rpc(process.server().gate(), deps),
        ledger_rpc(process.server().gate(), deps, directives, verifying, sessions, rules),
        pump_step(
            "events", [this] { Pump(); },
            [this] { return pump_more ? absl::ZeroDuration() : (watchers.wanted() ? kPumpWatched : kPumpIdle); }),
        catch_up_step(
            "watch", [this] { CatchUp(); }, [this] { return catch_up_more ? absl::ZeroDuration() : kCatchUpPeriod; }),
        sweep_step(
            "sweep", [this] { Sweep(); }, [this] { return sweep_interval; }),
        dependency_step(
            "dependencies", [this] { dependencies_log(dependencies.Tick().status()); },
            [this] { return dependencies.Period(); }),
        feed_step(
            "feeds", [this] { Feeds(); }, [] { return kFeedPeriod; }),
        stats_step(
            "stats", [this] { Stats(); }, [] { return kStatsPeriod; }),
        history_step(
            "history", [this] { History(); }, [this] { return history_wait; }) {
    probes.push_back(process.metrics().AddProbe("switchyard_task_queue_reads_queued", "Reads that wait for a thread.",
                                                [this] { return static_cast<double>(reading.queued()); }));
    probes.push_back(process.metrics().AddProbe("switchyard_task_queue_read_sessions_in_use",
                                                "Database sessions that read for people.",
                                                [this] { return static_cast<double>(read_pool.in_use()); }));
  }

  void Pump() {
    const absl::StatusOr<bool> more = pump.Tick();
    pump_log(more.status());
    pump_more = more.ok() && *more;
  }
  void CatchUp() {
    const absl::StatusOr<bool> more = watchers.CatchUp();
    catch_up_log(more.status());
    catch_up_more = more.ok() && *more;
  }
  void Sweep() {
    sweep_log(due.Tick().status());
    reaper_log(reaper.Tick().status());
  }
  void Feeds() {
    pauses_log(ready.RefreshPauses());
    directives_log(directives.Tick());
    verifying_log(verifying.Tick());
  }
  void Stats() {
    const absl::StatusOr<std::vector<StageCounts>> counts = store.CountByLane();
    stats_log(counts.status());
    if (counts.ok()) meter.SetCounts(*counts, clock.Now());
    meter.SetWatch(watchers.watchers(), watchers.buffered_bytes(), pump.lag());
    meter.SetCache(cache.entries(), cache.bytes());
    compact_log(history.Compact());
  }
  void History() {
    const absl::Status status = history.Tick();
    history_log(status);
    // What stands in its way, as a long reader, should not be met by it every second.
    history_wait =
        status.ok() ? kHistoryPeriod : std::min(std::max(kHistoryRetry, 2 * history_wait), kHistoryRetryMost);
    if (history.partitions_made()) server.SetReady(kPartitions, true);
  }

  const Rules rules;
  const LaneWeights weights;
  const absl::Duration sweep_interval;
  const Clock& clock;
  rpc::Server& server;
  PostgresTaskStore store;
  pg::Pool read_pool;
  PostgresTaskStore reads;
  // Stopped by Stop().
  BoundedExecutor reading;
  std::vector<std::unique_ptr<telemetry::Probe>> probes;
  RecordCache cache;
  TaskQueue queue;
  TaskQueueMeter meter;
  WatchHub watchers;
  ReadyFeed ready;
  DirectiveFeed directives;
  VerifyingFeed verifying;
  DependencyDesk dependencies;
  GroupCommitLanes lanes;
  SessionDesk sessions;
  EventPump pump;
  DueSweeper due;
  SessionReaper reaper;
  HistoryKeeper history;
  const RpcDeps deps;
  TaskQueueRpc queue_rpc;
  TaskLedgerRpc ledger_rpc;

  StepLog pump_log{"events"}, catch_up_log{"watch"}, sweep_log{"time limits"}, reaper_log{"sessions"},
      pauses_log{"pauses"}, directives_log{"directives"}, verifying_log{"verifying"}, dependencies_log{"dependencies"},
      stats_log{"stats"}, compact_log{"counts"}, history_log{"history"};
  bool pump_more = false;
  bool catch_up_more = false;
  absl::Duration history_wait;
  PeriodicTask pump_step, catch_up_step, sweep_step, dependency_step, feed_step, stats_step, history_step;
};

absl::Status TaskQueueApp::AddTo(app::Process& process, const config::v1::TaskQueueSettings& settings) {
  process.RequireSchema(kSchema, SchemaMigrations());
  auto parts = std::make_unique<Parts>(process, settings);
  process.server().SetReady(kPartitions, false);
  process.server().Register(parts->queue_rpc, v1::TaskQueueService::service_full_name());
  process.server().Register(parts->ledger_rpc, v1::TaskLedgerService::service_full_name());
  process.Add(std::unique_ptr<TaskQueueApp>(new TaskQueueApp(std::move(parts))));
  return absl::OkStatus();
}

TaskQueueApp::TaskQueueApp(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
TaskQueueApp::~TaskQueueApp() = default;

absl::Status TaskQueueApp::Start() {
  parts_->reading.Start();
  parts_->lanes.Start();
  parts_->history_step.Start();
  parts_->pump_step.Start();
  parts_->catch_up_step.Start();
  parts_->sweep_step.Start();
  parts_->dependency_step.Start();
  parts_->feed_step.Start();
  parts_->stats_step.Start();
  return absl::OkStatus();
}

void TaskQueueApp::Stop() {
  parts_->history.Cancel();
  for (PeriodicTask* step : {&parts_->stats_step, &parts_->feed_step, &parts_->dependency_step, &parts_->sweep_step,
                             &parts_->catch_up_step, &parts_->pump_step, &parts_->history_step}) {
    step->Stop();
  }
  parts_->reading.Stop();
  parts_->read_pool.Close();
  parts_->lanes.Stop();
}

}  // namespace switchyard::task_queue

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/rpc/caller.h"
#include "services/scheduler/grpc_wires.h"
#include "services/scheduler/matcher.h"
#include "services/scheduler/ready_convert.h"
#include "services/scheduler/route_desk.h"
#include "services/scheduler/route_source.h"
#include "services/scheduler/scheduler_meter.h"
#include "services/scheduler/scheduler_wires.h"
#include "switchyard/agent/v1/agent_dispatch.pb.h"
#include "switchyard/scheduler/v1/scheduler_admin.pb.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::scheduler {

struct SchedulerOptions {
  // Stable for the life of the process, and no other's.
  std::string id;
  LineLimits line;
  lanes::Weights weights = lanes::kDefaultWeights;
  // 0: all.
  int shards = 0;
  int batch = 500;
  absl::Duration lease_interval = absl::Milliseconds(500);
  absl::Duration sweep_interval = absl::Seconds(60);
  absl::Duration call_timeout = absl::Seconds(10);
};

// The loop around the matching core: leases shards; while it has some, hears of ready tasks and of agents' credits, has
// the core match them, has the ledger assign what was matched, one batch in flight and what comes up meanwhile in the
// next, and hands what was assigned to the hubs. Nothing on that way waits for a timer. Thread-safe.
//
// A process that loses its shards, or is stopped and comes back, does no harm: the ledger refuses its assignments.
class Scheduler {
 public:
  struct Deps {
    const Clock& clock;
    Rng& rng;
    RouteSource& routes;
    SchedulerMeter& meter;
  };

  // Borrows what `deps` refers to.
  Scheduler(SchedulerOptions options, const Deps& deps);
  ~Scheduler();

  // Borrows the callers; the channels are dropped by Stop.
  void Start(Peer ledger, std::vector<Peer> hubs);
  // As Start, but nothing happens by itself: whoever connects it calls RenewShards() and Upkeep(). For simulations.
  void Connect(std::unique_ptr<SchedulerWires> wires);
  // Gives the shards back and waits for what is under way.
  void Stop();

  // Whether the ledger answered the last question for shards. Called whenever that changes.
  void OnReady(std::function<void(bool)> changed) { on_ready_ = std::move(changed); }

  using Explained = std::function<void(absl::StatusOr<v1::ExplainTaskResponse>)>;
  void Explain(const v1::ExplainTaskRequest& request, const rpc::CallOptions& options, Explained done);
  v1::ListShardsResponse Shards() const;

  // One question for shards, every `lease_interval`. Blocks. With Upkeep, public for those that Connect.
  absl::Status RenewShards();
  // Every 50 ms.
  void Upkeep();

 private:
  struct Hub {
    int index = 0;
    std::string address;
    std::unique_ptr<Feed> stream;
    std::string watch_id;
    std::string hub_id;
    std::int64_t sequence = 0;
    bool connected = false;
    // A dispatch was not answered: whether it used credits is not known, so they are asked for anew.
    bool credits_unknown = false;
    absl::Status error = absl::UnavailableError("not connected yet");
    // An answer for assignments was lost, so agents here may have some that they were not told of.
    bool assigned_unknown = false;
    absl::flat_hash_map<std::uint32_t, AgentRef> handles;
    // By agent, the one above.
    StringMap<std::uint32_t> handle_of;
  };
  // Of one question to the route source.
  static constexpr std::size_t kMaxReservations = 200;

  // Calls under way keep the object alive through Stop.
  void Enter() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { ++under_way_; }
  void Leave();

  void SetShards(const task_queue::v1::AcquireShardsResponse& leased);
  void OpenFeeds();
  void CloseFeeds();
  void ReopenUnknown();
  task_queue::v1::WatchReadyRequest ReadyRequest();
  void Heard(const task_queue::v1::WatchReadyResponse& message);
  void HeardCapacity(Hub& hub, const agent::v1::WatchCapacityResponse& message);
  void HubEnded(Hub& hub, const absl::Status& status);
  void AddTasks(const google::protobuf::RepeatedPtrField<task_queue::v1::ReadyTask>& tasks, bool news)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddRouted(const task_queue::v1::ReadyTask& task, const Route& route) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetPauses(const task_queue::v1::PauseSet& pauses) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Asks for the routes that are missing, and hands holds to the ledger.
  void AskRoutes();
  void Routed(const std::vector<TaskId>& tasks, std::vector<Route> routes);
  void HoldTasks(task_queue::v1::HoldTasksRequest request);
  // How many more may be matched that are reserved first: while they are, they hold agents' credits, of which a router
  // that hangs must not have the most.
  int ReservationsLeft(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Asks for what is to be reserved before it is assigned.
  void Reserve(std::vector<Match> batch);
  void ReserveAnswered(std::vector<Match> batch, std::vector<Reserved> answers);

  // Matches and assigns, unless a batch is in flight; reads on, unless a page is.
  void Pump();
  void Assigned(std::vector<Match> batch, absl::Time start, absl::StatusOr<task_queue::v1::AssignTasksResponse> answer);
  Settled OutcomeOf(const Match& match, const task_queue::v1::ItemError& error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Dispatch(Hub& hub, agent::v1::DispatchRequest request, std::vector<Match> batch);
  void Dispatched(Hub& hub, const std::vector<Match>& batch, absl::Time start,
                  const absl::StatusOr<agent::v1::DispatchResponse>& answer);
  // Tells the ledger on behalf of agents that never got them.
  // `reserved`: as the reports, what is reserved for them.
  void HandBack(task_queue::v1::ReportTasksRequest reports, std::vector<std::optional<RouteKey>> reserved);
  void ReadOn();
  void PageAnswered(const Page& page, absl::Time start,
                    const absl::StatusOr<task_queue::v1::ReadReadyResponse>& answer);
  void FillExplanation(const v1::ExplainTaskRequest& request, const task_queue::v1::DescribeTaskResponse& task,
                       v1::ExplainTaskResponse& out);

  const SchedulerOptions options_;
  const Clock& clock_;
  Rng& rng_;
  RouteSource& routes_;
  SchedulerMeter& meter_;
  std::function<void(bool)> on_ready_;

  std::unique_ptr<SchedulerWires> wires_;
  std::vector<std::unique_ptr<Hub>> hubs_;
  // Touched by the lease step alone.
  std::unique_ptr<Feed> ready_stream_;
  bool feeds_open_ = false;

  mutable Mutex mutex_;
  CondVar nothing_under_way_;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = true;
  Matcher matcher_ ABSL_GUARDED_BY(mutex_);
  ReadyConvert convert_ ABSL_GUARDED_BY(mutex_);
  std::array<std::int64_t, kShards> epochs_ ABSL_GUARDED_BY(mutex_) = {};
  std::array<bool, kShards> held_ ABSL_GUARDED_BY(mutex_) = {};
  absl::Time lease_end_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool ledger_answers_ ABSL_GUARDED_BY(mutex_) = false;
  bool feed_live_ ABSL_GUARDED_BY(mutex_) = false;
  bool assigning_ ABSL_GUARDED_BY(mutex_) = false;
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time assign_after_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time read_after_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool read_failed_ ABSL_GUARDED_BY(mutex_) = false;
  // As large as one may be, until answers tell.
  std::size_t largest_spec_ ABSL_GUARDED_BY(mutex_) = 1u << 20;
  int batch_limit_ ABSL_GUARDED_BY(mutex_);
  absl::Time sweep_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  RouteDesk desk_ ABSL_GUARDED_BY(mutex_);
  int reserving_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time reserve_after_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // Reserved, to be assigned with the next batch.
  std::vector<Match> reserved_ ABSL_GUARDED_BY(mutex_);
  // What agents offer to routes, as of this version of the fleet.
  std::vector<std::string> offered_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t offered_version_ ABSL_GUARDED_BY(mutex_) = 0;

  PeriodicTask lease_step_;
  PeriodicTask upkeep_step_;
};

}  // namespace switchyard::scheduler

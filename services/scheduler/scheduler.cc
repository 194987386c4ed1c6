#include "services/scheduler/scheduler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"

namespace switchyard::scheduler {
namespace {

using task_queue::v1::AcquireShardsRequest;
using task_queue::v1::AcquireShardsResponse;
using task_queue::v1::AssignTasksRequest;
using task_queue::v1::AssignTasksResponse;
using task_queue::v1::ReportTasksRequest;
using task_queue::v1::ReportTasksResponse;

constexpr absl::Duration kUpkeep = absl::Milliseconds(50);
constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(2);
constexpr absl::Duration kShortCall = absl::Seconds(2);
// Of specifications in one answer of the ledger, as far as the last ones tell; and in one call to a hub.
constexpr std::size_t kAnswerBytes = 64u << 20;
constexpr std::size_t kDispatchBytes = 4u << 20;

int BatchLimit(std::size_t largest_spec, int most) {
  return static_cast<int>(std::clamp<std::size_t>(kAnswerBytes / largest_spec, 1, static_cast<std::size_t>(most)));
}

absl::Duration Jittered(absl::Duration full, Rng& rng) { return full * (0.5 + 0.5 * rng.Unit()); }

}  // namespace

Scheduler::Scheduler(SchedulerOptions options, const Deps& deps)
    : options_(std::move(options)),
      clock_(deps.clock),
      rng_(deps.rng),
      routes_(deps.routes),
      meter_(deps.meter),
      matcher_(options_.line, options_.weights),
      batch_limit_(BatchLimit(largest_spec_, options_.batch)),
      lease_step_(
          "shards",
          [this] {
            if (const absl::Status status = RenewShards(); !status.ok()) {
              LogDebug("shards could not be renewed", {{"status", status}});
            }
          },
          [this] { return options_.lease_interval * (0.9 + 0.1 * rng_.Unit()); }),
      upkeep_step_(
          "upkeep", [this] { Upkeep(); }, [] { return kUpkeep; }) {}

Scheduler::~Scheduler() { Stop(); }

void Scheduler::Connect(std::unique_ptr<SchedulerWires> wires) {
  wires_ = std::move(wires);
  for (int index = 0; index < wires_->hubs(); ++index) {
    auto hub = std::make_unique<Hub>();
    hub->index = index;
    hub->address = wires_->hub_address(index);
    hubs_.push_back(std::move(hub));
  }
  MutexLock lock(mutex_);
  stopping_ = false;
}

void Scheduler::Start(Peer ledger, std::vector<Peer> hubs) {
  Connect(std::make_unique<GrpcWires>(std::move(ledger), std::move(hubs)));
  lease_step_.Start();
  upkeep_step_.Start();
}

void Scheduler::Stop() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  lease_step_.Stop();
  upkeep_step_.Stop();
  CloseFeeds();
  {
    MutexLock lock(mutex_);
    while (under_way_ > 0) nothing_under_way_.Wait(mutex_);
  }
  std::vector<RouteKey> unused;
  {
    MutexLock lock(mutex_);
    for (const Match& match : std::exchange(reserved_, {})) unused.push_back({match.task, match.generation + 1});
  }
  if (!unused.empty()) routes_.Release(std::move(unused));
  // So that another one need not wait for the lease to end.
  AcquireShardsRequest release;
  release.set_owner_id(options_.id);
  release.set_release(true);
  const auto released = wires_->AcquireShards(release, kShortCall);
  if (!released.ok()) LogInfo("shards are left to expire", {{"status", released.status()}});
  hubs_.clear();
  wires_.reset();
}

void Scheduler::Leave() {
  MutexLock lock(mutex_);
  if (--under_way_ == 0) nothing_under_way_.NotifyAll();
}

absl::Status Scheduler::RenewShards() {
  AcquireShardsRequest request;
  request.set_owner_id(options_.id);
  request.set_want(options_.shards);
  const absl::StatusOr<AcquireShardsResponse> answer =
      wires_->AcquireShards(request, std::min(kShortCall, options_.call_timeout));
  bool changed = false;
  {
    MutexLock lock(mutex_);
    changed = ledger_answers_ != answer.ok();
    ledger_answers_ = answer.ok();
  }
  if (changed) {
    if (answer.ok()) LogInfo("the task queue answers", {{"address", wires_->ledger_address()}});
    if (!answer.ok()) LogWarning("the task queue does not answer", {{"status", answer.status()}});
    if (on_ready_) on_ready_(answer.ok());
  }
  if (!answer.ok()) return answer.status();
  SetShards(*answer);
  ReopenUnknown();
  return absl::OkStatus();
}

void Scheduler::SetShards(const AcquireShardsResponse& leased) {
  std::array<std::int64_t, kShards> epochs = {};
  std::array<bool, kShards> held = {};
  int count = 0;
  for (const task_queue::v1::ShardLease& lease : leased.shards()) {
    if (lease.shard() < 0 || lease.shard() >= kShards) continue;
    epochs[lease.shard()] = lease.epoch();
    held[lease.shard()] = true;
    ++count;
  }
  bool same = false;
  {
    MutexLock lock(mutex_);
    lease_end_ =
        absl::FromUnixSeconds(leased.expire_time().seconds()) + absl::Nanoseconds(leased.expire_time().nanos());
    same = held == held_ && epochs == epochs_;
    if (!same) {
      held_ = held;
      epochs_ = epochs;
      feed_live_ = false;
      matcher_.line().SetShards(held);
      desk_.Clear();
    }
  }
  if (same) return;
  LogInfo("shards", {{"held", count}});
  if (count == 0) return CloseFeeds();
  if (feeds_open_) {
    ready_stream_->Reopen();
  } else {
    OpenFeeds();
  }
}

void Scheduler::Pump() {
  AssignTasksRequest request;
  std::vector<Match> batch;
  std::vector<Match> to_reserve;
  const absl::Time start = clock_.Now();
  {
    MutexLock lock(mutex_);
    if (stopping_ || assigning_ || start < assign_after_) return;
    if (matcher_.line().waiting() > 0 && matcher_.fleet().free_credits() > 0) {
      batch = matcher_.Run(batch_limit_, ReservationsLeft(start));
      meter_.Matched(clock_.Now() - start, static_cast<int>(batch.size()));
      const auto routed = std::stable_partition(batch.begin(), batch.end(), [](const Match& match) {
        return match.ticket == nullptr || match.ticket->decision.empty();
      });
      to_reserve.assign(std::make_move_iterator(routed), std::make_move_iterator(batch.end()));
      batch.erase(routed, batch.end());
      reserving_ += static_cast<int>(to_reserve.size());
      for (std::size_t i = 0; i < to_reserve.size(); i += kMaxReservations) Enter();
    }
    while (!reserved_.empty() && static_cast<int>(batch.size()) < batch_limit_) {
      batch.push_back(std::move(reserved_.back()));
      reserved_.pop_back();
    }
    assigning_ = !batch.empty();
    if (assigning_) Enter();
    request.mutable_assignments()->Reserve(static_cast<int>(batch.size()));
    for (const Match& match : batch) {
      task_queue::v1::Assignment& assignment = *request.add_assignments();
      assignment.set_task_id(match.task.ToString());
      assignment.set_generation(match.generation);
      assignment.set_agent_id(match.agent_id);
      assignment.set_session_epoch(match.session_epoch);
      assignment.set_shard_epoch(epochs_[match.shard]);
      if (match.ticket != nullptr) {
        assignment.set_routing(match.ticket->annotation);
        assignment.set_route_summary(match.ticket->summary);
      }
    }
  }
  Reserve(std::move(to_reserve));
  if (batch.empty()) return;
  // Shared only because std::function must be copyable.
  const auto matches = std::make_shared<std::vector<Match>>(std::move(batch));
  wires_->AssignTasks(std::move(request), options_.call_timeout,
                      [this, matches, start](absl::StatusOr<AssignTasksResponse> answer) {
                        Assigned(std::move(*matches), start, std::move(answer));
                      });
}

Settled Scheduler::OutcomeOf(const Match& match, const task_queue::v1::ItemError& error) {
  meter_.Refused(error.reason());
  if (error.reason() == "STALE_SHARD_EPOCH") {
    lease_step_.Wake();
    return Settled::kGone;
  }
  if (error.reason() == "STALE_SESSION") return Settled::kSessionOver;
  if (error.reason() == "STALE_GENERATION" || error.reason() == "TASK_NOT_READY" ||
      error.reason() == "TASK_NOT_FOUND") {
    return Settled::kGone;
  }
  if (error.code() == static_cast<int>(absl::StatusCode::kUnavailable) ||
      error.code() == static_cast<int>(absl::StatusCode::kResourceExhausted)) {
    return Settled::kBack;
  }
  LogWarning("an assignment is refused", {{"task_id", match.task.ToString()},
                                          {"agent_id", match.agent_id},
                                          {"reason", error.reason()},
                                          {"message", error.message()}});
  return Settled::kGone;
}

void Scheduler::Assigned(std::vector<Match> batch, absl::Time start, absl::StatusOr<AssignTasksResponse> answer) {
  struct Outgoing {
    Hub* hub;
    agent::v1::DispatchRequest request;
    std::vector<Match> batch;
    std::size_t bytes = 0;
  };
  std::vector<Outgoing> outgoing;
  const absl::Time now = clock_.Now();
  meter_.AssignAnswered(now - start);
  if (answer.ok() && answer->results_size() != static_cast<int>(batch.size())) {
    answer = absl::InternalError("the task queue answered another number of assignments");
  }
  if (!answer.ok()) LogWarning("tasks could not be assigned", {{"status", answer.status()}});
  bool ask_anew = false;
  {
    MutexLock lock(mutex_);
    bool failed = !answer.ok();
    std::size_t largest = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Match& match = batch[i];
      if (!answer.ok()) {
        // It may have happened: then the next try is refused. Once the ledger answers again the hub is left and joined
        // anew, and so looks for what its agents were not told of.
        hubs_[match.hub]->assigned_unknown = true;
        matcher_.Settle(match, Settled::kBack);
        continue;
      }
      task_queue::v1::AssignResult& result = *answer->mutable_results(static_cast<int>(i));
      if (result.has_error()) {
        const Settled outcome = OutcomeOf(match, result.error());
        failed = failed || outcome == Settled::kBack;
        // Nothing is released: an earlier try whose answer was lost may have assigned it under this very generation.
        // The router looks after what nobody uses.
        if (outcome == Settled::kGone) desk_.Forget(match.task);
        matcher_.Settle(match, outcome);
        continue;
      }
      matcher_.Settle(match, Settled::kAssigned);
      desk_.Forget(match.task);
      meter_.Assigned(now - match.since);
      Hub* const hub = hubs_[match.hub].get();
      auto place = std::find_if(outgoing.begin(), outgoing.end(),
                                [&](const Outgoing& out) { return out.hub == hub && out.bytes < kDispatchBytes; });
      if (place == outgoing.end()) {
        outgoing.push_back({.hub = hub, .request = {}, .batch = {}});
        place = std::prev(outgoing.end());
        place->request.set_scheduler_id(options_.id);
        place->request.set_watch_id(hub->watch_id);
      }
      const std::size_t bytes = result.spec().ByteSizeLong() + result.state_summary().size();
      largest = std::max(largest, bytes);
      place->bytes += bytes;
      agent::v1::DispatchItem& item = *place->request.add_items();
      item.set_agent_id(match.agent_id);
      item.set_session_epoch(match.session_epoch);
      agent::v1::Assignment& assignment = *item.mutable_assignment();
      assignment.mutable_task_id()->swap(*result.mutable_task_id());
      assignment.set_generation(result.generation());
      assignment.mutable_spec()->Swap(result.mutable_spec());
      assignment.mutable_accept_by()->Swap(result.mutable_accept_by());
      assignment.mutable_traceparent()->swap(*result.mutable_traceparent());
      assignment.mutable_state_summary()->swap(*result.mutable_state_summary());
      if (match.ticket != nullptr) assignment.set_routing(match.ticket->annotation);
      place->batch.push_back(std::move(match));
      place->batch.back().generation = result.generation();
    }
    if (largest > 0) {
      largest_spec_ = std::max(largest, largest_spec_ - largest_spec_ / 16);
      batch_limit_ = BatchLimit(largest_spec_, options_.batch);
    }
    if (failed) {
      const absl::Duration pause = std::min(kLongestPause, kFirstPause * std::pow(2, std::min(failures_++, 10)));
      assign_after_ = now + Jittered(pause, rng_);
    } else {
      failures_ = 0;
    }
    if (answer.ok()) {
      for (const std::unique_ptr<Hub>& hub : hubs_) {
        if (!std::exchange(hub->assigned_unknown, false)) continue;
        hub->credits_unknown = true;
        ask_anew = true;
      }
    }
    assigning_ = false;
    under_way_ += static_cast<int>(outgoing.size());
  }
  if (ask_anew) lease_step_.Wake();
  for (Outgoing& out : outgoing) Dispatch(*out.hub, std::move(out.request), std::move(out.batch));
  Pump();
  ReadOn();
  Leave();
}

void Scheduler::Dispatch(Hub& hub, agent::v1::DispatchRequest request, std::vector<Match> batch) {
  const auto matches = std::make_shared<std::vector<Match>>(std::move(batch));
  const absl::Time start = clock_.Now();
  wires_->Dispatch(hub.index, std::move(request), options_.call_timeout,
                   [this, &hub, matches, start](const absl::StatusOr<agent::v1::DispatchResponse>& answer) {
                     Dispatched(hub, *matches, start, answer);
                   });
}

void Scheduler::Dispatched(Hub& hub, const std::vector<Match>& batch, absl::Time start,
                           const absl::StatusOr<agent::v1::DispatchResponse>& answer) {
  meter_.DispatchAnswered(clock_.Now() - start);
  ReportTasksRequest reports;
  std::vector<std::optional<RouteKey>> returned;
  if (!answer.ok()) {
    // The agents may have them. If not, their hub finds them at the ledger: it looks there when a scheduler leaves it,
    // as this one does now to ask for the credits anew.
    LogWarning("a hub did not answer for assigned tasks",
               {{"hub", hub.address}, {"tasks", batch.size()}, {"status", answer.status()}});
    meter_.DispatchRefused("UNANSWERED");
    {
      MutexLock lock(mutex_);
      hub.credits_unknown = true;
    }
    lease_step_.Wake();
  } else {
    MutexLock lock(mutex_);
    for (int i = 0; i < std::min(answer->results_size(), static_cast<int>(batch.size())); ++i) {
      const agent::v1::DispatchResult& result = answer->results(i);
      if (!result.has_error()) continue;
      const Match& match = batch[i];
      meter_.DispatchRefused(result.error().reason());
      matcher_.fleet().Return(match.agent, match.session_epoch);
      const bool session_over = result.error().reason() == "STALE_SESSION";
      if (session_over || result.error().reason() == "AGENT_NOT_HERE") {
        matcher_.fleet().MarkStale(match.agent, match.session_epoch);
      }
      // The newer session was told of it when it was opened.
      if (session_over) continue;
      returned.push_back(match.reserved ? std::optional(RouteKey{match.task, match.generation}) : std::nullopt);
      task_queue::v1::TaskReport& report = *reports.add_reports();
      report.set_task_id(match.task.ToString());
      report.set_generation(match.generation);
      report.set_agent_id(match.agent_id);
      report.set_session_epoch(match.session_epoch);
      if (result.error().reason() == "AGENT_NOT_HERE") {
        report.mutable_released()->set_reason(result.error().reason());
      } else {
        report.mutable_rejected()->set_reason(result.error().reason());
        report.mutable_rejected()->set_message(result.error().message());
      }
    }
  }
  if (reports.reports_size() > 0) HandBack(std::move(reports), std::move(returned));
  Pump();
  Leave();
}

void Scheduler::HandBack(ReportTasksRequest reports, std::vector<std::optional<RouteKey>> reserved) {
  {
    MutexLock lock(mutex_);
    Enter();
  }
  wires_->ReportTasks(std::move(reports), options_.call_timeout,
                      [this, reserved = std::move(reserved)](const absl::StatusOr<ReportTasksResponse>& answer) {
                        // Left undone, the time for accepting returns them.
                        if (!answer.ok()) LogWarning("tasks were not handed back", {{"status", answer.status()}});
                        std::vector<RouteKey> returned;
                        for (int i = 0; answer.ok() && i < answer->results_size(); ++i) {
                          const std::optional<RouteKey>& key = reserved[static_cast<std::size_t>(i)];
                          // What the ledger did not take back may run.
                          if (key.has_value() && !answer->results(i).has_error()) returned.push_back(*key);
                        }
                        if (!returned.empty()) routes_.Release(std::move(returned));
                        Leave();
                      });
}

void Scheduler::Upkeep() {
  const absl::Time now = clock_.Now();
  {
    MutexLock lock(mutex_);
    if (feed_live_ && now >= sweep_at_) {
      // Hints may be lost; a pass that takes long comes less often.
      if (matcher_.line().walked()) matcher_.line().StartPass();
      sweep_at_ = now + Jittered(options_.sweep_interval, rng_);
      desk_.ForgetUnless([this](const TaskId& id)
                             ABSL_NO_THREAD_SAFETY_ANALYSIS { return matcher_.line().Find(id) != nullptr; });
    }
    desk_.Upkeep(now);
    const WaitingLine::Tally tally = matcher_.line().CountByReason();
    meter_.SetWaiting(tally.unserved, tally.paused, tally.busy,
                      matcher_.line().waiting() - tally.unserved - tally.paused - tally.busy);
  }
  AskRoutes();
  Pump();
  ReadOn();
}

}  // namespace switchyard::scheduler
